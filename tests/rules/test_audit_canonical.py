"""The canonical form and the seal, on chains made at random: no two entries share a form, every change shows."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

from hypothesis import assume, given
from hypothesis import strategies as st

from webapp.audit.canonical import COLUMNS, GENESIS, canonical, seal

Stored = tuple[str | None, ...]
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)
NUMBERS = st.integers() | st.decimals(allow_nan=False, allow_infinity=False, places=3)
DOCUMENTS = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)


def as_stored(document: Any) -> str:
    """A document as PostgreSQL writes it: numbers in plain digits."""
    if isinstance(document, Decimal):
        return f"{document:f}"
    if isinstance(document, dict):
        return "{" + ", ".join(f"{json.dumps(key)}: {as_stored(value)}" for key, value in document.items()) + "}"
    if isinstance(document, list):
        return "[" + ", ".join(map(as_stored, document)) + "]"
    return json.dumps(document)


def column(name: str) -> st.SearchStrategy[str | None]:
    """What may stand in a column."""
    if name in ("before", "after"):
        return st.none() | DOCUMENTS.map(as_stored)
    if name == "at":
        return st.datetimes().map(str)
    return st.none() | TEXT


ENTRIES: st.SearchStrategy[Stored] = st.tuples(*map(column, COLUMNS))


def _number(digits: str) -> tuple[str, str]:
    return ("number", digits)


def meant(entry: Stored) -> list[Any]:
    """What an entry says, by another reader: ``at`` as the instant, documents as values with exact numbers."""
    read: list[Any] = []
    for name, value in zip(COLUMNS, entry, strict=True):
        if name in ("before", "after") and value is not None:
            read.append(("document", json.loads(value, parse_float=_number, parse_int=_number)))
        else:
            read.append(
                value if name != "at" or value is None else (value + ".000000")[: len("2000-01-01 00:00:00.000000")]
            )
    return read


def sealed(chain: list[Stored]) -> list[bytes]:
    """The seals of a chain."""
    seals, head = [], GENESIS
    for entry in chain:
        head = seal(head, canonical(entry))
        seals.append(head)
    return seals


@given(ENTRIES, ENTRIES)
def test_two_entries_have_one_form_only_if_they_say_the_same(one: Stored, other: Stored) -> None:
    assert (canonical(one) == canonical(other)) == (meant(one) == meant(other))


@given(ENTRIES)
def test_the_form_is_json_with_sorted_keys_and_reads_back(entry: Stored) -> None:
    form = canonical(entry)
    read = json.loads(form, object_pairs_hook=lambda pairs: pairs)
    names = [name for name, _value in read]
    assert names == sorted(names)
    assert set(names) == {"v", *(name for name, value in zip(COLUMNS, entry, strict=True) if value is not None)}
    form.encode("utf-8")


@given(st.lists(ENTRIES, min_size=1, max_size=6), st.data())
def test_any_single_change_in_any_chain_shows_at_exactly_its_place(chain: list[Stored], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    field = data.draw(st.integers(0, len(COLUMNS) - 1))
    to = data.draw(column(COLUMNS[field]))
    entry = chain[place]
    changed = (*entry[:field], to, *entry[field + 1 :])
    assume(canonical(changed) != canonical(entry))
    seals = sealed(chain)
    for number, (found, seal_of) in enumerate(zip([*chain[:place], changed, *chain[place + 1 :]], seals, strict=True)):
        previous = seals[number - 1] if number else GENESIS
        assert (seal(previous, canonical(found)) == seal_of) == (number != place)
    assert sealed([*chain[:place], changed, *chain[place + 1 :]])[place:] != seals[place:]


@given(st.lists(ENTRIES, min_size=2, max_size=6, unique=True), st.data())
def test_what_is_taken_out_or_put_between_shows(chain: list[Stored], data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(chain) - 1))
    without = [*chain[:place], *chain[place + 1 :]]
    assert sealed(without)[place:] != sealed(chain)[place : len(without)] or place == len(without)
    extra = data.draw(ENTRIES)
    assume(canonical(extra) != canonical(chain[place]))
    assert sealed([*chain[:place], extra, *chain[place:]])[place] != sealed(chain)[place]
