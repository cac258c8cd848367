"""Founding and changing franchises."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.models import Operator
from webapp.operators.rules import OperatorCommand, OperatorKind


def create(work: Work, command: OperatorCommand, *, by: Actor, now: datetime) -> UUID:
    """Found a franchise; the company is there from the first migration on. Raises ``Invalid`` for a name in use."""
    checked = command.checked()
    operator_id = new_id()
    work.db.add(
        Operator(
            id=operator_id,
            kind=OperatorKind.FRANCHISE,
            name=checked.name,
            name_key=checked.name_key,
            auto_approve=checked.auto_approve,
            four_eyes=checked.four_eyes,
            active=checked.active,
            created_at=now,
        )
    )
    _flush(work, checked.name)
    audit.record(
        work,
        "operator.created",
        "operator",
        operator_id,
        operator_id=operator_id,
        by=by,
        after=asdict(checked),
        at=now,
    )
    return operator_id


def change(work: Work, operator_id: UUID, command: OperatorCommand, *, by: Actor, now: datetime) -> bool:
    """Make an operator what the command says; whether anything changed.

    Raises ``NotFound`` for an operator that is not there or not the actor's, ``Invalid`` for a name in use, and
    ``Conflict`` for switching the company off.
    """
    checked = command.checked()
    row = work.db.scalar(
        select(Operator).where(Operator.id == operator_id, owned_by(Operator.id, by)).with_for_update(key_share=True)
    )
    if row is None:
        raise NotFound()
    if operator_id == COMPANY_ID and not checked.active:
        raise Conflict("company-active", "The company itself cannot be switched off.")
    before, after = asdict(OperatorCommand(row.name, row.auto_approve, row.four_eyes, row.active)), asdict(checked)
    if before == after:
        return False
    row.name, row.name_key = checked.name, checked.name_key
    row.auto_approve, row.four_eyes, row.active = checked.auto_approve, checked.four_eyes, checked.active
    _flush(work, checked.name)
    audit.record(
        work,
        "operator.changed",
        "operator",
        operator_id,
        operator_id=operator_id,
        by=by,
        before={name: before[name] for name in after if before[name] != after[name]},
        after={name: after[name] for name in after if before[name] != after[name]},
        at=now,
    )
    return True


def _flush(work: Work, name: str) -> None:
    try:
        work.db.flush()  # So that a name in use is refused here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, ["uq_operators_name_key"]):
            raise Invalid(
                "operator-name-taken", "There is already an operator named %(name)s.", field="name", name=name
            ) from error
        raise
