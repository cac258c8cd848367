"""What is done to a certificate only when two people agree: who asked, who decided, and why."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.certificates.rules import RequestKind, RequestReason, RequestState
from webapp.db.base import Base, owned_key, owned_table, word

ONE_OPEN: Final = "uq_certificate_requests_open"


class CertificateRequest(Base):
    """A request to revoke a certificate, or to make a revoked one anew.

    A trigger holds what was asked as it is, and lets it be decided once. No certificate becomes revoked without one of
    these that two people stand behind: another trigger asks for it.
    """

    __tablename__ = "certificate_requests"
    __table_args__ = owned_table(
        owned_key("certificate_id", "certificates"),
        CheckConstraint("(state = 'open') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state NOT IN ('confirmed', 'refused') OR (decided_by IS NOT NULL AND decided_by <> asked_by)",
            name="two_people",
        ),
        CheckConstraint("state <> 'withdrawn' OR decided_by = asked_by", name="withdrawn"),
        CheckConstraint("kind <> 'revoke' OR state <> 'open' OR words IS NOT NULL", name="words"),
        Index(ONE_OPEN, "certificate_id", unique=True, postgresql_where=text("state = 'open'")),
        Index("ix_certificate_requests_certificate_id", "certificate_id"),
        Index("ix_certificate_requests_waiting", "asked_at", postgresql_where=text("state = 'open'")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    certificate_id: Mapped[UUID]
    kind: Mapped[RequestKind] = mapped_column(word(RequestKind, "kind"))
    reason: Mapped[RequestReason] = mapped_column(word(RequestReason, "reason"))
    words: Mapped[str | None] = mapped_column(String(400))
    """What everybody reads who looks a revoked certificate up. Erased with the family."""
    state: Mapped[RequestState] = mapped_column(word(RequestState, "state"))
    asked_by: Mapped[UUID]
    asked_by_name: Mapped[str] = mapped_column(String(120))
    asked_at: Mapped[datetime]
    decided_by: Mapped[UUID | None]
    decided_by_name: Mapped[str | None] = mapped_column(String(120))
    decided_at: Mapped[datetime | None]
