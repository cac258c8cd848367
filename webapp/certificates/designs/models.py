"""Designs of operators: the draft each may have, the versions published, and previews that are to be made."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.certificates.designs.previewing import PreviewState
from webapp.db.base import Base, owned_table, whole_lease, word
from webapp.db.promises import Promise

ONE_IN_USE = "uq_certificate_designs_in_use"
ONE_OPEN = "uq_certificate_previews_open"


class CertificateDesign(Base):
    """One published version. A trigger lets nothing of it change but whether it is in use, and keeps it for ever."""

    __tablename__ = "certificate_designs"
    __table_args__ = owned_table(
        UniqueConstraint("operator_id", "number"),
        CheckConstraint("number > 0", name="number"),
        CheckConstraint("taken_from IS NULL OR taken_from BETWEEN 1 AND number - 1", name="taken_from"),
        Index(ONE_IN_USE, "operator_id", unique=True, postgresql_where=text("in_use")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    number: Mapped[int] = mapped_column(autoincrement=False)
    in_use: Mapped[bool]
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    """Everything but the pictures, see ``rules.Design.to_json``."""
    logo_sha256: Mapped[str | None] = mapped_column(String(64))
    signature_sha256: Mapped[str | None] = mapped_column(String(64))
    taken_from: Mapped[int | None]
    """The older version it says the same as, when somebody went back to that."""
    published_at: Mapped[datetime]
    published_by: Mapped[UUID | None]
    published_by_name: Mapped[str] = mapped_column(String(120))


class CertificateDesignDraft(Base):
    """What somebody is at work on; an operator has one at most. ``version`` counts its changes."""

    __tablename__ = "certificate_design_drafts"

    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"), primary_key=True)
    version: Mapped[int] = mapped_column(autoincrement=False)
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    logo_sha256: Mapped[str | None] = mapped_column(String(64))
    signature_sha256: Mapped[str | None] = mapped_column(String(64))
    changed_at: Mapped[datetime]
    changed_by: Mapped[UUID | None]
    changed_by_name: Mapped[str] = mapped_column(String(120))


class CertificatePreview(Promise, Base):
    """A promise to draw a sample: state, attempts, next try and lease stand on the row itself. Gone after an hour."""

    __tablename__ = "certificate_previews"
    __table_args__ = owned_table(
        whole_lease(),
        CheckConstraint("(state = 'drawn') = (pdf_sha256 IS NOT NULL)", name="drawn"),
        CheckConstraint("(pdf_sha256 IS NULL) = (png_sha256 IS NULL)", name="files"),
        CheckConstraint("(state = 'failed') = (problem IS NOT NULL)", name="failed"),
        Index(ONE_OPEN, "requested_by", unique=True, postgresql_where=text("state = 'waiting'")),
        Index("ix_certificate_previews_requested_by_requested_at", "requested_by", "requested_at"),
        Index("ix_certificate_previews_requested_at", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    requested_by: Mapped[UUID]
    """Whoever asked and alone may look at it. No foreign key: an admin is another operator's person."""
    requested_at: Mapped[datetime]
    content: Mapped[dict[str, Any]] = mapped_column(JSONB)
    logo_sha256: Mapped[str | None] = mapped_column(String(64))
    signature_sha256: Mapped[str | None] = mapped_column(String(64))
    language: Mapped[str] = mapped_column(String(2))
    student_name: Mapped[str] = mapped_column(String(600))
    """A made-up name, or one somebody tries the fonts with."""
    state: Mapped[PreviewState] = mapped_column(word(PreviewState, "state"))
    pdf_sha256: Mapped[str | None] = mapped_column(String(64))
    png_sha256: Mapped[str | None] = mapped_column(String(64))
    problem: Mapped[str | None] = mapped_column(String(64))
