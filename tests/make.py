"""Typed builders of rows, through the services, so that whatever they make is as real as what the desk makes.

Each takes what a test cares about and chooses the rest; names get a number, so two of a kind never collide. The
place is Visakhapatnam, the clock 2027-01-01 09:00 in Kolkata.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import lru_cache
from itertools import count
from typing import TypedDict, Unpack
from uuid import UUID

from flask import Flask

from tests.web.client import NOW
from webapp.accounts import second_factors
from webapp.accounts import service as accounts
from webapp.accounts.signin import hash_password
from webapp.accounts.totp import totp as totp_of_app
from webapp.assignments import service as assignments
from webapp.assignments import waitlist
from webapp.assignments.limits import Limits
from webapp.assignments.service import Proposed
from webapp.bookings import service as bookings
from webapp.bookings.rules import ClassType, DeliveryMode
from webapp.bookings.service import BookingCommand, PlacedBooking
from webapp.core.actor import ALWAYS_SECOND_FACTOR, SYSTEM, Actor, ActorKind, Role
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.courses import service as courses
from webapp.courses.rules import CourseCommand
from webapp.db.work import unit_of_work
from webapp.households import service as households
from webapp.households.rules import Gender, GuardianCommand, HouseholdCommand, Language, StudentCommand
from webapp.households.service import RegisteredHousehold
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.trainers import service as trainers
from webapp.trainers.rules import TrainerCommand, WorkingHours
from webapp.zones import service as zones
from webapp.zones.rules import ZoneCommand

KOLKATA = "Asia/Kolkata"
HOME = Location(17.6868, 83.2185)
"""Where families live unless a test says otherwise."""
PASSWORD = "correct horse battery staple"
EVERY_DAY = tuple(WorkingHours(weekday, time(7), time(21)) for weekday in range(7))


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody with an account."""

    id: UUID
    email: str
    name: str
    role: Role
    operator_id: UUID
    password: str = PASSWORD
    totp_key: str | None = None
    """The base 32 secret of their authenticator app, when they have one."""

    @property
    def actor(self) -> Actor:
        """The person as whoever acts."""
        return Actor(kind=ActorKind.USER, id=self.id, name=self.name, role=self.role, operator_id=self.operator_id)


@lru_cache(maxsize=8)
def _hash(app: Flask, password: str) -> str:
    with app.app_context():
        return hash_password(password)


class Given(TypedDict, total=False):
    """What a test says of a booking; the rest is made up."""

    operator_id: UUID | None
    zone_id: UUID | None
    course_id: UUID | None
    household: RegisteredHousehold | None
    class_type: ClassType | None
    delivery_mode: DeliveryMode
    total_sessions: int
    start_date: date
    timeslot: time
    place: Location | None


class Make:
    """Builders. Everything is made by the system at ``NOW`` unless a parameter says otherwise."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._numbers = count(1)
        self._places: dict[UUID, Location] = {COMPANY_ID: HOME}
        self._zones: dict[tuple[UUID, Location], UUID] = {}

    def number(self) -> int:
        """A number no other row of this test has."""
        return next(self._numbers)

    def place_of(self, operator_id: UUID | None) -> Location:
        """Where an operator's families live: the company's at ``HOME``, each franchise's one degree further north."""
        operator_id = operator_id or COMPANY_ID
        if operator_id not in self._places:
            self._places[operator_id] = Location(HOME.lat + len(self._places), HOME.lng)
        return self._places[operator_id]

    def franchise(self, name: str | None = None, *, auto_approve: bool = False) -> UUID:
        """A franchise."""
        command = OperatorCommand(name or f"Franchise {self.number()}", auto_approve)
        with unit_of_work() as work:
            return operators.create(work, command, by=SYSTEM, now=NOW)

    def user(
        self,
        role: Role = Role.COMPANY_STAFF,
        *,
        operator_id: UUID | None = None,
        name: str | None = None,
        email: str | None = None,
        locale: str = "en",
        password: str = PASSWORD,
        totp: bool | None = None,
    ) -> Person:
        """Somebody who can sign in; franchise roles get a new franchise unless an operator is given.

        They have an authenticator app when their role needs one, or as ``totp`` says.
        """
        number = self.number()
        if operator_id is None:
            of_franchise = role in (Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER)
            operator_id = self.franchise() if of_franchise else COMPANY_ID
        name = name or f"Person {number}"
        email = email or f"person{number}@example.org"
        with unit_of_work() as work:
            command = accounts.UserCommand(operator_id, email, name, role, locale)
            user_id = accounts.create_user(work, command, _hash(self._app, password), by=SYSTEM, now=NOW)
        has_app = role in ALWAYS_SECOND_FACTOR if totp is None else totp
        key = self._authenticator(user_id, email) if has_app else None
        return Person(user_id, email, name, role, operator_id, password, key)

    def _authenticator(self, user_id: UUID, email: str) -> str:
        key = base64.b32encode(hashlib.sha1(email.encode()).digest()).decode()
        with self._app.app_context():
            sealed = totp_of_app().seal(key, user_id)
        with unit_of_work() as work:
            second_factors.hand_out_totp(work, user_id, sealed, by=SYSTEM, now=NOW)
        return key

    def staff(self, operator_id: UUID | None = None) -> Person:
        """Staff of a franchise, or of the company when none is given."""
        role = Role.COMPANY_STAFF if operator_id in (None, COMPANY_ID) else Role.FRANCHISE_STAFF
        return self.user(role, operator_id=operator_id)

    def manager(self, operator_id: UUID | None = None) -> Person:
        """A franchise's manager."""
        return self.user(Role.FRANCHISE_MANAGER, operator_id=operator_id)

    def admin(self) -> Person:
        """An admin."""
        return self.user(Role.ADMIN)

    def auditor(self) -> Person:
        """An auditor."""
        return self.user(Role.AUDITOR)

    def course(self, name: str | None = None) -> UUID:
        """A course."""
        with unit_of_work() as work:
            command = CourseCommand(name or f"Course {self.number()}")
            return courses.create(work, command, by=SYSTEM, now=NOW)

    def zone(
        self,
        *,
        operator_id: UUID | None = None,
        name: str | None = None,
        center: Location | None = None,
        radius_km: float = 10.0,
        time_zone: str = KOLKATA,
    ) -> UUID:
        """A circle around the operator's place, the company's unless a franchise is given."""
        center = center or self.place_of(operator_id)
        command = ZoneCommand(
            name=name or f"Zone {self.number()}",
            franchise_id=None if operator_id in (None, COMPANY_ID) else operator_id,
            time_zone=time_zone,
            center=center,
            radius_km=radius_km,
        )
        with unit_of_work() as work:
            zone_id = zones.create(work, command, by=SYSTEM, now=NOW)
        self._zones.setdefault((operator_id or COMPANY_ID, center), zone_id)
        return zone_id

    def trainer(
        self,
        zone_ids: tuple[UUID, ...],
        course_ids: tuple[UUID, ...],
        *,
        operator_id: UUID | None = None,
        name: str | None = None,
        base: Location | None = None,
        without_base: bool = False,
        gender: Gender | None = None,
        languages: tuple[Language, ...] = (Language.ENGLISH,),
        hours: tuple[WorkingHours, ...] = EVERY_DAY,
    ) -> UUID:
        """A trainer who lives at the operator's place, free every day from 07:00 to 21:00."""
        command = TrainerCommand(
            operator_id=operator_id or COMPANY_ID,
            name=name or f"Trainer {self.number()}",
            base=None if without_base else base or self.place_of(operator_id),
            gender=gender,
            languages=languages,
            course_ids=course_ids,
            zone_ids=zone_ids,
            hours=hours,
        )
        with unit_of_work() as work:
            return trainers.create(work, command, by=SYSTEM, now=NOW)

    def household(
        self, *students: str, operator_id: UUID | None = None, guardian: str | None = None, phone: str = "+919876543210"
    ) -> RegisteredHousehold:
        """A family with one guardian, and one student unless names are given."""
        number = self.number()
        command = HouseholdCommand(
            guardians=(GuardianCommand(guardian or f"Guardian {number}", phone, None, Language.ENGLISH, True),),
            students=tuple(StudentCommand(name) for name in students or (f"Student {number}",)),
        )
        with unit_of_work() as work:
            return households.register(work, command, operator_id=operator_id or COMPANY_ID, by=SYSTEM, now=NOW)

    def booking(
        self, *, by: Actor = SYSTEM, now: datetime = NOW, retried: bool = True, **given: Unpack[Given]
    ) -> PlacedBooking:
        """A waitlisted booking at the operator's place. Zone, course and family are made unless given.

        Where workers run, one that is ``retried`` may have a trainer the next moment.
        """
        command = self._command(**given)
        with unit_of_work() as work:
            placed = bookings.place_booking(work, command, by=by, now=now)
            if not retried:
                work.db.flush()
                waitlist.set_retried(work, placed.id, on=False, version=1, by=by, now=now)
            return placed

    def proposed(
        self, trainer_id: UUID | None, *, by: Actor = SYSTEM, now: datetime = NOW, **given: Unpack[Given]
    ) -> tuple[PlacedBooking, Proposed]:
        """A booking and a trainer proposed for it, in one transaction: no worker finds it waiting in between."""
        command = self._command(**given)
        with unit_of_work() as work:
            placed = bookings.place_booking(work, command, by=by, now=now)
            made = assignments.propose(work, placed.id, trainer_id=trainer_id, by=by, now=now, limits=Limits())
            return placed, made

    def _command(
        self,
        *,
        operator_id: UUID | None = None,
        zone_id: UUID | None = None,
        course_id: UUID | None = None,
        household: RegisteredHousehold | None = None,
        class_type: ClassType | None = None,
        delivery_mode: DeliveryMode = DeliveryMode.WEEKDAY_DAILY,
        total_sessions: int = 10,
        start_date: date = date(2027, 1, 4),
        timeslot: time = time(16),
        place: Location | None = None,
    ) -> BookingCommand:
        place = place or self.place_of(operator_id)
        known = self._zones.get((operator_id or COMPANY_ID, place))
        zone_id = zone_id or known or self.zone(operator_id=operator_id, center=place)
        household = household or self.household(operator_id=operator_id)
        students = household.student_ids
        by_count = {1: ClassType.ONE_ON_ONE, 2: ClassType.ONE_ON_TWO, 3: ClassType.ONE_ON_THREE}
        hybrid = delivery_mode is DeliveryMode.HYBRID
        return BookingCommand(
            household_id=household.household_id,
            student_ids=students,
            course_id=course_id or self.course(),
            class_type=class_type or (ClassType.HYBRID if hybrid else by_count[len(students)]),
            delivery_mode=delivery_mode,
            total_sessions=total_sessions,
            start_date=start_date,
            timeslot=timeslot,
            address="12 Beach Road",
            place=place,
            zone_id=zone_id,
        )

    def proposal(
        self, booking: PlacedBooking, trainer_id: UUID | None, *, by: Actor = SYSTEM, now: datetime = NOW
    ) -> Proposed:
        """A trainer proposed for a booking; ``None`` takes the best."""
        with unit_of_work() as work:
            return assignments.propose(work, booking.id, trainer_id=trainer_id, by=by, now=now, limits=Limits())
