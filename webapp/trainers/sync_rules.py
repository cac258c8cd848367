"""The synchronisation of the roster: its words. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from enum import StrEnum
from typing import Final


class Contract(StrEnum):
    """How the service speaks: in bulk with changes since an instant, or as deployed today, one by one."""

    BULK = "bulk"
    LEGACY = "legacy"


class RunKind(StrEnum):
    """Everything, or what changed since the last time."""

    FULL = "full"
    DELTA = "delta"


class RunCause(StrEnum):
    """Why a run was asked for."""

    SCHEDULE = "schedule"
    PERSON = "person"
    WEBHOOK = "webhook"


DELETED: Final = "trainer.deleted"
"""The message that asks for everybody: who is not there is only found out by looking at all."""


class RunState(StrEnum):
    """The life of a run: waiting → running → done or failed; running → waiting, to go on in another process."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"


class ChangeKind(StrEnum):
    """What a run did with one trainer."""

    ADDED = "added"
    CHANGED = "changed"
    REFUSED = "refused"
    GONE = "gone"
    RETURNED = "returned"


class LinkKind(StrEnum):
    """What of the service an admin says the meaning of."""

    FRANCHISE = "franchise"
    ZONE = "zone"
    COURSE = "course"
    TRAINER = "trainer"


class Owned(StrEnum):
    """The fields of a trainer that the service may own. What it does not send stays the desk's own."""

    NAME = "name"
    ACTIVE = "active"
    BASE = "base"
    COURSES = "courses"
    ZONES = "zones"
    HOURS = "hours"
    TIME_OFF = "time_off"


OWNED_FACTS: Final[Mapping[Owned, str]] = {
    Owned.NAME: "name",
    Owned.ACTIVE: "active",
    Owned.BASE: "base",
    Owned.COURSES: "course_ids",
    Owned.ZONES: "zone_ids",
    Owned.HOURS: "hours",
}
"""What a command calls the fields that the service may own. Time off is no part of it: people may always add some."""


def owned_among(changed: Collection[str], service_fields: Collection[str]) -> Owned | None:
    """The first field of a changed command that the service owns, if there is one."""
    return next((own for own, fact in OWNED_FACTS.items() if own in service_fields and fact in changed), None)
