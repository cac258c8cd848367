"""Completed bookings, and what stands in for drawing and keeping files where a test is about something else."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import text

from tests.make import Make
from tests.web.client import NOW
from webapp.certificates import promising, revoking
from webapp.certificates.designs.looks import Look
from webapp.certificates.pdf import CertificatePayload, RenderFailed
from webapp.certificates.rules import RequestCommand, RequestKind, RequestReason
from webapp.certificates.service import Claim
from webapp.clients.files import FileMissing, Named
from webapp.core.actor import SYSTEM, Actor, ActorKind, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.job_context import JobContext
from webapp.db.work import Database

DONE = NOW + timedelta(days=60)
"""When the courses of these tests are over."""
PUBLIC_URL = "http://desk.example"


@dataclass(frozen=True, slots=True)
class Completed:
    """A booking all of whose sessions were taught, and its students in the order they were named."""

    id: UUID
    operator_id: UUID | None
    student_ids: tuple[UUID, ...]


def completed_booking(
    make: Make,
    database: Database,
    *students: str,
    sessions: int = 30,
    operator_id: UUID | None = None,
    absences: int = 0,
    mark: str = "absent",
) -> Completed:
    """A booking written into its final state by SQL; the first student has ``absences`` marks."""
    household = make.household(*(students or ("Meena Rao",)), operator_id=operator_id)
    booking = make.booking(operator_id=operator_id, household=household, total_sessions=sessions)
    with database.unit_of_work() as work:
        ids = {"booking": booking.id, "now": DONE}
        work.db.execute(
            text("UPDATE course_sessions SET status = 'completed', completed_at = ends_at WHERE booking_id = :booking"),
            ids,
        )
        work.db.execute(text("UPDATE bookings SET status = 'completed', completed_at = :now WHERE id = :booking"), ids)
        work.db.execute(
            text(
                "INSERT INTO attendance (operator_id, booking_id, course_session_id, student_id, mark, marked_at)"
                " SELECT operator_id, booking_id, id, :student, :mark, :now FROM course_sessions"
                " WHERE booking_id = :booking AND number <= :absences"
            ),
            ids | {"student": household.student_ids[0], "mark": mark, "absences": absences},
        )
    return Completed(booking.id, operator_id, household.student_ids)


def promise(
    database: Database,
    booking: Completed,
    *,
    now: datetime = DONE,
    by: Actor = SYSTEM,
    max_absences: int = 6,
    draw: Callable[[int], str] | None = None,
) -> tuple[UUID, ...]:
    """Promise the booking's certificates in a transaction of its own."""
    extra = {"draw": draw} if draw is not None else {}
    with database.unit_of_work() as work:
        return promising.promise_for(
            work, booking.id, by=by, now=now, max_absences=max_absences, public_url=PUBLIC_URL, **extra
        )


def somebody(role: Role = Role.ADMIN) -> Actor:
    """A person of the company nobody made an account for, to act in services."""
    id_ = new_id()
    return Actor(kind=ActorKind.USER, id=id_, name=f"Person {id_.hex[-4:]}", role=role, operator_id=COMPANY_ID)


def ask(
    database: Database,
    certificate_id: UUID,
    *,
    kind: RequestKind = RequestKind.REVOKE,
    reason: RequestReason | None = None,
    words: str = "It was issued for another course.",
    by: Actor | None = None,
    now: datetime = DONE,
) -> UUID:
    """Ask for something that a second person has to confirm; the request's id."""
    first = {RequestKind.REVOKE: RequestReason.BY_MISTAKE, RequestKind.REISSUE: RequestReason.WRONGLY_REVOKED}
    command = RequestCommand(kind, reason or first[kind], words)
    with database.unit_of_work() as work:
        return revoking.ask(work, certificate_id, command, by=by or somebody(), now=now)


def confirm(
    database: Database, request_id: UUID, *, name: str = "", by: Actor | None = None, now: datetime = DONE
) -> None:
    """Confirm it as somebody else."""
    with database.unit_of_work() as work:
        revoking.confirm(work, request_id, by=by or somebody(), now=now, public_url=PUBLIC_URL, name=name)


def revoke(
    database: Database,
    certificate_id: UUID,
    *,
    words: str = "It was issued for another course.",
    now: datetime = DONE,
) -> None:
    """Revoke an issued certificate as it is done: one person asks, another one confirms."""
    confirm(database, ask(database, certificate_id, words=words, now=now), now=now)


@dataclass
class PlainRenderer:
    """Draws nothing: the same payload gives the same bytes. Students named in ``faulty`` cannot be drawn."""

    faulty: frozenset[str] = frozenset()
    drawn: Counter[str] = field(default_factory=Counter)

    def render(self, payload: CertificatePayload) -> bytes:
        """The number and the name, as bytes."""
        if payload.student_name in self.faulty:
            raise RenderFailed(f"{payload.student_name} cannot be drawn")
        self.drawn[payload.number] += 1
        return f"%PDF {payload.number} {payload.student_name}".encode()


@dataclass
class PlainDrawer:
    """Draws nothing: what a page would say, as bytes. ``meanwhile`` happens while it draws; ``fails`` is raised."""

    meanwhile: Callable[[], object] | None = None
    fails: Exception | None = None
    drawn: list[CertificatePayload] = field(default_factory=list)
    looks: list[Look] = field(default_factory=list)

    def render_in(self, look: Look, payload: CertificatePayload) -> bytes:
        """The PDF."""
        if self.meanwhile is not None:
            act, self.meanwhile = self.meanwhile, None
            act()
        if self.fails is not None:
            raise self.fails
        self.drawn.append(payload)
        self.looks.append(look)
        return b"%PDF " + payload.verify_url.encode()

    def picture_in(self, look: Look, payload: CertificatePayload) -> bytes:
        """The PNG."""
        return b"\x89PNG " + payload.verify_url.encode()


@dataclass
class Shelf:
    """A file store in memory that refuses the first ``refusals`` files."""

    refusals: int = 0
    files: dict[str, bytes] = field(default_factory=dict)

    def put(self, content: bytes, *, media_type: str) -> str:
        """Keep the content."""
        if self.refusals:
            self.refusals -= 1
            raise OSError("no space left")
        sha256 = hashlib.sha256(content).hexdigest()
        self.files[sha256] = content
        return sha256

    def get(self, sha256: str) -> bytes:
        """What was put."""
        try:
            return self.files[sha256]
        except KeyError as error:
            raise FileMissing(sha256) from error

    def remove(self, sha256: str) -> None:
        """Forget what was put."""
        self.files.pop(sha256, None)

    def sweep(self, named: Named, *, older_than: timedelta) -> int:
        """Nothing here is older than a test."""
        return 0


class PlainKeys:
    """Signs nothing, for tests about something else: the file stays as it was drawn, the credential is a few words."""

    def seal(self, operator_id: UUID) -> PlainKeys:
        """The same for every operator."""
        return self

    def pdf(self, content: bytes, *, at: datetime) -> bytes:
        """What was drawn."""
        return content

    def credential(self, payload: CertificatePayload, claim: Claim) -> bytes:
        """The id, which tells credentials apart, and nothing of the student."""
        return f'{{"id": "{claim.id.urn}"}}'.encode()


def later(ctx: JobContext, by: timedelta) -> JobContext:
    """The same context, so much after ``DONE``."""
    return replace(ctx, now=lambda: DONE + by)


def rows(database: Database, sql: str, **values: object) -> list[tuple[Any, ...]]:
    """What a question of the test finds, asked in SQL that knows nothing of the code under test."""
    with database.read_only() as db:
        return [tuple(row) for row in db.execute(text(sql), values)]


def states(database: Database) -> Counter[object]:
    """How many certificates are in each state."""
    return Counter(state for (state,) in rows(database, "SELECT state FROM certificates"))


def until(met: Callable[[], bool], what: str, *, seconds: float = 40.0) -> None:
    """Wait for another process. Fails after ``seconds`` and says what did not happen."""
    ends = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < ends, f"{what}: not within {seconds:.0f} s"
        time.sleep(0.05)
