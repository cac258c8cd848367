"""A long audit log, written in bulk: ids as the desk makes them, one every ten seconds until three hours ago."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import Connection, text

from webapp.core.ids import COMPANY_ID, milliseconds_of, new_id

ASHA: Final = UUID(int=3)
"""Somebody who did a fiftieth of it all."""
RARE: Final = UUID(int=999)
"""Somebody who did hardly anything, and an operator to whom little happens."""

_LOAD: Final = text("""
INSERT INTO audit_entries (id, at, operator_id, actor_kind, actor_id, actor_name, actor_role, what, subject_kind,
                           subject_id, before, after, source, request_id, address)
SELECT (lpad(to_hex(CAST(:now AS bigint) - 10800000 - (CAST(:entries AS bigint) - n) * 10000), 12, '0') || '70008000'
        || lpad(to_hex(n), 12, '0'))::uuid,
       CAST(:at AS timestamptz) - (:entries - n) * interval '10 seconds',
       (CASE WHEN n % 40 = 0 THEN CAST(:rare AS uuid) ELSE CAST(:company AS uuid) END),
       CASE WHEN n % 5 = 0 THEN 'system' ELSE 'user' END,
       (CASE WHEN n % 5 = 0 THEN NULL WHEN n % 5000 = 1 THEN CAST(:rare AS uuid)
             ELSE lpad(to_hex(n % 50), 32, '0')::uuid END),
       'Lakshmi Ravulapalli', 'company_staff',
       (ARRAY['booking.placed', 'booking.edited', 'assignment.proposed', 'session.completed'])[1 + n % 4],
       (ARRAY['booking', 'booking', 'assignment', 'session'])[1 + n % 4],
       lpad(to_hex(n / 4), 32, '0')::uuid,
       '{"status": "held", "version": 3}',
       jsonb_build_object('status', 'booked', 'version', 4, 'sessions', 30, 'reason', 'Asked for by the family'),
       'web', md5(n::text), '203.0.113.' || n % 250
FROM generate_series(1, CAST(:entries AS integer)) AS n
""")


def load(connection: Connection, entries: int, *, at: datetime) -> None:
    """Write the entries, the newest of them at ``at``. As a superuser: it is not bound by row-level security."""
    now = milliseconds_of(new_id())
    values = {"now": now, "at": at, "company": COMPANY_ID, "rare": RARE, "entries": entries}
    connection.execute(_LOAD, values)
    connection.commit()
