"""Users: e-mail addresses, passwords, which role fits where, and how long a sign-in lasts."""

from __future__ import annotations

import re
import unicodedata
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from webapp.accounts.common_passwords import is_common
from webapp.core.actor import GRANTS, REACH, Actor, ActorKind, Permission, Role
from webapp.core.errors import Forbidden, Invalid
from webapp.core.ids import COMPANY_ID
from webapp.operators.rules import OperatorKind, kind_of


class SignInStage(StrEnum):
    """How far a sign-in has come. Only an open one lets anybody in."""

    OPEN = "open"
    SECOND_FACTOR = "second_factor"
    """The password was right; a code, a recovery code or a passkey is owed."""
    ENROLMENT = "enrolment"
    """The password was right, and a second factor has to be set up before anything else."""


class LinkPurpose(StrEnum):
    """What a link in a letter is good for."""

    INVITATION = "invitation"
    RESET = "reset"


class InvitationState(StrEnum):
    """The life of an invitation: open → accepted, withdrawn or expired."""

    OPEN = "open"
    ACCEPTED = "accepted"
    WITHDRAWN = "withdrawn"
    EXPIRED = "expired"


class LetterKind(StrEnum):
    """What a letter to somebody with an account, or about to get one, says."""

    INVITATION = "invitation"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 - a word, no secret
    SECOND_FACTOR_CHANGED = "second_factor_changed"
    ACCOUNT_CHANGED = "account_changed"


class LetterState(StrEnum):
    """pending → sent, dropped (nobody there to write to) or failed (given up; can be tried again)."""

    PENDING = "pending"
    SENT = "sent"
    DROPPED = "dropped"
    FAILED = "failed"


LETTER_TRIES = 12
"""Tries of a letter, crashed ones included, after which it counts as failed: with the waits between them nine hours."""
LETTERS_KEPT = timedelta(days=30)
"""How long it can be looked up what was written to whom."""

RESET_GOOD_FOR = timedelta(minutes=60)
"""How long the link of a forgotten password works, from when its letter is sent."""
INVITATION_GOOD_FOR = timedelta(hours=72)
"""How long an invitation stands, from when it was made or last renewed."""


class ChallengePurpose(StrEnum):
    """What a passkey is asked to sign for."""

    REGISTER = "register"
    SIGN_IN = "sign_in"
    SECOND_FACTOR = "second_factor"
    STEP_UP = "step_up"


LOCALES: dict[str, str] = {"en": "English", "hi": "हिन्दी", "te": "తెలుగు"}
"""The languages a person may choose, each in its own words."""

IDLE_LIMIT = timedelta(hours=3)
"""A signed-in browser that asks for nothing this long is signed out."""

ABSOLUTE_LIMIT = timedelta(hours=12)
"""A sign-in ends this long after it began, whatever happened since: one working day."""

IDLE_OF: dict[Role, timedelta] = {
    Role.ADMIN: timedelta(minutes=30),
    Role.AUDITOR: timedelta(minutes=30),
    Role.FRANCHISE_MANAGER: timedelta(minutes=60),
}
"""Who sees or decides more is signed out sooner; every other role has the desk's own limit."""

ABSOLUTE_OF: dict[Role, timedelta] = {
    Role.ADMIN: timedelta(hours=8),
    Role.AUDITOR: timedelta(hours=8),
}
"""Who sees everything signs in anew during a long day; every other role has the desk's own limit."""

PENDING_FOR = timedelta(minutes=10)
"""How long a right password is good for while the second factor is owed."""
PENDING_TRIES = 5
"""Second factors tried, right or wrong, before the password is asked again."""

VIEW_AS_LIMIT = timedelta(minutes=30)
"""Seeing the desk as somebody ends this long after it began."""

MIN_PASSWORD = 12
MAX_PASSWORD = 128
_MIN_OF_ITS_OWN = 8
_MIN_KNOWN_WORD = 3
_OUR_WORDS = frozenset({"zonedesk"})
_WORD = re.compile(r"[^\W_]+")
MAX_EMAIL = 254
"""RFC 5321, section 4.5.3.1: a path of 256 octets less its two brackets."""

_FORBIDDEN = r"\s@<>()\[\],;:\\\"\x00-\x1f\x7f"
_LABEL = rf"[^{_FORBIDDEN}/_.]+"
_EMAIL = re.compile(rf"[^{_FORBIDDEN}]{{1,64}}@{_LABEL}(\.{_LABEL})+")

HOME_OF: dict[Role, OperatorKind] = {
    Role.FRANCHISE_STAFF: OperatorKind.FRANCHISE,
    Role.FRANCHISE_MANAGER: OperatorKind.FRANCHISE,
    Role.COMPANY_STAFF: OperatorKind.COMPANY,
    Role.ADMIN: OperatorKind.COMPANY,
    Role.AUDITOR: OperatorKind.COMPANY,
}
"""The kind of operator a user of each role belongs to."""

MANAGES: dict[Role, frozenset[Role]] = {
    Role.FRANCHISE_STAFF: frozenset(),
    Role.FRANCHISE_MANAGER: frozenset({Role.FRANCHISE_STAFF}),
    Role.COMPANY_STAFF: frozenset(),
    Role.ADMIN: frozenset(Role),
    Role.AUDITOR: frozenset(),
}
"""Whose accounts each role looks after: a manager the own franchise's staff, an admin everybody."""


def normalised_email(text: str, *, field: str = "email") -> str:
    """An e-mail address as it is stored and compared: trimmed, lower case.

    Shape only (one @, a dotted domain, no white space or control character); only a letter proves an address.
    Raises ``Invalid`` for ``field``.
    """
    email = text.strip().lower()
    if len(email) > MAX_EMAIL or not _EMAIL.fullmatch(email):
        raise Invalid("email-shape", "Enter an e-mail address like name@example.org.", field=field)
    return email


def check_password(password: str, *, field: str = "password", email: str = "", name: str = "") -> None:
    """Length counts (ASVS 5.0, 6.2.1, 6.2.5 and 6.2.9), and that nobody would try it first: no recipes of signs.

    Raises ``Invalid`` for ``field`` under ``MIN_PASSWORD`` or over ``MAX_PASSWORD`` characters, for one of the
    passwords found most often in breaches (6.2.4, 6.2.12), and for one that is little but the person's address or name
    or the desk's own (6.1.2, 6.2.11).
    """
    if len(password) < MIN_PASSWORD:
        raise Invalid("password-short", "Use at least %(limit)s characters.", field=field, limit=MIN_PASSWORD)
    if len(password) > MAX_PASSWORD:
        raise Invalid("password-long", "Use at most %(limit)s characters.", field=field, limit=MAX_PASSWORD)
    if is_common(password):
        raise Invalid(
            "password-common", "Many people use this password, so it is tried first. Choose another one.", field=field
        )
    if _is_about(password, email, name):
        raise Invalid(
            "password-about-you",
            "This is little more than a name or address that others know. Add words of your own.",
            field=field,
        )


def _is_about(password: str, email: str, name: str) -> bool:
    """Whether little is left of a password without what anybody knows of the person and the desk."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    left = plain
    for word in sorted(_known_words(email, name), key=len, reverse=True):
        left = left.replace(word, " ")
    of_its_own = sum(letter.isalnum() or unicodedata.category(letter).startswith("M") for letter in left)
    return left != plain and of_its_own < _MIN_OF_ITS_OWN


def _known_words(email: str, name: str) -> set[str]:
    email, name = email.casefold(), unicodedata.normalize("NFKC", name).casefold()
    local, _at, domain = email.partition("@")
    words = {email, local, *_WORD.findall(local), domain, *domain.split("."), name, *name.split(), *_OUR_WORDS}
    return {word for word in words | {name.replace(" ", "")} if len(word) >= _MIN_KNOWN_WORD}


def check_locale(locale: str, *, field: str = "locale") -> None:
    """Only languages that the desk speaks. Raises ``Invalid`` for ``field``."""
    if locale not in LOCALES:
        raise Invalid("locale-unknown", "Choose a language from the list.", field=field)


def check_role(role: Role, operator: OperatorKind, *, field: str = "role") -> None:
    """Franchise roles belong to franchises, all others to the company. Raises ``Invalid`` for ``field``."""
    if HOME_OF[role] is not operator:
        raise Invalid("role-operator", "This role does not belong to that kind of operator.", field=field)


def absolute_limit(role: Role, at_most: timedelta = ABSOLUTE_LIMIT) -> timedelta:
    """How long a sign-in of a role lasts however busy it is, and never longer than the desk's own limit."""
    return min(ABSOLUTE_OF.get(role, at_most), at_most)


def idle_limit(role: Role, at_most: timedelta = IDLE_LIMIT) -> timedelta:
    """How long a browser of somebody with ``role`` may ask for nothing; the desk's own limit caps every role's."""
    return min(IDLE_OF.get(role, at_most), at_most)


def sign_in_ends_at(
    signed_in_at: datetime, seen_at: datetime, *, idle: timedelta = IDLE_LIMIT, absolute: timedelta = ABSOLUTE_LIMIT
) -> datetime:
    """When a sign-in ends unless its browser asks for something again: idle or absolute limit, whichever is earlier."""
    return min(seen_at + idle, signed_in_at + absolute)


def has_ended(
    signed_in_at: datetime,
    seen_at: datetime,
    *,
    now: datetime,
    idle: timedelta = IDLE_LIMIT,
    absolute: timedelta = ABSOLUTE_LIMIT,
) -> bool:
    """Whether a sign-in is over at ``now``; all three are aware instants."""
    return now >= sign_in_ends_at(signed_in_at, seen_at, idle=idle, absolute=absolute)


def may_manage(actor: Actor, target_role: Role, target_operator: UUID) -> bool:
    """Whether the actor looks after accounts of a role at an operator; the desk itself looks after all.

    Whoever does may give that role too: whatever ``MANAGES`` says, it carries no right and no reach the actor lacks.
    """
    if actor.kind is ActorKind.SYSTEM:
        return True
    if actor.role is None or not actor.may(Permission.USER_WRITE) or target_role not in MANAGES[actor.role]:
        return False
    if not (GRANTS[target_role] <= GRANTS[actor.role] and REACH[target_role].within(REACH[actor.role])):
        return False
    return actor.reaches(target_operator)


def roles_to_give(actor: Actor) -> tuple[Role, ...]:
    """The roles somebody may give at one operator or another, from the least to the most."""
    homes = {OperatorKind.COMPANY: COMPANY_ID, OperatorKind.FRANCHISE: actor.operator_id or COMPANY_ID}
    return tuple(role for role in Role if may_manage(actor, role, homes[HOME_OF[role]]))


def check_may_give(by: Actor, role: Role, operator_id: UUID) -> None:
    """Nobody gives a right that they lack, nor a role at an operator that is not theirs.

    Raises ``Invalid`` for field ``role`` when the role does not belong to that kind of operator, else ``Forbidden``.
    """
    check_role(role, kind_of(operator_id))
    if not may_manage(by, role, operator_id):
        raise Forbidden("role-not-yours", "You cannot give this role. Ask an admin to do it.")


def may_go_on_viewing(viewer: Actor, viewed: Actor | None, until: datetime | None, *, now: datetime) -> bool:
    """Whether somebody who began to see the desk as another may go on: right, account and time are asked each time."""
    if viewed is None or until is None or not viewer.may(Permission.VIEW_AS):
        return False
    return viewed.id != viewer.id and now < until
