"""D: the floor. The rows of one assignment, written by one hand-tuned statement, prepared on the server.

Which rows those are is not decided here but read off an assignment the engine made (``sample``): its explanation, its
slots, the booking's new state and every audit entry, with ids replaced. Nothing is looked up, chosen or locked:
the trainer is known beforehand. Checks and constraints of the tables stay on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import psycopg
from psycopg import sql
from psycopg.rows import dict_row
from psycopg.types.json import Jsonb

from tests.bench.loading import Db
from webapp.core.ids import new_id

_SLOT_FROM_SESSION = {
    "id": "gen_random_uuid()",
    "operator_id": "s.operator_id",
    "trainer_id": "%(trainer)s::uuid",
    "booking_id": "s.booking_id",
    "course_session_id": "s.id",
    "assignment_id": "%(assignment)s::uuid",
    "period": "tstzrange(s.starts_at, s.ends_at, '[)')",
    "date": "s.date",
    "timeslot": "s.timeslot",
}


@dataclass(frozen=True, slots=True)
class Written:
    """The rows of one assignment in a form two writers can be compared by."""

    assignments: int
    slots: int
    audit: tuple[str, ...]
    booking: str
    explained: int


def written(db: Db, booking_id: UUID) -> Written:
    """What stands in the database about a booking that was just proposed."""
    found = db.execute(
        "SELECT count(*), coalesce(min(jsonb_array_length(explanation)), 0) FROM assignments WHERE booking_id = %s",
        [booking_id],
    ).fetchone()
    slots = db.execute("SELECT count(*) FROM schedule_slots WHERE booking_id = %s", [booking_id]).fetchone()
    booking = db.execute("SELECT status, version FROM bookings WHERE id = %s", [booking_id]).fetchone()
    audit = [str(row["what"]) for row in _audit(db, booking_id)]
    assert found is not None
    assert slots is not None
    return Written(found[0], slots[0], tuple(sorted(audit)), str(booking), found[1])


@dataclass(frozen=True, slots=True)
class Sample:
    """One assignment the engine made, as the rows it left, ready to be sent to another process."""

    assignment: dict[str, Any]
    slot: dict[str, Any]
    audit: list[dict[str, Any]]
    booking: dict[str, Any]


def sample(db: Db, booking_id: UUID) -> Sample:
    """Read the rows an assignment consists of."""
    rows = db.cursor(row_factory=dict_row)
    assignment = rows.execute("SELECT * FROM assignments WHERE booking_id = %s", [booking_id]).fetchone()
    slot = rows.execute("SELECT * FROM schedule_slots WHERE booking_id = %s LIMIT 1", [booking_id]).fetchone()
    booking = rows.execute("SELECT status, version FROM bookings WHERE id = %s", [booking_id]).fetchone()
    assert assignment is not None
    assert slot is not None
    assert booking is not None
    return Sample(assignment, slot, _audit(db, booking_id), booking)


def _audit(db: Db, booking_id: UUID) -> list[dict[str, Any]]:
    """The entries the proposal itself left: those before it, of the booking being placed, are not of it."""
    return (
        db.cursor(row_factory=dict_row)
        .execute(
            "SELECT e.* FROM audit_entries e WHERE e.what <> 'booking.placed' AND e.subject_id IN"
            " (SELECT %(b)s::uuid UNION ALL SELECT id FROM assignments WHERE booking_id = %(b)s) ORDER BY e.id",
            {"b": booking_id},
        )
        .fetchall()
    )


class Floor:
    """Writes assignments like a sample over one connection, one statement and one commit each."""

    def __init__(self, url: str, like: Sample) -> None:
        self._db = psycopg.connect(url, autocommit=True, prepare_threshold=0)
        self._db.execute("SET ROLE zonedesk_app")
        self._db.execute("SET app.sees_everything = 'on'")
        self._like = like
        self._given = {key: _sent(value) for key, value in _given(like).items()}
        self._statement = _statement(like).as_string(self._db)

    def __enter__(self) -> Floor:
        return self

    def __exit__(self, *_error: object) -> None:
        self._db.close()

    def write(self, booking_id: UUID, trainer_id: UUID) -> None:
        """Write the rows of one assignment."""
        ids: dict[str, UUID] = {"booking": booking_id, "trainer": trainer_id, "assignment": new_id()}
        ids |= {f"entry_{i}": new_id() for i in range(len(self._like.audit))}
        self._db.execute(self._statement, self._given | ids, prepare=True)


def _sent(value: Any) -> Any:
    return Jsonb(value, dumps=_compact) if isinstance(value, (dict, list)) else value


def _compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"))


def _given(like: Sample) -> dict[str, Any]:
    """The values every assignment of this floor shares."""
    given = {f"a_{name}": value for name, value in like.assignment.items()}
    given |= {f"s_{name}": value for name, value in like.slot.items() if name not in _SLOT_FROM_SESSION}
    for i, entry in enumerate(like.audit):
        given |= {f"e{i}_{name}": value for name, value in entry.items()}
    return given | {"status": like.booking["status"]}


def _statement(like: Sample) -> sql.Composable:
    placeholders = {"id": "assignment", "booking_id": "booking", "trainer_id": "trainer"}
    assignment = {name: sql.Placeholder(placeholders.get(name, f"a_{name}")) for name in like.assignment}
    slot: dict[str, sql.Composable] = {
        name: sql.SQL(_SLOT_FROM_SESSION[name]) if name in _SLOT_FROM_SESSION else sql.Placeholder(f"s_{name}")
        for name in like.slot
    }
    entries = []
    for i, entry in enumerate(like.audit):
        subject = "assignment" if entry["subject_kind"] == "assignment" else "booking"
        ids = {"id": f"entry_{i}", "subject_id": subject}
        entries.append([sql.Placeholder(ids.get(name, f"e{i}_{name}")) for name in entry])
    return sql.SQL(
        "WITH a AS (INSERT INTO assignments ({}) VALUES ({})),"
        " s AS (INSERT INTO schedule_slots ({}) SELECT {} FROM course_sessions s"
        " WHERE s.booking_id = %(booking)s AND s.status = 'scheduled'),"
        " e AS (INSERT INTO audit_entries ({}) VALUES {})"
        " UPDATE bookings SET status = %(status)s, version = version + 1 WHERE id = %(booking)s"
    ).format(
        *_list(assignment),
        *_list(slot),
        sql.SQL(", ").join(map(sql.Identifier, like.audit[0])),
        sql.SQL(", ").join(sql.SQL("({})").format(sql.SQL(", ").join(row)) for row in entries),
    )


def _list(values: dict[str, Any]) -> tuple[sql.Composable, sql.Composable]:
    return sql.SQL(", ").join(map(sql.Identifier, values)), sql.SQL(", ").join(values.values())
