"""Looking after accounts: changing them, switching them off and on, ending their sign-ins, asking for new factors.

The desk is never left without an active admin. Whatever could take one away first locks every active admin's row, in
id order, and counts again under the locks: two admins who demote each other at the same moment meet there, and the
second is refused. Pages and the command line come through here alike.
"""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import and_, delete, or_, select
from sqlalchemy.exc import IntegrityError

from webapp.accounts import second_factors
from webapp.accounts.letters import promise_letter
from webapp.accounts.models import PasskeyChallenge, User
from webapp.accounts.rules import LetterKind, check_may_give, check_role, may_manage, normalised_email
from webapp.accounts.service import UserCommand, end_all_sign_ins, flush
from webapp.audit import service as audit
from webapp.core.actor import Actor, ActorKind, Role
from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.core.names import clean_name
from webapp.core.seen import fingerprint
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.rules import kind_of

_ENDS_SIGN_INS = frozenset({"role", "operator_id"})
"""Another role may ask for a second factor and shorter sessions, another operator's rows are other rows: both begin
with signing in anew."""
_WEIGHTY = frozenset({"role", "operator_id", "active"})
"""What nobody changes of their own account."""
_TOLD_BY_LETTER = frozenset({"email", "role", "operator_id", "active"})
_PERSONAL = frozenset({"email", "name"})
"""The audit outlives the person: it says that these changed, not what they were."""


@dataclass(frozen=True, slots=True)
class _Held:
    """An account under its lock, and whether another active admin stands beside it, locked as well."""

    user: User
    another_admin: bool

    @property
    def known(self) -> UserCommand:
        """The account as it is."""
        user = self.user
        return UserCommand(user.operator_id, user.email, user.name, user.role, user.locale, user.active)


def seen_of(operator_id: UUID, name: str, role: Role, locale: str, active: bool) -> str:
    """What a form that changes an account has seen of it."""
    return fingerprint(operator_id, name, role, locale, active)


def change_user(
    work: Work, user_id: UUID, command: UserCommand, *, by: Actor, now: datetime, seen: str | None = None
) -> bool:
    """Make an account what the command says; whether anything changed.

    Whoever gets another role or operator or is switched off is signed out everywhere; the person is told by letter.
    Raises ``NotFound`` for an account that is not there or not the actor's, ``Forbidden`` for one the actor does not
    look after and for rights the actor lacks, ``Invalid`` for email, name, role or operator, and ``Conflict`` for the
    last active admin, and when the account is not any more what ``seen`` says.
    """
    held = _hold(work, user_id, by)
    if seen is not None and seen != _seen_now(held.known):
        raise Conflict(
            "account-changed", "Somebody changed this account a moment ago. Look at it again before you change it."
        )
    return _become(work, held, command, by=by, now=now)


def set_active(work: Work, user_id: UUID, active: bool, *, by: Actor, now: datetime) -> bool:
    """Switch an account off, which signs it out everywhere, or on again. Returns and raises like ``change_user``."""
    held = _hold(work, user_id, by)
    return _become(work, held, replace(held.known, active=active), by=by, now=now)


def end_sign_ins(work: Work, user_id: UUID, *, by: Actor, now: datetime) -> None:
    """Sign every browser of an account out. Raises like ``change_user``."""
    user = _hold(work, user_id, by).user
    end_all_sign_ins(work, user)
    audit.record(work, "account.signed_out_everywhere", "user", user.id, operator_id=user.operator_id, by=by, at=now)


def reset_second_factors(work: Work, user_id: UUID, *, by: Actor, now: datetime) -> None:
    """Forget an account's authenticator app, passkeys and recovery codes, so that the person sets them up anew.

    Signs the account out everywhere and promises the person a letter. Nobody does this to themselves here: on one's
    own page it takes the factor that is to go. Raises like ``change_user``.
    """
    user = _hold(work, user_id, by).user
    if user.id == by.id:
        raise Forbidden("own-second-factors", "Change your own second factors on your account's page.")
    end_all_sign_ins(work, user)
    work.db.execute(delete(PasskeyChallenge).where(PasskeyChallenge.user_id == user.id))
    second_factors.reset(work, user.id, by=by, now=now)


def _seen_now(known: UserCommand) -> str:
    return seen_of(known.operator_id, known.name, known.role, known.locale, known.active)


def _hold(work: Work, user_id: UUID, by: Actor) -> _Held:
    """Lock the account, all active admins, and whoever asks, in id order; then ask who may.

    The actor was read when the request began. Had somebody taken the right away since, it would still be used here.
    """
    wanted = or_(User.id.in_([user_id, by.id or user_id]), and_(User.role == Role.ADMIN, User.active))
    found = work.db.scalars(
        select(User)
        .where(wanted, owned_by(User.operator_id, by))
        .order_by(User.id)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    locked = {user.id: user for user in found}
    user = locked.get(user_id)
    if user is None:
        raise NotFound()
    if by.kind is ActorKind.USER and by.id is not None:
        mine = locked.get(by.id)
        if mine is None or not mine.active or (mine.role, mine.operator_id) != (by.role, by.operator_id):
            raise Conflict("rights-changed", "Your own account was changed a moment ago. Sign in again.")
    if not may_manage(by, user.role, user.operator_id):
        raise Forbidden("account-not-yours", "You look after your own franchise's staff. Ask an admin to do it.")
    others = any(one.id != user_id and one.role is Role.ADMIN and one.active for one in locked.values())
    return _Held(user, others)


def _check(held: _Held, wanted: UserCommand, changed: frozenset[str], by: Actor) -> None:
    """Who may make this change. Raises like ``change_user``."""
    known = held.known
    check_role(wanted.role, kind_of(wanted.operator_id))
    if held.user.id == by.id and changed & _WEIGHTY:
        raise Forbidden(
            "own-rights", "Nobody changes their own role or operator, or disables themselves. Ask another admin."
        )
    if changed & _ENDS_SIGN_INS or (wanted.active and not known.active):
        check_may_give(by, wanted.role, wanted.operator_id)
    stays = wanted.role is Role.ADMIN and wanted.active
    if known.role is Role.ADMIN and known.active and not stays and not held.another_admin:
        raise Conflict("last-admin", "This is the last active admin. Make somebody else an admin first.")


def _become(work: Work, held: _Held, command: UserCommand, *, by: Actor, now: datetime) -> bool:
    known, user = held.known, held.user
    wanted = replace(command, email=normalised_email(command.email), name=clean_name(command.name))
    differing = [one.name for one in fields(known) if getattr(known, one.name) != getattr(wanted, one.name)]
    changed = frozenset(differing)
    if not changed:
        return False
    _check(held, wanted, changed, by)
    if changed & _ENDS_SIGN_INS or not wanted.active:
        end_all_sign_ins(work, user)
    for field in differing:
        setattr(user, field, getattr(wanted, field))
    _flush(work)
    _record(work, user, known, wanted, differing, by=by, now=now)
    if changed & _TOLD_BY_LETTER:
        for email in sorted({known.email, wanted.email}):
            _promise(work, user, email, now=now)
    return True


def _flush(work: Work) -> None:
    try:
        flush(work)  # So that an address in use, or an operator that is not there, is refused here, in words.
    except IntegrityError as error:
        if violates(error, ["fk_users_operator_id"]):
            raise Invalid("operator-unknown", "Choose an operator from the list.", field="operator") from error
        raise


def _record(
    work: Work,
    user: User,
    known: UserCommand,
    wanted: UserCommand,
    differing: list[str],
    *,
    by: Actor,
    now: datetime,
) -> None:
    told = [field for field in differing if field not in _PERSONAL]
    audit.record(
        work,
        "account.changed",
        "user",
        user.id,
        operator_id=wanted.operator_id,
        by=by,
        before={field: getattr(known, field) for field in told},
        after={"changed": differing} | {field: getattr(wanted, field) for field in told},
        at=now,
    )
    if "operator_id" in differing:  # The operator that was left sees that, and not where to.
        audit.record(work, "account.moved_away", "user", user.id, operator_id=known.operator_id, by=by, at=now)


def _promise(work: Work, user: User, email: str, *, now: datetime) -> None:
    promise_letter(
        work,
        LetterKind.ACCOUNT_CHANGED,
        operator_id=user.operator_id,
        email=email,
        locale=user.locale,
        user_id=user.id,
        now=now,
    )
