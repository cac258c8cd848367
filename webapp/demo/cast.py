"""The demo's company: operators, sign-ins, courses, zones and trainers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, time
from random import Random
from uuid import UUID

from webapp.accounts import second_factors
from webapp.accounts import service as accounts
from webapp.core.actor import ALWAYS_SECOND_FACTOR, SYSTEM, Actor, ActorKind, Role
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.courses import service as courses
from webapp.courses.rules import CourseCommand
from webapp.db.work import Work, unit_of_work
from webapp.demo.keys import key_of
from webapp.demo.people import People
from webapp.demo.places import (
    FRANCHISES,
    INDIA,
    NEW_YORK_FRANCHISE,
    POLYGON_CITY,
    City,
    cities,
    near,
    ring_around,
)
from webapp.households.rules import Gender, Language
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours
from webapp.zones import service as zones
from webapp.zones.rules import ZoneCommand

COMPANY_NAME = "Zonedesk Tutoring"
PASSWORD = "rain-on-the-godavari"  # noqa: S105 - printed for everybody who tries the demo; production refuses the demo
COURSES = (
    ("Mathematics", "School mathematics, classes 6 to 10."),
    ("Science", "Physics, chemistry and biology, classes 6 to 10."),
    ("Spoken English", "Speaking and listening, from the first sentence on."),
    ("Telugu reading", "Letters, words and first books."),
    ("Coding for beginners", "Thinking in steps; first programs."),
    ("Carnatic vocal", "Voice, talam and the first varnams."),
)
TRAINERS = 150


@dataclass(frozen=True, slots=True)
class SignIn:
    """A demo account, as the list of sign-ins shows it."""

    email: str
    role: Role
    operator: str

    @property
    def key(self) -> str | None:
        """The key of the authenticator app, for the roles that need one."""
        return key_of(self.email) if self.role in ALWAYS_SECOND_FACTOR else None


SIGN_INS = (
    SignIn("admin@zonedesk.example", Role.ADMIN, COMPANY_NAME),
    SignIn("admin2@zonedesk.example", Role.ADMIN, COMPANY_NAME),
    SignIn("staff@zonedesk.example", Role.COMPANY_STAFF, COMPANY_NAME),
    SignIn("auditor@zonedesk.example", Role.AUDITOR, COMPANY_NAME),
    SignIn("manager@krishna.example", Role.FRANCHISE_MANAGER, "Krishna Learning"),
    SignIn("staff@krishna.example", Role.FRANCHISE_STAFF, "Krishna Learning"),
    SignIn("manager@godavari.example", Role.FRANCHISE_MANAGER, "Godavari Tutors"),
    SignIn("staff@godavari.example", Role.FRANCHISE_STAFF, "Godavari Tutors"),
    SignIn("manager@deccan.example", Role.FRANCHISE_MANAGER, "Deccan Home Tutors"),
    SignIn("staff@deccan.example", Role.FRANCHISE_STAFF, "Deccan Home Tutors"),
    SignIn("manager@hudson.example", Role.FRANCHISE_MANAGER, NEW_YORK_FRANCHISE),
    SignIn("staff@hudson.example", Role.FRANCHISE_STAFF, NEW_YORK_FRANCHISE),
)
_NAMES = {
    "admin@zonedesk.example": "Anjali Menon",
    "admin2@zonedesk.example": "Vikram Rao",
    "staff@zonedesk.example": "Farah Khan",
    "auditor@zonedesk.example": "Thomas George",
    "manager@krishna.example": "Padma Chowdary",
    "staff@krishna.example": "Ramesh Babu",
    "manager@godavari.example": "Suresh Varma",
    "staff@godavari.example": "Lavanya Devi",
    "manager@deccan.example": "Imran Ali",
    "staff@deccan.example": "Sneha Reddy",
    "manager@hudson.example": "Grace Miller",
    "staff@hudson.example": "Daniel Ortiz",
}


@dataclass(frozen=True, slots=True)
class Secrets:
    """How this desk keeps passwords and the keys of authenticator apps."""

    hash_password: Callable[[str], str]
    seal_key: Callable[[str, UUID], str]
    """From a base 32 key and whose it is."""


@dataclass(frozen=True, slots=True)
class Office:
    """One operator with the two people who matter: who books and who approves."""

    operator_id: UUID
    books: Actor
    approves: Actor


@dataclass(frozen=True, slots=True)
class Place:
    """A zone and the city it was made from."""

    zone_id: UUID
    city: City
    office: Office


@dataclass(frozen=True, slots=True)
class Cast:
    """Everybody and everything that bookings need."""

    courses: tuple[UUID, ...]
    places: tuple[Place, ...]
    admin: Actor


def assemble(random: Random, people: People, secrets: Secrets, founded_at: datetime) -> Cast:
    """Create operators, accounts, courses, zones and trainers, as of ``founded_at`` (aware)."""
    with unit_of_work() as work:
        operators.change(work, COMPANY_ID, OperatorCommand(COMPANY_NAME), by=SYSTEM, now=founded_at)
        ids = {COMPANY_NAME: COMPANY_ID}
        for name in (*FRANCHISES, NEW_YORK_FRANCHISE):
            # One franchise trusts its desk: its proposals are approved by the system.
            command = OperatorCommand(name, auto_approve=name == "Godavari Tutors")
            ids[name] = operators.create(work, command, by=SYSTEM, now=founded_at)
    with unit_of_work() as work:
        actors = _accounts(work, ids, secrets, founded_at)
        taught = tuple(
            courses.create(work, CourseCommand(name), by=SYSTEM, now=founded_at, description=text)
            for name, text in COURSES
        )
    with unit_of_work() as work:
        places = tuple(_zone(work, city, ids, actors, founded_at) for city in cities())
    for place, count in _shares(places):
        with unit_of_work() as work:
            for _ in range(count):
                _trainer(work, place, taught, random, people, founded_at)
    return Cast(taught, places, actors["admin@zonedesk.example"])


def _accounts(work: Work, ids: dict[str, UUID], secrets: Secrets, now: datetime) -> dict[str, Actor]:
    actors, password_hash = {}, secrets.hash_password(PASSWORD)
    for sign_in in SIGN_INS:
        operator_id, name = ids[sign_in.operator], _NAMES[sign_in.email]
        command = accounts.UserCommand(operator_id, sign_in.email, name, sign_in.role)
        user_id = accounts.create_user(work, command, password_hash, by=SYSTEM, now=now)
        if sign_in.key is not None:
            second_factors.hand_out_totp(work, user_id, secrets.seal_key(sign_in.key, user_id), by=SYSTEM, now=now)
        actors[sign_in.email] = Actor(ActorKind.USER, user_id, name, sign_in.role, operator_id)
    return actors


def _office(franchise: str | None, ids: dict[str, UUID], actors: dict[str, Actor]) -> Office:
    if franchise is None:
        return Office(COMPANY_ID, actors["staff@zonedesk.example"], actors["admin@zonedesk.example"])
    emails = {s.role: s.email for s in SIGN_INS if s.operator == franchise}
    return Office(ids[franchise], actors[emails[Role.FRANCHISE_STAFF]], actors[emails[Role.FRANCHISE_MANAGER]])


def _zone(work: Work, city: City, ids: dict[str, UUID], actors: dict[str, Actor], now: datetime) -> Place:
    polygon = city.name == POLYGON_CITY
    command = ZoneCommand(
        name=city.name,
        label="City and surroundings",
        franchise_id=ids[city.franchise] if city.franchise else None,
        time_zone=city.time_zone,
        center=None if polygon else city.center,
        radius_km=None if polygon else city.radius_km,
        ring=ring_around(city.center, city.radius_km) if polygon else None,
        max_travel_km=city.radius_km * 2 if polygon else None,
        travel_buffer_minutes=20 if city.time_zone == INDIA else 30,
    )
    return Place(zones.create(work, command, by=SYSTEM, now=now), city, _office(city.franchise, ids, actors))


def _shares(places: tuple[Place, ...]) -> list[tuple[Place, int]]:
    """How many trainers each place gets: three, and the rest to the largest, one after the other."""
    shares = dict.fromkeys(places, 3)
    largest = sorted(places, key=lambda p: (-p.city.population, p.city.name))
    for number in range(TRAINERS - 3 * len(places)):
        shares[largest[number % (len(largest) // 2)]] += 1
    return list(shares.items())


def _trainer(work: Work, place: Place, taught: tuple[UUID, ...], random: Random, people: People, now: datetime) -> None:
    gender = random.choice([Gender.FEMALE, Gender.MALE])
    flaw = random.choices(["", "no hours", "no base", "inactive", "four courses"], [88, 3, 3, 3, 3])[0]
    base: Location | None = near(place.city.center, place.city.radius_km * 0.6, random)
    languages = [Language.ENGLISH]
    if not place.city.american:
        languages += random.sample([Language.TELUGU, Language.HINDI], random.choice([1, 2]))
    command = trainers.TrainerCommand(
        operator_id=place.office.operator_id,
        name=people.trainer(gender, american=place.city.american),
        base=None if flaw == "no base" else base,
        gender=gender,
        languages=tuple(languages),
        course_ids=tuple(random.sample(taught, 4 if flaw == "four courses" else random.choice([2, 3, 3]))),
        zone_ids=(place.zone_id,),
        hours=() if flaw == "no hours" else _hours(random),
        active=flaw != "inactive",
    )
    trainers.create(work, command, by=SYSTEM, now=now, max_courses=4)


def _hours(random: Random) -> tuple[WorkingHours, ...]:
    starts, ends = random.choice([(6, 21), (7, 22), (8, 20), (14, 22), (6, 14)])
    return tuple(WorkingHours(weekday, time(starts), time(ends)) for weekday in range(7))
