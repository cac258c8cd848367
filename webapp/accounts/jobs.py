"""Background work on accounts."""

from __future__ import annotations

from datetime import timedelta
from typing import Final
from uuid import UUID

import structlog
from rq.timeouts import BaseTimeoutException

from webapp.accounts import challenges, invitations, letters, links, sign_ins
from webapp.accounts.letter_rounds import ServerAway, ring_late, send_due
from webapp.accounts.queries import letters as waiting
from webapp.accounts.rules import LetterState, idle_limit
from webapp.accounts.sending import compose
from webapp.clients.mail import Mail, MailRefused, mail_from_url
from webapp.core.actor import Role
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.operators.queries import operator_ids

LEASE: Final = timedelta(seconds=30)

log = structlog.get_logger(__name__)


def send_letters(ctx: JobContext, *, mail: Mail | None = None) -> int:
    """Send what is due, at most ``BATCH`` letters; returns how many went out, and rings again for the rest.

    Harmless at any time and in any number at once: a letter is sent by whoever holds its lease. A mail server that does
    not answer is asked once and not for every letter. ``mail`` is that of the settings unless given.
    """
    mail = mail or mail_from_url(ctx.settings.mail_url, sender=ctx.settings.mail_from, folder=ctx.settings.mail_folder)
    return send_due(ctx, waiting.due_letters, lambda letter_id: _send(ctx, letter_id, mail), again=JobName.SEND_LETTERS)


def ring_for_letters(ctx: JobContext) -> bool:
    """Ring for letters that wait too long, whatever became of their first ring; whether it rang."""
    late, stuck = ring_late(ctx, waiting.due_letters, again=JobName.SEND_LETTERS)
    if stuck:
        log.error("letters.stuck")
    return late


def tidy(ctx: JobContext) -> None:
    """Delete sign-ins that are over, letters of long ago, dead links and questions no passkey answered in time, and
    close invitations whose time is over; running twice finds none the second time.
    """
    now = ctx.now()
    with ctx.unit_of_work() as work:
        challenges.forget_overdue(work, now=now)
    desk_limit = timedelta(minutes=ctx.settings.session_idle_minutes)
    seen_before = {role: now - idle_limit(role, desk_limit) for role in Role}
    with ctx.read_only() as db:
        operators = operator_ids(db)
    for operator_id in operators:
        with acting_for(operator_id), ctx.unit_of_work() as work:
            sign_ins.end_overdue(work, seen_before=seen_before, now=now)
            links.forget_dead(work, now=now)
            letters.forget_old(work, now=now)
            invitations.expire(work, operator_id, now=now)


def _send(ctx: JobContext, letter_id: UUID, mail: Mail) -> bool:
    """Claim, write, send outside any transaction, record; whatever goes wrong stays with this letter."""
    with ctx.unit_of_work() as work:
        claim = letters.claim(work, letter_id, now=ctx.now(), lease_for=LEASE)
    if claim is None:
        return False
    try:
        envelope = compose(ctx, claim)
        if envelope is None:
            with ctx.unit_of_work() as work:
                letters.record_dropped(work, claim)
            log.info("letter.settled", letter_id=str(letter_id))
            return False
        mail.send(envelope)
    except BaseTimeoutException:
        raise  # RQ stops the whole job: the lease runs out and the letter comes round again
    except MailRefused as refused:
        _failed(ctx, claim, refused.problem, permanent=refused.permanent)
        if refused.away:
            raise ServerAway from refused
        return False
    except Exception as error:
        log.exception("letter.try_failed", letter_id=str(letter_id))
        _failed(ctx, claim, f"unexpected-{type(error).__name__}", permanent=False)
        return False
    with ctx.unit_of_work() as work:
        kept = letters.record_sent(work, claim, now=ctx.now())
    log.info("letter.settled" if kept else "letter.overtaken", letter_id=str(letter_id))
    return kept


def _failed(ctx: JobContext, claim: letters.Claim, problem: str, *, permanent: bool) -> None:
    with ctx.unit_of_work() as work:
        state = letters.record_failure(work, claim, problem, permanent=permanent, now=ctx.now())
    told = log.error if state is LetterState.FAILED else log.warning
    told(
        "letter.failed" if state is LetterState.FAILED else "letter.put_off",
        letter_id=str(claim.id),
        problem=problem,
    )
