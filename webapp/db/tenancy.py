"""Who owns which row. Ownership is part of every SELECT; the tenant travels to the database with each transaction."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, replace
from uuid import UUID

from sqlalchemy import ColumnElement, true
from sqlalchemy.orm import QueryableAttribute

from webapp.core.actor import Actor


@dataclass(frozen=True, slots=True)
class Tenant:
    """On whose behalf a transaction runs: one operator, or everybody (admins, auditors, the system)."""

    operator_id: UUID | None
    sees_everything: bool
    reading_only: bool = False
    """Whether its transactions are READ ONLY: an admin sees the desk as somebody else."""


NOBODY = Tenant(operator_id=None, sees_everything=False)
"""Sees no operator's rows and writes none: row-level security in the database takes it at its word."""
UNSAID = NOBODY
"""On whose behalf a transaction runs when nothing was said."""
_tenant: ContextVar[Tenant | None] = ContextVar("tenant", default=None)


def current_tenant() -> Tenant:
    """The tenant of the running request, job or command; ``UNSAID`` outside them."""
    return _tenant.get() or UNSAID


@contextmanager
def _acting(tenant: Tenant) -> Iterator[None]:
    token = _tenant.set(tenant)
    try:
        yield
    finally:
        _tenant.reset(token)


def acting_for_nobody() -> AbstractContextManager[None]:
    """Run a block on nobody's behalf: a visitor nobody knows yet, a job that has not taken up a row."""
    return _acting(NOBODY)


def acting_for(operator_id: UUID) -> AbstractContextManager[None]:
    """Run a block on behalf of one operator and nobody in particular: a job at its rows, a letter asked for."""
    return _acting(Tenant(operator_id, sees_everything=False))


def acting_as(actor: Actor) -> AbstractContextManager[None]:
    """Run a block on behalf of an actor: transactions begun inside carry that actor's tenant."""
    return _acting(Tenant(actor.operator_id, actor.sees_everything, reading_only=actor.viewed_by is not None))


def leaving_a_trace() -> AbstractContextManager[None]:
    """Let a block write although the tenant is reading only: the one thing that is written then is the audit."""
    return _acting(replace(current_tenant(), reading_only=False))


def owned_by(column: QueryableAttribute[UUID] | ColumnElement[UUID], actor: Actor) -> ColumnElement[bool]:
    """The ownership condition of rule E2 over an ``operator_id`` column: one's own operator's rows, or all."""
    if actor.sees_everything:
        return true()
    return column == actor.operator_id
