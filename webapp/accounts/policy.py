"""The truth table: what each role may do and whose rows it reaches, asked of the very code that enforces it.

Nothing here knows who may do what. Each answer comes from an actor of the role, through ``Actor.may``,
``Actor.reaches`` and ``accounts.rules.may_manage``, so the page and the desk cannot say different things.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from webapp.accounts.rules import HOME_OF, may_manage
from webapp.core.actor import SHARED, STEP_UP, Actor, ActorKind, Permission, Role
from webapp.core.ids import COMPANY_ID
from webapp.operators.rules import OperatorKind

_SOMEBODY: Final = UUID(int=1)
_FRANCHISE: Final = UUID(int=2)
_SIBLING: Final = UUID(int=3)
"""Operators of nobody: the table asks about kinds of operators, not about rows."""


class Whose(StrEnum):
    """Whose row it is, seen from somebody."""

    OWN = "own"
    FRANCHISE = "franchise"
    """Another franchise's, for somebody of a franchise; any franchise's, for somebody of the company."""
    COMPANY = "company"
    """The company's, for somebody of a franchise."""


class Answer(StrEnum):
    """What a role may do with a permission, ownership included."""

    NO = "no"
    OWN = "own"
    EVERY = "every"
    SHARED = "shared"
    """What is not owned by anybody."""


@dataclass(frozen=True, slots=True)
class Route:
    """An address a permission opens."""

    methods: tuple[str, ...]
    rule: str


@dataclass(frozen=True, slots=True)
class PermissionRow:
    """One permission: what each role may do with it, whether it takes a fresh second factor, and what it opens."""

    permission: Permission
    answers: Mapping[Role, Answer]
    step_up: bool
    routes: tuple[Route, ...]


@dataclass(frozen=True, slots=True)
class ReachRow:
    """Whose rows a role sees, and whose enquiries; ``None`` where the question has no meaning for the role."""

    role: Role
    rows: Mapping[Whose, bool | None]
    enquiries: Mapping[Whose, bool | None]


@dataclass(frozen=True, slots=True)
class ManagingRow:
    """Whose accounts a role looks after, and so which roles it may give."""

    role: Role
    targets: Mapping[Role, bool]


@dataclass(frozen=True, slots=True)
class TruthTable:
    """Role × permission × ownership."""

    roles: tuple[Role, ...]
    permissions: tuple[PermissionRow, ...]
    reach: tuple[ReachRow, ...]
    managing: tuple[ManagingRow, ...]


def truth_table(roles: Collection[Role], routes: Mapping[Permission, tuple[Route, ...]]) -> TruthTable:
    """The policy for these roles, as it is enforced at this moment; ``routes`` is what each permission opens."""
    shown = tuple(role for role in Role if role in roles)
    return TruthTable(
        roles=shown,
        permissions=tuple(
            PermissionRow(
                permission,
                {role: answer_of(role, permission) for role in shown},
                permission in STEP_UP,
                routes.get(permission, ()),
            )
            for permission in Permission
        ),
        reach=tuple(_reach_of(role) for role in shown),
        managing=tuple(
            ManagingRow(role, {target: may_manage(somebody(role), target, _home(target)) for target in Role})
            for role in shown
        ),
    )


def somebody(role: Role) -> Actor:
    """Somebody with the role, at the company or at a franchise."""
    return Actor(ActorKind.USER, _SOMEBODY, "", role, _home(role))


def answer_of(role: Role, permission: Permission) -> Answer:
    """What somebody with the role may do with the permission."""
    actor = somebody(role)
    if not actor.may(permission):
        return Answer.NO
    if permission in SHARED:
        return Answer.SHARED
    return Answer.EVERY if actor.reaches(_SIBLING) else Answer.OWN


def operators_seen_from(role: Role) -> dict[Whose, UUID | None]:
    """An operator of each kind as somebody with the role sees it; ``None`` where there is no such thing."""
    of_company = HOME_OF[role] is OperatorKind.COMPANY
    return {Whose.OWN: _home(role), Whose.FRANCHISE: _SIBLING, Whose.COMPANY: None if of_company else COMPANY_ID}


def _reach_of(role: Role) -> ReachRow:
    actor = somebody(role)
    asked = operators_seen_from(role)
    return ReachRow(
        role,
        {whose: None if operator is None else actor.reaches(operator) for whose, operator in asked.items()},
        {whose: None if operator is None else actor.reads_enquiries_of(operator) for whose, operator in asked.items()},
    )


def _home(role: Role) -> UUID:
    return COMPANY_ID if HOME_OF[role] is OperatorKind.COMPANY else _FRANCHISE
