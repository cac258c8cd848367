"""What may be put into a batch, which batches wait, and what the page of one shows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import ColumnElement, and_, select, text
from sqlalchemy.orm import Session

from webapp.certificates.models import Certificate, CertificateBatch
from webapp.certificates.rules import BatchKind, BatchState, CertificateState, LeftOut
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.db.tenancy import owned_by

Batch = CertificateBatch


@dataclass(frozen=True, slots=True)
class Item:
    """One chosen certificate and whose it is."""

    certificate_id: UUID
    operator_id: UUID


@dataclass(frozen=True, slots=True)
class Source:
    """What is put into the file of one certificate, as it is now."""

    certificate_id: UUID
    number: str
    student_name: str
    state: CertificateState
    erased: bool
    pdf_sha256: str | None


@dataclass(frozen=True, slots=True)
class NotIn:
    """A chosen certificate that is not in the file."""

    certificate_id: UUID
    number: str
    why: LeftOut


@dataclass(frozen=True, slots=True)
class BatchFacts:
    """A batch as its page shows it. ``there``: its file can be downloaded."""

    id: UUID
    operator_id: UUID
    kind: BatchKind
    state: BatchState
    asked_at: datetime
    chosen: int
    done: int
    included: int
    size: int | None
    expires_at: datetime | None
    last_error: str | None
    left_out: tuple[NotIn, ...]
    file_sha256: str | None
    there: bool

    @property
    def settled(self) -> bool:
        """Whether nothing more happens by itself: the page stops asking."""
        return self.state is not BatchState.PENDING

    @property
    def file_name(self) -> str:
        """What the file is called by whoever takes it home."""
        return f"certificates-{self.asked_at:%Y-%m-%d}-{str(self.id)[-6:]}.{self.kind}"


@dataclass(frozen=True, slots=True)
class BatchRow:
    """One of somebody's batches in a list."""

    id: UUID
    kind: BatchKind
    state: BatchState
    asked_at: datetime
    chosen: int


# Functions of the database that look at every operator's batches, and tell ids only.
_DUE = text("SELECT id, operator_id FROM certificate_batches_due(:now, :limit)")
_OVER = text("SELECT id, operator_id FROM certificate_batches_over(:now, :limit)")


def due_batches(db: Session, now: datetime, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Batches that wait to be made at ``now``, as (id, operator's id), the one due longest first."""
    return tuple((row[0], row[1]) for row in db.execute(_DUE, {"now": now, "limit": limit}))


def batches_over(db: Session, now: datetime, limit: int) -> tuple[tuple[UUID, UUID], ...]:
    """Batches whose file or whose row is to go at ``now``, as (id, operator's id)."""
    return tuple((row[0], row[1]) for row in db.execute(_OVER, {"now": now, "limit": limit}))


def items_of(ids: Iterable[tuple[UUID, UUID]]) -> list[dict[str, str]]:
    """Chosen certificates, as (id, operator's id), as they are frozen on a row."""
    return [{"certificate": str(certificate_id), "operator": str(operator_id)} for certificate_id, operator_id in ids]


def items_in(frozen: Sequence[dict[str, str]]) -> tuple[Item, ...]:
    """The chosen certificates of a row."""
    return tuple(Item(UUID(item["certificate"]), UUID(item["operator"])) for item in frozen)


def chosen_by_id(db: Session, ids: Collection[UUID], *, visible_to: Actor) -> list[tuple[UUID, UUID]]:
    """Certificates by id, as (id, operator's id) in the order of the list.

    Raises ``NotFound`` when one of them is not there or not the actor's.
    """
    found = db.execute(
        select(Certificate.id, Certificate.operator_id)
        .where(Certificate.id.in_(set(ids)), owned_by(Certificate.operator_id, visible_to))
        .order_by(Certificate.awarded_on.desc(), Certificate.id.desc())
    ).all()
    if len(found) != len(set(ids)):
        raise NotFound()
    return [(row[0], row[1]) for row in found]


def sources(db: Session, ids: Collection[UUID]) -> dict[UUID, Source]:
    """What is to be put into a file, by certificate; on behalf of the operator at hand."""
    found = db.execute(
        select(
            Certificate.id,
            Certificate.number,
            Certificate.payload["student_name"].astext,
            Certificate.state,
            Certificate.erased_at.is_not(None),
            Certificate.pdf_sha256,
        ).where(Certificate.id.in_(ids))
    )
    return {row[0]: Source(*row) for row in found}


def batch_facts(db: Session, batch_id: UUID, *, visible_to: Actor, now: datetime) -> BatchFacts:
    """One batch for its page, two statements. Raises ``NotFound`` unless it is the actor's own."""
    batch = db.scalar(select(Batch).where(Batch.id == batch_id, _own(visible_to)))
    if batch is None:
        raise NotFound()
    ids = [UUID(entry["certificate"]) for entry in batch.left_out]
    owned = owned_by(Certificate.operator_id, visible_to)
    numbers = (
        {
            row[0]: row[1]
            for row in db.execute(select(Certificate.id, Certificate.number).where(Certificate.id.in_(ids), owned))
        }
        if ids
        else {}
    )
    return BatchFacts(
        id=batch.id,
        operator_id=batch.operator_id,
        kind=batch.kind,
        state=batch.state,
        asked_at=batch.asked_at,
        chosen=batch.chosen,
        done=batch.done,
        included=batch.included,
        size=batch.size,
        expires_at=batch.expires_at,
        last_error=batch.last_error,
        left_out=tuple(
            NotIn(id_, numbers.get(id_, ""), LeftOut(entry["why"]))
            for id_, entry in zip(ids, batch.left_out, strict=True)
        ),
        file_sha256=batch.file_sha256,
        there=batch.state is BatchState.READY and batch.expires_at is not None and batch.expires_at > now,
    )


def chosen_in(db: Session, batch_id: UUID, *, visible_to: Actor) -> tuple[UUID, ...]:
    """The certificates in the file of one of the actor's batches."""
    found = db.execute(select(Batch.items, Batch.left_out).where(Batch.id == batch_id, _own(visible_to))).one_or_none()
    if found is None:
        raise NotFound()
    items, left_out = found
    missing = {entry["certificate"] for entry in left_out}
    return tuple(item.certificate_id for item in items_in(items) if str(item.certificate_id) not in missing)


def own_batches(db: Session, *, visible_to: Actor, limit: int) -> tuple[BatchRow, ...]:
    """The actor's last batches, newest first."""
    rows = db.execute(
        select(Batch.id, Batch.kind, Batch.state, Batch.asked_at, Batch.chosen)
        .where(_own(visible_to))
        .order_by(Batch.asked_at.desc(), Batch.id.desc())
        .limit(limit)
    )
    return tuple(BatchRow(*row) for row in rows)


def file_of(db: Session, batch_id: UUID) -> str | None:
    """The hash of a batch's file, if it has one."""
    return db.scalar(select(Batch.file_sha256).where(Batch.id == batch_id))


def files_in_use(db: Session) -> frozenset[str]:
    """The hashes of files that batches of the operator at hand still have."""
    found = db.scalars(select(Batch.file_sha256).where(Batch.file_sha256.is_not(None)))
    return frozenset(sha256 for sha256 in found if sha256 is not None)


def _own(actor: Actor) -> ColumnElement[bool]:
    """Whoever asked, and as long as they belong where they asked."""
    return and_(Batch.asked_by == actor.id, owned_by(Batch.operator_id, actor))
