"""Erasing a family where the law asks for it: every room forgets its part, in one transaction.

Locks in this order: the household, its bookings, its certificates, its enquiries, the trainers of its slots. Whatever
is entered for a family takes the household's lock first too, so nothing slips in beside.
"""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.assignments.erasing import erase_words
from webapp.audit import service as audit
from webapp.bookings.erasing import BookingToErase, bookings_to_erase, erase_bookings, erase_enquiries
from webapp.certificates.erasing import erase_certificates, lock_certificates
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Forbidden
from webapp.db.work import Work
from webapp.households.erasing import erase_people, lock_to_erase
from webapp.households.rules import ErasureReason
from webapp.schedule.erasing import erase_places, taken_ahead
from webapp.trainers.erasing import erase_blocks


def erase_family(
    work: Work,
    household_id: UUID,
    *,
    reason: ErasureReason,
    by: Actor,
    now: datetime,
    erased_at: datetime | None = None,
) -> bool:
    """Erase what tells who a family is; bookings, sessions and certificates stay as counts. False when it was already.

    ``erased_at`` is when it was first erased, where a restored backup is erased again. Raises ``NotFound``, also for
    another operator's family, ``Forbidden``, and ``Conflict``: ``household-live`` while a booking is live, with the
    ``references``, ``certificate-pending`` while a certificate is being made, ``letter-going``
    while one is being sent.
    """
    if not by.may(Permission.HOUSEHOLD_ERASE):
        raise Forbidden("not-allowed", "Only an admin erases a family's data.")
    household = lock_to_erase(work.db, household_id, by=by)
    if household.erased_at is not None:
        return False
    bookings = bookings_to_erase(work.db, household_id, now=now, locked=True)
    must_be_over(work.db, bookings, now=now)
    certificates = lock_certificates(work, household_id, now=now)
    ids = [booking.id for booking in bookings]
    at = erased_at or now
    enquiries = erase_enquiries(work, household_id, by=by, now=now)
    erase_places(work, ids)
    erase_words(work, ids)
    erase_bookings(work, ids)
    blocks = erase_blocks(work, household_id)
    erase_certificates(work, certificates, by=by, now=now, erased_at=at)
    erase_people(work, household, erased_at=at)
    audit.record(
        work,
        "household.erased",
        "household",
        household_id,
        operator_id=household.operator_id,
        by=by,
        at=now,
        after={
            "reason": reason,
            "erased_at": at,
            "bookings": len(ids),
            "certificates": len(certificates),
            "enquiries": enquiries,
            "blocks": blocks,
        },
    )
    return True


def must_be_over(db: Session, bookings: tuple[BookingToErase, ...], *, now: datetime) -> None:
    """Raises ``Conflict`` ``household-live`` while somebody is still to come to the family."""
    live = [booking.reference for booking in bookings if booking.live]
    if not live and taken_ahead(db, [booking.id for booking in bookings], now=now):
        live = [booking.reference for booking in bookings]
    if live:
        raise Conflict(
            "household-live",
            "A booking of this family is still live: %(references)s. Cancel it or see it through, then erase.",
            references=", ".join(live),
        )
