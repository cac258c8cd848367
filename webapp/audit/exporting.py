"""The log as a file: CSV for a spreadsheet, JSON lines for somebody who wants to compute the chain again.

Page after page, each read in a short transaction of its own, so that a slow download keeps no transaction open.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from webapp.audit.canonical import canonical
from webapp.audit.queries.log import Exported, LogFilter, Place, exported
from webapp.core.actor import Actor
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only

MOST: Final = 100_000
"""Entries of one export."""
PAGE: Final = 1000

HEADING: Final = (
    "at",
    "what",
    "subject_kind",
    "subject_id",
    "actor_kind",
    "actor_id",
    "actor_name",
    "actor_role",
    "operator_id",
    "operator",
    "before",
    "after",
    "source",
    "address",
    "request_id",
    "id",
    "position",
    "seal",
)


def entries(wanted: LogFilter, *, actor: Actor, most: int = MOST) -> Iterator[Exported]:
    """The entries asked for, newest first, at most so many."""
    behind: Place | None = None
    left = most
    while left:
        with acting_as(actor), read_only() as db:
            page = exported(db, wanted, visible_to=actor, limit=min(PAGE, left), behind=behind)
        yield from page
        left -= len(page)
        if len(page) < PAGE:
            return
        behind = page[-1].entry.place


def csv_rows(found: Iterator[Exported], operators: Mapping[UUID, str]) -> Iterator[tuple[Any, ...]]:
    """The cells under ``HEADING``."""
    for one in found:
        entry = one.entry
        yield (
            entry.at,
            entry.what,
            entry.subject_kind,
            str(entry.subject_id),
            entry.actor_kind,
            str(entry.actor_id or ""),
            entry.actor_name,
            entry.actor_role,
            str(entry.operator_id),
            operators.get(entry.operator_id),
            _as_text(entry.before),
            _as_text(entry.after),
            entry.source,
            entry.address,
            entry.request_id,
            str(entry.id),
            entry.position,
            entry.seal.hex() if entry.seal else None,
        )


def json_lines(found: Iterator[Exported]) -> Iterator[bytes]:
    """One line for each entry: its canonical form, the seal before its own, its seal, position and time of sealing.

    ``docs/ops/audit.md`` says how the chain is computed from them; ``scripts/verify_audit_export.py`` does it.
    """
    for one in found:
        seal = {
            "hash": _hex(one.entry.seal),
            "position": one.entry.position,
            "previous": _hex(one.previous) if one.entry.seal else None,
            "sealed_at": _instant(one.sealed_at),
        }
        yield f'{{"entry":{canonical(one.stored)},"seal":{json.dumps(seal, separators=(",", ":"))}}}\n'.encode()


def _as_text(document: Mapping[str, Any] | None) -> str | None:
    return json.dumps(document, ensure_ascii=False, sort_keys=True) if document is not None else None


def _hex(value: bytes | None) -> str | None:
    return value.hex() if value is not None else None


def _instant(value: datetime | None) -> str | None:
    return value.strftime("%Y-%m-%dT%H:%M:%S.%fZ") if value is not None else None
