"""Keeping the roster. Whoever changes what the engine relies on locks the trainer's row, as writers of slots do."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import fields
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import new_id
from webapp.core.seen import fingerprint
from webapp.db.base import violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.trainers import queries
from webapp.trainers.blocks import already_apart, block, unblock
from webapp.trainers.locking import locked, ring_waitlist
from webapp.trainers.models import Trainer, TrainerCourse, TrainerHours, TrainerZone
from webapp.trainers.rules import MAX_COURSES, TrainerCommand, WorkingHours, shared_time_zone
from webapp.trainers.sync_rules import OWNED_FACTS, Owned, owned_among
from webapp.trainers.time_off import record_time_off, remove_time_off
from webapp.zones.queries import zone_terms

__all__ = [
    "TrainerCommand",
    "WorkingHours",
    "already_apart",
    "block",
    "change",
    "changed_since",
    "create",
    "record_time_off",
    "remove_time_off",
    "seen_of",
    "unblock",
]


def create(
    work: Work,
    command: TrainerCommand,
    *,
    by: Actor,
    now: datetime,
    max_courses: int = MAX_COURSES,
    key: UUID | None = None,
) -> UUID:
    """Put a trainer on the roster; the time zone is that of the zones.

    Raises ``Invalid`` for the field at fault, ``NotFound`` for an operator that is not the actor's. ``key`` is the id
    from a form that may be sent twice: the second time raises ``Conflict`` ``trainer-entered``, or ``NotFound`` when
    it is another's.
    """
    if not by.sees_everything and by.operator_id != command.operator_id:
        raise NotFound()
    checked = command.checked(max_courses=max_courses)
    fresh = insert(Trainer).values(
        id=key or new_id(),
        operator_id=checked.operator_id,
        created_at=now,
        time_zone=_time_zone(work.db, checked),
        **_own_columns(checked),
    )
    trainer: Trainer | None = work.db.scalar(
        fresh.on_conflict_do_nothing(index_elements=[Trainer.id]).returning(Trainer)
    )
    if trainer is None:
        raise _entered(work.db, key, by)
    _add_lists(work, trainer, checked)
    _flush(work)
    facts = _facts(checked)
    audit.record(
        work,
        "trainer.created",
        "trainer",
        trainer.id,
        operator_id=trainer.operator_id,
        by=by,
        after=_told(facts, facts.keys() if checked.notes else facts.keys() - {"notes"}),
        at=now,
    )
    ring_waitlist(work, trainer.operator_id)
    return trainer.id


def seen_of(command: TrainerCommand) -> str:
    """What a form that changes a trainer has seen of them, fact by fact."""
    return "-".join(fingerprint(value) for value in _facts(command).values())


def changed_since(seen: str, command: TrainerCommand) -> frozenset[str]:
    """The facts that are not any more as a form has ``seen`` them; all of them when it has seen nothing."""
    now, then = seen_of(command).split("-"), seen.split("-")
    if len(then) != len(now):
        return frozenset(_facts(command))
    return frozenset(name for name, was, is_now in zip(_facts(command), then, now, strict=True) if was != is_now)


def change(
    work: Work,
    trainer_id: UUID,
    command: TrainerCommand,
    *,
    by: Actor,
    now: datetime,
    max_courses: int = MAX_COURSES,
    seen: str | None = None,
    served: bool = True,
) -> bool:
    """Make a trainer what the command says, lists as a whole; whether anything changed. The operator never changes.

    Without a trainer service (``served``) nothing is the service's: a field of its that changes is the desk's from then
    on, until the service says something of the trainer again.

    Raises ``NotFound`` for a trainer that is not there or not the actor's, ``Conflict`` ``trainer-changed`` when the
    trainer is not any more what ``seen`` says, and ``Invalid`` for the field at fault: ``owned-by-service`` where the
    trainer service says what it is, ``trainer-left`` for one whom it no longer names.
    """
    trainer = locked(work.db, trainer_id, by)
    known = queries.as_command(work.db, trainer_id)
    if seen is not None and seen != seen_of(known):
        raise Conflict(
            "trainer-changed", "Somebody changed this trainer a moment ago. Look at it again before you change it."
        )
    # More certifications than one may have, as the trainer service may say, hinder no change of the rest.
    kept = len(known.course_ids) if set(command.course_ids) == set(known.course_ids) else 0
    checked = command.checked(max_courses=max(max_courses, kept))
    if checked.operator_id != trainer.operator_id:
        raise Invalid("trainer-operator", "A trainer stays with their operator.", field="operator")
    before, after = _facts(known), _facts(checked)
    changed = {name for name in after if before[name] != after[name]}
    if not changed:
        return False
    if served:
        _must_be_ours(trainer, changed, checked)
    else:
        trainer.service_fields = [own for own in trainer.service_fields if OWNED_FACTS.get(Owned(own)) not in changed]
    if checked.active:
        trainer.left_at = None
    for table in (TrainerCourse, TrainerZone, TrainerHours):
        work.db.execute(delete(table).where(table.trainer_id == trainer_id))
    if "zone_ids" in changed:
        trainer.time_zone = _time_zone(work.db, checked)
    for name, value in _own_columns(checked).items():
        setattr(trainer, name, value)
    _add_lists(work, trainer, checked)
    _flush(work)
    audit.record(
        work,
        "trainer.changed",
        "trainer",
        trainer_id,
        operator_id=trainer.operator_id,
        by=by,
        before=_told(before, changed - {"notes"}),
        after=_told(after, changed),
        at=now,
    )
    ring_waitlist(work, trainer.operator_id)
    return True


def _must_be_ours(trainer: Trainer, changed: Collection[str], command: TrainerCommand) -> None:
    """Raise ``Invalid`` for what only the trainer service may change, and for bringing back who left it.

    Who left it and is the desk's own again may come back.
    """
    if (owned := owned_among(changed, trainer.service_fields)) is not None:
        sentence = "The trainer service says this of the trainer: it has to be changed there."
        raise Invalid("owned-by-service", sentence, field=owned.value)
    if trainer.left_at is not None and command.active and trainer.service_id is not None:
        raise Invalid("trainer-left", "The trainer service no longer names this trainer.", field="active")


def _entered(db: Session, trainer_id: UUID | None, by: Actor) -> Conflict | NotFound:
    mine = select(Trainer.id).where(Trainer.id == trainer_id, owned_by(Trainer.operator_id, by))
    if db.scalar(mine) is None:
        return NotFound()
    return Conflict("trainer-entered", "This trainer was entered already.")


def _time_zone(db: Session, command: TrainerCommand) -> str:
    terms = [zone for zone in zone_terms(db, command.zone_ids) if zone.operator_id == command.operator_id]
    if len(terms) < len(command.zone_ids):
        raise Invalid("zones-unknown", "Choose zones of the trainer's own operator.", field="zones")
    return shared_time_zone([zone.time_zone for zone in terms])


def _own_columns(command: TrainerCommand) -> dict[str, Any]:
    return {
        "name": command.name,
        "active": command.active,
        "base_lat": command.base.lat if command.base else None,
        "base_lng": command.base.lng if command.base else None,
        "gender": command.gender.value if command.gender else None,
        "languages": [language.value for language in command.languages],
        "notes": command.notes,
    }


def _add_lists(work: Work, trainer: Trainer, command: TrainerCommand) -> None:
    mine = {"operator_id": trainer.operator_id, "trainer_id": trainer.id}
    work.db.add_all(TrainerCourse(**mine, course_id=course_id) for course_id in command.course_ids)
    work.db.add_all(TrainerZone(**mine, zone_id=zone_id, time_zone=trainer.time_zone) for zone_id in command.zone_ids)
    work.db.add_all(
        TrainerHours(**mine, weekday=hours.weekday, starts=hours.starts, ends=hours.ends) for hours in command.hours
    )


def _facts(command: TrainerCommand) -> dict[str, Any]:
    facts = {field.name: getattr(command, field.name) for field in fields(command) if field.name != "operator_id"}
    return facts | {
        "languages": sorted(command.languages),
        "course_ids": sorted(command.course_ids),
        "zone_ids": sorted(command.zone_ids),
    }


def _told(facts: dict[str, Any], names: Collection[str]) -> dict[str, Any]:
    """These facts for the audit. Notes may speak of people who want that erased: only that there are others is told."""
    told = {name: fact for name, fact in facts.items() if name in names and name != "notes"}
    return told | {"notes_changed": True} if "notes" in names else told


def _flush(work: Work) -> None:
    try:
        work.db.flush()  # So that the database's refusal is heard here, in words, and not at the commit.
    except IntegrityError as error:
        if violates(error, ["fk_trainer_courses_course_id"]):
            raise Invalid("courses-unknown", "Choose courses that exist.", field="courses") from error
        raise
