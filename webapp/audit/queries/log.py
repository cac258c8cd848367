"""The log as auditors search it: newest first, page after page by the last row's place."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, String, func, literal, or_, select, tuple_, type_coerce
from sqlalchemy.orm import QueryableAttribute, Session, aliased

from webapp.audit.canonical import GENESIS, stored_entry
from webapp.audit.models import AuditEntry, AuditSeal
from webapp.core.actor import Actor, ActorKind
from webapp.db.tenancy import owned_by

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Place:
    """An entry's place in the list; the list goes on behind it."""

    at: datetime
    id: UUID

    def __str__(self) -> str:
        return f"{(self.at - _EPOCH) // _MICROSECOND}-{self.id}"

    @classmethod
    def read(cls, text: str) -> Place | None:
        """The place an address names; ``None`` for rubbish: the list then begins at the top."""
        micros, _dash, id_ = text.partition("-")
        try:
            if not (micros.isascii() and micros.isdigit() and len(micros) < 18):
                return None
            return cls(_EPOCH + int(micros) * _MICROSECOND, UUID(id_))
        except (ValueError, OverflowError):
            return None


@dataclass(frozen=True, slots=True)
class LogFilter:
    """Which entries are asked for; ``None`` narrows nothing. ``since`` and ``until`` are instants, half-open.

    ``people`` are the ids of those who acted, ``system`` asks for the desk itself. ``subject_id`` is the id of a thing
    or of an entry.
    """

    people: frozenset[UUID] | None = None
    system: bool = False
    subject_id: UUID | None = None
    kind: str | None = None
    what: frozenset[str] | None = None
    since: datetime | None = None
    until: datetime | None = None
    operator_id: UUID | None = None
    younger_than: UUID | None = field(default=None, repr=False)
    """Nothing from this id on: what is written while the answer is read stays out of it."""

    def before(self, entry_id: UUID) -> LogFilter:
        """The same, as it was before an id was made."""
        return replace(self, younger_than=entry_id)


@dataclass(frozen=True, slots=True)
class Logged:
    """An entry of the log with its place in the chain; ``position`` is ``None`` while it has no seal."""

    id: UUID
    at: datetime
    operator_id: UUID
    actor_kind: str
    actor_id: UUID | None
    actor_name: str
    actor_role: str | None
    what: str
    subject_kind: str
    subject_id: UUID
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    source: str
    request_id: str | None
    address: str | None
    position: int | None
    seal: bytes | None

    @property
    def place(self) -> Place:
        """Where it stands in the list."""
        return Place(self.at, self.id)


@dataclass(frozen=True, slots=True)
class Exported:
    """An entry as an export tells it: whole, with its seal and the seal before it (the genesis before the first)."""

    entry: Logged
    stored: tuple[str | None, ...]
    previous: bytes | None
    sealed_at: datetime | None


_COLUMNS: tuple[Any, ...] = (
    AuditEntry.id,
    AuditEntry.at,
    AuditEntry.operator_id,
    type_coerce(AuditEntry.actor_kind, String),
    AuditEntry.actor_id,
    AuditEntry.actor_name,
    type_coerce(AuditEntry.actor_role, String),
    AuditEntry.what,
    AuditEntry.subject_kind,
    AuditEntry.subject_id,
    AuditEntry.before,
    AuditEntry.after,
    AuditEntry.source,
    AuditEntry.request_id,
    AuditEntry.address,
    AuditSeal.position,
    AuditSeal.hash,
)


def logged(
    db: Session, wanted: LogFilter, *, visible_to: Actor, limit: int, behind: Place | None = None
) -> tuple[Logged, ...]:
    """The entries asked for behind a place, newest first."""
    rows = db.execute(_page(select(*_COLUMNS), wanted, visible_to, limit, behind))
    return tuple(Logged(*row) for row in rows)


def exported(
    db: Session, wanted: LogFilter, *, visible_to: Actor, limit: int, behind: Place | None = None
) -> tuple[Exported, ...]:
    """The same with what an export adds."""
    before = aliased(AuditSeal)
    chosen = select(*_COLUMNS, before.hash, AuditSeal.sealed_at, *stored_entry())
    page = _page(chosen, wanted, visible_to, limit, behind)
    rows = db.execute(page.outerjoin(before, before.position == AuditSeal.position - 1))
    count = len(_COLUMNS)
    return tuple(
        Exported(
            entry=(entry := Logged(*row[:count])),
            stored=tuple(row[count + 2 :]),
            previous=GENESIS if entry.position == 1 else row[count],
            sealed_at=row[count + 1],
        )
        for row in rows
    )


def how_many(db: Session, wanted: LogFilter, *, visible_to: Actor, most: int) -> int:
    """How many entries are asked for; ``most + 1`` stands for more than ``most``."""
    found = select(AuditEntry.id).where(*_conditions(wanted, visible_to)).limit(most + 1).subquery()
    return db.scalar(select(func.count()).select_from(found)) or 0


def known_words(db: Session) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Everything that ever happened, and every kind of thing it happened to, in alphabetical order.

    One look into an index for each word, however many entries there are.
    """
    return _words(db, AuditEntry.what), _words(db, AuditEntry.subject_kind)


def _words(db: Session, column: QueryableAttribute[str]) -> tuple[str, ...]:
    known = select(func.min(column).label("word")).cte("known", recursive=True)
    following = select(func.min(column)).where(column > known.c.word).scalar_subquery()
    known = known.union_all(select(following).where(known.c.word.is_not(None)))
    return tuple(sorted(db.scalars(select(known.c.word).where(known.c.word.is_not(None)))))


def _page(chosen: Select[Any], wanted: LogFilter, visible_to: Actor, limit: int, behind: Place | None) -> Select[Any]:
    place = tuple_(AuditEntry.at, AuditEntry.id)
    on_page = [place < tuple_(literal(behind.at, AuditEntry.at.type), literal(behind.id))] if behind else []
    return (
        chosen.select_from(AuditEntry)
        .outerjoin(AuditSeal, AuditSeal.entry_id == AuditEntry.id)
        .where(*_conditions(wanted, visible_to), *on_page)
        .order_by(AuditEntry.at.desc(), AuditEntry.id.desc())
        .limit(limit)
    )


def _conditions(wanted: LogFilter, actor: Actor) -> Iterator[ColumnElement[bool]]:
    yield owned_by(AuditEntry.operator_id, actor)
    if wanted.system:
        yield AuditEntry.actor_kind == ActorKind.SYSTEM
    if wanted.people is not None:
        yield AuditEntry.actor_id.in_(wanted.people)
    if wanted.subject_id is not None:
        yield or_(AuditEntry.subject_id == wanted.subject_id, AuditEntry.id == wanted.subject_id)
    if wanted.kind:
        yield AuditEntry.subject_kind == wanted.kind
    if wanted.what is not None:
        yield AuditEntry.what.in_(wanted.what)
    if wanted.since is not None:
        yield AuditEntry.at >= wanted.since
    if wanted.until is not None:
        yield AuditEntry.at < wanted.until
    if wanted.operator_id is not None:
        yield AuditEntry.operator_id == wanted.operator_id
    if wanted.younger_than is not None:
        yield AuditEntry.id < wanted.younger_than
