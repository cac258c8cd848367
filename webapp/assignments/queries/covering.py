"""Who is taken for which sessions of a booking now, and what a change of trainer would cover (rule A7)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.assignments.models import Assignment
from webapp.assignments.queries.needs import BookingNeed, booking_need, session_done
from webapp.assignments.rules import AssignmentKind, AssignmentStatus
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.replanning import remaining
from webapp.bookings.rules import TAUGHT, BookingStatus, CourseSessionStatus
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.words import msgid
from webapp.db.tenancy import owned_by
from webapp.schedule.models import ScheduleSlot
from webapp.schedule.rules import DEFAULT_TRAVEL, SlotStatus, TravelSettings
from webapp.trainers.models import Trainer


@dataclass(frozen=True, slots=True)
class Covered:
    """What a change of trainer would cover: the booking with only those sessions, and who has them now, by id.

    Nobody has a session that was planned without a trainer; a replacement is instead of the booking's ``own`` trainer
    even if it covers no other.
    """

    booking: BookingNeed
    trainers: Mapping[UUID, str]
    own: OwnTrainer | None = None

    @property
    def instead_of(self) -> Mapping[UUID, str]:
        """Whom the change is instead of, by id: they cannot be proposed for it."""
        return {**self.trainers, **({self.own.trainer_id: self.own.name} if self.own else {})}


@dataclass(frozen=True, slots=True)
class SlotNow:
    """A trainer taken for a session, and the assignment that did it."""

    session_id: UUID
    number: int
    status: SlotStatus
    trainer_id: UUID
    trainer: str
    assignment_id: UUID
    kind: AssignmentKind


@dataclass(frozen=True, slots=True)
class SlotsNow:
    """All slots of a booking that has a trainer: the booked ones, and those an open proposal holds beside them."""

    slots: tuple[SlotNow, ...]

    def trainers_of(self, session_ids: Collection[UUID]) -> dict[UUID, str]:
        """Who has these sessions, by id."""
        return {
            slot.trainer_id: slot.trainer
            for slot in self.slots
            if slot.session_id in session_ids and slot.status is SlotStatus.BOOKED
        }

    def sessions_of(self, trainer_id: UUID) -> frozenset[UUID]:
        """The sessions a trainer is booked for: as the booking's own, or taken back from a substitute."""
        return frozenset(
            slot.session_id for slot in self.slots if slot.status is SlotStatus.BOOKED and slot.trainer_id == trainer_id
        )

    def held_for(self, session_ids: Collection[UUID]) -> list[SlotNow]:
        """The slots that open proposals hold for some sessions."""
        return [slot for slot in self.slots if slot.session_id in session_ids and slot.status is SlotStatus.HELD]

    def taken_sessions(self) -> frozenset[UUID]:
        """The sessions somebody is booked for."""
        return frozenset(slot.session_id for slot in self.slots if slot.status is SlotStatus.BOOKED)

    def without(self, session_ids: Collection[UUID]) -> dict[UUID, SlotNow]:
        """The assignments that have a slot now and would have none without those of these sessions."""
        staying = {slot.assignment_id for slot in self.slots if slot.session_id not in session_ids}
        return {slot.assignment_id: slot for slot in self.slots if slot.assignment_id not in staying}

    def refuse_pending(self, session_ids: Collection[UUID], *, times_change: bool = False) -> None:
        """Raise ``Conflict`` ``cover-pending`` where an open proposal covers one of the sessions.

        Where ``times_change`` any open replacement stands in the way: it is for all that remained when it was made, and
        a session planned anew would be left to the trainer who goes. The refusal names trainer and sessions, and has
        the proposal's ``assignment_id`` among its ``params``.
        """
        held = [slot for slot in self.slots if slot.status is SlotStatus.HELD]
        covers = [slot for slot in held if slot.session_id in session_ids]
        if times_change and not covers:
            covers = [slot for slot in held if slot.kind is AssignmentKind.REPLACEMENT]
        if covers:
            raise _pending([slot for slot in covers if slot.assignment_id == covers[0].assignment_id])


@dataclass(frozen=True, slots=True)
class OwnTrainer:
    """Whom a booking has: its approved assignment that is no substitute's."""

    assignment_id: UUID
    trainer_id: UUID
    name: str


def slots_now(db: Session, booking_id: UUID) -> SlotsNow:
    """The slots of a booking, by time; under the booking's lock they stay what they are. One statement."""
    found = (
        select(
            ScheduleSlot.course_session_id,
            CourseSession.number,
            ScheduleSlot.status,
            ScheduleSlot.trainer_id,
            Trainer.name,
            ScheduleSlot.assignment_id,
            Assignment.kind,
        )
        .join(CourseSession, CourseSession.id == ScheduleSlot.course_session_id)
        .join(Trainer, Trainer.id == ScheduleSlot.trainer_id)
        .join(Assignment, Assignment.id == ScheduleSlot.assignment_id)
        .where(ScheduleSlot.booking_id == booking_id)
        .order_by(func.lower(ScheduleSlot.period), ScheduleSlot.status)
    )
    return SlotsNow(tuple(SlotNow(*row) for row in db.execute(found)))


def own_trainer(db: Session, booking_id: UUID) -> OwnTrainer:
    """The booking's own trainer. Raises ``Conflict`` ``booking-not-taught``."""
    row = db.execute(
        select(Assignment.id, Assignment.trainer_id, Trainer.name)
        .join(Trainer, Trainer.id == Assignment.trainer_id)
        .where(
            Assignment.booking_id == booking_id,
            Assignment.status == AssignmentStatus.APPROVED,
            Assignment.kind != AssignmentKind.SUBSTITUTE,
        )
    ).one_or_none()
    if row is None:
        raise not_taught()
    return OwnTrainer(*row)


def remaining_cover(
    db: Session, booking_id: UUID, *, visible_to: Actor, now: datetime, travel: TravelSettings = DEFAULT_TRAVEL
) -> Covered:
    """What a replacement would cover: the sessions not begun that the own trainer is booked for, or nobody.

    Those that nobody has belong to the course, and so to whoever teaches it.

    Raises ``NotFound``; ``Conflict`` ``booking-not-taught``, ``nothing-to-teach`` and ``cover-pending``.
    """
    booking = booking_need(db, booking_id, visible_to=visible_to, travel=travel)
    must_be_taught(booking.status)
    slots = slots_now(db, booking_id)
    own = own_trainer(db, booking_id)
    theirs, taken = slots.sessions_of(own.trainer_id), slots.taken_sessions()
    ahead = {session.id for session in remaining(booking.sessions, now)}
    covered = _covered(booking, slots, {id_ for id_ in ahead if id_ in theirs or id_ not in taken})
    return replace(covered, own=own)


def sessions_cover(
    db: Session,
    booking_id: UUID,
    session_ids: Collection[UUID],
    *,
    visible_to: Actor,
    now: datetime,
    travel: TravelSettings = DEFAULT_TRAVEL,
) -> Covered:
    """What a substitute for some sessions of one booking would cover.

    Raises ``NotFound``, also for a session that is not the booking's; ``Invalid`` ``sessions-missing`` for none; and
    ``Conflict`` ``booking-not-taught``, ``session-begun``, ``session-done`` and ``cover-pending``.
    """
    wanted = set(session_ids)
    if not wanted:
        raise Invalid("sessions-missing", "Choose at least one session.", field="sessions")
    stored = db.execute(
        select(Booking.status, CourseSession.status, CourseSession.starts_at)
        .join(CourseSession, CourseSession.booking_id == Booking.id)
        .where(Booking.id == booking_id, owned_by(Booking.operator_id, visible_to), CourseSession.id.in_(wanted))
    ).all()
    if len(stored) < len(wanted):
        raise NotFound()
    for booking_status, status, starts_at in stored:
        must_be_taught(booking_status)
        must_lie_ahead(status, starts_at, now)
    booking = booking_need(db, booking_id, visible_to=visible_to, travel=travel)
    return _covered(booking, slots_now(db, booking_id), wanted)


def must_be_taught(status: BookingStatus) -> None:
    """Raise ``Conflict`` ``booking-not-taught`` for a booking without a trainer, or whose course is over."""
    if status not in TAUGHT:
        raise not_taught(status)


def must_lie_ahead(status: CourseSessionStatus, starts_at: datetime, now: datetime) -> None:
    """Raise ``Conflict`` for a session that is not scheduled (``session-done``) or has begun (``session-begun``)."""
    if status is not CourseSessionStatus.SCHEDULED:
        raise session_done(status)
    if starts_at <= now:
        raise Conflict("session-begun", "This session has begun. Mark what became of it.")


_NO_TRAINER: Final = msgid("This booking has no trainer yet. Propose one first.")
_NOT_TAUGHT: Final = {
    BookingStatus.PENDING_APPROVAL: msgid(
        "This booking has no trainer yet: somebody is proposed. Approve, reject or withdraw that first."
    ),
    BookingStatus.COMPLETED: msgid("The course of this booking is over: its sessions stay as they are."),
    BookingStatus.CANCELLED: msgid("This booking is cancelled: its sessions stay as they are. Book again if need be."),
}


def not_taught(status: BookingStatus = BookingStatus.WAITLISTED) -> Conflict:
    """The refusal for a booking without a trainer of its own, or whose course is over."""
    return Conflict("booking-not-taught", _NOT_TAUGHT.get(status, _NO_TRAINER))


def _pending(slots: Sequence[SlotNow]) -> Conflict:
    """The refusal for sessions that one open proposal covers."""
    sentence = msgid("%(name)s is proposed for session %(numbers)s. Approve, reject or withdraw that first.")
    if len(slots) > 1:
        sentence = msgid("%(name)s is proposed for sessions %(numbers)s. Approve, reject or withdraw that first.")
    numbers = _runs(sorted({slot.number for slot in slots}))
    return Conflict(
        "cover-pending", sentence, name=slots[0].trainer, numbers=numbers, assignment_id=slots[0].assignment_id
    )


def _runs(numbers: Sequence[int]) -> str:
    """Ascending numbers as people write them: "3–7, 9"."""
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(str(run[0]) if len(run) == 1 else f"{run[0]}–{run[-1]}" for run in runs)


def _covered(booking: BookingNeed, slots: SlotsNow, session_ids: Collection[UUID]) -> Covered:
    covered = booking.only(session_ids)
    slots.refuse_pending(session_ids)
    return Covered(covered, slots.trainers_of(session_ids))
