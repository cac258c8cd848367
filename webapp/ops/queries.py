"""Questions about the desk's own processes."""

from __future__ import annotations

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.ops.models import Lease


def is_led(db: Session, name: str) -> bool:
    """Whether somebody holds the leadership ``name`` at this instant, by the database's clock."""
    alive = select(Lease.name).where(Lease.name == name, Lease.lease_until > func.now())
    return db.scalar(alive) is not None
