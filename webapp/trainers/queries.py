"""Reading the roster."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import ColumnElement, Select, exists, func, select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.core.names import name_key
from webapp.courses.models import Course
from webapp.db.tenancy import owned_by
from webapp.households.rules import Gender, Language
from webapp.operators.models import Operator
from webapp.trainers.models import TimeOff, Trainer, TrainerCourse, TrainerHours, TrainerZone
from webapp.trainers.rules import TrainerCommand, WorkingHours
from webapp.zones.models import Zone


@dataclass(frozen=True, slots=True)
class TrainerRow:
    """A trainer in a list, with the names of their courses and zones."""

    id: UUID
    name: str
    operator_name: str
    active: bool
    time_zone: str
    has_base: bool
    has_hours: bool
    courses: tuple[str, ...]
    zones: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Named:
    """A course or a zone of a trainer, to be linked."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class Away:
    """A period of time off."""

    id: UUID
    period: Interval
    reason: str


@dataclass(frozen=True, slots=True)
class TrainerDetail:
    """A trainer as their page shows them; hours are wall clock in ``time_zone``."""

    id: UUID
    operator_id: UUID
    operator_name: str
    name: str
    active: bool
    time_zone: str
    base: Location | None
    gender: Gender | None
    languages: tuple[Language, ...]
    courses: tuple[Named, ...]
    zones: tuple[Named, ...]
    hours: tuple[WorkingHours, ...]


def _course_names() -> ColumnElement[list[str]]:
    return func.array(
        select(Course.name)
        .join(TrainerCourse, TrainerCourse.course_id == Course.id)
        .where(TrainerCourse.trainer_id == Trainer.id)
        .order_by(Course.name_key)
        .correlate(Trainer)
        .scalar_subquery()
    )


def _zone_names() -> ColumnElement[list[str]]:
    return func.array(
        select(Zone.name)
        .join(TrainerZone, TrainerZone.zone_id == Zone.id)
        .where(TrainerZone.trainer_id == Trainer.id)
        .order_by(Zone.name_key)
        .correlate(Trainer)
        .scalar_subquery()
    )


def trainers_index(
    db: Session,
    *,
    visible_to: Actor,
    search: str = "",
    zone_id: UUID | None = None,
    course_id: UUID | None = None,
    operator_id: UUID | None = None,
    limit: int | None = None,
    offset: int = 0,
) -> tuple[tuple[TrainerRow, ...], int]:
    """The trainers the actor may see, the active ones first, then by name; and how many there are in all."""
    wanted = [owned_by(Trainer.operator_id, visible_to)]
    if search:
        wanted.append(Trainer.name.icontains(search, autoescape=True))
    if zone_id is not None:
        wanted.append(exists().where(TrainerZone.trainer_id == Trainer.id, TrainerZone.zone_id == zone_id))
    if course_id is not None:
        wanted.append(exists().where(TrainerCourse.trainer_id == Trainer.id, TrainerCourse.course_id == course_id))
    if operator_id is not None:
        wanted.append(Trainer.operator_id == operator_id)
    rows = db.execute(
        select(
            Trainer.id,
            Trainer.name,
            Operator.name,
            Trainer.active,
            Trainer.time_zone,
            Trainer.base_lat.is_not(None),
            exists().where(TrainerHours.trainer_id == Trainer.id),
            _course_names(),
            _zone_names(),
        )
        .join(Operator, Operator.id == Trainer.operator_id)
        .where(*wanted)
        .order_by(Trainer.active.desc(), Trainer.name, Trainer.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Trainer).where(*wanted)) or 0
    return tuple(TrainerRow(*row[:7], courses=tuple(row[7]), zones=tuple(row[8])) for row in rows), total


def trainer(db: Session, trainer_id: UUID, *, visible_to: Actor) -> TrainerDetail:
    """One trainer with courses, zones and hours. Raises ``NotFound``, also for another operator's (rule E2)."""
    row = db.execute(
        select(Trainer, Operator.name)
        .join(Operator, Operator.id == Trainer.operator_id)
        .where(Trainer.id == trainer_id, owned_by(Trainer.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        raise NotFound()
    found, operator_name = row
    return TrainerDetail(
        id=found.id,
        operator_id=found.operator_id,
        operator_name=operator_name,
        name=found.name,
        active=found.active,
        time_zone=found.time_zone,
        base=_base(found),
        gender=Gender(found.gender) if found.gender else None,
        languages=tuple(Language(code) for code in found.languages),
        courses=tuple(Named(*row) for row in db.execute(_courses_of(trainer_id))),
        zones=tuple(Named(*row) for row in db.execute(_zones_of(trainer_id))),
        hours=_hours_of(db, trainer_id),
    )


def time_off_of(db: Session, trainer_id: UUID, period: Interval, *, visible_to: Actor) -> tuple[Away, ...]:
    """When a trainer is away within a period, earliest first."""
    asked = func.tstzrange(period.starts_at, period.ends_at)
    rows = db.execute(
        select(TimeOff.id, func.lower(TimeOff.period), func.upper(TimeOff.period), TimeOff.reason)
        .where(
            TimeOff.trainer_id == trainer_id,
            owned_by(TimeOff.operator_id, visible_to),
            TimeOff.period.op("&&")(asked),
        )
        .order_by(func.lower(TimeOff.period), TimeOff.id)
    )
    return tuple(Away(id_, Interval(starts_at, ends_at), reason) for id_, starts_at, ends_at, reason in rows)


def trainers_of_zone(db: Session, zone_id: UUID, *, visible_to: Actor) -> tuple[Named, ...]:
    """The active trainers who work in a zone, by name."""
    rows = db.execute(
        select(Trainer.id, Trainer.name)
        .join(TrainerZone, TrainerZone.trainer_id == Trainer.id)
        .where(TrainerZone.zone_id == zone_id, Trainer.active, owned_by(Trainer.operator_id, visible_to))
        .order_by(Trainer.name, Trainer.id)
    )
    return tuple(Named(*row) for row in rows)


def trainers_by_zone(db: Session, zone_ids: Collection[UUID], *, visible_to: Actor) -> dict[UUID, int]:
    """How many active trainers work in each of the zones; zones without one are absent."""
    return _counts(
        db,
        select(TrainerZone.zone_id, func.count())
        .join(Trainer, Trainer.id == TrainerZone.trainer_id)
        .where(TrainerZone.zone_id.in_(zone_ids), Trainer.active, owned_by(Trainer.operator_id, visible_to))
        .group_by(TrainerZone.zone_id),
    )


def trainers_by_course(db: Session, *, visible_to: Actor) -> dict[UUID, int]:
    """How many active trainers the actor may see are certified for each course; courses without one are absent."""
    return _counts(
        db,
        select(TrainerCourse.course_id, func.count())
        .join(Trainer, Trainer.id == TrainerCourse.trainer_id)
        .where(Trainer.active, owned_by(Trainer.operator_id, visible_to))
        .group_by(TrainerCourse.course_id),
    )


def trainers_by_operator(db: Session, *, visible_to: Actor) -> dict[UUID, int]:
    """How many active trainers each operator has."""
    return _counts(
        db,
        select(Trainer.operator_id, func.count())
        .where(Trainer.active, owned_by(Trainer.operator_id, visible_to))
        .group_by(Trainer.operator_id),
    )


def trainers_named(db: Session, operator_id: UUID, name: str) -> tuple[Named, ...]:
    """An operator's trainers of one name, however spaced or capitalised: names of people are not unique."""
    key = name_key(name, field="trainer")
    rows = db.execute(select(Trainer.id, Trainer.name).where(Trainer.operator_id == operator_id).order_by(Trainer.id))
    return tuple(Named(*row) for row in rows if name_key(row.name) == key)


def as_command(db: Session, trainer_id: UUID) -> TrainerCommand:
    """A trainer as the command that would make them. Raises ``NotFound``."""
    found = db.get(Trainer, trainer_id)
    if found is None:
        raise NotFound()
    return TrainerCommand(
        operator_id=found.operator_id,
        name=found.name,
        base=_base(found),
        gender=Gender(found.gender) if found.gender else None,
        languages=tuple(Language(code) for code in found.languages),
        course_ids=tuple(db.scalars(select(TrainerCourse.course_id).where(TrainerCourse.trainer_id == trainer_id))),
        zone_ids=tuple(db.scalars(select(TrainerZone.zone_id).where(TrainerZone.trainer_id == trainer_id))),
        hours=_hours_of(db, trainer_id),
        active=found.active,
        notes=found.notes,
    )


def _base(row: Trainer) -> Location | None:
    return None if row.base_lat is None or row.base_lng is None else Location(row.base_lat, row.base_lng)


def _courses_of(trainer_id: UUID) -> Select[UUID, str]:
    return (
        select(Course.id, Course.name)
        .join(TrainerCourse, TrainerCourse.course_id == Course.id)
        .where(TrainerCourse.trainer_id == trainer_id)
        .order_by(Course.name_key)
    )


def _zones_of(trainer_id: UUID) -> Select[UUID, str]:
    return (
        select(Zone.id, Zone.name)
        .join(TrainerZone, TrainerZone.zone_id == Zone.id)
        .where(TrainerZone.trainer_id == trainer_id)
        .order_by(Zone.name_key)
    )


def _hours_of(db: Session, trainer_id: UUID) -> tuple[WorkingHours, ...]:
    rows = db.execute(
        select(TrainerHours.weekday, TrainerHours.starts, TrainerHours.ends)
        .where(TrainerHours.trainer_id == trainer_id)
        .order_by(TrainerHours.weekday, TrainerHours.starts)
    )
    return tuple(WorkingHours(*row) for row in rows)


def _counts(db: Session, question: Select[UUID, int]) -> dict[UUID, int]:
    return {row[0]: row[1] for row in db.execute(question)}
