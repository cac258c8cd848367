"""Typed builders for the facts that rules decide on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID

from webapp.assignments.rules import CourseNeed, TrainerFacts, Verdict
from webapp.bookings.rules import ClassType, CourseRequest, DeliveryMode, PlannedSession, plan_sessions
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.geo import Location, circle_area_km2
from webapp.core.intervals import Interval
from webapp.schedule.rules import TakenSlots
from webapp.trainers.rules import WorkingHours
from webapp.zones.rules import ZoneFacts

NOW = datetime(2027, 1, 1, 0, 0, tzinfo=UTC)
KOLKATA = "Asia/Kolkata"
NEW_YORK = "America/New_York"
HOME = Location(17.6868, 83.2185)
ONE_KM_NORTH = Location(HOME.lat + 1 / 111.195, HOME.lng)
OPERATOR, OTHER_OPERATOR = UUID(int=1), UUID(int=2)
ZONE, OTHER_ZONE = UUID(int=11), UUID(int=12)
COURSE, OTHER_COURSE = UUID(int=21), UUID(int=22)
EVERY_DAY = tuple(WorkingHours(weekday, time(7), time(21)) for weekday in range(7))


def clock_time(minutes: int) -> time:
    """The wall-clock time so many minutes after midnight."""
    return time(*divmod(minutes, 60))


def utc(*parts: int) -> datetime:
    """A UTC instant."""
    return datetime(*parts, tzinfo=UTC)  # type: ignore[arg-type, misc]  # mypy cannot see how many parts there are


def a_request(**changes: Any) -> CourseRequest:
    """Ten sessions, one student, daily at 18:20 in Kolkata from 2027-01-10."""
    facts: dict[str, Any] = {
        "class_type": ClassType.ONE_ON_ONE,
        "delivery_mode": DeliveryMode.WEEKDAY_DAILY,
        "total_sessions": 10,
        "start_date": date(2027, 1, 10),
        "timeslot": time(18, 20),
        "time_zone": KOLKATA,
    }
    return CourseRequest(**facts | changes)


def a_hybrid_request(**changes: Any) -> CourseRequest:
    """The hybrid course of the domain's first example: from 2027-01-04 at 16:00."""
    facts: dict[str, Any] = {
        "class_type": ClassType.HYBRID,
        "delivery_mode": DeliveryMode.HYBRID,
        "total_sessions": 30,
        "start_date": date(2027, 1, 4),
        "timeslot": time(16),
    }
    return a_request(**facts | changes)


def a_need(request: CourseRequest | None = None, **changes: Any) -> CourseNeed:
    """What a booking of ``request`` needs, 3 km around ``HOME``."""
    request = request or a_request()
    facts: dict[str, Any] = {
        "operator_id": OPERATOR,
        "zone_id": ZONE,
        "course_id": COURSE,
        "place": HOME,
        "reach_km": 3.0,
        "time_zone": request.time_zone,
        "sessions": plan_sessions(request),
        "delivery_mode": request.delivery_mode,
    }
    return CourseNeed(**facts | changes)


@dataclass(frozen=True, slots=True)
class TakenSlot:
    """One slot a trainer already has; ``together`` makes of several what the scorer is told."""

    period: Interval
    place: Location | None
    buffer_minutes: int = 0
    booking_id: UUID | None = None


def together(slots: Iterable[TakenSlot]) -> tuple[TakenSlots, ...]:
    """Slots as the scorer is told them: by length, place, buffer and booking."""
    starts: dict[tuple[int, Location | None, int, UUID | None], list[int]] = {}
    for slot in slots:
        key = (int(slot.period.duration.total_seconds()), slot.place, slot.buffer_minutes, slot.booking_id)
        starts.setdefault(key, []).append(int(slot.period.starts_at.timestamp()))
    return tuple(TakenSlots(tuple(sorted(found)), *key) for key, found in starts.items())


def apart(taken: Iterable[TakenSlots]) -> list[TakenSlot]:
    """The slots one by one: the reverse of ``together``."""
    return [
        TakenSlot(
            Interval(datetime.fromtimestamp(start, UTC), datetime.fromtimestamp(start + slots.seconds, UTC)),
            slots.place,
            slots.buffer_minutes,
            slots.booking_id,
        )
        for slots in taken
        for start in slots.starts
    ]


def a_trainer(*, taken: Iterable[TakenSlot] = (), **changes: Any) -> TrainerFacts:
    """A trainer who can take ``a_need()``."""
    facts: dict[str, Any] = {
        "id": UUID(int=100),
        "name": "Asha Rao",
        "operator_id": OPERATOR,
        "active": True,
        "course_ids": frozenset({COURSE}),
        "zone_ids": frozenset({ZONE}),
        "base": HOME,
        "hours": EVERY_DAY,
        "time_zone": KOLKATA,
        "taken": together(taken),
    }
    return TrainerFacts(**facts | changes)


def a_slot(start: datetime, **changes: Any) -> TakenSlot:
    """Forty minutes of another booking, one kilometre from ``HOME``: a way of four minutes."""
    facts: dict[str, Any] = {
        "period": Interval(start, start + timedelta(minutes=40)),
        "place": ONE_KM_NORTH,
        "buffer_minutes": 0,
        "booking_id": UUID(int=900),
    }
    return TakenSlot(**facts | changes)


def a_slot_before(session: PlannedSession, gap_minutes: int = 0, **changes: Any) -> TakenSlot:
    """A slot of another booking that ends so many minutes before a session."""
    return a_slot(session.starts_at - timedelta(minutes=40 + gap_minutes), **changes)


def a_slot_after(session: PlannedSession, gap_minutes: int = 0, **changes: Any) -> TakenSlot:
    """A slot of another booking that starts so many minutes after a session."""
    return a_slot(session.ends_at + timedelta(minutes=gap_minutes), **changes)


def a_verdict(**changes: Any) -> Verdict:
    """An eligible trainer next door without bookings."""
    facts: dict[str, Any] = {
        "trainer_id": UUID(int=100),
        "name": "Asha Rao",
        "reasons": (),
        "distance_km": 0.0,
        "preferences": (),
        "booked_minutes": 0,
        "taught_before": False,
    }
    return Verdict(**facts | changes)


def a_circle(**changes: Any) -> ZoneFacts:
    """The company's zone around ``HOME``, 3 km."""
    facts: dict[str, Any] = {
        "id": ZONE,
        "operator_id": OPERATOR,
        "name": "Central",
        "center": HOME,
        "radius_km": 3.0,
        "ring": None,
        "area_km2": circle_area_km2(3.0),
        "created_at": utc(2026, 1, 1),
        "active": True,
        "time_zone": KOLKATA,
    }
    return ZoneFacts(**facts | changes)


def an_actor(role: Role | None, **changes: Any) -> Actor:
    """A person at a page, with a role."""
    facts: dict[str, Any] = {
        "kind": ActorKind.USER,
        "id": UUID(int=50),
        "name": "Meera",
        "role": role,
        "operator_id": OPERATOR,
    }
    return Actor(**facts | changes)
