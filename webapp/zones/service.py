"""Drawing and changing zones."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import zip_longest
from typing import Any, NoReturn
from uuid import UUID

from sqlalchemy import select
from sqlalchemy.exc import IntegrityError

from webapp.audit import service as audit
from webapp.core.actor import Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import new_id
from webapp.db.base import detail_of, violates
from webapp.db.tenancy import owned_by
from webapp.db.work import Work
from webapp.operators.rules import franchise_of, operator_of
from webapp.zones import bulk, disputes, queries
from webapp.zones.files.said import FileZone
from webapp.zones.importing import ImportPlan, plan_import
from webapp.zones.models import Zone
from webapp.zones.rules import Disputes, ZoneCommand
from webapp.zones.sound import SoundZone, changed_facts, facts_of, sound

MAX_REASON = 400
_INSTANT = timedelta(microseconds=1)
_NAME_TAKEN = ("uq_zones_company_name_key", "uq_zones_franchise_name_key")


def create(
    work: Work,
    command: ZoneCommand,
    *,
    by: Actor,
    now: datetime,
    reason: str = "",
    asking: Disputes | None = None,
) -> UUID:
    """Draw a zone for the company or a franchise.

    ``asking`` says what becomes of ground that is another operator's already; without it nobody is asked (files, the
    desk itself). Raises ``Invalid`` for the field at fault (a name in use within the operator is one: rule Z1; a
    dispute is another), ``NotFound`` for an operator that is not the actor's.
    """
    checked, why = sound(command), _reason(reason)
    operator_id = operator_of(command.franchise_id)
    _may_draw(by, operator_id)
    disputed = disputes.settle(work.db, checked, operator_id=operator_id, reason=why, asking=asking)
    told = _told_by(by, now) | {"change_reason": why}
    zone = Zone(id=new_id(), franchise_id=command.franchise_id, created_at=now, **checked.columns, **told)
    work.db.add(zone)
    _flush(work, zone.id, checked.command.name)
    audit.record(
        work,
        "zone.created",
        "zone",
        zone.id,
        operator_id=operator_id,
        by=by,
        after=facts_of(checked.command) | _disputed(disputed),
        at=now,
    )
    return zone.id


def change(
    work: Work,
    zone_id: UUID,
    command: ZoneCommand,
    *,
    by: Actor,
    now: datetime,
    seen: int | None = None,
    reason: str = "",
    asking: Disputes | None = None,
) -> bool:
    """Redraw, rename, retire or revive a zone; whether anything changed. Its operator never changes.

    ``seen`` is the version that whoever changes it has looked at, ``asking`` as in ``create``: a border that gains no
    ground of other operators is not asked about. Raises ``NotFound`` for a zone that is not there or not the actor's,
    ``Invalid`` for the field at fault, ``Conflict`` ``zone-changed`` for a version that is not the present one, and
    ``Conflict`` for another time zone while trainers work here.
    """
    why = _reason(reason)
    zone = work.db.scalar(
        select(Zone).where(Zone.id == zone_id, owned_by(Zone.operator_id, by)).with_for_update(key_share=True)
    )
    if zone is None:
        raise NotFound()
    if seen is not None and seen != zone.version:
        raise Conflict(
            "zone-changed",
            "%(who)s changed this zone meanwhile. Nothing of yours is saved: look at it as it is now.",
            who=zone.changed_by_name or "?",
        )
    known = queries.as_command(zone)
    checked = sound(command, kept=zone.ring)
    before, after = changed_facts(known, checked.command)
    if not after:
        return False
    disputed = disputes.settle(
        work.db, checked, operator_id=zone.operator_id, reason=why, asking=asking, before=known, zone_id=zone_id
    )
    # Versions follow each other in time, whatever the clock does.
    told = _told_by(by, max(now, zone.changed_at + _INSTANT)) | {"change_reason": why}
    for name, value in (checked.columns | told).items():
        setattr(zone, name, value)
    _flush(work, zone_id, checked.command.name)
    audit.record(
        work,
        "zone.changed",
        "zone",
        zone_id,
        operator_id=zone.operator_id,
        by=by,
        before=before,
        after=after | _disputed(disputed),
        at=now,
    )
    return True


def import_zones(work: Work, zones: Iterable[FileZone], *, operator_id: UUID, by: Actor, now: datetime) -> ImportPlan:
    """Make an operator's zones what a file says, all or nothing; zones the file does not name stay as they are.

    A zone is known by its name. Raises like ``create`` and ``change``. Some statements for each ``bulk.BATCH``.
    """
    _may_draw(by, operator_id)
    wanted = list(zones)
    stored = queries.zones_by_key(work.db, operator_id)
    plan = plan_import(stored, wanted)
    if plan.updated:
        # What changes is locked first and then looked at again: somebody may have been at it meanwhile.
        bulk.lock_zones(work.db, [zone_id for zone_id, _command in plan.updated])
        stored = queries.zones_by_key(work.db, operator_id)
        plan = plan_import(stored, wanted)
    known = {zone.id: zone.command for zone in stored.values()}
    for created in bulk.batches(plan.created):
        draw_all(work, [SoundZone(command) for command in created], operator_id=operator_id, by=by, now=now)
    for updated in bulk.batches(plan.updated):
        changed = {zone_id: SoundZone(command) for zone_id, command in updated}
        change_all(work, changed, known, operator_id=operator_id, by=by, now=now)
    return plan


def draw_all(
    work: Work,
    zones: Sequence[SoundZone],
    *,
    operator_id: UUID,
    by: Actor,
    now: datetime,
    reasons: Sequence[str | None] = (),
) -> None:
    """Draw sound zones of one operator in two statements, each for its reason, where there are any.

    Raises ``Invalid`` for a name that is taken.
    """
    drawn = {new_id(): zone for zone in zones}
    own = {"franchise_id": franchise_of(operator_id), "created_at": now, **_told_by(by, now)}
    rows = [
        {"id": id_, **own, "change_reason": why, **zone.columns}
        for (id_, zone), why in zip_longest(drawn.items(), reasons)
    ]
    done = bulk.insert_zones(work.db, rows)
    for zone_id, zone in drawn.items():
        if zone_id not in done:
            raise _name_taken(zone.command.name)
    audit.record_all(
        work,
        [
            audit.entry(
                "zone.created", "zone", id_, operator_id=operator_id, by=by, after=facts_of(zone.command), at=now
            )
            for id_, zone in drawn.items()
        ],
    )


def change_all(
    work: Work,
    changed: Mapping[UUID, SoundZone],
    known: Mapping[UUID, ZoneCommand],
    *,
    operator_id: UUID,
    by: Actor,
    now: datetime,
    reasons: Mapping[UUID, str | None] | None = None,
) -> None:
    """Change locked zones of one operator in two statements, each for its reason; ``known`` is what they are.

    Raises like ``change``.
    """
    told, why = _told_by(by, now), reasons or {}
    rows = [{"id": id_, **zone.columns, **told, "change_reason": why.get(id_)} for id_, zone in changed.items()]
    try:
        bulk.update_zones(work.db, rows)
    except IntegrityError as error:
        _refuse(error, {str(id_): zone.command.name for id_, zone in changed.items()})
    facts = {id_: changed_facts(known[id_], zone.command) for id_, zone in changed.items()}
    audit.record_all(
        work,
        [
            audit.entry("zone.changed", "zone", id_, operator_id=operator_id, by=by, before=before, after=after, at=now)
            for id_, (before, after) in facts.items()
        ],
    )


def _told_by(by: Actor, now: datetime) -> dict[str, Any]:
    """Who made a zone what it is, and when: the columns that its version takes over."""
    return {"changed_at": now, "changed_by": by.id, "changed_by_name": by.name}


def _reason(text: str) -> str | None:
    """A reason on one line, ``None`` for none. Raises ``Invalid`` for field ``reason``."""
    reason = " ".join(text.split())
    if len(reason) > MAX_REASON:
        raise Invalid("reason-long", "Keep the reason under %(limit)s characters.", field="reason", limit=MAX_REASON)
    return reason or None


def _disputed(zone_ids: Sequence[UUID]) -> dict[str, Any]:
    """The audit names the zones whose ground was taken; the reason stands with the version alone."""
    return {"disputes": sorted(map(str, zone_ids))} if zone_ids else {}


def _may_draw(by: Actor, operator_id: UUID) -> None:
    if not by.sees_everything and by.operator_id != operator_id:
        raise NotFound()


def _flush(work: Work, zone_id: UUID, name: str) -> None:
    try:
        work.db.flush()  # So that the database's refusal is heard here, in words, and not at the commit.
    except IntegrityError as error:
        _refuse(error, {str(zone_id): name})


def _refuse(error: IntegrityError, names: Mapping[str, str]) -> NoReturn:
    """Say in words what the database refused about zones, whose names are given by id."""
    name = next((name for id_, name in names.items() if id_ in detail_of(error)), next(iter(names.values())))
    if violates(error, _NAME_TAKEN):
        raise _name_taken(name) from error
    if violates(error, ["fk_trainer_zones_operator_id_zone_id_time_zone"]):
        raise Conflict(
            "zone-has-trainers",
            "Trainers work in %(name)s: take them out before you change its time zone.",
            name=name,
        ) from error
    raise error


def _name_taken(name: str) -> Invalid:
    return Invalid("zone-name-taken", "There is already a zone named %(name)s.", field="name", name=name)
