"""Erasing a family: what was written and reckoned for its proposals. Part of the room's service."""

from __future__ import annotations

from collections.abc import Collection
from uuid import UUID

from sqlalchemy import case, update

from webapp.assignments.models import Assignment
from webapp.core.names import ERASED
from webapp.db.work import Work


def erase_words(work: Work, booking_ids: Collection[UUID]) -> None:
    """Take reasons, purposes and explanations out of the proposals of locked bookings that are over.

    An explanation goes whole: how far several trainers live from a place tells the place.
    """
    work.db.execute(
        update(Assignment)
        .where(Assignment.booking_id.in_(booking_ids))
        .values(
            reason=case((Assignment.reason.is_not(None), ERASED)),
            purpose=case((Assignment.purpose.is_not(None), ERASED)),
            explanation=[],
        )
        .execution_options(synchronize_session=False)
    )
