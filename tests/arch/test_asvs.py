"""The table of security requirements says something about each, and everything it points to exists.

``docs/security/asvs.csv`` answers OWASP ASVS 5.0.0, levels 1 and 2, requirement by requirement.
"""

from __future__ import annotations

import ast
import csv
import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
TABLE = ROOT / "docs/security/asvs.csv"
PUBLISHED = ROOT.parent / "shared/data/owasp-asvs-5.0.0.csv"
COLUMNS = ("id", "level", "requirement", "applies_or_why_not", "where", "tests")
Row = dict[str, str]

IN_CHAPTER = {
    1: (8, 19),
    2: (4, 7),
    3: (8, 11),
    4: (2, 8),
    5: (4, 5),
    6: (13, 22),
    7: (6, 12),
    8: (4, 3),
    9: (4, 3),
    10: (5, 24),
    11: (3, 11),
    12: (3, 6),
    13: (1, 12),
    14: (2, 7),
    15: (3, 10),
    16: (0, 16),
    17: (0, 7),
}
"""How many requirements of level 1 and of level 2 each chapter of ASVS 5.0.0 has: 70 and 183."""
DIGEST = "3765ed9541ee1523694f731f53d3201978aa23cf9cac70481d40476d8a2d1e27"
"""SHA-256 over ``id level`` of all of them, one a line, in the order of the standard."""
DOCUMENTED = re.compile(r"V(?:2\.1|5\.1|6\.1|7\.1|8\.1|11\.1|13\.1|14\.1|15\.1|16\.1)\.\d+")
"""Sections of the standard that ask for something written down, which no test can show."""
WHY = re.compile(r"(does not apply|partly): \S.{8,}", re.DOTALL)


def rows_of(path: Path) -> list[Row]:
    """The table; every row has every column."""
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.DictReader(file)
        assert tuple(reader.fieldnames or ()) == COLUMNS
        return [{key: value or "" for key, value in row.items() if key is not None} for row in reader]


@lru_cache(maxsize=128)
def names_of_tests(path: Path) -> frozenset[str]:
    """Names of the tests of a file, as pytest would collect them, parametrised ones by their function."""
    found = set()
    for node in ast.parse(path.read_text("utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            found.add(node.name)
        elif isinstance(node, ast.ClassDef):
            inside = (one for one in node.body if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef))
            found |= {f"{node.name}::{one.name}" for one in inside}
    return frozenset(name for name in found if name.rpartition("::")[2].startswith("test_"))


@lru_cache(maxsize=32)
def anchors_in(path: Path) -> frozenset[str]:
    """The anchors of a document's headings, as forges make them of the words."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    headings = re.findall(r"^#{1,6} +(.+?) *$", text, flags=re.MULTILINE)
    return frozenset(re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings)


def missing_place(place: str, root: Path) -> str | None:
    """Why a place, ``path`` or ``path.md#anchor``, is none; ``None`` when it is there."""
    name, _hash, anchor = place.partition("#")
    path = root / name
    if not name or ".." in Path(name).parts or not path.exists():
        return f"there is no {name}"
    if anchor and anchor not in anchors_in(path):
        return f"{name} has no section {anchor}"
    return None


def missing_test(node_id: str, root: Path) -> str | None:
    """Why a node id names no test; ``None`` when it does. What a parametrised one is called with is cut off."""
    name, _colons, test = node_id.partition("[")[0].partition("::")
    path = root / name
    if not name.startswith("tests/") or not path.is_file():
        return f"there is no {name}"
    return None if test in names_of_tests(path) else f"{name} has no {test}"


def faults_of(row: Row, root: Path = ROOT) -> list[str]:
    """What is wrong with a row."""
    found = [f"{column} is empty" for column in COLUMNS if not row[column].strip()]
    said, shown = row["applies_or_why_not"], [one.strip() for one in row["tests"].split(";")]
    if said != "applies" and not WHY.match(said):
        found.append("says neither that it applies nor why it does not, or what is missing")
    found += [fault for place in row["where"].split(";") if (fault := missing_place(place.strip(), root))]
    for one in shown:
        kind, colon, place = one.partition(": ")
        fault = missing_place(place, root) if colon and kind in ("document", "operations") else missing_test(one, root)
        if fault:
            found.append(fault)
    tested = any(one.startswith("tests/") for one in shown)
    operated = all(one.startswith("operations: ") for one in shown)
    if said == "applies" and not tested and not operated and not DOCUMENTED.fullmatch(row["id"]):
        found.append("applies to the code and no test shows it")
    return [f"{row['id']}: {fault}" for fault in found]


def digest_of(rows: Iterable[Row]) -> str:
    """The digest of ids and levels, in the order they stand in."""
    return hashlib.sha256("\n".join(f"{row['id']} {row['level']}" for row in rows).encode()).hexdigest()


def test_every_requirement_of_both_levels_stands_there_once_and_in_order() -> None:
    rows = rows_of(TABLE)
    counted = Counter((int(row["id"][1:].split(".")[0]), row["level"]) for row in rows)
    assert {chapter: (counted[chapter, "1"], counted[chapter, "2"]) for chapter in IN_CHAPTER} == IN_CHAPTER
    assert (sum(row["level"] == "1" for row in rows), sum(row["level"] == "2" for row in rows)) == (70, 183)
    assert len({row["id"] for row in rows}) == len(rows) == 253
    assert digest_of(rows) == DIGEST


def test_ids_and_levels_are_the_published_ones() -> None:
    if not PUBLISHED.is_file():
        pytest.skip("the published requirements are not beside this clone")
    with PUBLISHED.open(encoding="utf-8-sig", newline="") as file:
        published = [(row["req_id"], row["L"], row["req_description"]) for row in csv.DictReader(file)]
    wanted = [(id_, level, text) for id_, level, text in published if level in ("1", "2")]
    rows = rows_of(TABLE)
    assert [(row["id"], row["level"]) for row in rows] == [(id_, level) for id_, level, _text in wanted]
    # In our own words: nothing of some length is the standard's.
    copied = [
        row["id"] for row, (_i, _l, text) in zip(rows, wanted, strict=True) if long_common(row["requirement"], text)
    ]
    assert copied == []


def long_common(ours: str, theirs: str, words: int = 9) -> bool:
    """Whether so many words in a row stand in both."""
    told = re.findall(r"\w+", ours.lower())
    beside = " ".join(re.findall(r"\w+", theirs.lower()))
    return any(" ".join(told[at : at + words]) in beside for at in range(len(told) - words + 1))


def test_no_cell_is_empty_and_all_that_is_named_exists() -> None:
    assert [fault for row in rows_of(TABLE) for fault in faults_of(row)] == []


SOUND: Row = {
    "id": "V3.5.1",
    "level": "1",
    "requirement": "Changing requests come from the desk's own pages.",
    "applies_or_why_not": "applies",
    "where": "tests/arch/test_asvs.py; CONTRIBUTING.md#tests",
    "tests": "tests/arch/test_asvs.py::test_a_sound_row_has_nothing_to_say; document: CONTRIBUTING.md#tests",
}


def test_a_sound_row_has_nothing_to_say() -> None:
    assert faults_of(SOUND) == []


@pytest.mark.parametrize(
    "changed",
    [
        {"requirement": " "},
        {"where": ""},
        {"tests": ""},
        {"applies_or_why_not": "yes"},
        {"applies_or_why_not": "does not apply"},
        {"applies_or_why_not": "partly: "},
        {"where": "webapp/no_such_file.py"},
        {"where": "../etc/passwd"},
        {"where": "CONTRIBUTING.md#no-such-section"},
        {"tests": "tests/arch/test_asvs.py::test_that_nobody_wrote"},
        {"tests": "tests/arch/test_no_such_file.py::test_a_sound_row_has_nothing_to_say"},
        {"tests": "tests/arch/test_asvs.py::test_a_sound_row_has_nothing_to_say; tests/arch/test_asvs.py::faults_of"},
        {"tests": "document: docs/no-such-document.md"},
        {"tests": "document: CONTRIBUTING.md#tests"},
        {"tests": "it is so"},
    ],
    ids=lambda changed: next(iter(changed.items()))[1][:40] or "empty",
)
def test_each_fault_of_a_row_is_found(changed: Row) -> None:
    assert faults_of(SOUND | changed) != []


def test_a_test_of_a_parametrised_name_counts_by_its_function() -> None:
    assert missing_test("tests/arch/test_asvs.py::test_each_fault_of_a_row_is_found[empty]", ROOT) is None


def test_a_row_that_is_gone_or_has_another_level_is_found() -> None:
    rows = rows_of(TABLE)
    assert digest_of(rows[1:]) != DIGEST
    assert digest_of([rows[0] | {"level": "1" if rows[0]["level"] == "2" else "2"}, *rows[1:]]) != DIGEST


def test_a_copied_sentence_is_found() -> None:
    theirs = "Verify that each cookie is sent over encrypted connections and to nobody else at all, ever."
    assert long_common("Each cookie is sent over encrypted connections and to nobody else.", theirs)
    assert not long_common("Cookies travel encrypted only.", theirs)
