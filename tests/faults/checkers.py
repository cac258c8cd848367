"""What must never be in the database, asked in plain SQL by somebody who knows nothing of the application.

This module imports psycopg and nothing of the desk: a mistake in its rules cannot hide behind the same mistake here.
Overlaps are found without ``&&``, the operator the exclusion constraint stands on. Every check counts breaches; all of
them must be 0. ``tests.faults.test_f1n_controls`` proves of each that it can find something.
"""

from __future__ import annotations

from collections.abc import Sequence

import psycopg

DETOUR = 1.4
SPEED_KMH = 25.0
"""Rule T9: the way is the great circle times a detour, at a speed; what the desk is set to by default."""

OVERLAPS = """
SELECT count(*) FROM schedule_slots a JOIN schedule_slots b ON a.trainer_id = b.trainer_id AND a.id < b.id
WHERE a.status IN ('held', 'booked') AND b.status IN ('held', 'booked')
  AND lower(a.period) < upper(b.period) AND lower(b.period) < upper(a.period)
"""

DUPLICATE_STARTS = """
SELECT count(*) FROM (
    SELECT FROM schedule_slots GROUP BY trainer_id, date, timeslot HAVING count(*) > 1
    UNION ALL
    SELECT FROM schedule_slots GROUP BY course_session_id, status HAVING count(*) > 1
) AS twice
"""
"""A trainer's two slots that begin together, and a session with more than one slot booked, or held."""

_PRESENT = "(SELECT max(at) FROM audit_entries)"
"""The last time anything happened: what begins later lies ahead."""

TRAVEL_BREACHES = f"""
SELECT count(*) FROM (
    SELECT extract(epoch FROM lower(b.period) - upper(a.period)) AS gap, greatest(a.buffer_minutes, b.buffer_minutes)
           AS buffer,
           2 * 6371.0088 * asin(least(1, sqrt(
               sin(radians(b.place_lat - a.place_lat) / 2) ^ 2
               + cos(radians(a.place_lat)) * cos(radians(b.place_lat))
                 * sin(radians(b.place_lng - a.place_lng) / 2) ^ 2))) AS km
    FROM schedule_slots a
    JOIN schedule_slots b ON b.trainer_id = a.trainer_id AND b.date = a.date AND b.booking_id <> a.booking_id
                         AND lower(b.period) >= upper(a.period)
    WHERE a.status IN ('held', 'booked') AND b.status IN ('held', 'booked')
      AND a.place_lat IS NOT NULL AND b.place_lat IS NOT NULL
) AS pair
WHERE km > 0.001 AND gap < 60 * (buffer + km * {DETOUR} / {SPEED_KMH} * 60) - 1
"""
"""Pairs of sessions of one trainer on one day, at different places, without room for the way. A second is forgiven."""

ORPHANS = f"""
SELECT (SELECT count(*) FROM schedule_slots s LEFT JOIN assignments a ON a.id = s.assignment_id
        WHERE a.id IS NULL OR a.trainer_id <> s.trainer_id OR a.booking_id <> s.booking_id
           OR (s.status = 'held') <> (a.status = 'proposed')
           OR (s.status = 'booked' AND a.status <> 'approved'
               AND (a.status <> 'replaced' OR lower(s.period) > {_PRESENT})))
     + (SELECT count(*) FROM schedule_slots s JOIN bookings b ON b.id = s.booking_id WHERE b.status = 'waitlisted')
     + (SELECT count(*) FROM schedule_slots s JOIN course_sessions c ON c.id = s.course_session_id
        WHERE c.booking_id <> s.booking_id OR c.starts_at <> lower(s.period) OR c.ends_at <> upper(s.period)
           OR (c.status IN ('cancelled', 'rescheduled') AND lower(s.period) > {_PRESENT}))
     + (SELECT count(*) FROM schedule_slots s JOIN bookings b ON b.id = s.booking_id
        WHERE b.status IN ('completed', 'cancelled') AND lower(s.period) > {_PRESENT})
"""
"""Slots without their assignment, of the wrong status, of a booking that waits or is over, or not at their session's
time; and of sessions ahead that are off, or under an assignment that was replaced."""

MISSING_SLOTS = """
SELECT count(*) FROM course_sessions c JOIN bookings b ON b.id = c.booking_id
WHERE b.status IN ('pending_approval', 'assigned', 'in_progress') AND c.status = 'scheduled'
  AND (SELECT count(*) FROM schedule_slots s WHERE s.course_session_id = c.id
       AND s.status = CASE b.status WHEN 'pending_approval' THEN 'held' ELSE 'booked' END) <> 1
"""
"""Sessions of a proposed or assigned booking that not exactly one trainer is taken for."""

WRONG_STATES = """
SELECT (SELECT count(*) FROM (
            SELECT b.id, b.status,
                   count(a.id) FILTER (WHERE a.status = 'proposed' AND a.kind = 'course') AS proposed,
                   count(a.id) FILTER (WHERE a.status = 'proposed' AND a.kind <> 'course') AS changes,
                   count(a.id) FILTER (WHERE a.status = 'approved' AND a.kind <> 'substitute') AS approved,
                   count(a.id) FILTER (WHERE a.status = 'approved' AND a.kind = 'substitute') AS substitutes
            FROM bookings b LEFT JOIN assignments a ON a.booking_id = b.id
            GROUP BY b.id
        ) AS booking
        WHERE proposed <> (status = 'pending_approval')::int OR approved > 1
           OR (status IN ('waitlisted', 'pending_approval') AND approved + substitutes > 0)
           OR (status IN ('assigned', 'in_progress') AND approved <> 1)
           OR (status NOT IN ('assigned', 'in_progress') AND changes > 0))
     + (SELECT count(*) FROM assignments a JOIN bookings b ON b.id = a.booking_id
        WHERE (a.status = 'proposed'
               OR (a.status = 'approved' AND a.kind = 'substitute' AND b.status IN ('assigned', 'in_progress')))
          AND NOT EXISTS (SELECT FROM schedule_slots s WHERE s.assignment_id = a.id))
"""
"""Bookings whose status does not follow from their assignments; proposals and substitutes without a session."""

TORN_CHAINS = """
SELECT (SELECT count(*) FROM course_sessions c LEFT JOIN course_sessions next ON next.id = c.successor_id
        WHERE c.status = 'rescheduled'
          AND (next.id IS NULL OR next.booking_id <> c.booking_id OR next.number <> c.number OR next.mode <> c.mode))
     + (SELECT count(*) FROM (
            SELECT FROM bookings b LEFT JOIN course_sessions c ON c.booking_id = b.id AND c.status <> 'rescheduled'
            GROUP BY b.id HAVING count(c.id) <> b.total_sessions OR count(DISTINCT c.number) <> b.total_sessions
        ) AS numbers)
     + (SELECT count(*) FROM course_sessions a JOIN course_sessions b ON b.booking_id = a.booking_id AND a.id < b.id
        WHERE a.status = 'scheduled' AND b.status = 'scheduled'
          AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at)
"""
"""Sessions whose successor is not theirs, numbers that end twice or never, sessions of one booking that overlap."""

CAPACITY = """
SELECT (SELECT count(*) FROM (
            SELECT b.id FROM bookings b LEFT JOIN booking_students s ON s.booking_id = b.id GROUP BY b.id
            HAVING count(s.student_id) NOT BETWEEN
                CASE b.class_type WHEN 'one_on_two' THEN 2 WHEN 'one_on_three' THEN 3 ELSE 1 END
                AND CASE b.class_type WHEN 'one_on_one' THEN 1 WHEN 'one_on_two' THEN 2 ELSE 3 END) AS students)
     + (SELECT count(*) FROM (
            SELECT b.id FROM bookings b LEFT JOIN course_sessions c ON c.booking_id = b.id GROUP BY b.id
            HAVING count(DISTINCT c.number) <> b.total_sessions) AS sessions)
"""
"""Bookings with more or fewer students than their class type, or session numbers than were bought (rules B1, B2)."""

AUDIT_GAPS = """
WITH moves AS (
    SELECT subject_id, after ->> 'status' AS status, 1 AS step FROM audit_entries
    WHERE subject_kind IN ('booking', 'assignment') AND after ? 'status'
    UNION ALL
    SELECT subject_id, before ->> 'status', -1 FROM audit_entries
    WHERE subject_kind IN ('booking', 'assignment') AND before ? 'status'
    UNION ALL
    SELECT subject_id, 'proposed', 1 FROM audit_entries WHERE what = 'assignment.proposed' AND NOT after ? 'status'
    UNION ALL
    SELECT id, status, -1 FROM bookings
    UNION ALL
    SELECT id, status, -1 FROM assignments
)
SELECT count(*) FROM (SELECT FROM moves GROUP BY subject_id, status HAVING sum(step) <> 0) AS unexplained
"""
"""Bookings and assignments whose audit, replayed, does not end in the status they have: every status is entered as
often as it is left, but for the present one, which is entered once more."""

CHECKS = {
    "overlaps": OVERLAPS,
    "duplicate starts": DUPLICATE_STARTS,
    "travel breaches": TRAVEL_BREACHES,
    "orphaned slots": ORPHANS,
    "missing slots": MISSING_SLOTS,
    "wrong states": WRONG_STATES,
    "torn chains": TORN_CHAINS,
    "capacity breaches": CAPACITY,
    "audit gaps": AUDIT_GAPS,
}


Db = psycopg.Connection[tuple[object, ...]]


def breaches(address: str) -> dict[str, int]:
    """What each check counts in the database at a libpq address."""
    with psycopg.connect(address, autocommit=True) as db:
        return {name: one_number(db, sql) for name, sql in CHECKS.items()}


def breaches_if(address: str, statements: Sequence[str]) -> dict[str, int]:
    """What each check would count after some statements, which are then undone."""
    with psycopg.connect(address) as db:
        for statement in statements:
            db.execute(statement.encode())
        found = {name: one_number(db, sql) for name, sql in CHECKS.items()}
        db.rollback()
    return found


def one_number(db: Db, sql: str) -> int:
    """What a counting query finds."""
    row = db.execute(sql.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))


def ids_told(address: str, what: str) -> set[str]:
    """The subjects that the audit names for one kind of event. Raises ``AssertionError`` when one is named twice."""
    with psycopg.connect(address, autocommit=True) as db:
        found = [str(row[0]) for row in db.execute("SELECT subject_id FROM audit_entries WHERE what = %s", [what])]
    assert len(found) == len(set(found)), f"{what} happened twice to the same row"
    return set(found)


def ids_with(address: str, sql: str) -> set[str]:
    """The ids a query selects."""
    with psycopg.connect(address, autocommit=True) as db:
        return {str(row[0]) for row in db.execute(sql.encode())}
