"""The chain of seals, and which entries are not in it yet."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from sqlalchemy import exists, select
from sqlalchemy.orm import Session

from webapp.audit.canonical import GENESIS, stored_entry
from webapp.audit.models import AuditEntry, AuditSeal
from webapp.core.ids import first_id_of, milliseconds_of, new_id

LATE: Final = 60 * 60 * 1000
"""Milliseconds an entry may become visible after others with younger ids: far longer than any transaction lasts."""


@dataclass(frozen=True, slots=True)
class ChainHead:
    """The end of the chain: how many seals there are, and the last one's hash."""

    position: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class Unsealed:
    """An entry without a seal; ``stored`` are its columns as ``canonical`` takes them."""

    id: UUID
    operator_id: UUID
    stored: tuple[str | None, ...]


@dataclass(frozen=True, slots=True)
class Link:
    """A seal and the entry it is for. ``stored`` is ``None`` when there is no such entry."""

    position: int
    entry_id: UUID
    operator_id: UUID
    hash: bytes
    stored: tuple[str | None, ...] | None


def chain_head(db: Session) -> ChainHead:
    """The newest seal; position 0 and the genesis while there is none."""
    row = db.execute(
        select(AuditSeal.position, AuditSeal.hash).order_by(AuditSeal.position.desc()).limit(1)
    ).one_or_none()
    return ChainHead(*row) if row is not None else ChainHead(0, GENESIS)


def seal_at(db: Session, position: int) -> ChainHead | None:
    """The chain as it ended at a position, or ``None`` where no seal stands."""
    row = db.execute(select(AuditSeal.position, AuditSeal.hash).where(AuditSeal.position == position)).one_or_none()
    return ChainHead(*row) if row is not None else None


def watermark(db: Session) -> UUID:
    """The id above which entries without a seal are looked for: an hour before the newest sealed one was made.

    By the ids alone: ``at`` is the desk's clock, which may be set. An id from the future does not move it past now.
    """
    newest = db.scalar(select(AuditSeal.entry_id).order_by(AuditSeal.entry_id.desc()).limit(1))
    if newest is None:
        return UUID(int=0)
    return first_id_of(min(milliseconds_of(newest), milliseconds_of(new_id())) - LATE)


def unsealed(db: Session, *, after: UUID, upto: UUID | None = None, limit: int) -> tuple[Unsealed, ...]:
    """Entries with ``after < id <= upto`` that have no seal, in the order of their ids."""
    rows = db.execute(
        select(AuditEntry.id, AuditEntry.operator_id, *stored_entry())
        .where(AuditEntry.id > after, *([AuditEntry.id <= upto] if upto else []), ~_sealed(after))
        .order_by(AuditEntry.id)
        .limit(limit)
    )
    return tuple(Unsealed(row[0], row[1], tuple(row[2:])) for row in rows)


def unsealed_ids(db: Session, *, after: UUID, upto: UUID | None) -> tuple[UUID, ...]:
    """The ids of the entries with ``after < id <= upto`` that have no seal, in order."""
    return tuple(
        db.scalars(
            select(AuditEntry.id)
            .where(AuditEntry.id > after, *([AuditEntry.id <= upto] if upto else []), ~_sealed(after))
            .order_by(AuditEntry.id)
        )
    )


def _sealed(after: UUID) -> Any:
    # The bound is said for the seals as well: no plan has to look at those below it.
    return exists().where(AuditSeal.entry_id == AuditEntry.id, AuditSeal.entry_id > after)


def end_of_stretch(db: Session, *, after: UUID, length: int) -> UUID | None:
    """The id ``length`` entries behind ``after``; ``None`` when fewer are left."""
    return db.scalar(
        select(AuditEntry.id).where(AuditEntry.id > after).order_by(AuditEntry.id).offset(length - 1).limit(1)
    )


def links(db: Session, *, after: int | None, limit: int) -> Sequence[Link]:
    """The seals behind the position ``after`` (``None``: from the lowest there is) with their entries, in order."""
    rows = db.execute(
        select(
            AuditSeal.position,
            AuditSeal.entry_id,
            AuditSeal.operator_id,
            AuditSeal.hash,
            AuditEntry.id,
            *stored_entry(),
        )
        .outerjoin(AuditEntry, AuditEntry.id == AuditSeal.entry_id)
        .where(*([AuditSeal.position > after] if after is not None else []))
        .order_by(AuditSeal.position)
        .limit(limit)
    )
    return [Link(*row[:4], tuple(row[5:]) if row[4] is not None else None) for row in rows]
