"""Keeping enquiries: a place asked for and not (yet) served, or a call interrupted. Part of the room's service."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.dialects.postgresql import insert as upsert
from sqlalchemy.orm import Session

from webapp.audit import service as audit
from webapp.bookings.models import Enquiry
from webapp.bookings.rules import DRAFT_LIFE, EnquiryStatus, enquiry_moved
from webapp.core.actor import Actor
from webapp.core.errors import NotFound
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.tenancy import owned_by
from webapp.db.work import Work

# A function of the database that looks at every operator's enquiries and tells operators only.
_OLD_DRAFTS = text("SELECT * FROM operators_with_old_drafts(:now)")


@dataclass(frozen=True, slots=True)
class EnquiryCommand:
    """A call that became no booking (yet). ``place`` may be unknown for an interrupted call."""

    status: EnquiryStatus
    guardian_name: str = ""
    phone: str = ""
    address: str = ""
    place: Location | None = None
    course_id: UUID | None = None
    serving_zone: str | None = None
    serving_operator: str | None = None
    note: str = ""
    callback_on: date | None = None
    id: UUID | None = None
    """Given by a form that may be sent twice: the second time changes nothing."""


def record_enquiry(work: Work, command: EnquiryCommand, *, by: Actor, now: datetime) -> UUID:
    """Keep an enquiry with the operator of whoever entered it (rule Z4); a draft expires after 14 days.

    Sent twice under one id by one operator it is kept once; raises ``NotFound`` for an id that is another's.
    """
    if by.operator_id is None:
        raise NotFound()
    enquiry_id = command.id or new_id()
    values: dict[str, Any] = {
        "id": enquiry_id,
        "operator_id": by.operator_id,
        "status": command.status,
        "guardian_name": command.guardian_name,
        "phone": command.phone,
        "address": command.address,
        "lat": command.place.lat if command.place else None,
        "lng": command.place.lng if command.place else None,
        "course_id": command.course_id,
        "serving_zone": command.serving_zone,
        "serving_operator": command.serving_operator,
        "note": command.note,
        "callback_on": command.callback_on,
        "created_by": by.id,
        "created_at": now,
        "expires_at": now + DRAFT_LIFE if command.status is EnquiryStatus.DRAFT else None,
    }
    kept = upsert(Enquiry).values(values).on_conflict_do_nothing().returning(Enquiry.id)
    if work.db.scalar(kept) is None:
        mine = select(Enquiry.id).where(Enquiry.id == enquiry_id, owned_by(Enquiry.operator_id, by))
        if work.db.scalar(mine) is None:
            raise NotFound()
        return enquiry_id
    audit.record(
        work,
        "enquiry.recorded",
        "enquiry",
        enquiry_id,
        operator_id=by.operator_id,
        by=by,
        at=now,
        after={"status": command.status, "serving_operator": command.serving_operator},
    )
    return enquiry_id


def close_enquiry(
    work: Work,
    enquiry_id: UUID,
    *,
    by: Actor,
    now: datetime,
    to: EnquiryStatus = EnquiryStatus.CLOSED,
    booking_id: UUID | None = None,
) -> None:
    """Close an enquiry, or mark it ``booked`` by a booking. Raises ``NotFound`` and ``Conflict`` ``enquiry-move``."""
    enquiry = work.db.scalar(
        select(Enquiry).where(Enquiry.id == enquiry_id, owned_by(Enquiry.operator_id, by)).with_for_update()
    )
    if enquiry is None:
        raise NotFound()
    before = enquiry.status
    enquiry.status = enquiry_moved(before, to)
    enquiry.booking_id = booking_id
    audit.record(
        work,
        f"enquiry.{to.value}",
        "enquiry",
        enquiry.id,
        operator_id=enquiry.operator_id,
        by=by,
        at=now,
        before={"status": before},
        after={"status": to, "booking_id": booking_id},
    )


def operators_with_old_drafts(db: Session, *, now: datetime) -> list[UUID]:
    """The operators of drafts past their 14 days, whose is oldest first: a job begins on nobody's behalf."""
    return list(db.scalars(_OLD_DRAFTS, {"now": now}))


def expire_drafts(work: Work, *, now: datetime, limit: int = 500) -> int:
    """Expire drafts past their 14 days, oldest first; returns how many."""
    due = (
        select(Enquiry.id)
        .where(Enquiry.status == EnquiryStatus.DRAFT, Enquiry.expires_at <= now)
        .order_by(Enquiry.expires_at)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    gone = work.db.scalars(
        update(Enquiry)
        .where(Enquiry.id.in_(due.scalar_subquery()))
        .values(status=EnquiryStatus.EXPIRED)
        .returning(Enquiry.id)
        .execution_options(synchronize_session=False)
    )
    return len(gone.all())
