"""Booking in one go: the family, the booking and the proposal of a trainer are one transaction (rule A1)."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, update

from webapp.assignments.limits import Limits
from webapp.assignments.service import Proposed, propose
from webapp.bookings import enquiries
from webapp.bookings import service as bookings
from webapp.bookings.models import Booking, Enquiry
from webapp.bookings.placing import CourseWanted
from webapp.bookings.rules import ENQUIRY_MOVES, EnquiryStatus
from webapp.bookings.service import BookingCommand, choose_zone
from webapp.core.actor import Actor
from webapp.core.errors import Conflict
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.households import service as households
from webapp.households.erasing import must_live
from webapp.households.rules import GuardianCommand, HouseholdCommand, StudentCommand
from webapp.zones.queries import zones_at


@dataclass(frozen=True, slots=True)
class FamilyCommand:
    """Whose children are taught: a known family (``household_id``) or a new one (``guardian``).

    ``student_ids`` are children of the known family; ``new_students`` are entered with this booking.
    """

    household_id: UUID | None = None
    guardian: GuardianCommand | None = None
    student_ids: tuple[UUID, ...] = ()
    new_students: tuple[StudentCommand, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BookCommand(CourseWanted):
    """All a booking needs, its family included. ``id`` is drawn with the page, so that sending it twice books once.

    ``enquiry_id`` is the enquiry the booking came from.
    """

    id: UUID
    family: FamilyCommand
    enquiry_id: UUID | None = None

    def booking(self, household_id: UUID, student_ids: tuple[UUID, ...]) -> BookingCommand:
        """The booking itself, for a family that is stored."""
        wanted: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(CourseWanted)}
        return BookingCommand(id=self.id, household_id=household_id, student_ids=student_ids, **wanted)


@dataclass(frozen=True, slots=True)
class Ask:
    """What shall happen once the booking is stored: nothing, or a proposal, of ``trainer_id`` or of the best."""

    propose: bool = False
    trainer_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class Booked:
    """A stored booking and what became of the proposal, if one was asked for. ``again``: it was there already."""

    booking_id: UUID
    reference: str
    proposed: Proposed | None = None
    again: bool = False


def book(work: Work, command: BookCommand, ask: Ask, *, by: Actor, now: datetime, limits: Limits) -> Booked:
    """Take the family in, place the booking and propose a trainer: all of it or nothing.

    The same command from the same person a second time finds the booking of the first. Raises like
    ``bookings.place_booking``, ``households.register`` and ``assignments.propose``.
    """
    before = placed_before(work, command.id, by=by)
    if before is not None:
        return before
    household_id, student_ids = _family(work, command, by=by, now=now)
    placed = bookings.place_booking(work, command.booking(household_id, student_ids), by=by, now=now)
    proposed = _proposed(work, placed.id, ask, by=by, now=now, limits=limits)
    if command.enquiry_id is not None:
        _served(work, command.enquiry_id, placed.id, placed.operator_id, by=by, now=now)
    return Booked(placed.id, placed.reference, proposed)


def placed_before(work: Work, booking_id: UUID, *, by: Actor) -> Booked | None:
    """The booking this person already made under this id, if any."""
    reference = work.db.scalar(
        select(Booking.reference).where(
            Booking.id == booking_id, Booking.created_by == by.id, owned_by(Booking.operator_id, by)
        )
    )
    return Booked(booking_id, reference, again=True) if reference is not None else None


def rebook(
    work: Work, command: BookCommand, ask: Ask, *, version: int, by: Actor, now: datetime, limits: Limits
) -> Booked:
    """Change a waitlisted booking and, if asked for, propose a trainer for it: one transaction.

    Raises like ``bookings.edit_booking`` and ``assignments.propose``; ``Conflict`` ``booking-changed`` for a version
    that is no longer the present one.
    """
    household_id = command.family.household_id
    if household_id is None:
        raise Conflict("booking-household", "A booking stays with its family.")
    must_live(work.db, household_id, by=by)  # before the booking's lock, in the order of whoever erases the family
    bookings.booking_to_change(work.db, command.id, by=by, version=version)
    student_ids = command.family.student_ids + _added(work, household_id, command.family, by=by, now=now)
    placed = bookings.edit_booking(
        work, command.id, command.booking(household_id, student_ids), version=version, by=by, now=now
    )
    proposed = _proposed(work, placed.id, ask, by=by, now=now, limits=limits)
    return Booked(placed.id, placed.reference, proposed)


def _proposed(work: Work, booking_id: UUID, ask: Ask, *, by: Actor, now: datetime, limits: Limits) -> Proposed | None:
    if not ask.propose:
        return None
    return propose(work, booking_id, trainer_id=ask.trainer_id, by=by, now=now, limits=limits)


def _family(work: Work, command: BookCommand, *, by: Actor, now: datetime) -> tuple[UUID, tuple[UUID, ...]]:
    """The stored family and the students who take part; a new family goes to the operator of the serving zone."""
    family = command.family
    if family.household_id is not None:
        added = _added(work, family.household_id, family, by=by, now=now)
        return family.household_id, family.student_ids + added
    zone = choose_zone(zones_at(work.db, command.place), command.zone_id, by=by)
    guardians = (family.guardian,) if family.guardian else ()
    made = households.register(
        work, HouseholdCommand(guardians, family.new_students), operator_id=zone.operator_id, by=by, now=now
    )
    work.db.flush()  # the booking's rows are inserted as statements and refer to these
    return made.household_id, made.student_ids


def _added(work: Work, household_id: UUID, family: FamilyCommand, *, by: Actor, now: datetime) -> tuple[UUID, ...]:
    if not family.new_students:
        return ()
    ids = households.add_students(work, household_id, family.new_students, by=by, now=now)
    work.db.flush()  # as above
    return ids


def _served(work: Work, enquiry_id: UUID, booking_id: UUID, operator_id: UUID, *, by: Actor, now: datetime) -> None:
    """Mark the enquiry a booking came from, if it is open.

    Taken down by whoever sees everything, it goes to the operator whose booking it became: what it says of the family
    belongs to that household from now on, and is given out and erased with it.
    """
    enquiry = work.db.execute(
        select(Enquiry.operator_id, Enquiry.status)
        .where(Enquiry.id == enquiry_id, owned_by(Enquiry.operator_id, by))
        .with_for_update()
    ).one_or_none()
    if enquiry is not None and EnquiryStatus.BOOKED in ENQUIRY_MOVES[enquiry.status]:
        if enquiry.operator_id != operator_id:
            work.db.execute(update(Enquiry).where(Enquiry.id == enquiry_id).values(operator_id=operator_id))
        enquiries.close_enquiry(work, enquiry_id, by=by, now=now, to=EnquiryStatus.BOOKED, booking_id=booking_id)
