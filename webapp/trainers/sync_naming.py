"""The page on which a name of the service gets its meaning: what is known of the name, and what it can mean."""

from __future__ import annotations

from uuid import UUID

from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.courses import queries as courses
from webapp.operators import queries as operators
from webapp.trainers.sync_pages import LinkPage
from webapp.trainers.sync_rules import LinkKind
from webapp.trainers.syncing import names, reading
from webapp.trainers.syncing.names import LinkRow
from webapp.web.words import _
from webapp.zones import queries as zones


def link_page(db: Session, kind: LinkKind, name: str) -> LinkPage:
    """What is known of a name, now."""
    waiting = names.unlinked(db, limit=1, kind=kind, name=name)[0]
    return LinkPage(
        kind=kind,
        name=name,
        waiting=waiting[0].trainers if waiting else 0,
        trainer=reading.record(db, name) if kind is LinkKind.TRAINER else None,
        known=names.link_of(db, kind, name),
    )


def targets(db: Session, kind: LinkKind, known: LinkRow | None, *, visible_to: Actor) -> list[tuple[UUID, str]]:
    """The ids and words of what is switched on, and of what the name means now whatever has become of it."""
    found = _active(db, kind, visible_to)
    if known is not None and known.target_id not in dict(found):
        found.append((known.target_id, _("%(name)s, switched off", name=known.target_name)))
    return found


def _active(db: Session, kind: LinkKind, actor: Actor) -> list[tuple[UUID, str]]:
    if kind is LinkKind.ZONE:
        return [(zone.id, f"{zone.title} ({zone.operator_name})") for zone in zones.zone_choices(db, visible_to=actor)]
    if kind is LinkKind.COURSE:
        return [(course.id, course.name) for course in courses.active_courses(db)]
    owners, _total = operators.operators_index(db, visible_to=actor)
    return [(operator.id, operator.name) for operator in owners if operator.active]
