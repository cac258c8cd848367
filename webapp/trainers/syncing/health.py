"""How the synchronisation is, in one look: for whoever asks whether the desk is fit."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from webapp.trainers.sync_models import ServiceRecord, ServiceState
from webapp.trainers.sync_rules import Contract


@dataclass(frozen=True, slots=True)
class Health:
    """The service's contract, as of when the roster is what it says, since when it is not asked, and who waits."""

    contract: Contract | None
    fresh_at: datetime | None
    opened_at: datetime | None
    in_quarantine: int


def service_health(db: Session) -> Health:
    """How it is now. Asks for somebody who sees everything."""
    waiting = (
        select(func.count())
        .select_from(ServiceRecord)
        .where(ServiceRecord.refused_at.is_not(None), ServiceRecord.gone_at.is_(None))
        .scalar_subquery()
    )
    asked = select(ServiceState.contract, ServiceState.fresh_at, ServiceState.opened_at, waiting)
    return Health(*db.execute(asked).one())
