"""From a claimed letter to one that can be sent: who gets it, what it says, and the link in it, made now."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from webapp.accounts import queries
from webapp.accounts.letters import Claim
from webapp.accounts.links import make_link
from webapp.accounts.rules import INVITATION_GOOD_FOR, RESET_GOOD_FOR, LetterKind, LinkPurpose
from webapp.accounts.writing import Written, write
from webapp.audit import service as audit
from webapp.clients.mail import Envelope
from webapp.core.actor import SYSTEM
from webapp.core.errors import NotFound
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for

RESET_PATH: Final = "/reset/"
JOIN_PATH: Final = "/join/"
SIGN_IN_PATH: Final = "/sign-in"
FORGOTTEN_PATH: Final = "/forgotten"
"""Where the pages are: a job has no routes to ask. A test holds them equal."""


def compose(ctx: JobContext, claim: Claim) -> Envelope | None:
    """The letter of a claim, or ``None`` when there is nobody to write to. Runs for the letter's operator.

    Addresses of pages come from the settings, never from a request: no forged Host header gets into a letter. A link is
    a new one at each try, because the one before is known to nobody but its letter.
    """
    now = ctx.now()
    match claim.kind:
        case LetterKind.RESET:
            found = _reset(ctx, claim, now)
        case LetterKind.INVITATION:
            found = _invitation(ctx, claim, now)
        case _:
            found = _notice(ctx, claim)
    if found is None:
        return None
    locale, written = found
    return Envelope(claim.id, claim.email, written.subject, written.text, locale, now)


def _reset(ctx: JobContext, claim: Claim, now: datetime) -> tuple[str, Written] | None:
    """Nobody there, or switched off: no letter, and nothing that would tell."""
    with ctx.read_only() as db:
        account = queries.account_of(db, claim.email)
    if account is None or not account.active:
        return None
    with acting_for(account.operator_id), ctx.unit_of_work() as work:
        token = make_link(
            work,
            LinkPurpose.RESET,
            operator_id=account.operator_id,
            user_id=account.id,
            email=account.email,
            expires_at=now + RESET_GOOD_FOR,
            now=now,
        )
        # Told only here, where the account is known: asking itself names nobody and is the same for everybody.
        audit.record(
            work,
            "account.reset_asked",
            "user",
            account.id,
            operator_id=account.operator_id,
            by=SYSTEM,
            after={"letter_id": claim.id},
            at=now,
        )
    minutes = RESET_GOOD_FOR.total_seconds() // 60
    link = _page(ctx, RESET_PATH + token)
    return account.locale, write("reset", account.locale, name=account.name, link=link, minutes=int(minutes))


def _invitation(ctx: JobContext, claim: Claim, now: datetime) -> tuple[str, Written] | None:
    """Withdrawn, accepted or too old by now, or by somebody who may not invite any more: no letter.

    An address with an account somewhere gets told so instead of a link; whoever invited does not learn it.
    """
    if claim.invitation_id is None:
        return None
    with ctx.read_only() as db:
        invited = queries.invited(db, claim.invitation_id, now)
        known = queries.account_of(db, claim.email)
    if invited is None or not invited.stands:
        return None
    facts = {"name": invited.name, "inviter": invited.invited_by_name, "operator": invited.operator_name}
    if known is not None:
        return known.locale, write("invitation_known", known.locale, link=_page(ctx, SIGN_IN_PATH), **facts)
    until = min(invited.expires_at, now + INVITATION_GOOD_FOR)
    with ctx.unit_of_work() as work:
        token = make_link(
            work,
            LinkPurpose.INVITATION,
            operator_id=invited.operator_id,
            invitation_id=invited.invitation_id,
            email=invited.email,
            expires_at=until,
            now=now,
        )
    link = _page(ctx, JOIN_PATH + token)
    return invited.locale, write("invitation", invited.locale, link=link, until=until, **facts)


def _notice(ctx: JobContext, claim: Claim) -> tuple[str, Written] | None:
    """What happened to an account, to the address it had when that happened."""
    if claim.user_id is None:
        return None
    try:
        with ctx.read_only() as db:
            account = queries.account(db, claim.user_id)
    except NotFound:
        return None
    name = claim.kind.value
    if claim.kind is LetterKind.ACCOUNT_CHANGED and not account.active:
        name = "account_off"
    forgotten = _page(ctx, FORGOTTEN_PATH)
    return claim.locale, write(name, claim.locale, name=account.name, at=claim.promised_at, forgotten=forgotten)


def _page(ctx: JobContext, path: str) -> str:
    return ctx.settings.public_url.rstrip("/") + path
