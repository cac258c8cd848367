"""What a person at the desk has told so far, and what of it is still missing. Nothing here is stored."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, datetime, time
from enum import StrEnum
from uuid import UUID

from webapp.bookings.replanning import with_moves
from webapp.bookings.rules import (
    ClassType,
    CourseRequest,
    DeliveryMode,
    PlannedSession,
    faults_of,
    plan_sessions,
)
from webapp.core.errors import Invalid
from webapp.core.geo import Location


class Missing(StrEnum):
    """What the desk still has to ask before trainers can be looked for."""

    PLACE = "place"
    COURSE = "course"
    KIND = "kind"
    START = "start"
    TIMESLOT = "timeslot"


_PLAN_FIELDS = frozenset({"total_sessions", "start_date", "timeslot", "time_zone"})
"""A fault in one of these means that there is no schedule to show; other faults leave it standing."""


@dataclass(frozen=True, slots=True)
class Wish:
    """A booking as far as it is known; ``None`` stands for what nobody has said yet.

    ``start_date`` and ``timeslot`` are local to the zone that serves ``place``. ``students`` counts the names given.
    ``owner_id`` is the operator a known family or an existing booking (``booking_id``) binds the booking to.
    """

    place: Location | None = None
    zone_id: UUID | None = None
    course_id: UUID | None = None
    class_type: ClassType | None = None
    delivery_mode: DeliveryMode | None = None
    total_sessions: int | None = None
    start_date: date | None = None
    timeslot: time | None = None
    students: int = 0
    household_id: UUID | None = None
    student_ids: tuple[UUID, ...] = ()
    prefers_language: str | None = None
    prefers_gender: str | None = None
    prefers_taught_before: bool = False
    moves: tuple[tuple[int, time], ...] = ()
    """Sessions, by number, taught at another time of their day."""
    owner_id: UUID | None = None
    booking_id: UUID | None = None

    def missing(self) -> tuple[Missing, ...]:
        """What is still to be asked, in the order of the page."""
        return tuple(self._missing())

    def _missing(self) -> Iterator[Missing]:
        if self.place is None:
            yield Missing.PLACE
        if self.course_id is None:
            yield Missing.COURSE
        if self.class_type is None or self.delivery_mode is None or self.total_sessions is None:
            yield Missing.KIND
        if self.start_date is None:
            yield Missing.START
        if self.timeslot is None:
            yield Missing.TIMESLOT

    def request_in(self, time_zone: str) -> CourseRequest | None:
        """What the schedule follows from, or ``None`` while a part of it is missing."""
        if self.class_type is None or self.delivery_mode is None or self.total_sessions is None:
            return None
        if self.start_date is None or self.timeslot is None:
            return None
        return CourseRequest(
            class_type=self.class_type,
            delivery_mode=self.delivery_mode,
            total_sessions=self.total_sessions,
            start_date=self.start_date,
            timeslot=self.timeslot,
            time_zone=time_zone,
        )

    def scheduled_in(self, time_zone: str, now: datetime) -> tuple[tuple[PlannedSession, ...], tuple[Invalid, ...]]:
        """The sessions in a zone's time zone as far as they can be planned, and every fault of the request.

        Nobody is blamed for students not named yet. ``now`` is an aware instant.
        """
        request = self.request_in(time_zone)
        if request is None:
            return (), ()
        faults = faults_of(request, students=self.students, now=now)
        if not self.students:
            faults = [fault for fault in faults if fault.field != "students"]
        if any(fault.field in _PLAN_FIELDS for fault in faults):
            return (), tuple(faults)
        planned = plan_sessions(request)
        try:
            return with_moves(planned, self.moves, time_zone), tuple(faults)
        except Invalid as fault:
            return planned, (*faults, fault)


def nearest_times(times: Iterable[time], wanted: time, count: int) -> tuple[time, ...]:
    """The ``count`` times of day nearest to the one wanted, in the order of the day."""

    def away(at: time) -> int:
        return abs((at.hour - wanted.hour) * 60 + at.minute - wanted.minute)

    return tuple(sorted(sorted(times, key=away)[:count]))
