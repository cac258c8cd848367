"""What becomes of what the service says of a trainer: a place on the roster, or a refusal with its facts. Pure.

Whatever the service leaves out, nobody changes operators by it: a franchise that is not said is unknown, a franchise
that nobody has linked is unknown, and whoever is on the roster stays with the operator they have until an admin says
otherwise, trainer by trainer.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final
from uuid import UUID

from webapp.clients.trainer_service.said import UNSAID, Said, SaidAway, SaidHours, SaidTrainer, UnreadableTrainer
from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.core.names import clean_name
from webapp.trainers.rules import WorkingHours, check_hours
from webapp.trainers.sync_rules import Owned
from webapp.trainers.syncing.tidy import as_periods, tidy_away
from webapp.trainers.syncing.world import World

UNREADABLE: Final = "unreadable"
FRANCHISE_UNKNOWN: Final = "franchise-unknown"
FRANCHISE_UNSAID: Final = "franchise-unsaid"
OPERATOR_CHANGED: Final = "operator-changed"
ZONE_OF_ANOTHER: Final = "zone-of-another-operator"
ZONES_TIME_ZONE: Final = "zones-time-zone"
ZONES_UNKNOWN: Final = "zones-unknown"
NO_TIME_ZONE: Final = "no-time-zone"


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why what was said cannot be put on the roster."""

    code: str
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class OnRoster:
    """A trainer as the roster has them, or as they are to be. ``away`` is the service's time off, not the desk's."""

    operator_id: UUID
    time_zone: str
    name: str
    active: bool = True
    base: Location | None = None
    course_ids: frozenset[UUID] = frozenset()
    zone_ids: frozenset[UUID] = frozenset()
    hours: tuple[WorkingHours, ...] = ()
    away: tuple[SaidAway, ...] = ()
    owned: frozenset[str] = frozenset()
    """Which fields the service owns (``Owned``)."""


@dataclass(frozen=True, slots=True)
class Known:
    """A trainer of the service who is on the roster already."""

    trainer_id: UUID
    row: OnRoster
    left: bool = False
    held_back: str | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """What a trainer is to be on the roster, and what was left out of it."""

    row: OnRoster
    moved: bool = False
    """Whether an admin's link takes them away from the operator they have: another row is made for them."""
    notes: tuple[tuple[str, str], ...] = ()
    """(``course`` or ``zone``, name): what the desk does not know."""


def place(said: Said, world: World, known: Known | None) -> Placement | Refusal:
    """Find the place of a trainer; ``known`` is their present one, if they have one."""
    if isinstance(said, UnreadableTrainer):
        return _unreadable(said.problems)
    operator_id = _operator(said, world, known)
    if isinstance(operator_id, Refusal):
        return operator_id
    moved = known is not None and known.row.operator_id != operator_id
    before = known.row if known is not None and not moved else None
    zones = _zones(said, world, operator_id)
    if isinstance(zones, Refusal):
        return zones
    zone_ids, time_zone, unknown_zones = zones
    base = said.base if said.base is not UNSAID else before.base if before else None
    time_zone = time_zone or (before.time_zone if before else world.time_zone_at(operator_id, base))
    if time_zone is None:
        return Refusal(NO_TIME_ZONE)
    course_ids, unknown_courses = _courses(said, world)
    try:
        name = clean_name(said.name) if said.name is not UNSAID else known.row.name if known else said.service_id
        hours = _hours(said.hours) if said.hours is not UNSAID else before.hours if before else ()
        away = tidy_away(said.time_off) if said.time_off is not UNSAID else ()
    except Invalid as fault:
        return _unreadable([_FAULTS[fault.code]])
    row = OnRoster(
        operator_id=operator_id,
        time_zone=time_zone,
        name=name,
        active=_active(said, known, moved=moved),
        base=base,
        course_ids=course_ids if course_ids is not None else before.course_ids if before else frozenset(),
        zone_ids=zone_ids if zone_ids is not None else before.zone_ids if before else frozenset(),
        hours=hours,
        away=away,
        owned=owned_by_service(said),
    )
    notes = [*(("course", name) for name in unknown_courses), *(("zone", name) for name in unknown_zones)]
    return Placement(row, moved, tuple(notes))


def owned_by_service(said: SaidTrainer) -> frozenset[str]:
    """The fields that the service sends, and so owns."""
    sent = {
        Owned.NAME: said.name,
        Owned.ACTIVE: said.available,
        Owned.BASE: said.base,
        Owned.COURSES: said.courses,
        Owned.ZONES: said.zones,
        Owned.HOURS: said.hours,
        Owned.TIME_OFF: said.time_off,
    }
    return frozenset(own.value for own, value in sent.items() if value is not UNSAID)


_FAULTS: Final = {
    "name-empty": ("name", "empty"),
    "name-too-long": ("name", "too-long"),
    "hours-weekday": ("workingHours", "out-of-range"),
    "hours-order": ("workingHours", "backwards"),
    "time-off-order": ("timeOff", "backwards"),
}
"""What the roster's own rules refuse, told to whoever looks after the service: its field, and the client's word."""


def _unreadable(problems: Iterable[tuple[str, str]]) -> Refusal:
    return Refusal(UNREADABLE, {"problems": [list(problem) for problem in problems]})


def _operator(said: SaidTrainer, world: World, known: Known | None) -> UUID | Refusal:
    """Whose the trainer is. An admin's word for this very trainer stands above what the service says."""
    linked = world.operator_of_trainer(said.service_id)
    if linked is not None:
        return linked
    if said.franchise is UNSAID:
        return known.row.operator_id if known is not None else Refusal(FRANCHISE_UNSAID)
    found = COMPANY_ID if said.franchise is None else world.operator_of_franchise(said.franchise)
    if found is None:
        return Refusal(FRANCHISE_UNKNOWN, {"franchise": said.franchise})
    if known is not None and known.row.operator_id != found:
        facts = {"from": str(known.row.operator_id), "to": str(found), "franchise": said.franchise}
        return Refusal(OPERATOR_CHANGED, facts)
    return found


def _zones(
    said: SaidTrainer, world: World, operator_id: UUID
) -> tuple[frozenset[UUID] | None, str | None, list[str]] | Refusal:
    """The zones (none when nothing is said of them), the time zone they share, and the names of those not known."""
    if said.zones is UNSAID:
        return None, None, []
    asked = {name: world.zone(name) for name in said.zones}
    zones = [zone for zone in asked.values() if zone is not None]
    unknown = sorted(name for name, zone in asked.items() if zone is None)
    foreign = sorted(str(zone.id) for zone in zones if zone.operator_id != operator_id)
    if foreign:
        return Refusal(ZONE_OF_ANOTHER, {"zones": foreign})
    time_zones = sorted({zone.time_zone for zone in zones})
    if len(time_zones) > 1:
        return Refusal(ZONES_TIME_ZONE, {"zones": sorted(str(zone.id) for zone in zones), "time_zones": time_zones})
    if unknown and not zones:
        return Refusal(ZONES_UNKNOWN, {"zones": unknown})
    return frozenset(zone.id for zone in zones), time_zones[0] if time_zones else None, unknown


def _courses(said: SaidTrainer, world: World) -> tuple[frozenset[UUID] | None, list[str]]:
    """The courses (none when nothing is said of them), and the names of those not known."""
    if said.courses is UNSAID:
        return None, []
    asked = {name: world.course(name) for name in said.courses}
    unknown = sorted(name for name, course_id in asked.items() if course_id is None)
    return frozenset(course_id for course_id in asked.values() if course_id is not None), unknown


def _hours(said: tuple[SaidHours, ...]) -> tuple[WorkingHours, ...]:
    """The hours as the roster holds them. Raises ``Invalid`` for a period that runs backwards."""
    periods = [WorkingHours(hours.weekday, hours.starts, hours.ends) for hours in said]
    for period in periods:
        check_hours((period,))
    return as_periods(periods)


def _active(said: SaidTrainer, known: Known | None, *, moved: bool) -> bool:
    """Whether the trainer may get sessions; whoever is back after having left may, unless the service says no."""
    if said.available is not UNSAID:
        return said.available
    return known is None or moved or known.left or known.row.active
