"""Certificates are promised by the transaction that completes their booking (rules C1 to C3).

The pending row is the promise; what becomes of it is the business of ``service``.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy.dialects.postgresql import insert

from webapp.bookings.rules import BookingStatus
from webapp.certificates import rules
from webapp.certificates.designs import queries as designs
from webapp.certificates.designs.built_in import BUILT_IN
from webapp.certificates.models import Certificate
from webapp.certificates.pdf import CertificatePayload
from webapp.certificates.queries import issuing
from webapp.certificates.rules import CertificateState
from webapp.certificates.service import tell
from webapp.core.actor import Actor
from webapp.core.clock import today_in
from webapp.core.errors import RuleBroken
from webapp.core.failpoints import Failpoint, reach
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Work

MAX_DRAWS: Final = 20
"""Of 45 random bits even two collisions in a row mean that the source is broken."""
SALT_BYTES: Final = 16
"""As many as ``credentials.building`` wants."""
STORE: Final = (
    insert(Certificate).on_conflict_do_nothing().returning(Certificate.id, Certificate.student_id, Certificate.number)
)
"""One statement for all rows it is given. A row whose number or place is taken is passed over."""


@dataclass(frozen=True, slots=True)
class Paper:
    """What all certificates of a booking share; the day is one of its zone."""

    booking: issuing.BookingDone
    design: designs.InUse | None
    awarded_on: date
    public_url: str


def promise_for(
    work: Work,
    booking_id: UUID,
    *,
    by: Actor,
    now: datetime,
    max_absences: int = rules.MAX_ABSENCES,
    public_url: str,
    draw: Callable[[int], str] = rules.draw_number,
) -> tuple[UUID, ...]:
    """Promise a certificate to every entitled student of a booking that this very transaction completed (rule C1).

    ``public_url`` is the address under which the verification page is reached. Returns the ids of the new rows; done
    again it finds the promises kept and returns none. Raises ``NotFound`` for an unknown booking, ``RuleBroken`` for
    one that is not completed.
    """
    work.db.flush()  # the last marks and the booking's new status are part of this transaction and read by SQL below
    booking = issuing.booking_done(work.db, booking_id)
    if booking.status is not BookingStatus.COMPLETED:
        raise RuleBroken(f"certificates are promised for completed bookings, not {booking.status} ones")
    entitled = [
        student
        for student in booking.students
        if rules.entitled(
            booking.total_sessions,
            student.absences,
            max_absences=max_absences,
            closed_short=booking.closed_short,
        )
    ]
    if not entitled:
        return ()
    paper = Paper(booking, designs.in_use(work.db, booking.operator_id), today_in(booking.time_zone, now), public_url)
    promised = _promise(work, booking_id, entitled, paper, by=by, now=now, draw=draw)
    if promised:
        work.after_commit(JobName.ISSUE_CERTIFICATES)
        reach(Failpoint.PROMISING)
    return promised


def _promise(
    work: Work,
    booking_id: UUID,
    students: Sequence[issuing.StudentDone],
    paper: Paper,
    *,
    by: Actor,
    now: datetime,
    draw: Callable[[int], str],
) -> tuple[UUID, ...]:
    """Write the pending rows of those who have none, all at once. A number that is taken is drawn again (rule C3)."""
    promised: list[UUID] = []
    without = {student.id: student for student in students}
    for _ in range(MAX_DRAWS):
        rows = [_pending(booking_id, paper, student, draw=draw, now=now) for student in without.values()]
        for certificate_id, student_id, number in work.db.execute(STORE, rows):
            del without[student_id]
            promised.append(certificate_id)
            after = {"state": CertificateState.PENDING, "number": number, "booking_id": booking_id}
            tell(work, "promised", certificate_id, paper.booking.operator_id, by=by, now=now, after=after)
        if without:
            for student_id in without.keys() & issuing.promised_students(work.db, booking_id):
                del without[student_id]
        if not without:
            return tuple(promised)
    raise RuleBroken(f"{MAX_DRAWS} certificate numbers in a row were taken")


def _pending(
    booking_id: UUID, paper: Paper, student: issuing.StudentDone, *, draw: Callable[[int], str], now: datetime
) -> dict[str, Any]:
    """What a student's row holds when it is promised, with a number and a link of its own."""
    booking, design, awarded_on = paper.booking, paper.design, paper.awarded_on
    if booking.first_on is None or booking.last_on is None:
        raise RuleBroken("a completed booking has taught sessions")
    number, token = draw(awarded_on.year), rules.draw_token()
    payload = CertificatePayload(
        number=number,
        student_name=student.name,
        course_name=booking.course_name,
        operator_name=booking.operator_name,
        issued_by=booking.company_name,
        total_sessions=booking.total_sessions,
        awarded_on=awarded_on,
        first_session_on=booking.first_on,
        last_session_on=booking.last_on,
        verify_url=link(paper.public_url, number, token),
        locale=booking.locale,
        design_version=design.number if design is not None else BUILT_IN,
        design_operator_id=str(design.operator_id) if design is not None else "",
    )
    return row(booking.operator_id, booking_id, student.id, token, payload, awarded_at=now, now=now)


def row(
    operator_id: UUID,
    booking_id: UUID,
    student_id: UUID,
    token: str,
    payload: CertificatePayload,
    *,
    awarded_at: datetime,
    now: datetime,
) -> dict[str, Any]:
    """A pending certificate, due now and valid from now, under a new id and with a salt of its own; instants aware."""
    return {
        "id": new_id(),
        "operator_id": operator_id,
        "booking_id": booking_id,
        "student_id": student_id,
        "number": payload.number,
        "token": token,
        "state": CertificateState.PENDING,
        "payload": payload.to_json(),
        "salt": secrets.token_hex(SALT_BYTES),
        "awarded_on": payload.awarded_on,
        "awarded_at": awarded_at,
        "valid_from": now,
        "created_at": now,
        "attempts": 0,
        "next_at": now,
    }


def link(public_url: str, number: str, token: str) -> str:
    """The address under which a certificate is verified by whoever holds it."""
    return f"{public_url.rstrip('/')}/verify/{number}/{token}"
