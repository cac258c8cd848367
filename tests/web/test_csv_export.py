"""CSV that no spreadsheet computes, and that reads back as it was written."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from webapp.core.actor import Role
from webapp.web.csv_export import cell, csv_lines, download

DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


def read_back(heading: list[str], rows: list[list[Any]]) -> list[list[str]]:
    written = b"".join(csv_lines(heading, rows)).decode("utf-8-sig")
    return list(csv.reader(io.StringIO(written, newline="")))


@given(TEXT)
@example('=HYPERLINK("http://x")')
@example("-1+1")
@example("@SUM(A1)")
def test_no_text_begins_like_a_formula_and_nothing_is_lost(text: str) -> None:
    shown = cell(text)
    assert not shown.startswith(DANGEROUS)
    assert shown.removeprefix("'") == text if text.startswith(DANGEROUS) else shown == text


@pytest.mark.parametrize("beginning", DANGEROUS)
def test_each_beginning_of_a_formula_is_made_text(beginning: str) -> None:
    assert cell(beginning + "1") == "'" + beginning + "1"
    assert cell("1" + beginning) == "1" + beginning


@given(st.lists(st.lists(TEXT, min_size=3, max_size=3), max_size=5))
@example([["a;=1+1", 'b"c', "d\r\ne"], [",", "", '"']])
def test_rows_read_back_as_they_were_written(rows: list[list[str]]) -> None:
    found = read_back(["one", "two", "three"], rows)
    assert found == [["one", "two", "three"], *[[cell(text) for text in row] for row in rows]]


def test_every_cell_is_quoted_so_that_no_other_separator_splits_it() -> None:
    written = b"".join(csv_lines(["a"], [["x;=1+1"], [7]])).decode("utf-8-sig")
    assert written == '"a"\r\n"x;=1+1"\r\n"7"\r\n'


def test_values_are_written_for_machines() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))
    values: list[Any] = [
        None, True, False, -5, -1.5, Decimal("-0.10"), date(2027, 1, 4), time(16),
        datetime(2027, 1, 1, 9, tzinfo=kolkata), datetime(2027, 1, 1, 3, 30, 0, 5, tzinfo=UTC), Role.ADMIN,
    ]  # fmt: skip
    assert [cell(value) for value in values] == [
        "", "yes", "no", "-5", "-1.5", "-0.10", "2027-01-04", "16:00:00",
        "2027-01-01T03:30:00.000000Z", "2027-01-01T03:30:00.000005Z", "admin",
    ]  # fmt: skip
    with pytest.raises(TypeError):
        cell({"a": 1})


def test_a_long_file_comes_in_pieces_and_reads_rows_as_it_goes() -> None:
    asked = 0

    def rows() -> Iterator[list[str]]:
        nonlocal asked
        for _ in range(3000):
            asked += 1
            yield ["x" * 50]

    pieces = csv_lines(["a"], rows())
    first = next(pieces)
    assert first.startswith("\ufeff".encode())
    assert 0 < asked < 3000
    assert (first + b"".join(pieces)).count(b"\r\n") == 3001
    assert asked == 3000


def test_a_download_is_a_file_and_kept_nowhere_else() -> None:
    answer = download("audit-2027-01-01.csv", [b"x"])
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit-2027-01-01.csv"'
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    for name in ('a".csv', "a\r\nb", "../a", "", "a b"):
        with pytest.raises(ValueError, match="no name"):
            download(name, [])
