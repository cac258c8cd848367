"""What the trainer service says of a trainer is not changed at the desk; what it does not say is."""

from __future__ import annotations

from dataclasses import replace
from datetime import time, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import select, update

from tests.make import Make
from tests.web.client import NOW
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid
from webapp.core.intervals import Interval
from webapp.db.work import Database
from webapp.households.rules import Gender
from webapp.trainers import queries, service
from webapp.trainers.models import Trainer
from webapp.trainers.rules import TrainerCommand, WorkingHours
from webapp.trainers.sync_rules import Owned


@pytest.fixture
def trainer_id(make: Make) -> UUID:
    """A trainer of two courses and one zone."""
    return make.trainer((make.zone(),), (make.course(), make.course()))


def owned(db: Database, trainer_id: UUID, *fields: Owned, **columns: Any) -> TrainerCommand:
    """Let the service own some fields; the trainer as a command."""
    with db.unit_of_work() as work:
        values: dict[str, Any] = {"service_id": "T1", "service_fields": [field.value for field in fields]} | columns
        work.db.execute(update(Trainer).where(Trainer.id == trainer_id).values(**values))
    with db.read_only() as session:
        return queries.as_command(session, trainer_id)


def change(db: Database, trainer_id: UUID, command: TrainerCommand) -> bool:
    with db.unit_of_work() as work:
        return service.change(work, trainer_id, command, by=SYSTEM, now=NOW, max_courses=1)


CHANGES: dict[Owned, dict[str, Any]] = {
    Owned.NAME: {"name": "Somebody else"},
    Owned.ACTIVE: {"active": False},
    Owned.BASE: {"base": None},
    Owned.COURSES: {"course_ids": ()},
    Owned.ZONES: {"zone_ids": ()},
    Owned.HOURS: {"hours": (WorkingHours(0, time(9), time(10)),)},
}


@pytest.mark.parametrize("field", CHANGES)
def test_a_field_that_the_service_owns_is_refused_by_name(db: Database, trainer_id: UUID, field: Owned) -> None:
    known = owned(db, trainer_id, field, Owned.COURSES)
    with pytest.raises(Invalid) as refused:
        change(db, trainer_id, replace(known, **CHANGES[field]))
    assert (refused.value.code, refused.value.field) == ("owned-by-service", field.value)


def test_without_a_service_a_field_that_changes_is_the_desk_s(db: Database, trainer_id: UUID) -> None:
    known = owned(db, trainer_id, Owned.NAME, Owned.HOURS, active=False, left_at=NOW)
    with db.unit_of_work() as work:
        wanted = replace(known, name="Somebody else", active=True)
        assert service.change(work, trainer_id, wanted, by=SYSTEM, now=NOW, served=False)
    with db.read_only() as session:
        kept = session.get_one(Trainer, trainer_id)
        assert (kept.name, kept.active, kept.left_at) == ("Somebody else", True, None)
        assert (kept.service_id, kept.service_fields) == ("T1", ["hours"])


def test_the_desk_changes_what_is_its_own_whatever_the_service_says_of_the_rest(db: Database, trainer_id: UUID) -> None:
    known = owned(db, trainer_id, *Owned)
    assert change(db, trainer_id, replace(known, gender=Gender.FEMALE)), "two courses are no fault where one is allowed"
    with db.unit_of_work() as work:
        period = Interval(NOW, NOW + timedelta(days=1))
        assert service.record_time_off(work, trainer_id, period, "wedding", by=SYSTEM, now=NOW)


def test_a_trainer_without_zones_keeps_their_time_zone_when_something_else_changes(
    db: Database, make: Make, trainer_id: UUID
) -> None:
    known = owned(db, trainer_id, Owned.NAME)
    with pytest.raises(Invalid):
        change(db, trainer_id, replace(known, zone_ids=(), course_ids=()))
    without = make.trainer((make.zone(time_zone="Asia/Dubai"),), ())
    with db.unit_of_work() as work:
        work.db.connection().exec_driver_sql("DELETE FROM trainer_zones WHERE trainer_id = %s", (without,))
    with db.read_only() as session:
        known = queries.as_command(session, without)
    assert change(db, without, replace(known, gender=Gender.MALE))
    with db.read_only() as session:
        assert session.scalar(select(Trainer.time_zone).where(Trainer.id == without)) == "Asia/Dubai"


def test_who_left_comes_back_through_the_service_alone_while_it_has_them(db: Database, trainer_id: UUID) -> None:
    known = owned(db, trainer_id, Owned.NAME, active=False, left_at=NOW)
    with pytest.raises(Invalid) as refused:
        change(db, trainer_id, replace(known, active=True, course_ids=known.course_ids[:1]))
    assert (refused.value.code, refused.value.field) == ("trainer-left", "active")
    owned(db, trainer_id, service_id=None)
    assert change(db, trainer_id, replace(known, active=True, course_ids=known.course_ids[:1]))
    with db.read_only() as session:
        assert session.scalar(select(Trainer.left_at).where(Trainer.id == trainer_id)) is None
