"""Certificates: one per student of a completed 30-session booking. The pending row is the promise (rule C2).

And what makes them checkable by anyone: the issuer's public keys and its signed lists of void credentials.
"""

from __future__ import annotations

from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    String,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from webapp.accounts.rules import LetterState
from webapp.certificates.rules import BatchKind, BatchState, CertificateState, KeyKind
from webapp.db.base import Base, owned_key, owned_table, whole_lease, word
from webapp.db.promises import RetriedPromise

NUMBER = "uq_certificates_number"
ONE_PER_STUDENT = "uq_certificates_live_booking_id_student_id"


class Certificate(RetriedPromise, Base):
    """A certificate and the promise to make it: state, attempts, next try and lease stand on the row itself."""

    __tablename__ = "certificates"
    __table_args__ = owned_table(
        owned_key("booking_id", "bookings"),
        owned_key("student_id", "students"),
        UniqueConstraint("operator_id", "booking_id", "student_id", "id"),
        # A successor is the same student's, of the same booking. Deferred: the old one names it before it is there, or
        # for a moment the student would have two.
        ForeignKeyConstraint(
            ["operator_id", "booking_id", "student_id", "replaced_by_id"],
            ["certificates.operator_id", "certificates.booking_id", "certificates.student_id", "certificates.id"],
            name="fk_certificates_successor",
            deferrable=True,
            initially="DEFERRED",
        ),
        CheckConstraint("number ~ '^ZD-[0-9]{2}-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}$'", name="number"),
        CheckConstraint(
            "state NOT IN ('issued', 'revoked', 'replaced') OR (pdf_sha256 IS NOT NULL AND issued_at IS NOT NULL)",
            name="published",
        ),
        whole_lease(),
        CheckConstraint("state <> 'replaced' OR replaced_by_id IS NOT NULL", name="replaced"),
        CheckConstraint("replaced_by_id IS NULL OR state IN ('issued', 'revoked', 'replaced')", name="successor"),
        CheckConstraint("(state = 'revoked') = (revoked_at IS NOT NULL)", name="revoked"),
        CheckConstraint("erased_at IS NULL OR state <> 'pending'", name="erased"),
        CheckConstraint("file_erased_at IS NULL OR erased_at IS NOT NULL", name="file_erased"),
        CheckConstraint("(salt IS NULL) = (erased_at IS NOT NULL)", name="salt"),
        CheckConstraint("valid_from >= awarded_at", name="valid"),
        CheckConstraint("credential_sha256 IS NULL OR pdf_sha256 IS NOT NULL", name="credential"),
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
        Index(
            "ix_certificates_credential_sha256",
            "credential_sha256",
            postgresql_where=text("credential_sha256 IS NOT NULL"),
        ),
        Index(
            "ix_certificates_credential_awarded_on",
            "awarded_on",
            postgresql_where=text("credential_sha256 IS NOT NULL"),
        ),
        Index(
            "ix_certificates_void",
            "id",
            postgresql_where=text("state IN ('revoked', 'replaced') AND credential_sha256 IS NOT NULL"),
        ),
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
    salt: Mapped[str | None] = mapped_column(String(32))
    """16 random bytes in hexadecimal, drawn with the promise: what the credential hashes the name with. Goes when the
    family is erased."""
    awarded_on: Mapped[date]
    """The local date of the award; its year also tells on which revocation list the credential may stand."""
    awarded_at: Mapped[datetime]
    """When it was earned; reissues keep it."""
    valid_from: Mapped[datetime]
    """When what it says was fixed: of several for the same award the latest counts."""
    created_at: Mapped[datetime]
    """Also the instant that stands in both signatures, so that every try signs the same."""
    issued_at: Mapped[datetime | None]
    pdf_sha256: Mapped[str | None] = mapped_column(String(64))
    credential_sha256: Mapped[str | None] = mapped_column(String(64))
    """The file of the Open Badges credential. Certificates issued before there were any have none."""
    revoked_at: Mapped[datetime | None]
    revoked_reason: Mapped[str | None] = mapped_column(String(400))
    replaced_by_id: Mapped[UUID | None]
    """The one made in its place, from the moment that is promised. It stays valid until its successor is issued."""
    erased_at: Mapped[datetime | None]
    """When the holder's data went out of ``payload`` and the link stopped telling whose it is. A trigger holds all else
    of a certificate that is out as it is, and lets exactly this happen, once."""
    file_erased_at: Mapped[datetime | None]
    """When its file was removed; until then that is due."""


class IssuerKey(Base):
    """A public key and how long it was in use. Never deleted: what it signed is verified for decades.

    The private half is a file that only the worker reads (``certificates.signing.folder``), named by ``id``.
    """

    __tablename__ = "issuer_keys"
    __table_args__ = owned_table(
        CheckConstraint("withdrawn_at IS NULL OR retired_at IS NOT NULL", name="withdrawn"),
        UniqueConstraint("public"),
        Index("uq_issuer_keys_in_use", "operator_id", "kind", unique=True, postgresql_where=text("retired_at IS NULL")),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    """Whose PDFs it signs; credentials are the company's, for every operator."""
    kind: Mapped[KeyKind] = mapped_column(word(KeyKind, "kind"))
    public: Mapped[str] = mapped_column(Text)
    """A Multikey (``z6Mk…``), or the certificate in PEM."""
    since: Mapped[datetime]
    retired_at: Mapped[datetime | None]
    """Since when it signs nothing new."""
    withdrawn_at: Mapped[datetime | None]
    """Since when it is not the issuer's any more, because it got into wrong hands: all it signed is void."""


class RevocationList(Base):
    """One signing of a year's list of void credentials; the highest number is the list. Never changed."""

    __tablename__ = "revocation_lists"
    __table_args__ = owned_table(
        owned_key("key_id", "issuer_keys"),
        UniqueConstraint("year", "number"),
        Index("ix_revocation_lists_operator_id_key_id", "operator_id", "key_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    """The company: it issues every operator's credentials."""
    year: Mapped[int] = mapped_column(autoincrement=False)
    """The year of the awards that are on it."""
    number: Mapped[int] = mapped_column(autoincrement=False)
    """1, 2, 3 … within a year."""
    document: Mapped[str] = mapped_column(Text)
    """The signed JSON as it is handed out."""
    sha256: Mapped[str] = mapped_column(String(64))
    """Of ``document`` in UTF-8."""
    key_id: Mapped[UUID]
    signed_at: Mapped[datetime]


class CertificateLetter(RetriedPromise, Base):
    """The promise to send a certificate to one guardian, and what became of it. It goes when the guardian does."""

    __tablename__ = "certificate_letters"
    __table_args__ = owned_table(
        owned_key("certificate_id", "certificates"),
        owned_key("guardian_id", "guardians", ondelete="CASCADE"),
        CheckConstraint("occasion ~ '^(issued|asked-[1-9][0-9]?)$'", name="occasion"),
        CheckConstraint("(state = 'sent') = (sent_at IS NOT NULL)", name="sent"),
        whole_lease(),
        Index("uq_certificate_letters_once", "certificate_id", "guardian_id", "occasion", unique=True),
        Index("ix_certificate_letters_guardian_id", "guardian_id"),
        Index("ix_certificate_letters_pending", "next_at", postgresql_where=text("state = 'pending'")),
        Index(
            "ix_certificate_letters_failed",
            "operator_id",
            "created_at",
            postgresql_where=text("state = 'failed'"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    """The letter's Message-ID is made from it: a second copy carries the same."""
    operator_id: Mapped[UUID]
    certificate_id: Mapped[UUID]
    guardian_id: Mapped[UUID]
    occasion: Mapped[str] = mapped_column(String(16))
    """``issued``, or ``asked-1``, ``asked-2``, … each time staff sends it."""
    state: Mapped[LetterState] = mapped_column(word(LetterState, "state"))
    created_at: Mapped[datetime]
    sent_at: Mapped[datetime | None]


class CertificateBatch(RetriedPromise, Base):
    """The promise to put many certificates into one file, for whoever asked and for a day."""

    __tablename__ = "certificate_batches"
    __table_args__ = owned_table(
        CheckConstraint("(state = 'ready') = (file_sha256 IS NOT NULL)", name="file"),
        CheckConstraint("state <> 'ready' OR (expires_at IS NOT NULL AND size IS NOT NULL)", name="ready"),
        whole_lease(),
        CheckConstraint("chosen BETWEEN 1 AND 1000 AND done BETWEEN 0 AND chosen", name="done"),
        Index("ix_certificate_batches_asked_by_asked_at", "asked_by", "asked_at"),
        Index("ix_certificate_batches_asked_at", "asked_at"),
        Index("ix_certificate_batches_pending", "next_at", postgresql_where=text("state = 'pending'")),
        Index("ix_certificate_batches_ready", "expires_at", postgresql_where=text("state = 'ready'")),
        Index(
            "ix_certificate_batches_items",
            "items",
            postgresql_using="gin",
            postgresql_ops={"items": "jsonb_path_ops"},
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    """Of whoever asked; an admin's batch may hold certificates of several operators."""
    kind: Mapped[BatchKind] = mapped_column(word(BatchKind, "kind"))
    state: Mapped[BatchState] = mapped_column(word(BatchState, "state"))
    asked_by: Mapped[UUID]
    asked_at: Mapped[datetime]
    items: Mapped[list[Any]]
    """Frozen when it was asked for: ``{"certificate": id, "operator": id}`` each, in the order of the list."""
    chosen: Mapped[int]
    """How many those are."""
    done: Mapped[int]
    """How many of them were looked at so far."""
    included: Mapped[int]
    left_out: Mapped[list[Any]]
    """``{"certificate": id, "why": word}`` for each chosen one that is not in the file."""
    file_sha256: Mapped[str | None] = mapped_column(String(64))
    size: Mapped[int | None] = mapped_column(BigInteger)
    """Of the file, in bytes."""
    expires_at: Mapped[datetime | None]
