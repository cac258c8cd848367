"""Reading operators."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Select, func, select, text
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import Invalid, NotFound
from webapp.core.names import name_key
from webapp.db.tenancy import owned_by
from webapp.operators.models import Operator
from webapp.operators.rules import OperatorKind


@dataclass(frozen=True, slots=True)
class OperatorRow:
    """An operator as lists and pages show it; ``auto_approve`` is rule A4, ``four_eyes`` rule A5."""

    id: UUID
    kind: OperatorKind
    name: str
    auto_approve: bool
    four_eyes: bool
    active: bool
    created_at: datetime

    @property
    def is_company(self) -> bool:
        """Whether this is the company itself."""
        return self.kind is OperatorKind.COMPANY


def _rows() -> Select[UUID, OperatorKind, str, bool, bool, bool, datetime]:
    return select(
        Operator.id,
        Operator.kind,
        Operator.name,
        Operator.auto_approve,
        Operator.four_eyes,
        Operator.active,
        Operator.created_at,
    )


# A function of the database: a job begins on nobody's behalf and sees no operators but the company.
_ALL = text("SELECT * FROM operators_served()")


def operator_ids(db: Session) -> list[UUID]:
    """Every operator there is, for periodic work that takes one after the other."""
    return list(db.scalars(_ALL))


def operator(db: Session, operator_id: UUID) -> OperatorRow:
    """An operator whoever asks: for services that follow a row's ``operator_id``. Raises ``NotFound``."""
    row = db.execute(_rows().where(Operator.id == operator_id)).one_or_none()
    if row is None:
        raise NotFound()
    return OperatorRow(*row)


def operator_seen_by(db: Session, operator_id: UUID, *, visible_to: Actor) -> OperatorRow:
    """An operator as the actor may see it. Raises ``NotFound``, also for another's (rule E2)."""
    row = db.execute(_rows().where(Operator.id == operator_id, owned_by(Operator.id, visible_to))).one_or_none()
    if row is None:
        raise NotFound()
    return OperatorRow(*row)


def operators_index(
    db: Session, *, visible_to: Actor, limit: int | None = None, offset: int = 0
) -> tuple[tuple[OperatorRow, ...], int]:
    """The operators the actor may see, the company first, then by name; and how many there are in all."""
    mine = owned_by(Operator.id, visible_to)
    rows = db.execute(
        _rows()
        .where(mine)
        .order_by(Operator.kind == OperatorKind.FRANCHISE, Operator.name_key)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Operator).where(mine)) or 0
    return tuple(OperatorRow(*row) for row in rows), total


def operator_named(db: Session, name: str) -> OperatorRow:
    """The operator of a name, however it is spaced or capitalised. Raises ``Invalid`` for field ``operator``."""
    row = db.execute(_rows().where(Operator.name_key == name_key(name, field="operator"))).one_or_none()
    if row is None:
        raise Invalid("operator-unknown", "There is no operator named %(name)s.", field="operator", name=name)
    return OperatorRow(*row)
