"""Sending certificates to families: promised as rows, claimed and sent by background work. Part of the room's service.

Guardians are the only people who are messaged, and only those who agreed; that is asked when a letter is promised and
again when it is written. Sent is at least once, because a process may die between sending and noting; the Message-ID is
the same each time. Neither rows nor audit hold an address.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert

from webapp.accounts.letters import wait_after
from webapp.accounts.rules import LETTER_TRIES, LetterState
from webapp.certificates.models import Certificate, CertificateLetter
from webapp.certificates.queries import letters as queries
from webapp.certificates.queries.issuing import certificate_to_change
from webapp.certificates.rules import CertificateState
from webapp.certificates.service import tell
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.promises import Held, RetriedPromises
from webapp.db.work import Work

LETTERS: Final = RetriedPromises(CertificateLetter, LetterState.PENDING, wait_after, LetterState.FAILED, LETTER_TRIES)
MOST_ROUNDS: Final = 20
"""How often staff may send one certificate: beyond that the address is wrong, or somebody is being pestered."""


def send_when_issued(work: Work, certificate_id: UUID, *, now: datetime) -> int:
    """Promise a certificate that this very transaction published to the guardians who agreed; returns to how many.

    A family that nobody may write to gets none, and that is no fault. Done again it promises nothing more.
    """
    operator_id = work.db.scalar(
        select(Certificate.operator_id).where(
            Certificate.id == certificate_id,
            Certificate.state == CertificateState.ISSUED,
            Certificate.erased_at.is_(None),
        )
    )
    return _promise(work, certificate_id, operator_id, "issued", by=SYSTEM, now=now) if operator_id else 0


def send_again(work: Work, certificate_id: UUID, *, round: int, by: Actor, now: datetime) -> int:
    """Promise a certificate to the guardians who agreed, because staff asks; returns to how many.

    ``round`` is the one that the page offered: a second click, or somebody else's at the same time, finds the letters
    promised and returns 0. Raises ``NotFound``, and ``Conflict``: ``letter-round`` for a round that is still to come,
    ``certificate-erased``, ``certificate-not-issued``, ``nobody-to-write-to``, ``letters-enough``.
    """
    certificate = certificate_to_change(work.db, certificate_id, by=by)
    _must_be_sendable(certificate)
    following = queries.round_of(work.db, certificate_id)
    if round < following:
        return 0
    if round > following:
        raise Conflict("letter-round", "This page is too old. Reload it and try again.")
    if round > MOST_ROUNDS:
        raise Conflict("letters-enough", "This certificate was sent often enough. Ask the family for another address.")
    promised = _promise(work, certificate_id, certificate.operator_id, f"asked-{round}", by=by, now=now)
    if not promised:
        raise Conflict("nobody-to-write-to", "No guardian of this family has an e-mail address and agreed to messages.")
    return promised


def try_again(work: Work, letter_id: UUID, *, by: Actor, now: datetime) -> UUID:
    """Have a letter that was given up sent after all; returns its certificate's id. One that waits or went is left.

    Raises ``NotFound``, and ``Conflict`` as ``send_again`` does when the certificate may not be sent.
    """
    letter = queries.letter_to_change(work.db, letter_id, by=by)
    if letter.state is not LetterState.FAILED:
        return letter.certificate_id
    _must_be_sendable(certificate_to_change(work.db, letter.certificate_id, by=by))
    before = {"letter_id": letter_id, "state": letter.state, "last_error": letter.last_error}
    letter.state, letter.attempts, letter.next_at, letter.last_error = LetterState.PENDING, 0, now, None
    after = {"letter_id": letter_id, "state": letter.state}
    tell(work, "letter_retried", letter.certificate_id, letter.operator_id, by=by, now=now, before=before, after=after)
    work.after_commit(JobName.SEND_CERTIFICATES)
    return letter.certificate_id


def _must_be_sendable(certificate: Certificate) -> None:
    if certificate.erased_at is not None:
        raise Conflict("certificate-erased", "The family's data was erased: there is nobody to write to.")
    if certificate.state is not CertificateState.ISSUED:
        raise Conflict("certificate-not-issued", "Only a certificate that is issued and still stands can be sent.")


def _promise(work: Work, certificate_id: UUID, operator_id: UUID, occasion: str, *, by: Actor, now: datetime) -> int:
    rows = [
        {
            "id": new_id(),
            "operator_id": operator_id,
            "certificate_id": certificate_id,
            "guardian_id": guardian_id,
            "occasion": occasion,
            "state": LetterState.PENDING,
            "created_at": now,
            "attempts": 0,
            "next_at": now,
        }
        for guardian_id in queries.guardians_to_write_to(work.db, certificate_id)
    ]
    if not rows:
        return 0
    once = ["certificate_id", "guardian_id", "occasion"]
    stored = (
        insert(CertificateLetter)
        .values(rows)
        .on_conflict_do_nothing(index_elements=once)
        .returning(CertificateLetter.id)
    )
    letters = work.db.scalars(stored).all()
    if letters:
        tell(
            work,
            "letters_promised",
            certificate_id,
            operator_id,
            by=by,
            now=now,
            after={"occasion": occasion, "letters": sorted(letters)},
        )
        work.after_commit(JobName.SEND_CERTIFICATES)
    return len(letters)


def claim(work: Work, letter_id: UUID, *, now: datetime, lease_for: timedelta) -> Held | None:
    """Take a letter for sending; ``None`` when it is not due any more, somebody else has it, or its tries are over."""
    found = LETTERS.claim(work, letter_id, now=now, lease_for=lease_for)
    return found[1] if found is not None else None


def record_sent(work: Work, letter: Held, *, now: datetime) -> bool:
    """Note that a letter was taken by the mail server; ``False`` when the lease was lost, or the family was erased."""
    values = {"state": LetterState.SENT, "sent_at": now, "last_error": None}
    columns = (CertificateLetter.certificate_id, CertificateLetter.operator_id)
    found = LETTERS.settle(work, letter, values, returning=columns)
    if found is None:
        return False
    tell(work, "letter_sent", found[0], found[1], by=SYSTEM, now=now, after={"letter_id": letter.id})
    return True


def record_dropped(work: Work, letter: Held, problem: str) -> bool:
    """Note that nobody is to be written to any more, and why in a word; ``False`` when the lease was lost."""
    values = {"state": LetterState.DROPPED, "last_error": problem}
    return LETTERS.settle(work, letter, values) is not None


def record_failure(work: Work, letter: Held, problem: str, *, permanent: bool, now: datetime) -> LetterState | None:
    """Note why a try failed; see ``RetriedPromises.record_failure``. ``permanent``: trying again cannot help."""
    return LETTERS.record_failure(work, letter, problem, lasting=permanent, now=now)


def must_not_be_going(work: Work, certificate_ids: list[UUID], *, now: datetime) -> None:
    """Hold the letters of certificates whose family is being erased. Raises ``Conflict`` ``letter-going``.

    A letter that is being handed over this moment cannot be called back, and must not arrive after the erasure.
    """
    held = work.db.execute(
        select(CertificateLetter.lease_until)
        .where(CertificateLetter.certificate_id.in_(certificate_ids))
        .order_by(CertificateLetter.id)
        .with_for_update()
    )
    if any(lease_until is not None and lease_until > now for (lease_until,) in held):
        raise Conflict(
            "letter-going", "A certificate is being sent to this family. Wait half a minute, then try again."
        )
