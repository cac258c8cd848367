"""No page needs more than twelve SQL statements, whoever opens it and however much there is to show.

Every GET rule of the application is opened with the demo loaded, as an admin, a franchise's manager and its staff. A
rule that this test does not know how to fill fails it.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import make_url, text
from werkzeug.routing import Rule

from tests.authenticator import Authenticator
from tests.certificate_keys import with_keys
from tests.jobs.builders import PlainKeys, PlainRenderer, ask, confirm, rows
from tests.make import Person
from tests.services import Servers
from tests.web.client import NOW, DeskClient, WatchedDatabase
from tests.web.design_rows import designed
from tests.web.linter import lint_page
from tests.web.passkeys import give
from tests.web.sync_rows import URL, synchronised
from tests.web.zone_rows import imports_of
from webapp import embedded
from webapp.accounts.queries import account_of
from webapp.assignments.limits import Limits
from webapp.certificates.batch_jobs import make as make_batch
from webapp.certificates.batches import MOST
from webapp.certificates.batches import ask as ask_for_batch
from webapp.certificates.jobs import issue
from webapp.certificates.promising import promise_for
from webapp.certificates.queries.pages import all_found
from webapp.certificates.rules import BatchKind, RequestKind
from webapp.certificates.upkeep import sign_revocations
from webapp.clients.files import LocalFileStore, Named, store_from_url
from webapp.config import Settings
from webapp.core.actor import Permission, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db import work as work_module
from webapp.db.job_context import JobContext
from webapp.db.work import Database, connect
from webapp.demo.cast import SIGN_INS, Secrets
from webapp.demo.load import load
from webapp.trainers.badge import forget
from webapp.web.access import guard_of

BUDGET = 12
SHARE = 0.1
"""About forty bookings, each state among them; trainers, zones and people as in the whole demo."""
NEEDS_SERVERS = {"ops.readyz"}
"""Answers 503 where no worker and no sweeper runs."""

OF_SOME_STATES = {
    "accounts.passkey",
    "accounts.join",
    "accounts.reset",
    "certificate_batches.file",
    "certificate_batches.show",
    "certificates.credential",
    "certificates.pdf",
    "verification.credential",
    "verification.pdf",
    "desk.cancel_session_page",
    "desk.edit",
    "desk.move",
    "desk.pause",
    "desk.propose",
    "desk.replace",
    "desk.substitute",
}
"""A booking that does not wait any more cannot be edited or proposed for, one without a trainer has none to replace and
nothing to pause; a session that is taught is neither moved nor cancelled; a file that is not there is not found; nor is
anybody's passkey or batch but one's own; who comes without the link of a letter finds none that works."""

LOOKED_AFTER = {
    "accounts.change_user_page",
    "accounts.disable_user",
    "accounts.enable_user",
    "accounts.sign_user_out",
    "accounts.reset_second_factors",
}
"""A manager sees the other managers of the franchise, and changes only its staff."""

OWNED = """
    SELECT {columns}, own FROM (
        SELECT t.*, row_number() OVER (PARTITION BY own, {kind} ORDER BY {size}, t.id) AS smallest,
               row_number() OVER (PARTITION BY own, {kind} ORDER BY {size} DESC, t.id) AS largest
        FROM (SELECT *, operator_id = CAST(:own AS uuid) AS own FROM {table}) t
    ) AS ranked
    WHERE smallest = 1 OR largest = 1
"""


def owned(table: str, columns: str, *, kind: str = "1", size: str = "1") -> str:
    """The smallest and the largest row of each kind, of the operator ``:own`` and of the others."""
    return OWNED.format(table=table, columns=columns, kind=kind, size=size)


FILL: dict[frozenset[str], str] = {
    frozenset({"booking_id"}): owned(
        "bookings",
        "id AS booking_id",
        kind="status",
        size="total_sessions * (SELECT count(*) FROM booking_students s WHERE s.booking_id = t.id)",
    ),
    frozenset({"assignment_id"}): owned("assignments", "id AS assignment_id", kind="status"),
    frozenset({"session_id"}): owned("course_sessions", "id AS session_id", kind="status", size="number"),
    frozenset({"certificate_id"}): owned("certificates", "id AS certificate_id", kind="state"),
    frozenset({"request_id"}): owned("certificate_requests", "id AS request_id", kind="kind"),
    frozenset({"household_id", "student_id"}): owned("students", "household_id, id AS student_id"),
    frozenset({"batch_id"}): owned("certificate_batches", "id AS batch_id", kind="asked_by"),
    frozenset({"household_id"}): owned(
        "households", "id AS household_id", size="(SELECT count(*) FROM students s WHERE s.household_id = t.id)"
    ),
    frozenset({"trainer_id"}): owned(
        "trainers",
        "id AS trainer_id",
        kind="active",
        size="(SELECT count(*) FROM schedule_slots s WHERE s.trainer_id = t.id)",
    ),
    frozenset({"zone_id"}): owned(
        "zones",
        "id AS zone_id",
        kind="kind",
        size="(SELECT count(*) FROM trainer_zones z WHERE z.zone_id = t.id)",
    ),
    frozenset({"operator_id"}): "SELECT id AS operator_id, id = CAST(:own AS uuid) AS own FROM operators",
    frozenset({"passkey_id"}): "SELECT id AS passkey_id, true AS own FROM passkeys",
    frozenset({"user_id"}): owned("users", "id AS user_id", kind="role"),
    frozenset({"course_id"}): "SELECT id AS course_id, true AS own FROM courses",
    frozenset({"number"}): "SELECT number, true AS own FROM certificates ORDER BY id LIMIT 3",
    frozenset({"number", "token"}): "SELECT number, token, true AS own FROM certificates ORDER BY id LIMIT 3",
    frozenset({"key"}): "SELECT public AS key, true AS own FROM issuer_keys WHERE kind = 'ed25519'",
    frozenset({"key_id"}): "SELECT id AS key_id, true AS own FROM issuer_keys WHERE kind = 'x509'",
    frozenset({"year"}): "SELECT year, true AS own FROM revocation_lists",
    frozenset({"token"}): "SELECT 'of-a-letter' AS token, true AS own",
    frozenset({"filename"}): "SELECT 'app.css' AS filename, true AS own",
    frozenset({"import_id"}): owned("zone_imports", "id AS import_id", kind="state"),
    frozenset({"run_id"}): "SELECT id AS run_id, true AS own FROM trainer_sync_runs",
    frozenset({"operator_id", "number"}): (
        "SELECT operator_id, number, operator_id = CAST(:own AS uuid) AS own FROM certificate_designs"
    ),
    frozenset({"operator_id", "sha256"}): (
        "SELECT operator_id, logo_sha256 AS sha256, operator_id = CAST(:own AS uuid) AS own FROM certificate_designs"
        " WHERE in_use"
    ),
    frozenset({"preview_id", "kind"}): (
        "SELECT id AS preview_id, kind, true AS own FROM certificate_previews, unnest(ARRAY['png', 'pdf']) AS kind"
    ),
    frozenset({"link_id"}): "SELECT id AS link_id, true AS own FROM trainer_service_links",
}
"""How to fill a rule's arguments: a query whose columns are the arguments, and whether staff of ``:own`` may see it."""

ASKED: dict[str, str] = {
    "audit.index": "SELECT name AS who, 'booking.' AS what, '2000-01-01' AS since FROM users ORDER BY id LIMIT 1",
    "audit.export": "SELECT 'booking.' AS what",
    "accounts.policy": "SELECT 'auditor' AS role",
    "accounts.users": "SELECT name AS q FROM users ORDER BY id LIMIT 1",
    "bookings.index": "SELECT reference AS q FROM bookings ORDER BY id LIMIT 1",
    "bookings.enquiries": "SELECT 'all' AS status",
    "certificates.index": "SELECT number AS q FROM certificates ORDER BY id LIMIT 1",
    "certificates.verify": "SELECT number FROM certificates ORDER BY id LIMIT 1",
    "course_sessions.index": "SELECT 'waiting' AS view",
    "demand.index": "SELECT 0 AS days",
    "desk.new_booking": "SELECT id AS household FROM households WHERE operator_id = :own ORDER BY id LIMIT 1",
    "households.index": "SELECT name AS q FROM students ORDER BY id LIMIT 1",
    "trainers.create": "SELECT CAST(:own AS uuid) AS operator",
    "trainer_service.index": "SELECT 'all' AS runs",
    "trainer_service.link": "SELECT 'franchise' AS kind, 'F-1' AS name UNION ALL SELECT 'trainer', 'T-2'",
    "trainer_service.quarantine": "SELECT 'no-time-zone' AS reason",
    "trainers.index": "SELECT name AS q FROM trainers ORDER BY id LIMIT 1",
    "zones.holes": "SELECT CAST(:own AS uuid) AS operator",
    "zone_map.near": (
        "SELECT concat_ws(',', center_lng - 1, center_lat - 1, center_lng + 1, center_lat + 1) AS bbox"
        " FROM zones ORDER BY id LIMIT 1"
    ),
    "zone_files.export_csv": "SELECT name AS q FROM zones ORDER BY id LIMIT 1",
    "zone_files.export_geojson": "SELECT operator_id AS operator FROM zones WHERE operator_id = :own LIMIT 1",
    "zones.index": "SELECT name AS q FROM zones ORDER BY id LIMIT 1",
    "zones.lookup": "SELECT center_lat || ', ' || center_lng AS place FROM zones ORDER BY id LIMIT 1",
}
"""What to ask pages that can be asked something; each is opened without as well."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One address to open, and whether staff of the chosen franchise may see what is there."""

    endpoint: str
    values: dict[str, str]
    own: bool


@dataclass(frozen=True, slots=True)
class Demo:
    """A committed database with the demo, one of its franchises, and three people."""

    database: Database
    franchise: UUID
    people: tuple[Person, ...]

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """What a question finds; ``:own`` is the franchise."""
        with self.database.read_only() as db:
            values = {"own": self.franchise} if ":own" in sql else {}
            return [dict(row) for row in db.execute(text(sql), values).mappings()]


class PoorStore:
    """A store that cannot keep its first file: that certificate stays pending."""

    def __init__(self, store: LocalFileStore) -> None:
        self._store = store
        self._refused = False

    def put(self, content: bytes, *, media_type: str) -> str:
        """Refuse once, then keep."""
        if not self._refused:
            self._refused = True
            raise OSError("no space left")
        return self._store.put(content, media_type=media_type)

    def get(self, sha256: str) -> bytes:
        """What was kept."""
        return self._store.get(sha256)

    def remove(self, sha256: str) -> None:
        """Let go."""
        self._store.remove(sha256)

    def sweep(self, named: Named, *, older_than: timedelta) -> int:
        """Sweep as the other does."""
        return self._store.sweep(named, older_than=older_than)


@pytest.fixture
def demo(servers: Servers, app: Flask, settings: Settings, at: Callable[[datetime], None]) -> Iterator[Demo]:
    """A database of its own with the demo; dropped afterwards."""
    name = f"{servers.template}_budget_{os.getpid()}"
    owner = make_url(servers.owner_url).username or ""
    embedded.create_database(servers.admin_url, name, owner=owner, template=servers.template)
    engine = connect(servers.on_database(name).database_url, pool_size=2)
    database = WatchedDatabase(engine, lambda job, ids: None)
    database.left = []
    before = work_module.database()
    work_module.bind(database)
    try:
        load(
            now=NOW,
            secrets=Secrets(lambda _password: "nobody signs in with it", lambda key, _user_id: f"sealed {key}"),
            promise=partial(promise_for, max_absences=settings.max_absences, public_url=settings.public_url),
            limits=Limits(settings.hold_hours, settings.max_courses_per_trainer),
            share=SHARE,
        )
        store = store_from_url(settings.certificate_store_url)
        assert isinstance(store, LocalFileStore)
        context = JobContext(settings, database, lambda: NOW)
        issue(context, store=PoorStore(store), renderer=PlainRenderer(), keys=PlainKeys())
        _ask_for_second_persons(database)
        with_keys(database, settings.data_dir / "keys", now=NOW)
        assert sign_revocations(context)
        synchronised()
        people = _with_people(database)
        operators = [(COMPANY_ID, "Company"), (people.franchise, "Franchise")]
        designed(database, settings, operators, previewed_by=people.people[0].id)
        app.extensions["settings"] = settings.model_copy(update={"trainer_service_url": URL})
        for person in people.people[:2]:
            imports_of(person.operator_id, database, settings, by=person.actor)
        for person in people.people:
            _batch_of(person, context, store)
        yield people
    finally:
        app.extensions["settings"] = settings
        work_module.bind(before)
        engine.dispose()
        embedded.drop_database(servers.admin_url, name)


def _ask_for_second_persons(database: Database) -> None:
    """A certificate of each operator is asked to be revoked; of some, one was revoked and is asked to be made anew."""
    issued = [
        row[0]
        for row in rows(
            database,
            "SELECT id FROM (SELECT id, row_number() OVER (PARTITION BY operator_id ORDER BY id) AS n FROM certificates"
            " WHERE state = 'issued') AS c WHERE n <= 2 ORDER BY n DESC, id",
        )
    ]
    for certificate_id in issued:
        assert isinstance(certificate_id, UUID)
        ask(database, certificate_id, now=NOW)
    revoked = next(
        row[0] for row in rows(database, "SELECT certificate_id FROM certificate_requests ORDER BY id LIMIT 1")
    )
    ((request_id,),) = rows(database, "SELECT id FROM certificate_requests WHERE certificate_id = :id", id=revoked)
    assert isinstance(revoked, UUID)
    assert isinstance(request_id, UUID)
    confirm(database, request_id, now=NOW)
    ask(database, revoked, kind=RequestKind.REISSUE, now=NOW)


def _batch_of(person: Person, ctx: JobContext, store: LocalFileStore) -> None:
    """A file with every certificate that somebody sees, the pending one left out of it."""
    with ctx.unit_of_work() as work:
        chosen = all_found(work.db, visible_to=person.actor, limit=MOST)
        ask_for_batch(work, BatchKind.ZIP, chosen, batch_id=new_id(), by=person.actor, now=NOW)
    assert make_batch(ctx, store=store)


def _with_people(database: Database) -> Demo:
    """The franchise with most bookings, its manager and staff, and an admin."""
    with database.read_only() as db:
        largest = db.execute(
            text(
                "SELECT o.id, o.name FROM operators o JOIN bookings b ON b.operator_id = o.id"
                " WHERE o.kind = 'franchise' GROUP BY o.id ORDER BY count(*) DESC, o.name LIMIT 1"
            )
        ).one()
        emails = [s.email for s in SIGN_INS if s.operator == largest.name]
        found = [account_of(db, email) for email in ("admin@zonedesk.example", *emails)]
    people = tuple(Person(a.id, a.email, a.name, a.role, a.operator_id) for a in found if a is not None)
    assert len(people) == 3
    give(database, people[0], Authenticator())
    return Demo(database, largest.id, people)


def visits(app: Flask, demo: Demo) -> list[Visit]:
    """Every address to open. Fails for a rule that nobody said how to fill."""
    found: list[Visit] = []
    for rule in sorted(app.url_map.iter_rules(), key=lambda rule: (rule.endpoint, rule.rule)):
        if "GET" in (rule.methods or ()):
            found += _visits_of(rule, demo)
    unknown = ASKED.keys() - {visit.endpoint for visit in found}
    assert unknown == set(), "questions for pages that there are not"
    return found


def _visits_of(rule: Rule, demo: Demo) -> list[Visit]:
    if rule.arguments:
        question = FILL.get(frozenset(rule.arguments))
        assert question is not None, f"say in FILL how to fill {rule.rule}"
        rows = demo.rows(question)
        assert rows, f"the demo has nothing for {rule.rule}"
        return [Visit(rule.endpoint, {name: row[name] for name in rule.arguments}, bool(row["own"])) for row in rows]
    asked = demo.rows(ASKED[rule.endpoint]) if rule.endpoint in ASKED else []
    return [Visit(rule.endpoint, {name: str(value) for name, value in row.items()}, True) for row in ({}, *asked)]


def may_answer(app: Flask, visit: Visit, person: Person) -> set[int]:
    """The statuses that are right for what somebody may see."""
    guard = guard_of(app, visit.endpoint)
    if isinstance(guard, Permission) and not person.actor.may(guard):
        return {403}
    if not visit.own and not person.actor.sees_everything:
        return {404}
    if visit.endpoint in NEEDS_SERVERS:
        return {200, 503}
    if visit.endpoint in LOOKED_AFTER:
        return {200} if person.role is Role.ADMIN else {200, 403}
    return {200, 303, 404, 409} if visit.endpoint in OF_SOME_STATES else {200, 303}


def open_all(
    app: Flask, demo: Demo, person: Person, *, lint: bool, before: Callable[[], None]
) -> tuple[dict[str, list[int]], list[str]]:
    """Open every address as one person: how many statements each page took, and everything that is wrong.

    ``before`` is done before each of them.
    """
    client = app.test_client()
    assert isinstance(client, DeskClient)
    client.sign_in(person)
    client.lint = False  # here one page at fault must not hide the next
    counts: dict[str, list[int]] = defaultdict(list)
    wrong = []
    for visit in visits(app, demo):
        before()
        response = client.get(visit.endpoint, **visit.values)
        where = f"{person.role.value}: {visit.endpoint} {visit.values}"
        counts[visit.endpoint].append(client.statements)
        if response.status_code not in may_answer(app, visit, person):
            wrong.append(f"{where} answers {response.status_code}")
        elif client.statements > BUDGET:
            wrong.append(f"{where} takes {client.statements} statements")
        elif lint and response.status_code == 200 and response.mimetype == "text/html":
            wrong += [f"{where}: {fault}" for fault in lint_page(response.text, status=200)]
        response.close()
    return counts, wrong


OF_ITS_STATE = {"assignments.show": 4}
"""Statements a page takes more in one state than in another: an open proposal comes with the whole-course grid, and
with who else waits for the trainer."""


def growing(counts: dict[str, list[int]]) -> dict[str, list[int]]:
    """Pages whose statements grow with what they show: one row found or 25, the smallest booking or the largest."""
    one_row_or_many = {endpoint for endpoint, question in ASKED.items() if " AS q " in question}
    return {
        endpoint: taken
        for endpoint, taken in counts.items()
        if (endpoint.endswith(".show") or endpoint in one_row_or_many)
        and max(taken) - min(taken) > OF_ITS_STATE.get(endpoint, 1)
    }


def test_no_page_needs_more_than_twelve_statements(app: Flask, demo: Demo, redis_url: str) -> None:
    counts, wrong = {}, []
    for person in demo.people:
        with Redis.from_url(redis_url) as limits:
            limits.flushdb()  # together they ask the public page more often than one visitor may
        # Linting takes longer than all the rest, and staff sees what its manager sees, less some buttons.
        # Each page as the first one of its process, which remembers nothing of the trainer service yet.
        lint, fresh = person.role is not Role.FRANCHISE_STAFF, partial(forget, app)
        counts[person.role.value], faults = open_all(app, demo, person, lint=lint, before=fresh)
        wrong += faults
    print(f"\n{'fewest-most statements':28}" + "".join(f"{role:>20}" for role in counts))
    for endpoint in next(iter(counts.values())):
        taken = [by_endpoint[endpoint] for by_endpoint in counts.values()]
        print(f"{endpoint:28}" + "".join(f"{f'{min(some)}-{max(some)}':>20}" for some in taken))
    assert not wrong, "\n".join(wrong)
    assert growing(counts[Role.ADMIN.value]) == {}, "these take more statements where there is more to show"
