"""Messages that no run has dealt with: whom they name, and when they are settled under the deployed contract.

There a message is settled once whom it names was asked for, and not because time went by: one whose transaction ended
late may have come before the run began, and yet have been seen by nobody.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import ColumnElement, exists, select, update
from sqlalchemy.orm import Session

from webapp.trainers.sync_models import ServiceHook, ServiceRecord
from webapp.trainers.sync_rules import DELETED


def named(db: Session, until: datetime, *, after: str = "") -> dict[str, list[str]]:
    """Whom messages named that came ``until`` then, from an id on, by id: the messages' ids."""
    rows = db.execute(
        select(ServiceHook.service_id, ServiceHook.id)
        .where(ServiceHook.settled_at.is_(None), ServiceHook.received_at <= until, ServiceHook.service_id > after)
        .order_by(ServiceHook.service_id, ServiceHook.id)
    )
    found: dict[str, list[str]] = {}
    for service_id, message_id in rows:
        if service_id is not None:
            found.setdefault(service_id, []).append(message_id)
    return found


def settle(db: Session, messages: Collection[str], *, now: datetime) -> None:
    """These were looked into. That somebody was deleted takes a look at everybody: such a one stays open."""
    done = update(ServiceHook).where(ServiceHook.id.in_(messages), ServiceHook.kind != DELETED).values(settled_at=now)
    db.execute(done.execution_options(synchronize_session=False))


def looked_into(since: datetime) -> ColumnElement[bool]:
    """Messages about nobody in particular, about nobody who is here, or about somebody who was asked for ``since``."""
    missed = select(ServiceRecord.service_id).where(
        ServiceRecord.service_id == ServiceHook.service_id,
        ServiceRecord.gone_at.is_(None),
        ServiceRecord.detail_at.is_(None) | (ServiceRecord.detail_at < since),
    )
    return ~exists(missed)
