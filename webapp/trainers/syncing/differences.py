"""In what two states of a trainer differ, and how each is told and stored. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from webapp.trainers.sync_rules import OWNED_FACTS, Owned
from webapp.trainers.syncing.placing import OnRoster

FACTS: Final[Mapping[Owned, str]] = {**OWNED_FACTS, Owned.TIME_OFF: "time_off"}
"""What the audit calls the fields."""


def changed_fields(before: OnRoster, row: OnRoster) -> list[Owned]:
    """The fields in which two states of a trainer differ. The zones carry the time zone, and change with it."""
    differs = {
        Owned.NAME: before.name != row.name,
        Owned.ACTIVE: before.active != row.active,
        Owned.BASE: before.base != row.base,
        Owned.COURSES: before.course_ids != row.course_ids,
        Owned.ZONES: (before.zone_ids, before.time_zone) != (row.zone_ids, row.time_zone),
        Owned.HOURS: before.hours != row.hours,
        Owned.TIME_OFF: Owned.TIME_OFF in row.owned and before.away != row.away,
    }
    return [own for own, is_other in differs.items() if is_other]


def facts_of(row: OnRoster) -> dict[str, Any]:
    """A trainer as the audit tells of them. Why they are away may tell of somebody's health: that stays on the row."""
    return {
        "name": row.name,
        "active": row.active,
        "base": row.base,
        "course_ids": sorted(row.course_ids),
        "zone_ids": sorted(row.zone_ids),
        "hours": row.hours,
        "time_off": [
            {"starts_at": away.starts_at, "ends_at": away.ends_at, "reason_given": bool(away.reason)}
            for away in row.away
        ],
    }


def columns_of(trainer_id: UUID, row: OnRoster) -> dict[str, Any]:
    """A trainer as a row of the roster, as far as the service can say it."""
    return {
        "id": trainer_id,
        "operator_id": row.operator_id,
        "name": row.name,
        "active": row.active,
        "time_zone": row.time_zone,
        "base_lat": row.base.lat if row.base else None,
        "base_lng": row.base.lng if row.base else None,
        "service_fields": sorted(row.owned),
    }
