"""Certificates: one per student of a completed 30-session booking. The pending row is the promise (rule C2)."""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.certificates.rules import CertificateState
from webapp.db.base import Base, owned_key, owned_table, word

NUMBER = "uq_certificates_number"
ONE_PER_STUDENT = "uq_certificates_live_booking_id_student_id"


class Certificate(Base):
    """A certificate and the promise to make it: state, attempts, next try and lease stand on the row itself."""

    __tablename__ = "certificates"
    __table_args__ = owned_table(
        owned_key("booking_id", "bookings"),
        owned_key("student_id", "students"),
        owned_key("replaced_by_id", "certificates"),
        CheckConstraint("number ~ '^ZD-[0-9]{2}-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$'", name="number"),
        CheckConstraint(
            "state NOT IN ('issued', 'revoked', 'replaced') OR (pdf_sha256 IS NOT NULL AND issued_at IS NOT NULL)",
            name="published",
        ),
        CheckConstraint("(lease IS NULL) = (lease_until IS NULL)", name="lease"),
        CheckConstraint("(state = 'replaced') = (replaced_by_id IS NOT NULL)", name="replaced"),
        CheckConstraint("(state = 'revoked') = (revoked_at IS NOT NULL)", name="revoked"),
        CheckConstraint("erased_at IS NULL OR state <> 'pending'", name="erased"),
        CheckConstraint("file_erased_at IS NULL OR erased_at IS NOT NULL", name="file_erased"),
        Index(NUMBER, "number", unique=True),
        Index("uq_certificates_token", "token", unique=True),
        Index(
            ONE_PER_STUDENT,
            "booking_id",
            "student_id",
            unique=True,
            postgresql_where=text("replaced_by_id IS NULL"),
        ),
        Index("ix_certificates_student_id", "student_id"),
        Index("ix_certificates_replaced_by_id", "replaced_by_id", postgresql_where=text("replaced_by_id IS NOT NULL")),
        Index("ix_certificates_pending", "next_at", postgresql_where=text("state = 'pending'")),
        Index(
            "ix_certificates_file_due",
            "erased_at",
            postgresql_where=text("erased_at IS NOT NULL AND file_erased_at IS NULL AND pdf_sha256 IS NOT NULL"),
        ),
        Index("ix_certificates_pdf_sha256", "pdf_sha256", postgresql_where=text("pdf_sha256 IS NOT NULL")),
        Index("ix_certificates_operator_id_state_awarded_on", "operator_id", "state", "awarded_on"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    student_id: Mapped[UUID]
    number: Mapped[str] = mapped_column(String(18))
    token: Mapped[str] = mapped_column(String(43))
    """128 bits and more of randomness: what the link carries, never the number alone."""
    state: Mapped[CertificateState] = mapped_column(word(CertificateState, "state"))
    payload: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Frozen at completion: everything the PDF shows."""
    awarded_on: Mapped[date]
    created_at: Mapped[datetime]
    issued_at: Mapped[datetime | None]
    pdf_sha256: Mapped[str | None] = mapped_column(String(64))
    attempts: Mapped[int] = mapped_column(default=0)
    next_at: Mapped[datetime]
    lease: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    last_error: Mapped[str | None] = mapped_column(String(400))
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(400))
    replaced_by_id: Mapped[UUID | None]
    erased_at: Mapped[datetime | None]
    """When the holder's data went out of ``payload`` and the link stopped telling whose it is. A trigger holds all else
    of a certificate that is out as it is, and lets exactly this happen, once."""
    file_erased_at: Mapped[datetime | None]
    """When its file was removed; until then that is due."""
