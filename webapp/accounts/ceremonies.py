"""One passkey ceremony from question to answer, for the browser of the running request.

A question is asked (``ask_for_new``, ``ask``), which gives the browser a token, and finished by the answer in a later
request (``register``, ``recognise``). Each step is a short transaction of its own: an answer that fails has used its
question up all the same.

The token is in a cookie of its own. The sign-in page asks its question by itself, so that passkeys stand among the
suggestions of the e-mail field; if the answer to that rewrote the session's cookie, it could undo a sign-in that was
completed meanwhile, in this window or another.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Response, after_this_request, current_app, request

from webapp.accounts import authenticators, challenges, passkeys
from webapp.accounts.challenges import LASTS, Question
from webapp.accounts.queries import Account
from webapp.accounts.queries.doors import KnownPasskey, passkey_known_as
from webapp.accounts.queries.passkeys import Credential, credentials_of
from webapp.accounts.relying_party import RelyingParty, relying_party
from webapp.accounts.rules import ChallengePurpose
from webapp.accounts.sessions import hash_of, settings_in_use
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, unit_of_work

_COOKIE: Final = "passkey"
"""What the cookie of the question asked last is called, after the session's name."""


def party_in_use() -> RelyingParty:
    """The desk as authenticators know it. Raises ``Conflict`` where browsers make no passkeys."""
    party = relying_party(settings_in_use())
    if party is None:
        raise Conflict(
            "passkeys-nowhere", "Passkeys need this desk to have a name of its own and https. Ask whoever runs it."
        )
    return party


def ask_for_new(account: Account) -> dict[str, Any]:
    """What ``navigator.credentials.create`` is given. Raises ``Conflict`` for somebody who has enough passkeys."""
    party = party_in_use()
    with acting_as(account.actor), read_only() as db:
        known = credentials_of(db, account)
    passkeys.refuse_more_than_enough(len(known))
    challenge = _ask(Question(ChallengePurpose.REGISTER, account.id))
    return authenticators.registration_options(account, party, challenge, known)


def register(account: Account, answer: Mapping[str, Any], name: str, *, first: bool) -> UUID:
    """Give somebody the passkey of an answer; returns its id.

    Raises ``Invalid`` for an answer that proves nothing and for ``name``, ``Conflict`` for a passkey that is taken, one
    too many, or not the ``first`` second factor of somebody who gave their password alone.
    """
    party = party_in_use()
    challenge = _taken(Question(ChallengePurpose.REGISTER, account.id))
    found = authenticators.proven_new(party, challenge, answer)
    with acting_as(account.actor), unit_of_work() as work:
        return passkeys.add(work, account, found, name, first=first, now=clock.now())


def ask(purpose: ChallengePurpose, account: Account | None = None) -> dict[str, Any]:
    """What ``navigator.credentials.get`` is given; with no account any passkey may say whose it is.

    Raises ``Conflict`` for an account without passkeys.
    """
    party = party_in_use()
    known: tuple[Credential, ...] = ()
    if account is not None:
        with acting_as(account.actor), read_only() as db:
            known = credentials_of(db, account)
        if not known:
            raise Conflict("passkeys-none", "You have no passkey yet. Use another way.")
    challenge = _ask(Question(purpose, account.id if account is not None else None))
    return authenticators.request_options(party, challenge, known)


def recognise(purpose: ChallengePurpose, answer: Mapping[str, Any], account: Account | None = None) -> Account:
    """Whose passkey has answered. Raises ``Invalid`` for an answer that proves nothing, and for another's than asked.

    Also for the passkey of an account that is switched off, and for one whose counter went back; both leave a trace.
    """
    party = party_in_use()
    challenge = _taken(Question(purpose, account.id if account is not None else None))
    credential_id = authenticators.credential_id_of(answer)
    with read_only() as db:
        known = passkey_known_as(db, credential_id)
    if known is None:
        raise Invalid("passkey-unknown", "The desk does not know this passkey. It may have been removed.")
    try:
        found = authenticators.proven(party, challenge, known, answer, must_name=account is None)
    except Invalid:
        _note_refusal(known, "answer")
        raise
    if account is not None and known.account.id != account.id:
        raise _refusal(known, "other_person")
    if not known.account.active:
        raise _refusal(known, "switched_off")
    with acting_as(known.account.actor), unit_of_work() as work:
        ahead = passkeys.note_use(work, known, found, now=clock.now())
    if not ahead:
        raise _refusal(known, "counter")
    return known.account


def _ask(question: Question) -> bytes:
    """A new challenge for this browser, in place of the one before."""
    token = secrets.token_urlsafe(32)
    with unit_of_work() as work:
        challenge = challenges.issue(work, question, hash_of(token), instead_of=_token_hash(), now=clock.now())
    _keep(token)
    return challenge


def _taken(question: Question) -> bytes:
    """The challenge this browser was given for the question. Raises ``Invalid`` when there is none any more."""
    challenge, token_hash = None, _token_hash()
    if token_hash is not None:
        _keep("")
        with unit_of_work() as work:
            challenge = challenges.take(work, question, token_hash, now=clock.now())
    if challenge is None:
        raise Invalid("passkey-too-late", "That took too long, or was begun in another window. Try again.")
    return challenge


def _token_hash() -> bytes | None:
    token = request.cookies.get(_cookie())
    return hash_of(token) if token else None


def _cookie() -> str:
    return f"{current_app.config['SESSION_COOKIE_NAME']}-{_COOKIE}"


def _keep(token: str) -> None:
    """Let the browser hold a token for as long as its question waits; with none, forget the one before."""

    @after_this_request
    def write(response: Response) -> Response:
        response.set_cookie(
            _cookie(),
            token,
            max_age=int(LASTS.total_seconds()) if token else 0,
            secure=current_app.config["SESSION_COOKIE_SECURE"],
            httponly=True,
            samesite="Strict",
        )
        return response


def _refusal(known: KnownPasskey, why: str) -> Invalid:
    _note_refusal(known, why)
    return authenticators.refusal()


def _note_refusal(known: KnownPasskey, why: str) -> None:
    with acting_as(known.account.actor), unit_of_work() as work:
        passkeys.note_refusal(work, known, why, by=SYSTEM, now=clock.now())
