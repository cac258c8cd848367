"""What a stored booking still needs of its trainer, read in one statement."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from typing import Any, Final
from uuid import UUID

from sqlalchemy import Boolean, Uuid, bindparam, select, text
from sqlalchemy.orm import Session

from webapp.assignments.queries.candidates import Family
from webapp.assignments.rules import CourseNeed
from webapp.bookings.models import CourseSession
from webapp.bookings.rules import BookingStatus, CourseSessionStatus, DeliveryMode, PlannedSession, SessionMode
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, NotFound
from webapp.core.geo import Location
from webapp.core.words import msgid
from webapp.db.tenancy import owned_by
from webapp.schedule.rules import DEFAULT_TRAVEL, TravelSettings


@dataclass(frozen=True, slots=True)
class NeededSession:
    """A course session that still needs a trainer, with its row's id."""

    id: UUID
    planned: PlannedSession
    status: CourseSessionStatus = CourseSessionStatus.SCHEDULED

    @property
    def starts_at(self) -> datetime:
        """The instant it begins."""
        return self.planned.starts_at


@dataclass(frozen=True, slots=True)
class BookingNeed:
    """A booking as the engine sees it; ``sessions`` are those still scheduled, by time.

    ``roster_fresh_at`` is as of when the roster is what the trainer service says, where there is one: what is decided
    in this transaction relies on that or on something newer.
    """

    id: UUID
    operator_id: UUID
    status: BookingStatus
    version: int
    auto_approve: bool
    four_eyes: bool
    family: Family
    sessions: tuple[NeededSession, ...]
    need: CourseNeed
    roster_fresh_at: datetime | None = None

    def only(self, session_ids: Collection[UUID]) -> BookingNeed:
        """The same booking, in need of a trainer for some of its sessions only. Raises ``Conflict`` for none."""
        return self.at([session for session in self.sessions if session.id in session_ids])

    def at(self, sessions: Sequence[NeededSession]) -> BookingNeed:
        """The same booking, in need of a trainer for these sessions. Raises ``Conflict`` ``nothing-to-teach``."""
        if not sessions:
            raise Conflict("nothing-to-teach", _NOTHING)
        planned = tuple(session.planned for session in sessions)
        return replace(self, sessions=tuple(sessions), need=replace(self.need, sessions=planned))


_NOTHING = "No session of this booking is left to teach."
_NEED = """
SELECT booking.id, booking.operator_id, booking.status, booking.version, booking.zone_id, booking.course_id,
       booking.household_id, booking.delivery_mode, booking.lat, booking.lng, booking.time_zone,
       booking.prefers_language, booking.prefers_gender, booking.prefers_taught_before,
       operator.auto_approve, operator.four_eyes,
       COALESCE(zone.radius_km, zone.max_travel_km) AS reach_km, zone.travel_buffer_minutes,
       ARRAY(SELECT student_id FROM booking_students WHERE booking_id = booking.id) AS student_ids,
       (SELECT json_agg(json_build_array(id, number, date, timeslot, EXTRACT(EPOCH FROM starts_at),
                                         EXTRACT(EPOCH FROM ends_at), mode, shifted, status) ORDER BY starts_at)
        FROM course_sessions
        WHERE booking_id = booking.id AND (status = 'scheduled' OR id = CAST(:session_id AS uuid))) AS sessions,
       (SELECT seen.version FROM bookings AS seen WHERE seen.id = booking.id) AS seen_version,
       (SELECT fresh_at FROM trainer_service_state) AS roster_fresh_at
FROM bookings AS booking
JOIN zones AS zone ON zone.id = booking.zone_id
JOIN operators AS operator ON operator.id = booking.operator_id
WHERE booking.id = :booking_id AND (:everything OR booking.operator_id = :operator_id)
"""
_TYPES = (
    bindparam("booking_id", type_=Uuid()),
    bindparam("everything", type_=Boolean()),
    bindparam("operator_id", type_=Uuid()),
    bindparam("session_id", type_=Uuid()),
)
_READ = text(_NEED).bindparams(*_TYPES)
_LOCK = text(_NEED + " FOR UPDATE OF booking").bindparams(*_TYPES)


_DONE: Final = {
    CourseSessionStatus.COMPLETED: msgid("This session was taught: it stays as it is."),
    CourseSessionStatus.MISSED: msgid("This session was missed. Plan its make-up instead."),
    CourseSessionStatus.CANCELLED: msgid("This session is cancelled. Plan its make-up instead."),
    CourseSessionStatus.RESCHEDULED: msgid("This session was moved already. Go on with the one it was moved to."),
}


def session_done(status: CourseSessionStatus) -> Conflict:
    """The refusal for a session that is no longer planned."""
    return Conflict("session-done", _DONE[status])


def session_need(
    db: Session, session_id: UUID, *, visible_to: Actor, travel: TravelSettings = DEFAULT_TRAVEL
) -> tuple[BookingNeed, NeededSession]:
    """A session, open, missed or cancelled, and the booking it belongs to with its open sessions.

    One that is not open itself is not among them, unless it is the only one: another may be taught at its time by now.

    Raises ``NotFound``, and ``Conflict`` ``session-done`` for one that is
    completed or was rescheduled already.
    """
    booking_id = db.scalar(
        select(CourseSession.booking_id).where(
            CourseSession.id == session_id, owned_by(CourseSession.operator_id, visible_to)
        )
    )
    if booking_id is None:
        raise NotFound()
    row = _row(db, booking_id, visible_to=visible_to, lock=False, with_session=session_id)
    sessions = {session.id: session for session in map(_session, row.sessions)}
    session = sessions[session_id]
    if session.status in (CourseSessionStatus.COMPLETED, CourseSessionStatus.RESCHEDULED):
        raise session_done(session.status)
    open_ones = tuple(one for one in sessions.values() if one.status is CourseSessionStatus.SCHEDULED)
    return _booking(row, open_ones or (session,), travel), session


def booking_need(
    db: Session,
    booking_id: UUID,
    *,
    visible_to: Actor = SYSTEM,
    travel: TravelSettings = DEFAULT_TRAVEL,
    lock: bool = False,
) -> BookingNeed:
    """What a booking still needs; with ``lock`` under its row lock, the first lock of every change to a booking.

    Raises ``NotFound``, and ``Conflict`` ``nothing-to-teach`` when no session is scheduled any more.
    """
    row = _row(db, booking_id, visible_to=visible_to, lock=lock)
    if not row.sessions:
        raise Conflict("nothing-to-teach", _NOTHING)
    return _booking(row, tuple(_session(stored) for stored in row.sessions), travel)


def _row(db: Session, booking_id: UUID, *, visible_to: Actor, lock: bool, with_session: UUID | None = None) -> Any:
    """A booking and its open sessions, and ``with_session`` whatever its status. Raises ``NotFound``."""
    asked = {
        "booking_id": booking_id,
        "everything": visible_to.sees_everything,
        "operator_id": visible_to.operator_id,
        "session_id": with_session,
    }
    row = db.execute(_LOCK if lock else _READ, asked).one_or_none()
    # Whoever waited for the lock has the booking as it is now but its sessions as they were: then read again.
    if row is not None and row.version != row.seen_version:
        row = db.execute(_LOCK, asked).one_or_none()
    if row is None:
        raise NotFound()
    return row


def _booking(row: Any, sessions: tuple[NeededSession, ...], travel: TravelSettings) -> BookingNeed:
    return BookingNeed(
        id=row.id,
        operator_id=row.operator_id,
        status=BookingStatus(row.status),
        version=row.version,
        auto_approve=row.auto_approve,
        four_eyes=row.four_eyes,
        family=Family(row.household_id, tuple(row.student_ids), row.id),
        sessions=sessions,
        roster_fresh_at=row.roster_fresh_at,
        need=CourseNeed(
            operator_id=row.operator_id,
            zone_id=row.zone_id,
            course_id=row.course_id,
            place=Location(row.lat, row.lng),
            reach_km=row.reach_km,
            time_zone=row.time_zone,
            sessions=tuple(session.planned for session in sessions),
            prefers_language=row.prefers_language,
            prefers_gender=row.prefers_gender,
            prefers_taught_before=row.prefers_taught_before,
            buffer_minutes=row.travel_buffer_minutes,
            travel=travel,
            booking_id=row.id,
            delivery_mode=DeliveryMode(row.delivery_mode),
        ),
    )


def _session(stored: list[Any]) -> NeededSession:
    session_id, number, on, timeslot, starts, ends, mode, shifted, status = stored
    planned = PlannedSession(
        number=number,
        date=date.fromisoformat(on),
        timeslot=time.fromisoformat(timeslot),
        starts_at=datetime.fromtimestamp(starts, UTC),
        ends_at=datetime.fromtimestamp(ends, UTC),
        mode=SessionMode(mode),
        shifted=shifted,
    )
    return NeededSession(UUID(session_id), planned, CourseSessionStatus(status))
