"""The company and its franchises."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.ids import COMPANY_ID
from webapp.db.base import Base, word
from webapp.operators.rules import OperatorKind


class Operator(Base):
    """One operator: the company (exactly one row, with a fixed id) or a franchise."""

    __tablename__ = "operators"
    __table_args__ = (
        CheckConstraint(f"(kind = 'company') = (id = '{COMPANY_ID}')", name="one_company"),
        CheckConstraint("name_key <> ''", name="name_key"),
        Index("uq_operators_name_key", "name_key", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[OperatorKind] = mapped_column(word(OperatorKind, "kind"))
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(String(240))
    auto_approve: Mapped[bool] = mapped_column(default=False)
    """Proposals are approved by the system at once (rule A4)."""
    four_eyes: Mapped[bool] = mapped_column(default=True)
    """Whoever proposed may not approve (rule A5)."""
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
