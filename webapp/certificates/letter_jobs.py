"""Sending certificates by letter, in the background."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from rq.timeouts import BaseTimeoutException

from webapp.accounts.letter_rounds import ServerAway, ring_late, send_due
from webapp.accounts.rules import LOCALES, LetterState
from webapp.accounts.writing import write
from webapp.certificates import posting
from webapp.certificates.queries import letters
from webapp.certificates.rules import CertificateState
from webapp.clients.files import FileMissing, FileStore
from webapp.clients.mail import Attachment, Envelope, Mail, MailRefused, mail_from_url
from webapp.clients.stores import store_of
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.promises import Held

LEASE: Final = timedelta(seconds=60)
"""Longer than fetching the file and the talk with the mail server may take, step by step."""

log = structlog.get_logger(__name__)


def send(ctx: JobContext, *, mail: Mail | None = None, store: FileStore | None = None) -> int:
    """Send what is due, at most ``BATCH`` letters; returns how many went out, and rings again for the rest.

    Harmless at any time and in any number at once: a letter is sent by whoever holds its lease. A server that does not
    answer is asked once and not for every letter. ``mail`` and ``store`` are those of the settings unless given.
    """
    mail = mail or mail_from_url(ctx.settings.mail_url, sender=ctx.settings.mail_from, folder=ctx.settings.mail_folder)
    store = store or store_of(ctx.settings)
    return send_due(
        ctx,
        letters.due_letters,
        lambda letter_id: _send(ctx, letter_id, mail, store),
        again=JobName.SEND_CERTIFICATES,
    )


def ring(ctx: JobContext) -> bool:
    """Ring for letters that wait too long, whatever became of their first ring; whether it rang."""
    late, stuck = ring_late(ctx, letters.due_letters, again=JobName.SEND_CERTIFICATES)
    if stuck:
        log.error("certificate_letters.stuck")
    return late


def _send(ctx: JobContext, letter_id: UUID, mail: Mail, store: FileStore) -> bool:
    """Claim, write, send outside any transaction, record; whatever goes wrong stays with this letter."""
    with ctx.unit_of_work() as work:
        claim = posting.claim(work, letter_id, now=ctx.now(), lease_for=LEASE)
    if claim is None:
        return False
    try:
        envelope = _compose(ctx, claim, store)
        if envelope is None:
            return False
        mail.send(envelope)
    except BaseTimeoutException:
        raise  # RQ stops the whole job: the lease runs out and the letter comes round again
    except MailRefused as refused:
        _failed(ctx, claim, refused.problem, permanent=refused.permanent)
        if refused.away:
            raise ServerAway from refused
        return False
    except FileMissing:
        # Not for ever: somebody may bring the file back from a backup.
        _failed(ctx, claim, "file-missing", permanent=False)
        return False
    except OSError as error:
        _failed(ctx, claim, "store-away", permanent=False)
        raise ServerAway from error
    except Exception as error:
        # Without its text, which may quote a name.
        log.error("certificate_letter.try_failed", letter_id=str(letter_id), error=type(error).__name__)
        _failed(ctx, claim, f"unexpected-{type(error).__name__}", permanent=False)
        return False
    with ctx.unit_of_work() as work:
        kept = posting.record_sent(work, claim, now=ctx.now())
    log.info("certificate_letter.settled" if kept else "certificate_letter.overtaken", letter_id=str(letter_id))
    return kept


def _compose(ctx: JobContext, claim: Held, store: FileStore) -> Envelope | None:
    """The letter with its file, or ``None`` when it is not to be sent any more, which is noted."""
    with ctx.read_only() as db:
        found = letters.posted(db, claim.id)
    if found is None:
        return None  # the family was erased, and the letter with it
    why = _why_not(found)
    if why is not None or found.email is None or found.pdf_sha256 is None:
        with ctx.unit_of_work() as work:
            posting.record_dropped(work, claim, why or "no-address")
        log.info("certificate_letter.dropped", letter_id=str(claim.id), problem=why)
        return None
    language = found.language if found.language in LOCALES else "en"
    written = write(
        "certificate",
        language,
        name=found.guardian_name,
        student=found.student_name,
        course=found.course_name,
        operator=found.operator_name,
        number=found.number,
        link=found.verify_url,
    )
    file = Attachment(f"certificate-{found.number}.pdf", "application/pdf", store.get(found.pdf_sha256))
    return Envelope(claim.id, found.email, written.subject, written.text, language, ctx.now(), (file,))


def _why_not(found: letters.Posted) -> str | None:
    """Why nobody is to be written to, in a word; things may have changed since the letter was promised."""
    if found.erased or found.certificate_state is not CertificateState.ISSUED:
        return "not-valid"
    if not found.consented:
        return "no-consent"
    return "no-address" if found.email is None else None


def _failed(ctx: JobContext, claim: Held, problem: str, *, permanent: bool) -> None:
    with ctx.unit_of_work() as work:
        state = posting.record_failure(work, claim, problem, permanent=permanent, now=ctx.now())
    given_up = state is LetterState.FAILED
    told = log.error if given_up else log.warning
    told(
        "certificate_letter.failed" if given_up else "certificate_letter.put_off",
        letter_id=str(claim.id),
        problem=problem,
    )
