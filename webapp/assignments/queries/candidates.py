"""The facts of the trainers looked at for one course, gathered set-wise: five statements for any number of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import time
from typing import Any
from uuid import UUID

from sqlalchemy import Integer, Select, cast, exists, false, func, literal, select, true
from sqlalchemy.dialects.postgresql import TSTZMULTIRANGE, TSTZRANGE, Range
from sqlalchemy.dialects.postgresql.ranges import MultiRange
from sqlalchemy.orm import Session

from webapp.assignments.rules import CourseNeed, TrainerFacts, Verdict, assess, rank
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.bookings.rules import CourseSessionStatus, PlannedSession
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.schedule.models import ScheduleSlot
from webapp.trainers.models import TimeOff, Trainer, TrainerBlock, TrainerCourse, TrainerHours, TrainerZone
from webapp.trainers.rules import WorkingHours
from webapp.zones.models import Zone


@dataclass(frozen=True, slots=True)
class Family:
    """For whom a trainer is sought; a booking already placed does not stand in its own way."""

    household_id: UUID | None = None
    student_ids: tuple[UUID, ...] = ()
    booking_id: UUID | None = None


@dataclass(frozen=True, slots=True)
class NeededSession:
    """A course session that still needs a trainer, with its row's id."""

    id: UUID
    planned: PlannedSession


def candidates(
    db: Session, need: CourseNeed, family: Family, *, max_courses: int, only: UUID | None = None
) -> list[Verdict]:
    """The verdict on every trainer of the need's operator (or on ``only`` one of them), best first.

    This is the one scorer: pages, automatic choice and re-checks under a lock all ask here.
    """
    return rank(assess(need, trainer, max_courses=max_courses) for trainer in _facts(db, need, family, only))


def course_need(db: Session, booking_id: UUID) -> tuple[CourseNeed, Family, tuple[NeededSession, ...]]:
    """What a stored booking still needs: its scheduled sessions, its place, its wishes. The booking must exist."""
    row = db.execute(
        select(
            Booking.operator_id,
            Booking.zone_id,
            Booking.course_id,
            Booking.lat,
            Booking.lng,
            Booking.time_zone,
            Booking.prefers_language,
            Booking.prefers_gender,
            Booking.household_id,
            func.coalesce(Zone.radius_km, Zone.max_travel_km).label("reach_km"),
            func.array(
                select(BookingStudent.student_id).where(BookingStudent.booking_id == Booking.id).scalar_subquery()
            ).label("student_ids"),
        )
        .join(Zone, Zone.id == Booking.zone_id)
        .where(Booking.id == booking_id)
    ).one()
    sessions = tuple(
        NeededSession(session.id, PlannedSession(*session[1:]))
        for session in db.execute(
            select(
                CourseSession.id,
                CourseSession.number,
                CourseSession.date,
                CourseSession.timeslot,
                CourseSession.starts_at,
                CourseSession.ends_at,
                CourseSession.mode,
                CourseSession.shifted,
            )
            .where(CourseSession.booking_id == booking_id, CourseSession.status == CourseSessionStatus.SCHEDULED)
            .order_by(CourseSession.starts_at)
        )
    )
    need = CourseNeed(
        operator_id=row.operator_id,
        zone_id=row.zone_id,
        course_id=row.course_id,
        place=Location(row.lat, row.lng),
        reach_km=row.reach_km,
        time_zone=row.time_zone,
        sessions=tuple(session.planned for session in sessions),
        prefers_language=row.prefers_language,
        prefers_gender=row.prefers_gender,
    )
    return need, Family(row.household_id, tuple(row.student_ids), booking_id), sessions


def _facts(db: Session, need: CourseNeed, family: Family, only: UUID | None) -> list[TrainerFacts]:
    """The facts of the operator's trainers, by id."""
    which = [Trainer.operator_id == need.operator_id, Trainer.id == only if only else true()]
    trainers = db.execute(_trainers(family).where(*which).order_by(Trainer.id)).all()
    ids = [row.id for row in trainers]
    if not ids:
        return []
    busy = _busy(db, need, family, ids)
    away = _away(db, need, ids)
    minutes = _booked_minutes(db, need, family, ids)
    taught = _taught(db, family, ids)
    return [
        TrainerFacts(
            id=row.id,
            name=row.name,
            operator_id=row.operator_id,
            active=row.active,
            course_ids=frozenset(row.course_ids),
            zone_ids=frozenset(row.zone_ids),
            base=Location(row.base_lat, row.base_lng) if row.base_lat is not None else None,
            hours=tuple(
                WorkingHours(weekday, time.fromisoformat(starts), time.fromisoformat(ends))
                for weekday, starts, ends in row.hours or ()
            ),
            time_zone=row.time_zone,
            away=tuple(away.get(row.id, ())),
            busy=tuple(busy.get(row.id, ())),
            blocked=row.blocked,
            languages=frozenset(row.languages),
            gender=row.gender,
            taught_students=row.id in taught,
            booked_minutes=minutes.get(row.id, 0),
        )
        for row in trainers
    ]


def _trainers(family: Family) -> Select[Any]:
    """Trainers with their courses, zones and hours in one row each."""
    courses = select(TrainerCourse.course_id).where(TrainerCourse.trainer_id == Trainer.id)
    zones = select(TrainerZone.zone_id).where(TrainerZone.trainer_id == Trainer.id)
    hours = select(
        func.json_agg(func.json_build_array(TrainerHours.weekday, TrainerHours.starts, TrainerHours.ends))
    ).where(TrainerHours.trainer_id == Trainer.id)
    blocked = (
        exists().where(TrainerBlock.trainer_id == Trainer.id, TrainerBlock.household_id == family.household_id)
        if family.household_id
        else false()
    )
    return select(
        Trainer.id,
        Trainer.name,
        Trainer.operator_id,
        Trainer.active,
        Trainer.base_lat,
        Trainer.base_lng,
        Trainer.time_zone,
        Trainer.languages,
        Trainer.gender,
        func.array(courses.scalar_subquery()).label("course_ids"),
        func.array(zones.scalar_subquery()).label("zone_ids"),
        hours.scalar_subquery().label("hours"),
        blocked.label("blocked"),
    )


def _whole(need: CourseNeed) -> Any:
    """The period from the first session's start to the last one's end."""
    return literal(Range(need.starts[0], need.ends[-1], bounds="[)"), TSTZRANGE)


def _wanted(need: CourseNeed) -> Any:
    """All wanted periods as one multirange."""
    periods = [Range(s, e, bounds="[)") for s, e in zip(need.starts, need.ends, strict=True)]
    return cast(literal(MultiRange(periods), TSTZMULTIRANGE), TSTZMULTIRANGE)


def _not_its_own(family: Family) -> Any:
    return ScheduleSlot.booking_id != family.booking_id if family.booking_id else true()


def _by_trainer(rows: Sequence[Any]) -> dict[UUID, list[Interval]]:
    found: dict[UUID, list[Interval]] = {}
    for trainer_id, period in rows:
        found.setdefault(trainer_id, []).append(Interval(period.lower, period.upper))
    return found


def _busy(db: Session, need: CourseNeed, family: Family, ids: list[UUID]) -> dict[UUID, list[Interval]]:
    """Slots, held or booked, that overlap a wanted session."""
    overlapping = select(ScheduleSlot.trainer_id, ScheduleSlot.period).where(
        ScheduleSlot.trainer_id.in_(ids), ScheduleSlot.period.bool_op("&&")(_wanted(need)), _not_its_own(family)
    )
    return _by_trainer(db.execute(overlapping).all())


def _away(db: Session, need: CourseNeed, ids: list[UUID]) -> dict[UUID, list[Interval]]:
    """Time off that overlaps a wanted session."""
    overlapping = select(TimeOff.trainer_id, TimeOff.period).where(
        TimeOff.trainer_id.in_(ids), TimeOff.period.bool_op("&&")(_wanted(need))
    )
    return _by_trainer(db.execute(overlapping).all())


def _booked_minutes(db: Session, need: CourseNeed, family: Family, ids: list[UUID]) -> dict[UUID, int]:
    """Minutes each trainer is taken between the course's first and last session."""
    seconds = func.extract("epoch", func.upper(ScheduleSlot.period) - func.lower(ScheduleSlot.period))
    taken = (
        select(ScheduleSlot.trainer_id, cast(func.sum(seconds) / 60, Integer))
        .where(ScheduleSlot.trainer_id.in_(ids), ScheduleSlot.period.bool_op("&&")(_whole(need)), _not_its_own(family))
        .group_by(ScheduleSlot.trainer_id)
    )
    return {row[0]: row[1] for row in db.execute(taken)}


def _taught(db: Session, family: Family, ids: list[UUID]) -> frozenset[UUID]:
    """Who taught one of these students before."""
    if not family.student_ids:
        return frozenset()
    before = (
        select(CourseSession.taught_by)
        .join(BookingStudent, BookingStudent.booking_id == CourseSession.booking_id)
        .where(BookingStudent.student_id.in_(family.student_ids), CourseSession.taught_by.in_(ids))
        .distinct()
    )
    return frozenset(trainer_id for trainer_id in db.scalars(before) if trainer_id is not None)
