"""Appending to the audit, inside the transaction of the change itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, is_dataclass
from datetime import date, datetime, time
from enum import Enum
from typing import Any
from uuid import UUID

from sqlalchemy import text

from webapp.audit.models import AuditEntry
from webapp.core import clock
from webapp.core.actor import Actor
from webapp.core.ids import new_id
from webapp.db.work import Work


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a change came from: ``web``, ``api``, ``job`` or ``cli``, with the request's id and address if any."""

    source: str
    request_id: str | None = None
    address: str | None = None


_FROM_TERMINAL = Origin("cli")
_APPEND = text(
    "INSERT INTO audit_entries"
    " SELECT * FROM jsonb_populate_recordset(CAST(NULL AS audit_entries), CAST(:rows AS jsonb))"
)
_origin: ContextVar[Origin] = ContextVar("audit_origin", default=_FROM_TERMINAL)


def set_origin(origin: Origin) -> None:
    """Name the origin of what the running request does."""
    _origin.set(origin)


@contextmanager
def origin(where: Origin) -> Iterator[None]:
    """Name the origin of what a block does."""
    token = _origin.set(where)
    try:
        yield
    finally:
        _origin.reset(token)


def entry(
    what: str,
    subject_kind: str,
    subject_id: UUID,
    *,
    operator_id: UUID,
    by: Actor,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> AuditEntry:
    """One audit entry: ``what`` happened to the subject, owned by ``operator_id``.

    ``before`` and ``after`` hold the fields that changed; instants, dates, ids and enums are written as text. What
    happens while an admin sees the desk as somebody is done by the admin, ``viewing_as`` that person.
    """
    where = _origin.get()
    who = by.viewed_by or by
    if by.viewed_by is not None:
        after = {**(after or {}), "viewing_as": by.id}
    return AuditEntry(
        id=new_id(),
        at=at or clock.now(),
        operator_id=operator_id,
        actor_kind=who.kind,
        actor_id=who.id,
        actor_name=who.name,
        actor_role=who.role,
        what=what,
        subject_kind=subject_kind,
        subject_id=subject_id,
        before=plain(before) if before is not None else None,
        after=plain(after) if after is not None else None,
        source=where.source,
        request_id=where.request_id,
        address=where.address,
    )


def record(
    work: Work,
    what: str,
    subject_kind: str,
    subject_id: UUID,
    *,
    operator_id: UUID,
    by: Actor,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    at: datetime | None = None,
) -> None:
    """Append one audit entry to the transaction (see ``entry``)."""
    work.db.add(
        entry(what, subject_kind, subject_id, operator_id=operator_id, by=by, before=before, after=after, at=at)
    )


def record_all(work: Work, entries: Iterable[AuditEntry]) -> None:
    """Append many entries to the transaction, in one statement."""
    work.db.execute(_APPEND, {"rows": as_rows(entries)})


def as_rows(entries: Iterable[AuditEntry]) -> str:
    """Entries as JSON rows, for a statement that inserts them through ``jsonb_populate_recordset``."""
    columns = [column.key for column in AuditEntry.__table__.columns]
    return json.dumps([{name: getattr(one, name) for name in columns} for one in entries], default=plain)


_PLAIN = frozenset({str, int, float, bool})


def plain(value: Any) -> Any:
    """A value as JSON can hold it."""
    if value is None or type(value) in _PLAIN:
        return value
    match value:
        case Enum():
            return value.value
        case datetime() | date() | time():
            return value.isoformat()
        case UUID():
            return str(value)
        case Mapping():
            return {str(key): plain(item) for key, item in value.items()}
        case list() | tuple() | set() | frozenset():
            return [plain(item) for item in value]
        case _ if is_dataclass(value) and not isinstance(value, type):
            return {field.name: plain(getattr(value, field.name)) for field in fields(value)}
        case _:
            return value
