"""Saying what a name of the service means here: an admin's word, and what follows from it at once.

Whoever the word is about is placed anew from what the service said last; nobody has to be asked. Of very many the rest
is left to a run for everybody, which is asked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from sqlalchemy import ColumnElement, delete, select, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.courses.models import Course
from webapp.db.base import violates
from webapp.db.work import Work
from webapp.operators.models import Operator
from webapp.trainers.models import Trainer
from webapp.trainers.sync_models import ServiceLink, ServiceRecord
from webapp.trainers.sync_rules import LinkKind, RunCause, RunKind
from webapp.trainers.syncing import runs
from webapp.trainers.syncing.applying import apply, said_before
from webapp.trainers.syncing.heard import Cause, Heard
from webapp.trainers.syncing.placing import UNREADABLE
from webapp.trainers.syncing.records import hold_meanings, lock_records
from webapp.zones.models import Zone

AT_ONCE: Final = 500
"""Trainers placed anew in the transaction of a link."""
_COLUMNS: Final = {
    LinkKind.FRANCHISE: "to_operator_id",
    LinkKind.TRAINER: "to_operator_id",
    LinkKind.ZONE: "to_zone_id",
    LinkKind.COURSE: "to_course_id",
}
_TARGETS: Final[dict[LinkKind, type[Operator | Zone | Course]]] = {
    LinkKind.FRANCHISE: Operator,
    LinkKind.TRAINER: Operator,
    LinkKind.ZONE: Zone,
    LinkKind.COURSE: Course,
}
_LONGEST: Final = 128


def link(
    work: Work,
    kind: LinkKind,
    external_id: str,
    target_id: UUID,
    *,
    moves: bool = False,
    by: Actor,
    now: datetime,
) -> UUID:
    """Say what a name means: an operator (for a franchise or one trainer), a zone or a course. Returns the link's id.

    Said again otherwise, it means that from now on. A trainer who is said to be another operator's is moved there, if
    ``moves`` says that this is meant. Raises ``Forbidden`` for whoever may not; ``Invalid`` for no name, for a target
    there is not or that is switched off, and for a move that was not meant.
    """
    name, column = _checked(external_id, by), _COLUMNS[kind]
    _hold(work, kind, name, by=by, now=now)
    try:
        link_id, before = _written(work, kind, name, {column: target_id}, by=by, now=now)
    except IntegrityError as error:
        if violates(error, [f"fk_trainer_service_links_{column}"]):
            raise Invalid("link-target", "Choose something that exists.", field="target") from error
        raise
    if before == {column: target_id}:
        return link_id
    _must_be_active(work, kind, target_id)
    if kind is LinkKind.TRAINER and not moves:
        _must_stay(work, name, target_id)
    after = {"kind": kind, "external_id": name, column: target_id}
    _tell(work, "trainer_link.made", link_id, before, after, by=by, now=now)
    _place_anew(work, kind, name, link_id, by=by, now=now)
    return link_id


def _written(
    work: Work, kind: LinkKind, name: str, target: dict[str, UUID], *, by: Actor, now: datetime
) -> tuple[UUID, dict[str, UUID] | None]:
    """Write a link, or change the one of that name; its id, and what it meant before. Whoever is second waits."""
    said = {**target, "created_at": now, "created_by": by.id, "created_by_name": by.name}
    row = {"id": new_id(), "kind": kind, "external_id": name, **said}
    fresh = work.db.scalar(insert(ServiceLink).values(row).on_conflict_do_nothing().returning(ServiceLink.id))
    if fresh is not None:
        return fresh, None
    named = select(ServiceLink).where(ServiceLink.kind == kind, ServiceLink.external_id == name)
    found = work.db.scalar(named.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise Conflict("link-gone", "Somebody took this back a moment ago. Nothing was changed; try again.")
    before = {column: getattr(found, column) for column in target}
    if before != target:
        for column, value in said.items():
            setattr(found, column, value)
        work.db.flush()  # what follows reads it
    return found.id, before


def unlink(work: Work, link_id: UUID, *, by: Actor, now: datetime) -> None:
    """Take a link back. Raises ``Forbidden`` as ``link`` does, ``NotFound`` when it is not there.

    Nobody changes operators by it: who is on the roster stays with the operator they have, and in quarantine until
    somebody says whose they are.
    """
    _must_be_allowed(by)
    named = select(ServiceLink).where(ServiceLink.id == link_id)
    found = work.db.scalar(named)
    if found is None:
        raise NotFound()
    _hold(work, found.kind, found.external_id, by=by, now=now)
    found = work.db.scalar(named.with_for_update().execution_options(populate_existing=True))
    if found is None:
        raise NotFound()
    kind, name, column = found.kind, found.external_id, _COLUMNS[found.kind]
    before = {"kind": kind, "external_id": name, column: getattr(found, column)}
    work.db.execute(delete(ServiceLink).where(ServiceLink.id == link_id))
    _tell(work, "trainer_link.removed", link_id, before, None, by=by, now=now)
    _place_anew(work, kind, name, link_id, by=by, now=now)


def _checked(external_id: str, by: Actor) -> str:
    _must_be_allowed(by)
    name = external_id.strip()
    if not name:
        raise Invalid("link-name", "Give the name as the trainer service writes it.", field="name")
    if not name.isprintable():
        raise Invalid(
            "link-name-unseen",
            "A character of this name cannot be seen, such as a no-break space."
            " Type the name anew, or let the trainer service correct it.",
            field="name",
        )
    if len(name) > _LONGEST:
        raise Invalid("link-name-long", "Use at most %(limit)s characters.", field="name", limit=_LONGEST)
    return name


def _must_be_active(work: Work, kind: LinkKind, target_id: UUID) -> None:
    """Nothing new comes to mean what is switched off; switched off a moment later, a link stays as it is."""
    table = _TARGETS[kind]
    if not work.db.scalar(select(table.active).where(table.id == target_id)):
        raise Invalid("link-target-off", "This was switched off. Choose something else.", field="target")


def _must_stay(work: Work, service_id: str, operator_id: UUID) -> None:
    """Nobody is moved by mistake. The trainer is locked, so that whose they are is so until they are placed."""
    lock_records(work.db, [service_id])  # first, as everybody does who writes both
    on_roster = select(Trainer.operator_id).where(Trainer.service_id == service_id)
    if work.db.scalar(on_roster.with_for_update(key_share=True)) not in (None, operator_id):
        raise Invalid(
            "link-moves",
            "This takes the trainer away from the operator who has them: tick that you mean it.",
            field="moves",
        )


def _must_be_allowed(by: Actor) -> None:
    if not by.may(Permission.TRAINER_SYNC_RUN):
        raise Forbidden("not-allowed", "Your role does not allow this. Ask a manager or an admin to do it.")


def _tell(
    work: Work,
    what: str,
    link_id: UUID,
    before: dict[str, Any] | None,
    after: dict[str, Any] | None,
    *,
    by: Actor,
    now: datetime,
) -> None:
    audit.record(work, what, "trainer_link", link_id, operator_id=COMPANY_ID, by=by, before=before, after=after, at=now)


def _about(kind: LinkKind, name: str) -> ColumnElement[bool]:
    """The records in which the name stands."""
    said = ServiceRecord.said
    match kind:
        case LinkKind.TRAINER:
            return ServiceRecord.service_id == name
        case LinkKind.FRANCHISE:
            return said.contains({"franchiseId": name})
        case LinkKind.ZONE:
            return said.contains({"zoneIds": [name]})
        case LinkKind.COURSE:
            return said.contains({"certifiedCourses": [name]})


def _concerned(work: Work, kind: LinkKind, name: str) -> Sequence[str]:
    """Whom a name is about, by the service's ids."""
    about = select(ServiceRecord.service_id).where(
        _about(kind, name), ServiceRecord.gone_at.is_(None), ServiceRecord.refused_code.is_distinct_from(UNREADABLE)
    )
    return work.db.scalars(about.order_by(ServiceRecord.service_id)).all()


def _hold(work: Work, kind: LinkKind, name: str, *, by: Actor, now: datetime) -> None:
    """Begin to change what a name means: no page is placed meanwhile.

    Pages hold their run first, so the run that takes up those beyond ``AT_ONCE`` is asked for before anything is held.
    """
    if len(_concerned(work, kind, name)) > AT_ONCE:
        runs.request(work, RunKind.FULL, RunCause.PERSON, by=by, now=now)
    hold_meanings(work.db, to_change=True)


def _place_anew(work: Work, kind: LinkKind, name: str, link_id: UUID, *, by: Actor, now: datetime) -> None:
    """Place anew whom a link is about; whom it may help on a waitlist is looked for afterwards."""
    ids = _concerned(work, kind, name)
    heard = [Heard(said, again=True) for said in said_before(work.db, ids[:AT_ONCE]).values()]
    counts = apply(work, heard, Cause(link_id=link_id, by=by), now=now)
    if counts.added or counts.changed:
        helped = select(Trainer.operator_id).where(Trainer.service_id.in_(ids[:AT_ONCE])).distinct()
        for operator_id in work.db.scalars(helped):
            work.after_commit(JobName.RETRY_WAITLIST, operator_id=str(operator_id))
    if len(ids) > AT_ONCE:
        # Without a digest nothing counts as said before, so the next run for everybody places them anew.
        late = update(ServiceRecord).where(ServiceRecord.service_id.in_(ids[AT_ONCE:])).values(digest="")
        work.db.execute(late.execution_options(synchronize_session=False))
