"""Four hundred bookings in every state, with the history that led there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from random import Random
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from sqlalchemy import insert, select, update

from webapp.assignments import service as assignments
from webapp.assignments import waitlist
from webapp.assignments.limits import Limits
from webapp.audit import service as audit
from webapp.bookings import enquiries
from webapp.bookings import service as bookings
from webapp.bookings.models import BookingStudent, CourseSession
from webapp.bookings.rules import (
    BookingStatus,
    ClassType,
    CourseSessionStatus,
    DeliveryMode,
    EnquiryStatus,
    PaymentStatus,
)
from webapp.core.actor import Actor
from webapp.core.geo import Location
from webapp.course_sessions.models import Attendance
from webapp.course_sessions.rules import AttendanceMark
from webapp.db.work import Work, unit_of_work
from webapp.demo.cast import Cast, Place
from webapp.demo.people import People
from webapp.demo.places import near, towards
from webapp.households import service as households
from webapp.households.rules import GuardianCommand, HouseholdCommand, StudentCommand
from webapp.schedule.models import ScheduleSlot
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours
from webapp.zones.queries import zones_at

Promise = Callable[..., object]
"""``certificates.promising.promise_for`` with its settings filled in."""

STATES: dict[str, int] = {
    "waitlisted": 26,
    "rejected": 8,
    "withdrawn": 6,
    "expired": 6,
    "proposed": 44,
    "assigned": 70,
    "in_progress": 130,
    "completed": 84,
    "cancelled": 25,
}
"""How many bookings end in which state; one more, a session away from its 30th, makes four hundred."""

_SLOTS = tuple(time(hour, minute) for hour in range(7, 20) for minute in (0, 20, 40))
_MARKS = ([AttendanceMark.PRESENT, AttendanceMark.ABSENT, AttendanceMark.EXCUSED], [90, 6, 4])


class _NextFamily(Exception):
    """This family cannot be served as the story wants it: roll back and try another one."""


@dataclass(frozen=True, slots=True)
class Teller:
    """What telling the story needs. ``now`` is an aware instant: everything lies around it."""

    cast: Cast
    people: People
    random: Random
    now: datetime
    promise: Promise
    limits: Limits
    share: float = 1.0
    """The part of ``STATES`` to tell; at least one booking of each."""

    def tell(self) -> None:
        """All bookings and a few enquiries."""
        outcomes = [state for state, count in STATES.items() for _ in range(max(1, round(count * self.share)))]
        self.random.shuffle(outcomes)
        for outcome in outcomes:
            self._booking(outcome)
        self._almost_done()
        self._enquiries()

    def _booking(self, outcome: str) -> None:
        """One booking that ends in ``outcome``; another family is tried when nobody is free for the first one."""
        for _attempt in range(20):
            place = self.random.choices(self.cast.places, [p.city.population**0.5 for p in self.cast.places])[0]
            try:
                with unit_of_work() as work:
                    placed, placed_at = self._place(work, place, outcome)
                    if outcome == "waitlisted":
                        if self.random.random() < 0.6:
                            # Somebody talks to these families still: the desk must not place them by itself meanwhile.
                            self._keep_waiting(work, placed, place.office.books, placed_at)
                        return
                    proposed_at = placed_at + timedelta(minutes=self.random.randint(2, 90))
                    proposed = assignments.propose(
                        work, placed.id, trainer_id=None, by=place.office.books, now=proposed_at, limits=self.limits
                    )
                    if proposed.assignment_id is None:
                        raise _NextFamily
            except _NextFamily:
                continue
            self._decide(outcome, place, proposed, proposed_at)
            return

    def _keep_waiting(self, work: Work, placed: bookings.PlacedBooking, by: Actor, now: datetime) -> None:
        work.db.flush()
        version = bookings.booking_to_change(work.db, placed.id, by=self.cast.admin).version
        waitlist.set_retried(work, placed.id, on=False, version=version, by=by, now=now)

    def _place(self, work: Work, place: Place, outcome: str) -> tuple[bookings.PlacedBooking, datetime]:
        """A family and its booking, and when it was placed. Raises ``_NextFamily`` where another operator serves."""
        random = self.random
        mode = random.choices(list(DeliveryMode), [5, 2, 3])[0]
        hybrid = mode is DeliveryMode.HYBRID
        students = random.choice([1, 1, 1, 2, 2, 3])
        total = 30 if hybrid else random.choice([10, 20, 30])
        where = near(place.city.center, place.city.radius_km * 0.8, random)
        zones = zones_at(work.db, where)
        if not zones or zones[0].operator_id != place.office.operator_id:
            raise _NextFamily
        starts_on = self._start(outcome, mode, total, place)
        placed_at = min(
            datetime.combine(starts_on, time(random.randint(9, 18), random.choice([5, 20, 50])), UTC)
            - timedelta(days=random.randint(2, 9)),
            self.now - timedelta(hours=random.randint(3, 30)),
        )
        if outcome == "proposed":
            placed_at = self.now - timedelta(hours=random.randint(3, 40))
        elif outcome == "expired":
            placed_at = self.now - timedelta(hours=random.randint(52, 120))
        family = self.people.family(students, american=place.city.american)
        by = place.office.books
        registered = households.register(
            work,
            HouseholdCommand(
                (GuardianCommand(family.guardian, family.phone, family.email, family.language, True),),
                tuple(StudentCommand(name) for name in family.students),
            ),
            operator_id=place.office.operator_id,
            by=by,
            now=placed_at,
        )
        command = bookings.BookingCommand(
            household_id=registered.household_id,
            student_ids=registered.student_ids,
            course_id=random.choice(self.cast.courses),
            class_type=ClassType.HYBRID if hybrid else list(ClassType)[students - 1],
            delivery_mode=mode,
            total_sessions=total,
            start_date=starts_on,
            timeslot=random.choice(_SLOTS),
            address=f"{self.people.street(american=place.city.american)}, {place.city.name}",
            place=where,
            prefers_language=family.language.value if random.random() < 0.3 else None,
        )
        placed = bookings.place_booking(work, command, by=by, now=placed_at)
        if random.random() < 0.7:
            status = random.choice([PaymentStatus.PAID, PaymentStatus.PAID, PaymentStatus.PART_PAID])
            bookings.set_payment_status(work, placed.id, status, version=1, by=by, now=placed_at)
        return placed, placed_at

    def _start(self, outcome: str, mode: DeliveryMode, total: int, place: Place) -> date:
        """A start date that lets the booking be in its state today, local to the place."""
        today = self.now.astimezone(ZoneInfo(place.city.time_zone)).date()
        length = 7 * (total // 2) if mode is DeliveryMode.SUNDAY_ONLY else total
        match outcome:
            case "completed":
                return today - timedelta(days=length + self.random.randint(2, 60))
            case "in_progress":
                first = 8 if mode is DeliveryMode.SUNDAY_ONLY else 1
                return today - timedelta(days=self.random.randint(first, max(first, length - 2)))
            case "cancelled":
                return today + timedelta(days=self.random.randint(-10, 20))
            case _:
                return today + timedelta(days=self.random.randint(3, 25))

    def _decide(self, outcome: str, place: Place, proposed: assignments.Proposed, proposed_at: datetime) -> None:
        """Carry a proposal on to where the story wants it; auto-approved ones are decided already."""
        assignment_id, office, random = proposed.assignment_id, place.office, self.random
        assert assignment_id is not None
        decided_at = min(proposed_at + timedelta(hours=random.randint(1, 20)), self.now)
        open_ = proposed.status is BookingStatus.PENDING_APPROVAL
        with unit_of_work() as work:
            if open_ and outcome == "rejected":
                reason = "The family asked for another time."
                assignments.reject(work, assignment_id, version=1, reason=reason, by=office.approves, now=decided_at)
            elif open_ and outcome == "withdrawn":
                assignments.withdraw(work, assignment_id, version=1, by=office.books, now=decided_at)
            elif open_ and outcome == "expired":
                assignments.expire_due(work, now=min(self.now, proposed_at + timedelta(hours=49)))
            elif open_ and outcome not in ("proposed", "cancelled"):
                assignments.approve(
                    work, assignment_id, version=1, by=office.approves, now=decided_at, limits=self.limits
                )
            elif outcome == "cancelled":
                booking = bookings.booking_to_change(work.db, proposed.booking_id, by=self.cast.admin)
                assignments.cancel_booking(
                    work,
                    proposed.booking_id,
                    version=booking.version,
                    reason="The family moved away.",
                    by=office.books,
                    now=decided_at,
                )
        if outcome in ("in_progress", "completed"):
            with unit_of_work() as work:
                self._teach(work, proposed.booking_id, office.books, leave_today=outcome == "in_progress")

    def _teach(self, work: Work, booking_id: UUID, by: Actor, *, leave_today: bool) -> None:
        """Complete all sessions that lie in the past, set-wise: thousands of single verbs would take minutes.

        Sessions of today stay unmarked when ``leave_today``: there is something to do on the sessions page.
        """
        until = self.now - timedelta(hours=16 if leave_today else 0)
        booking = bookings.booking_to_change(work.db, booking_id, by=self.cast.admin)
        taught = work.db.execute(
            update(CourseSession)
            .where(CourseSession.booking_id == booking_id, CourseSession.ends_at <= until)
            .where(ScheduleSlot.course_session_id == CourseSession.id)
            .values(
                status=CourseSessionStatus.COMPLETED,
                completed_at=CourseSession.ends_at,
                taught_by=ScheduleSlot.trainer_id,
            )
            .returning(CourseSession.id, CourseSession.number, CourseSession.ends_at)
            .execution_options(synchronize_session=False)
        ).all()
        if not taught:
            return
        taught = sorted(taught, key=lambda row: row.number)
        self._attend(work, booking_id, booking.operator_id, taught, by)
        for row in taught:
            audit.record(
                work,
                "session.completed",
                "course_session",
                row.id,
                operator_id=booking.operator_id,
                by=by,
                at=row.ends_at,
                before={"status": CourseSessionStatus.SCHEDULED},
                after={"status": CourseSessionStatus.COMPLETED, "booking_id": booking_id, "number": row.number},
            )
        bookings.move_booking(work, booking, BookingStatus.IN_PROGRESS, by=by, now=taught[0].ends_at)
        if len(taught) == booking.total_sessions:
            done_at = taught[-1].ends_at
            bookings.move_booking(work, booking, BookingStatus.COMPLETED, by=by, now=done_at, completed_at=done_at)
            self.promise(work, booking_id, by=by, now=done_at)

    def _attend(self, work: Work, booking_id: UUID, operator_id: UUID, taught: list[Any], by: Actor) -> None:
        """Marks for every student of the sessions taught."""
        students = work.db.scalars(
            select(BookingStudent.student_id).where(BookingStudent.booking_id == booking_id)
        ).all()
        work.db.execute(
            insert(Attendance),
            [
                {
                    "operator_id": operator_id,
                    "booking_id": booking_id,
                    "course_session_id": row.id,
                    "student_id": student_id,
                    "mark": self.random.choices(*_MARKS)[0],
                    "marked_by": by.id,
                    "marked_at": row.ends_at,
                }
                for row in taught
                for student_id in students
            ],
        )

    def _almost_done(self) -> None:
        """The booking whose 30th session has begun and waits for its attendance: two students, two scripts."""
        place = next(p for p in self.cast.places if p.city.name == "Vijayawada")
        office, zone = place.office, ZoneInfo(place.city.time_zone)
        last = (self.now - timedelta(minutes=45)).astimezone(zone)
        timeslot = time(last.hour, last.minute // 5 * 5)
        if timeslot > time(23, 20):
            timeslot = time(23, 0)
        starts_on = last.date() - timedelta(days=29)
        placed_at = datetime.combine(starts_on, timeslot, zone) - timedelta(days=5)
        course = self.cast.courses[0]
        with unit_of_work() as work:
            trainer_id = trainers.create(
                work,
                trainers.TrainerCommand(
                    operator_id=office.operator_id,
                    name="Lakshmi Ravulapalli",
                    base=towards(place.city.center, 1.0, 0.5),
                    gender=None,
                    languages=(),
                    course_ids=(course,),
                    zone_ids=(place.zone_id,),
                    hours=tuple(WorkingHours(weekday, time(0), time(0)) for weekday in range(7)),
                ),
                by=office.approves,
                now=placed_at,
            )
            family = self.people.family(1)
            registered = households.register(
                work,
                HouseholdCommand(
                    (GuardianCommand("లక్ష్మీ దేవి", family.phone, family.email, family.language, True),),
                    (StudentCommand("అరుణ్ కుమార్"), StudentCommand("दिव्या शर्मा")),
                ),
                operator_id=office.operator_id,
                by=office.books,
                now=placed_at,
            )
            placed = bookings.place_booking(
                work,
                bookings.BookingCommand(
                    household_id=registered.household_id,
                    student_ids=registered.student_ids,
                    course_id=course,
                    class_type=ClassType.ONE_ON_TWO,
                    delivery_mode=DeliveryMode.WEEKDAY_DAILY,
                    total_sessions=30,
                    start_date=starts_on,
                    timeslot=timeslot,
                    address=f"Museum Road, {place.city.name}",
                    place=towards(place.city.center, 1.2, 0.7),
                ),
                by=office.books,
                now=placed_at,
            )
            proposed = assignments.propose(
                work, placed.id, trainer_id=trainer_id, by=office.books, now=placed_at, limits=self.limits
            )
        assert proposed.assignment_id is not None
        with unit_of_work() as work:
            assignments.approve(
                work, proposed.assignment_id, version=1, by=office.approves, now=placed_at, limits=self.limits
            )
        with unit_of_work() as work:
            self._teach(work, placed.id, office.books, leave_today=True)

    def _enquiries(self) -> None:
        """Places nobody serves, calls interrupted, and one for another operator."""
        samples = [
            (EnquiryStatus.SERVICE_NOT_AVAILABLE, Location(14.1, 79.9), "Asked for spoken English on Sundays."),
            (EnquiryStatus.SERVICE_NOT_AVAILABLE, Location(18.9, 81.6), "Two children; will call again."),
            (EnquiryStatus.DRAFT, None, "The line broke; call back in the evening."),
        ]
        for place in self.cast.places[::7]:
            for status, where, note in samples:
                family = self.people.family(1, american=place.city.american)
                command = enquiries.EnquiryCommand(
                    status=status,
                    guardian_name=family.guardian,
                    phone=family.phone,
                    address=place.city.name,
                    place=where,
                    note=note,
                    callback_on=self.now.date() + timedelta(days=self.random.randint(0, 5)),
                )
                at = self.now - timedelta(days=self.random.randint(0, 12), hours=1)
                with unit_of_work() as work:
                    enquiries.record_enquiry(work, command, by=place.office.books, now=at)
