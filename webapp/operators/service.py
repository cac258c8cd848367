"""Founding and changing franchises."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.seen import fingerprint
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


def seen_of(command: OperatorCommand) -> str:
    """What a form that changes an operator has seen of it."""
    return fingerprint(command.name, command.auto_approve, command.four_eyes, command.active)


def change(
    work: Work, operator_id: UUID, command: OperatorCommand, *, by: Actor, now: datetime, seen: str | None = None
) -> bool:
    """Make an operator what the command says; whether anything changed.

    Raises ``NotFound`` for an operator that is not there or not the actor's, ``Invalid`` for a name in use, and
    ``Conflict`` for switching the company off, and when the operator is not any more what ``seen`` says.
    """
    row = _locked(work, operator_id, by)
    if seen is not None and seen != seen_of(_known(row)):
        raise Conflict(
            "operator-changed", "Somebody changed this operator a moment ago. Look at it again before you change it."
        )
    return _become(work, row, command.checked(), by=by, now=now)


def set_active(work: Work, operator_id: UUID, active: bool, *, by: Actor, now: datetime) -> bool:
    """Switch a franchise off, so that nobody who belongs to it can sign in, or on again. Raises like ``change``."""
    row = _locked(work, operator_id, by)
    return _become(work, row, replace(_known(row), active=active), by=by, now=now)


def _locked(work: Work, operator_id: UUID, by: Actor) -> Operator:
    row = work.db.scalar(
        select(Operator).where(Operator.id == operator_id, owned_by(Operator.id, by)).with_for_update(key_share=True)
    )
    if row is None:
        raise NotFound()
    return row


def _known(row: Operator) -> OperatorCommand:
    return OperatorCommand(row.name, row.auto_approve, row.four_eyes, row.active)


def _become(work: Work, row: Operator, wanted: OperatorCommand, *, by: Actor, now: datetime) -> bool:
    if row.id == COMPANY_ID and not wanted.active:
        raise Conflict("company-active", "The company itself cannot be switched off.")
    before, after = asdict(_known(row)), asdict(wanted)
    if before == after:
        return False
    row.name, row.name_key = wanted.name, wanted.name_key
    row.auto_approve, row.four_eyes, row.active = wanted.auto_approve, wanted.four_eyes, wanted.active
    _flush(work, wanted.name)
    audit.record(
        work,
        "operator.changed",
        "operator",
        row.id,
        operator_id=row.id,
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
