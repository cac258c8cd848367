"""Three operators with the same story each, committed, and a marker in everything that is nobody else's business."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import date, time, timedelta
from itertools import count
from typing import Any, Final
from uuid import UUID

from flask import Flask
from sqlalchemy import Engine, create_engine, make_url, text

from tests.certificate_keys import with_keys
from tests.jobs.builders import PlainKeys, PlainRenderer, ask, completed_booking, promise, revoke
from tests.make import Make, Person
from tests.services import Servers
from tests.web.client import NOW
from tests.web.design_rows import designed
from tests.web.sync_rows import synchronised
from tests.web.zone_rows import imports_of
from webapp import embedded
from webapp.accounts import invitations
from webapp.accounts.models import Passkey
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import DeliveryMode, EnquiryStatus
from webapp.certificates import batches, posting
from webapp.certificates.batch_jobs import make as make_batch
from webapp.certificates.jobs import issue
from webapp.certificates.rules import BatchKind
from webapp.certificates.upkeep import sign_revocations
from webapp.clients.files import store_from_url
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.intervals import Interval
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db import work as work_module
from webapp.db.job_context import JobContext
from webapp.db.work import Database, connect, unit_of_work
from webapp.tables import metadata
from webapp.trainers import service as trainers

TODAY: Final = NOW + timedelta(days=6)
"""When the requests are made: the third session of each course under way is over, the fourth lies ahead."""
MARKERS: Final = ("Zqanna", "Zqbela", "Zqcora")
"""In every name and address of an operator's families, trainers and people, and nowhere else."""
ENQUIRY: Final = "Wq"
"""Begins the marker of what the company may read of everybody: enquiries (rule Z4)."""

_numbers = count()


@dataclass(frozen=True, slots=True)
class Story:
    """One operator, its people, and the marker of everything that is its own."""

    operator_id: UUID
    marker: str
    people: dict[Role, Person]

    @property
    def enquiry_marker(self) -> str:
        """The marker of its enquiries."""
        return ENQUIRY + self.marker[2:]


@dataclass
class World:
    """A database of its own with a story each of two franchises and the company; ``own`` is the first one's."""

    app: Flask
    servers: Servers
    database: Database
    superuser: Engine
    stories: tuple[Story, ...]
    owners: dict[str, UUID] = field(default_factory=dict)
    """Whose row each id is."""
    kinds: dict[str, str] = field(default_factory=dict)
    """The table of each id."""
    offered: tuple[Any, ...] = ()
    """The changing requests that its pages offer (``matrix.Request``)."""

    def rows(self, sql: str, **values: Any) -> list[dict[str, Any]]:
        """What a question finds, asked by the superuser, whom no policy binds."""
        with self.superuser.connect() as db:
            return [dict(row) for row in db.execute(text(sql), values).mappings()]

    def look_up_owners(self) -> None:
        """Learn anew whose row each id is."""
        owned = [table.name for table in metadata.sorted_tables if {"id", "operator_id"} <= set(table.c.keys())]
        union = " UNION ALL ".join(f"SELECT id, operator_id, '{name}' AS kind FROM {name}" for name in owned)
        found = self.rows(union + " ORDER BY kind, id")
        self.owners = {str(row["id"]): row["operator_id"] for row in found}
        self.kinds = {str(row["id"]): row["kind"] for row in found}
        for story in self.stories:
            self.owners[str(story.operator_id)] = story.operator_id
            self.kinds[str(story.operator_id)] = "operators"

    def tables_naming(self, this: str, operator_id: UUID) -> list[str]:
        """The tables in which an operator's rows hold an id."""
        owned = [table.name for table in metadata.sorted_tables if "operator_id" in table.c]
        union = " UNION ".join(
            f"SELECT '{name}' AS found FROM {name} t WHERE operator_id = :own AND t::text LIKE :this" for name in owned
        )
        return [row["found"] for row in self.rows(union, own=operator_id, this=f"%{this}%")]

    def first_of(self, kind: str, operator_id: UUID) -> str | None:
        """Some row of an operator, of a table."""
        return next((k for k, table in self.kinds.items() if table == kind and self.owners[k] == operator_id), None)

    def digests(self) -> dict[UUID | None, str]:
        """A fingerprint of all that each operator has, and of what belongs to none; equal means nothing was written."""
        parts = []
        for table in metadata.sorted_tables:
            if table.name in ("leases", "passkey_challenges"):
                continue  # the desk's own housekeeping, nobody's data
            owner = "operator_id" if "operator_id" in table.c else "id" if table.name == "operators" else "NULL::uuid"
            parts.append(
                f"SELECT {owner} AS owner, '{table.name}' AS what, "
                f"md5(string_agg(md5(t::text), '' ORDER BY md5(t::text))) AS found FROM {table.name} t GROUP BY 1"
            )
        rows = self.rows(" UNION ALL ".join(parts) + " ORDER BY 1, 2")
        found: dict[UUID | None, str] = {}
        for row in rows:
            found[row["owner"]] = found.get(row["owner"], "") + f"{row['what']}:{row['found']};"
        return found

    def as_superuser(self, *statements: str) -> None:
        """Change what only a superuser may, in this database and no other."""
        with self.superuser.begin() as db:
            for statement in statements:
                db.execute(text(statement))


@contextmanager
def clone_of(world: World) -> Iterator[World]:
    """The same world in another database, for a test that changes it; gone afterwards."""
    name = f"{make_url(world.servers.admin_url).database}_{next(_numbers)}"
    for engine in (world.database.bind, world.superuser):
        assert isinstance(engine, Engine)
        engine.dispose()  # nobody may be connected to what is copied
    owner, here = make_url(world.servers.owner_url).username or "", make_url(world.servers.admin_url)
    elsewhere = here.set(database="postgres").render_as_string(hide_password=False)
    embedded.create_database(elsewhere, name, owner=owner, template=here.database or "")
    mine = world.servers.on_database(name)
    with ExitStack() as stack:
        stack.callback(embedded.drop_database, elsewhere, name)
        database, superuser = _bound(stack, mine)
        yield replace(world, servers=mine, database=database, superuser=superuser)


def _bound(stack: ExitStack, servers: Servers) -> tuple[Database, Engine]:
    """The application's way into a database, made the process's own, and a superuser's; both closed by the stack."""
    engine = connect(servers.database_url, pool_size=2)
    stack.callback(engine.dispose)
    superuser = create_engine(servers.admin_url)
    stack.callback(superuser.dispose)
    stack.callback(work_module.bind, work_module.database())
    database = Database(engine, lambda job, ids: None)
    work_module.bind(database)
    return database, superuser


@contextmanager
def new_world(app: Flask, servers: Servers, settings: Settings) -> Iterator[World]:
    """Make a world on a fresh copy of the migrated database; gone afterwards."""
    name = f"{servers.template}_isolation_{os.getpid()}_{next(_numbers)}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    mine = servers.on_database(name)
    with ExitStack() as stack:
        stack.callback(embedded.drop_database, servers.admin_url, name)
        database, superuser = _bound(stack, mine)
        make = Make(app)
        ids = (make.franchise("Own Franchise"), make.franchise("Sibling Franchise"), COMPANY_ID)
        stories = tuple(_story(make, operator_id, marker) for operator_id, marker in zip(ids, MARKERS, strict=True))
        _certificates(make, database, settings, stories)
        synchronised(MARKERS[1], under_way=False)
        for story in stories:
            host = story.people.get(Role.ADMIN) or story.people[Role.FRANCHISE_MANAGER]
            imports_of(story.operator_id, database, settings, by=host.actor, marker=story.marker)
        admin = next(story.people[Role.ADMIN] for story in stories if Role.ADMIN in story.people)
        signing = [(story.operator_id, f"{story.marker} Signatory") for story in stories]
        designed(database, settings, signing, previewed_by=admin.id)
        world = World(app, mine, database, superuser, stories)
        _mark(world)
        world.look_up_owners()
        yield world


def _story(make: Make, operator_id: UUID, marker: str) -> Story:
    people = _people(make, operator_id, marker)
    staff = people[Role.COMPANY_STAFF if operator_id == COMPANY_ID else Role.FRANCHISE_STAFF]
    course, zone = make.course(), make.zone(operator_id=operator_id)
    hired = [
        make.trainer((zone,), (course,), operator_id=operator_id, name=f"{marker} Trainer {number}")
        for number in range(5)
    ]

    def family() -> Any:
        number = make.number()
        return make.household(
            f"{marker} Student {number}",
            operator_id=operator_id,
            guardian=f"{marker} Guardian {number}",
            phone=f"+91987600{number:04d}",
        )

    def booked(days: int, hour: int, *, mode: DeliveryMode = DeliveryMode.WEEKDAY_DAILY, sessions: int = 10) -> Any:
        start = date(2027, 1, 4) + timedelta(days=days)
        return make.booking(
            operator_id=operator_id,
            zone_id=zone,
            course_id=course,
            household=family(),
            start_date=start,
            timeslot=time(hour),
            delivery_mode=mode,
            total_sessions=sessions,
            by=staff.actor,
        )

    booked(20, 8)
    booked(30, 9, mode=DeliveryMode.HYBRID, sessions=30)
    make.proposal(booked(21, 10), hired[0], by=staff.actor, now=TODAY)
    make.proposal(booked(22, 11), hired[1], by=SYSTEM, now=TODAY)
    for days, hour, trainer in ((0, 12, hired[2]), (0, 15, hired[2]), (40, 14, hired[3])):
        booking = booked(days, hour)
        proposed = make.proposal(booking, trainer, by=staff.actor)
        with unit_of_work() as work:
            assert proposed.assignment_id is not None
            assignments.approve(work, proposed.assignment_id, version=1, by=SYSTEM, now=NOW, limits=Limits())
        if hour == 15:
            _teach_first(booking, by=staff)
    with unit_of_work() as work:
        away = Interval(NOW + timedelta(days=200), NOW + timedelta(days=203))
        trainers.record_time_off(work, hired[0], away, f"{marker} reason", by=staff.actor, now=NOW)
        trainers.block(work, hired[4], family().household_id, f"{marker} reason", by=staff.actor, now=NOW)
        for status in (EnquiryStatus.SERVICE_NOT_AVAILABLE, EnquiryStatus.DRAFT):
            command = EnquiryCommand(
                status,
                guardian_name=f"{ENQUIRY}{marker[2:]} Caller",
                phone="+919876511111",
                note=f"{ENQUIRY}{marker[2:]}",
            )
            enquiries.record_enquiry(work, command, by=staff.actor, now=NOW)
        host = people.get(Role.ADMIN) or people[Role.FRANCHISE_MANAGER]
        role = Role.COMPANY_STAFF if operator_id == COMPANY_ID else Role.FRANCHISE_STAFF
        newcomer = invitations.InvitationCommand(operator_id, f"{marker.lower()}@new.example", f"{marker} New", role)
        invitations.invite(work, newcomer, by=host.actor, now=NOW)
    return Story(operator_id, marker, people)


def _passkey(person: Person, marker: str) -> Passkey:
    return Passkey(
        id=new_id(),
        operator_id=person.operator_id,
        user_id=person.id,
        credential_id=new_id().bytes,
        public_key=b"nobody signs with it",
        sign_count=0,
        transports=[],
        backed_up=False,
        name=f"{marker} key",
        created_at=NOW,
        last_used_at=None,
    )


def _teach_first(booking: Any, *, by: Person) -> None:
    """Tick off the first session of a booking: the course is under way."""
    with unit_of_work() as work:
        asked = text(
            "SELECT s.id, b.student_id FROM course_sessions s JOIN booking_students b ON b.booking_id = s.booking_id"
            " WHERE s.booking_id = :id AND s.number = 1"
        )
        session, student = work.db.execute(asked, {"id": booking.id}).one()
        marks = {student: AttendanceMark.PRESENT}
        course_sessions.mark(
            work, session, Outcome.COMPLETED, marks, by=by.actor, now=TODAY, on_completed=lambda *_a, **_k: ()
        )


def _people(make: Make, operator_id: UUID, marker: str) -> dict[Role, Person]:
    roles = [Role.COMPANY_STAFF, Role.ADMIN, Role.AUDITOR]
    if operator_id != COMPANY_ID:
        roles = [Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER]
    people = {}
    for role in roles:
        number = make.number()
        email = f"{marker.lower()}{number}@example.org"
        people[role] = make.user(role, operator_id=operator_id, name=f"{marker} {role.value}", email=email)
        with unit_of_work() as work:
            work.db.add(_passkey(people[role], marker))
        # Somebody else of the role, to be looked after.
        make.user(role, operator_id=operator_id, name=f"{marker} other {role.value}", email=f"o{email}")
    return people


def _certificates(make: Make, database: Database, settings: Settings, stories: tuple[Story, ...]) -> None:
    """Issued, failed and pending ones of each operator."""
    faulty = frozenset(f"{story.marker} Faulty" for story in stories)
    context = JobContext(settings, database, lambda: NOW + timedelta(minutes=1))
    for story in stories:
        for name in ("Pupil", "Faulty"):
            done = completed_booking(make, database, f"{story.marker} {name}", operator_id=story.operator_id)
            promise(database, done, now=NOW)
    store = store_from_url(settings.certificate_store_url)
    issue(context, store=store, renderer=PlainRenderer(faulty), keys=PlainKeys())
    with_keys(database, settings.data_dir / "keys", now=NOW)
    assert sign_revocations(context)
    for story in stories:
        _send_and_print(story, context)
    for story in stories:
        done = completed_booking(make, database, f"{story.marker} Waiting", operator_id=story.operator_id)
        promise(database, done, now=TODAY + timedelta(days=1))
        _decided(make, database, settings, story)


def _decided(make: Make, database: Database, settings: Settings, story: Story) -> None:
    """One that is revoked, one whose student is called otherwise by now, and two that wait for a second person.

    Those of the company have a third, which its admin asked for.
    """
    whose = ("Revoked", "Renamed", "Doubted", "Asked", "Own")
    ids = {}
    for name in whose:
        done = completed_booking(make, database, f"{story.marker} {name}", operator_id=story.operator_id)
        (ids[name],) = promise(database, done, now=NOW)
    context = JobContext(settings, database, lambda: NOW + timedelta(minutes=1))
    issue(context, store=store_from_url(settings.certificate_store_url), renderer=PlainRenderer(), keys=PlainKeys())
    revoke(database, ids["Revoked"], now=NOW)
    for name in ("Doubted", "Asked"):
        ask(database, ids[name], now=NOW)
    if Role.ADMIN in story.people:
        ask(database, ids["Own"], by=story.people[Role.ADMIN].actor, now=NOW)
    with database.unit_of_work() as work:
        work.db.execute(
            text(
                "UPDATE students SET name = name || ' anew' WHERE id ="
                " (SELECT student_id FROM certificates WHERE id = :id)"
            ),
            {"id": ids["Renamed"]},
        )


def _send_and_print(story: Story, context: JobContext) -> None:
    """Letters with a certificate, one waiting and one given up, and a file of certificates."""
    staff = story.people[Role.COMPANY_STAFF if story.operator_id == COMPANY_ID else Role.FRANCHISE_STAFF].actor
    with context.unit_of_work() as work:
        own = {"own": story.operator_id}
        work.db.execute(text("UPDATE guardians SET email = 'x@family.example' WHERE operator_id = :own"), own)
        issued = text("SELECT id FROM certificates WHERE operator_id = :own AND state = 'issued' ORDER BY id LIMIT 1")
        certificate_id = work.db.scalars(issued, own).one()
        for round in (1, 2):
            posting.send_again(work, certificate_id, round=round, by=staff, now=NOW)
        failed = "UPDATE certificate_letters SET state = 'failed', last_error = 'no-answer' WHERE occasion = 'asked-1'"
        work.db.execute(text(f"{failed} AND operator_id = :own"), own)
        chosen = [(certificate_id, story.operator_id)]
        batches.ask(work, BatchKind.ZIP, chosen, batch_id=new_id(), by=staff, now=NOW)
    assert make_batch(context)


def _mark(world: World) -> None:
    """Put the marker where the builders have no place for it."""
    for story in world.stories:
        with world.superuser.begin() as db:
            for statement in (
                "UPDATE bookings SET address = :marker || ' Road' WHERE operator_id = :own",
                "UPDATE guardians SET email = lower(:marker) || '@family.example' WHERE operator_id = :own",
            ):
                db.execute(text(statement), {"marker": story.marker, "own": story.operator_id})
