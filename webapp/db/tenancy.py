"""Who owns which row. Ownership is part of every SELECT; the tenant travels to the database with each transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import QueryableAttribute

from webapp.core.actor import Actor


@dataclass(frozen=True, slots=True)
class Tenant:
    """On whose behalf a transaction runs: one operator, or everybody (admins, auditors, the system)."""

    operator_id: UUID | None
    sees_everything: bool


NOBODY = Tenant(operator_id=None, sees_everything=False)
_tenant: ContextVar[Tenant] = ContextVar("tenant", default=NOBODY)


def current_tenant() -> Tenant:
    """The tenant of the running request or job; ``NOBODY`` outside both."""
    return _tenant.get()


@contextmanager
def acting_for(operator_id: UUID) -> Iterator[None]:
    """Run a block on behalf of one operator and nobody in particular: a job at its rows, a letter asked for."""
    token = _tenant.set(Tenant(operator_id, sees_everything=False))
    try:
        yield
    finally:
        _tenant.reset(token)


@contextmanager
def acting_as(actor: Actor) -> Iterator[None]:
    """Run a block on behalf of an actor: transactions begun inside carry that actor's tenant."""
    token = _tenant.set(Tenant(actor.operator_id, actor.sees_everything))
    try:
        yield
    finally:
        _tenant.reset(token)


def owned_by(column: QueryableAttribute[UUID] | ColumnElement[UUID], actor: Actor) -> ColumnElement[bool]:
    """The ownership condition of rule E2 over an ``operator_id`` column: one's own operator's rows, or all."""
    if actor.sees_everything:
        return true()
    return column == actor.operator_id
