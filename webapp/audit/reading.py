"""Who read personal data: a trace in the audit, written after the read in a short transaction of its own.

Pages call this between reading and rendering, so that nothing is shown that left no trace. Opening a page again within
a quarter of an hour adds nothing: one statement decides and writes, so it costs a page one statement whether it writes
or not. What was shown is told by ids, never by names: an entry stays when the law has the rest erased.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Interval, bindparam, text

from webapp.audit.models import AuditEntry
from webapp.audit.service import as_rows, entry
from webapp.core.actor import Actor
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import leaving_a_trace
from webapp.db.work import unit_of_work

QUIET: Final = timedelta(minutes=15)
"""How long the same person reading the same thing again leaves no second trace."""

_WRITE: Final = text("""
    INSERT INTO audit_entries
    SELECT * FROM jsonb_populate_recordset(NULL::audit_entries, CAST(:entry AS jsonb)) AS mine
    WHERE NOT EXISTS (
        SELECT FROM audit_entries AS earlier
        WHERE earlier.subject_id = mine.subject_id AND earlier.at > mine.at - :quiet AND earlier.at <= mine.at
          AND earlier.actor_id = mine.actor_id AND earlier.what = mine.what
          AND (NOT :told_apart OR earlier.after = mine.after)
    )
""").bindparams(bindparam("quiet", type_=Interval))


def household_read(household_id: UUID, operator_id: UUID, *, by: Actor, on: str) -> None:
    """Somebody was shown a family's contacts or its children's names on the page ``on`` (an endpoint)."""
    _leave(entry("household.read", "household", household_id, operator_id=operator_id, by=by, after={"on": on}))


def downloaded(kind: str, subject_id: UUID, operator_id: UUID, *, by: Actor, **more: Any) -> None:
    """Somebody took a file home that names a family; ``kind`` is what it is of, as ``certificate``."""
    _leave(entry(f"{kind}.downloaded", kind, subject_id, operator_id=operator_id, by=by, after=more or None))


def listed(what: str, ids: Iterable[UUID], *, by: Actor, about: Mapping[str, Any]) -> None:
    """Somebody was shown contact data of several at once: ``what`` is ``household.listed`` or ``enquiry.listed``.

    One entry for each different page of a list, about the reader's operator, with the ids of what stood there; nothing
    for an empty list. What was searched for is not kept: it would be somebody's name.
    """
    shown = sorted(ids)
    if not shown:
        return
    own = by.operator_id or COMPANY_ID
    after = {**about, "shown": shown}
    _leave(entry(what, "operator", own, operator_id=own, by=by, after=after), told_apart=True)


def _leave(trace: AuditEntry, *, told_apart: bool = False) -> None:
    """Write the entry, unless the same person left the same one lately; ``told_apart`` by what it says, too."""
    # Also while an admin sees the desk as somebody, reading only.
    with leaving_a_trace(), unit_of_work() as work:
        values = {"entry": as_rows([trace]), "quiet": QUIET, "told_apart": told_apart}
        work.db.execute(_WRITE, values)
