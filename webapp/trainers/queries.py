"""Reading the roster."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, exists, func, not_, select
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
from webapp.trainers.models import TimeOff, Trainer, TrainerBlock, TrainerCourse, TrainerHours, TrainerZone
from webapp.trainers.rules import Source, Standing, TrainerCommand, WorkingHours
from webapp.trainers.sync_models import ServiceState
from webapp.trainers.sync_rules import Owned
from webapp.zones.models import Zone

_STANDS: Final[dict[Standing, ColumnElement[bool]]] = {
    Standing.ACTIVE: Trainer.active.is_(True),
    Standing.INACTIVE: and_(not_(Trainer.active), Trainer.left_at.is_(None)),
    Standing.LEFT: Trainer.left_at.is_not(None),
}


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
    from_service: bool
    held_back_at: datetime | None
    left_at: datetime | None

    @property
    def standing(self) -> Standing:
        """Whether the trainer can be proposed."""
        return Standing.of(self.active, self.left_at)


@dataclass(frozen=True, slots=True)
class Named:
    """A course or a zone of a trainer, to be linked."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True)
class TrainerName:
    """A trainer as pages about a part of them need it."""

    id: UUID
    name: str
    operator_id: UUID
    time_zone: str
    active: bool


@dataclass(frozen=True, slots=True)
class Away:
    """A period of time off; what the trainer service says stays as it says."""

    id: UUID
    period: Interval
    reason: str
    from_service: bool


@dataclass(frozen=True, slots=True)
class TrainerDetail:
    """A trainer as their page shows them; hours are wall clock in ``time_zone``.

    ``owned`` is what the trainer service says of them; since ``held_back_at`` what it says cannot be used.
    """

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
    notes: str
    from_service: bool
    owned: frozenset[Owned]
    held_back_at: datetime | None
    held_back_code: str | None
    left_at: datetime | None
    kept_apart: int
    """How many families the trainer is kept apart from."""

    @property
    def standing(self) -> Standing:
        """Whether the trainer can be proposed."""
        return Standing.of(self.active, self.left_at)

    def as_command(self) -> TrainerCommand:
        """The trainer as the command that would make them."""
        return TrainerCommand(
            operator_id=self.operator_id,
            name=self.name,
            base=self.base,
            gender=self.gender,
            languages=self.languages,
            course_ids=tuple(course.id for course in self.courses),
            zone_ids=tuple(zone.id for zone in self.zones),
            hours=self.hours,
            active=self.active,
            notes=self.notes,
        )


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
    source: Source | None = None,
    standing: Standing | None = None,
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
    if source is not None:
        known = Trainer.service_id.is_not(None)
        wanted.append(known if source is Source.SERVICE else not_(known))
    if standing is not None:
        wanted.append(_STANDS[standing])
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
            Trainer.service_id.is_not(None),
            Trainer.held_back_at,
            Trainer.left_at,
        )
        .join(Operator, Operator.id == Trainer.operator_id)
        .where(*wanted)
        .order_by(Trainer.active.desc(), Trainer.name, Trainer.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(Trainer).where(*wanted)) or 0
    return tuple(TrainerRow(*row[:7], tuple(row[7]), tuple(row[8]), row[9], row[10], row[11]) for row in rows), total


def trainer(db: Session, trainer_id: UUID, *, visible_to: Actor) -> TrainerDetail:
    """One trainer with courses, zones and hours. Raises ``NotFound``, also for another operator's (rule E2)."""
    kept_apart = select(func.count()).where(TrainerBlock.trainer_id == Trainer.id).correlate(Trainer).scalar_subquery()
    row = db.execute(
        select(Trainer, Operator.name, kept_apart)
        .join(Operator, Operator.id == Trainer.operator_id)
        .where(Trainer.id == trainer_id, owned_by(Trainer.operator_id, visible_to))
    ).one_or_none()
    if row is None:
        raise NotFound()
    found, operator_name, apart = row
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
        notes=found.notes,
        from_service=found.service_id is not None,
        owned=frozenset(Owned(name) for name in found.service_fields),
        held_back_at=found.held_back_at,
        held_back_code=found.held_back_code,
        left_at=found.left_at,
        kept_apart=apart,
    )


def trainer_name(db: Session, trainer_id: UUID, *, visible_to: Actor) -> TrainerName:
    """Who a trainer is. Raises ``NotFound``, also for another operator's (rule E2)."""
    row = db.execute(
        select(Trainer.id, Trainer.name, Trainer.operator_id, Trainer.time_zone, Trainer.active).where(
            Trainer.id == trainer_id, owned_by(Trainer.operator_id, visible_to)
        )
    ).one_or_none()
    if row is None:
        raise NotFound()
    return TrainerName(*row)


def roster_fresh_at(db: Session) -> datetime | None:
    """As of when the roster is what the trainer service says; nothing while it was never heard of."""
    return db.scalar(select(ServiceState.fresh_at))


def time_off_of(db: Session, trainer_id: UUID, period: Interval, *, visible_to: Actor) -> tuple[Away, ...]:
    """When a trainer is away within a period, earliest first."""
    asked = func.tstzrange(period.starts_at, period.ends_at)
    rows = db.execute(
        select(TimeOff.id, func.lower(TimeOff.period), func.upper(TimeOff.period), TimeOff.reason, TimeOff.from_service)
        .where(
            TimeOff.trainer_id == trainer_id,
            owned_by(TimeOff.operator_id, visible_to),
            TimeOff.period.op("&&")(asked),
        )
        .order_by(func.lower(TimeOff.period), TimeOff.id)
    )
    return tuple(Away(id_, Interval(starts_at, ends_at), *rest) for id_, starts_at, ends_at, *rest in rows)


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


def worked_in(db: Session, zone_ids: Collection[UUID]) -> frozenset[UUID]:
    """Which of the zones any trainer has, active or not: those keep their time zone. Of the tenant's own operator."""
    if not zone_ids:
        return frozenset()
    return frozenset(db.scalars(select(TrainerZone.zone_id).where(TrainerZone.zone_id.in_(zone_ids)).distinct()))


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
