"""Questions about designs: which one a certificate is drawn in, what an operator has published, whose draft is open."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import and_, func, or_, select, text
from sqlalchemy.orm import Session

from webapp.certificates.designs.models import CertificateDesign, CertificateDesignDraft
from webapp.certificates.designs.rules import Design
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import owned_by
from webapp.operators.models import Operator
from webapp.operators.rules import OperatorKind

# Functions of the database: an operator without a design uses the company's, whose rows it does not see.
_IN_USE = text("SELECT operator_id, number FROM certificate_design_in_use(:operator_id)")
_DRAWN = text(
    "SELECT content, logo_sha256, signature_sha256"
    " FROM certificate_design_drawn(:operator_id, CAST(:number AS integer))"
)


@dataclass(frozen=True, slots=True)
class InUse:
    """The design certificates of an operator are drawn in from now on: a version of its own or of the company's."""

    operator_id: UUID
    number: int


@dataclass(frozen=True, slots=True)
class OperatorDesign:
    """One line of the list: an operator, the version of its own in use, if any, and since when a draft lies there."""

    operator_id: UUID
    operator_name: str
    is_company: bool
    number: int | None
    published_at: datetime | None
    draft_at: datetime | None


@dataclass(frozen=True, slots=True)
class Version:
    """A published design and its story."""

    number: int
    in_use: bool
    design: Design
    taken_from: int | None
    published_at: datetime
    published_by_name: str


@dataclass(frozen=True, slots=True)
class Draft:
    """What somebody is at work on. ``version`` is what a form has to have seen to change it."""

    version: int
    design: Design
    changed_at: datetime
    changed_by_name: str


@dataclass(frozen=True, slots=True)
class Designed:
    """What there is of one operator: how it is called, what is in use, and its draft."""

    operator_id: UUID
    operator_name: str
    is_company: bool
    in_use: InUse | None
    draft: Draft | None


def in_use(db: Session, operator_id: UUID) -> InUse | None:
    """The operator's own design in use, else the company's; ``None`` means the built-in one. One statement."""
    found = db.execute(_IN_USE, {"operator_id": operator_id}).one_or_none()
    return InUse(*found) if found is not None else None


def drawn(db: Session, operator_id: UUID, number: int) -> Design | None:
    """A published version, for drawing certificates that name it."""
    found = db.execute(_DRAWN, {"operator_id": operator_id, "number": number}).one_or_none()
    return _design(found) if found is not None else None


def designs_index(
    db: Session, *, visible_to: Actor, limit: int, offset: int = 0
) -> tuple[tuple[OperatorDesign, ...], int]:
    """The operators the actor may see with what each designed, the company first; and how many there are in all."""
    mine = owned_by(Operator.id, visible_to)
    rows = db.execute(
        select(
            Operator.id,
            Operator.name,
            Operator.kind == OperatorKind.COMPANY,
            CertificateDesign.number,
            CertificateDesign.published_at,
            CertificateDesignDraft.changed_at,
        )
        .outerjoin(
            CertificateDesign, and_(CertificateDesign.operator_id == Operator.id, CertificateDesign.in_use.is_(True))
        )
        .outerjoin(CertificateDesignDraft, CertificateDesignDraft.operator_id == Operator.id)
        .where(mine)
        .order_by(Operator.kind == OperatorKind.FRANCHISE, Operator.name_key)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Operator).where(mine)) or 0
    return tuple(OperatorDesign(*row) for row in rows), total


def designed(db: Session, operator_id: UUID, *, visible_to: Actor) -> Designed:
    """What there is of one operator, two statements. Raises ``NotFound``, also for another's (rule E2)."""
    found = db.execute(
        select(Operator.name, CertificateDesignDraft)
        .outerjoin(CertificateDesignDraft, CertificateDesignDraft.operator_id == Operator.id)
        .where(Operator.id == operator_id, owned_by(Operator.id, visible_to))
    ).one_or_none()
    if found is None:
        raise NotFound()
    name, draft = found
    return Designed(
        operator_id, name, operator_id == COMPANY_ID, in_use(db, operator_id), _draft(draft) if draft else None
    )


def versions(
    db: Session, operator_id: UUID, *, visible_to: Actor, limit: int, offset: int = 0
) -> tuple[tuple[Version, ...], int]:
    """What an operator has published, newest first; and how many there are in all."""
    theirs = and_(CertificateDesign.operator_id == operator_id, owned_by(CertificateDesign.operator_id, visible_to))
    rows = db.scalars(
        select(CertificateDesign).where(theirs).order_by(CertificateDesign.number.desc()).limit(limit).offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(CertificateDesign).where(theirs)) or 0
    return tuple(_version(row) for row in rows), total


def version(db: Session, operator_id: UUID, number: int, *, visible_to: Actor) -> Version:
    """One published version. Raises ``NotFound``."""
    found = db.scalar(
        select(CertificateDesign).where(
            CertificateDesign.operator_id == operator_id,
            CertificateDesign.number == number,
            owned_by(CertificateDesign.operator_id, visible_to),
        )
    )
    if found is None:
        raise NotFound()
    return _version(found)


def has_picture(db: Session, operator_id: UUID, sha256: str, *, visible_to: Actor) -> bool:
    """Whether a draft or a version of an operator that the actor may see has the picture of this hash."""
    asked = [
        select(table.operator_id).where(
            table.operator_id == operator_id,
            owned_by(table.operator_id, visible_to),
            or_(table.logo_sha256 == sha256, table.signature_sha256 == sha256),
        )
        for table in (CertificateDesign, CertificateDesignDraft)
    ]
    return db.execute(asked[0].union(asked[1]).limit(1)).first() is not None


def _design(row: Any) -> Design:
    content, logo, signature = row
    return Design.from_json(content, logo=logo, signature=signature)


def _version(row: CertificateDesign) -> Version:
    return Version(
        row.number,
        row.in_use,
        Design.from_json(row.content, logo=row.logo_sha256, signature=row.signature_sha256),
        row.taken_from,
        row.published_at,
        row.published_by_name,
    )


def _draft(row: CertificateDesignDraft) -> Draft:
    return Draft(
        row.version,
        Design.from_json(row.content, logo=row.logo_sha256, signature=row.signature_sha256),
        row.changed_at,
        row.changed_by_name,
    )
