"""Where trainers start from, for what a change of a border does."""

from __future__ import annotations

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.geo import Bounds, Location
from webapp.db.tenancy import owned_by
from webapp.trainers.models import Trainer
from webapp.zones.effect import Placed


def trainers_in(db: Session, bounds: Bounds, actor: Actor) -> tuple[Placed, ...]:
    """The active trainers whose base lies in a box, among those the actor may see."""
    rows = db.execute(
        select(Trainer.id, Trainer.name, Trainer.base_lat, Trainer.base_lng).where(
            Trainer.active,
            Trainer.base_lat.between(bounds.south, bounds.north),
            owned_by(Trainer.operator_id, actor),
        )
    )
    found = (Placed(row.id, row.name, Location(row.base_lat, row.base_lng)) for row in rows)
    return tuple(one for one in found if bounds.contains(one.place))
