"""Another trainer for what remains of a course, or for single sessions, on a real database (rule A7)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.web.client import NOW
from webapp.assignments import replacing, service
from webapp.assignments.limits import Limits
from webapp.assignments.queries.covering import remaining_cover, sessions_cover
from webapp.assignments.rules import AssignmentKind, AssignmentStatus
from webapp.assignments.service import Proposed
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import Actor
from webapp.db.work import read_only, unit_of_work

LIMITS = Limits()


@dataclass
class Taught:
    """A franchise with a booking that has a trainer, and others who could take it."""

    make: Make
    operator_id: UUID
    staff: Actor
    manager: Actor
    zone_id: UUID
    course_id: UUID
    trainer_id: UUID
    booking: PlacedBooking
    auto: bool

    def trainer(self, name: str | None = None, **wishes: Any) -> UUID:
        """Another trainer whom nothing stands against."""
        return self.make.trainer((self.zone_id,), (self.course_id,), operator_id=self.operator_id, name=name, **wishes)

    def ids(self, *numbers: int) -> list[UUID]:
        """The sessions of some numbers that count now."""
        found = dict(
            rows(
                "SELECT number, id FROM course_sessions WHERE booking_id = :id AND status <> 'rescheduled'",
                id=self.booking.id,
            )
        )
        return [found[number] for number in numbers]

    @property
    def version(self) -> int:
        """The booking's present version."""
        found: int = rows("SELECT version FROM bookings WHERE id = :id", id=self.booking.id)[0][0]
        return found

    def replace(self, trainer_id: UUID | None = None, **how: Any) -> Proposed:
        """Staff propose another trainer for what remains."""
        with unit_of_work() as work:
            return replacing.replace_trainer(
                work,
                self.booking.id,
                trainer_id=trainer_id,
                version=how.get("version", self.version),
                reason=how.get("reason", "Has moved away"),
                by=how.get("by", self.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def substitute(self, session_ids: Collection[UUID], trainer_id: UUID | None = None, **how: Any) -> Proposed:
        """Staff propose a substitute for some sessions."""
        with unit_of_work() as work:
            return replacing.propose_substitute(
                work,
                self.booking.id,
                session_ids,
                trainer_id=trainer_id,
                version=how.get("version", self.version),
                reason=how.get("reason", "Fever"),
                by=how.get("by", self.staff),
                now=how.get("now", NOW),
                limits=LIMITS,
            )

    def approve(self, made: Proposed, *, by: Actor | None = None, now: datetime = NOW, version: int = 1) -> None:
        """The manager approves."""
        assert made.assignment_id is not None
        with unit_of_work() as work:
            service.approve(work, made.assignment_id, version=version, by=by or self.manager, now=now, limits=LIMITS)

    def slots(self, status: str = "booked") -> dict[int, UUID]:
        """Who is taken for which number."""
        return dict(
            rows(
                "SELECT c.number, s.trainer_id FROM schedule_slots s"
                " JOIN course_sessions c ON c.id = s.course_session_id WHERE s.booking_id = :id AND s.status = :status",
                id=self.booking.id,
                status=status,
            )
        )

    def assignments(self) -> list[tuple[str, str, UUID]]:
        """Kind, status and trainer of every assignment, oldest first."""
        found = rows(
            "SELECT kind, status, trainer_id FROM assignments WHERE booking_id = :id ORDER BY id", id=self.booking.id
        )
        return [(kind, status, trainer_id) for kind, status, trainer_id in found]

    @property
    def status(self) -> str:
        """The booking's present status."""
        found: str = rows("SELECT status FROM bookings WHERE id = :id", id=self.booking.id)[0][0]
        return found


def rows(sql: str, **places: object) -> list[Any]:
    with read_only() as db:
        return list(db.execute(text(sql), places).all())


def taught_by(make: Make, *, auto_approve: bool = False, **wishes: Any) -> Taught:
    operator_id = make.franchise(auto_approve=auto_approve)
    staff, manager = make.staff(operator_id).actor, make.manager(operator_id).actor
    zone_id, course_id = make.zone(operator_id=operator_id), make.course()
    trainer_id = make.trainer((zone_id,), (course_id,), operator_id=operator_id, name="Asha")
    booking = make.booking(zone_id=zone_id, course_id=course_id, operator_id=operator_id, **wishes)
    made = make.proposal(booking, trainer_id, by=staff)
    desk = Taught(make, operator_id, staff, manager, zone_id, course_id, trainer_id, booking, auto_approve)
    if not auto_approve:
        desk.approve(made)
    return desk


@pytest.fixture
def desk(make: Make) -> Taught:
    return taught_by(make)


def test_a_replacement_is_held_beside_the_present_trainer_until_somebody_approves(desk: Taught) -> None:
    other = desk.trainer("Bela")
    before = desk.version
    made = desk.replace(other)
    assert (made.trainer_id, made.trainer_name, made.status) == (other, "Bela", "assigned")
    assert set(desk.slots().values()) == {desk.trainer_id}
    assert desk.slots("held") == dict.fromkeys(range(1, 11), other)
    assert (desk.status, desk.version) == ("assigned", before + 1)
    desk.approve(made)
    assert desk.slots() == dict.fromkeys(range(1, 11), other)
    assert desk.slots("held") == {}
    assert (desk.status, desk.version) == ("assigned", before + 2)
    assert desk.assignments() == [
        (AssignmentKind.COURSE, AssignmentStatus.REPLACED, desk.trainer_id),
        (AssignmentKind.REPLACEMENT, AssignmentStatus.APPROVED, other),
    ]


def test_a_substitute_takes_the_sessions_named_and_no_other(desk: Taught) -> None:
    other = desk.trainer("Bela")
    made = desk.substitute(desk.ids(3, 5), other)
    assert desk.slots("held") == {3: other, 5: other}
    desk.approve(made)
    assert Counter(desk.slots().values()) == {desk.trainer_id: 8, other: 2}
    assert {number for number, trainer_id in desk.slots().items() if trainer_id == other} == {3, 5}
    assert desk.assignments() == [
        (AssignmentKind.COURSE, AssignmentStatus.APPROVED, desk.trainer_id),
        (AssignmentKind.SUBSTITUTE, AssignmentStatus.APPROVED, other),
    ]


def test_what_a_change_would_cover_is_told_before_it_is_asked_for(desk: Taught) -> None:
    with read_only() as db:
        third = desk.booking.sessions[2]
        later = third.starts_at - timedelta(minutes=1)
        remaining = remaining_cover(db, desk.booking.id, visible_to=desk.staff, now=later)
        assert [session.planned.number for session in remaining.booking.sessions] == list(range(3, 11))
        assert remaining.trainers == {desk.trainer_id: "Asha"}
        single = sessions_cover(db, desk.booking.id, desk.ids(7), visible_to=desk.staff, now=later)
        assert [session.planned.number for session in single.booking.sessions] == [7]
