"""The ledger of what is held of families knows every table and every column: what comes later cannot be forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest
from sqlalchemy import Column, ForeignKeyConstraint, MetaData, String, Table, Uuid

from tests.services import ROOT
from webapp.desk.family_ledger import LEDGER, OF_NO_FAMILY, Held
from webapp.tables import metadata

NAMED_ONLY = {"audit_entries"}
"""Belongs to no household by a foreign key, but names the ids of what does."""


def of_families(tables: MetaData) -> set[str]:
    """The tables that hang on households, directly or through others."""
    found = {"households"}
    while True:
        more = {
            table.name
            for table in tables.sorted_tables
            for key in table.foreign_key_constraints
            if key.referred_table.name in found
        }
        if more <= found:
            return found
        found |= more


def faults(tables: MetaData, ledger: dict[str, Held], others: dict[str, str]) -> list[str]:
    """Whatever the ledger leaves open."""
    wrong = []
    belonging = of_families(tables) | NAMED_ONLY
    for table in tables.sorted_tables:
        held, columns = ledger.get(table.name), {column.name for column in table.columns}
        if held is None:
            if table.name in belonging:
                wrong.append(f"{table.name} belongs to families: say whether it is given out and what is erased")
            elif not others.get(table.name):
                wrong.append(f"{table.name}: say whose it is")
            continue
        if table.name in others:
            wrong.append(f"{table.name} is said to be of families and not")
        if bool(held.key) == bool(held.why_not):
            wrong.append(f"{table.name}: give it a key, or say why it is not given out")
        withheld = [name for names in held.withheld.values() for name in names]
        kept = [name for names in held.kept.values() for name in names]
        wrong += [f"{table.name}.{name}: is no column" for name in {*withheld, *kept, *held.erased} - columns]
        if not all(reason.strip() for reason in (*held.withheld, *held.kept)):
            wrong.append(f"{table.name}: a reason is missing")
        if held.removed:
            if held.erased or kept:
                wrong.append(f"{table.name}: a row that goes keeps nothing")
            continue
        wrong += [
            f"{table.name}.{name}: say whether it is erased, or why it stays"
            for name in columns - {*kept, *held.erased}
        ]
        wrong += [f"{table.name}.{name}: both stays and goes" for name in {*kept} & {*held.erased}]
    return wrong


def test_every_table_and_column_of_a_family_is_accounted_for() -> None:
    assert faults(metadata, dict(LEDGER), dict(OF_NO_FAMILY)) == []
    assert set(LEDGER) == of_families(metadata) | NAMED_ONLY
    keys = [held.key for held in LEDGER.values() if held.key]
    assert len(keys) == len(set(keys))


@pytest.mark.parametrize("through", ["households", "guardians", "certificates"])
def test_a_later_table_of_families_cannot_be_forgotten(through: str) -> None:
    """The walk finds a table nobody told it of, however many keys away, and every column of a known one."""
    tables = MetaData()
    for table in metadata.sorted_tables:
        table.to_metadata(tables)
    Table(
        "messages",
        tables,
        Column("id", Uuid, primary_key=True),
        Column("operator_id", Uuid),
        Column("about_id", Uuid),
        ForeignKeyConstraint(["operator_id", "about_id"], [f"{through}.operator_id", f"{through}.id"])
        if through != "guardians"
        else ForeignKeyConstraint(["about_id"], ["guardians.id"]),
    )
    tables.tables["bookings"].append_column(Column("door_code", String(20)))
    tables.tables["guardians"].append_column(Column("nickname", String(20)))
    found = faults(tables, dict(LEDGER), dict(OF_NO_FAMILY))
    assert [fault for fault in found if "messages" in fault] == [
        "messages belongs to families: say whether it is given out and what is erased"
    ]
    assert [fault for fault in found if "door_code" in fault]
    assert not [fault for fault in found if "nickname" in fault], "the whole row goes, and is given out"


def test_a_reason_is_wanted_for_what_is_not_given_out() -> None:
    without = dict(LEDGER) | {"schedule_slots": replace(LEDGER["schedule_slots"], why_not="")}
    assert faults(metadata, without, dict(OF_NO_FAMILY)) == [
        "schedule_slots: give it a key, or say why it is not given out"
    ]


def test_the_guide_names_every_key_of_the_file() -> None:
    guide = (ROOT / "docs" / "guide" / "family-data.md").read_text("utf-8")
    keys = [held.key for held in LEDGER.values() if held.key]
    assert [key for key in (*keys, "names", "format", "made_at") if f"`{key}`" not in guide] == []
