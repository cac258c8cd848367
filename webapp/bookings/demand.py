"""Places asked for and not served (rule Z4): keeping one, and where they lie."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy import ColumnElement, Double, Integer, Numeric, and_, cast, func, literal, select, true
from sqlalchemy.orm import Session

from webapp.bookings.enquiries import EnquiryCommand, record_enquiry
from webapp.bookings.models import Enquiry
from webapp.bookings.queries import may_read_enquiry
from webapp.bookings.rules import EnquiryStatus
from webapp.core.actor import Actor
from webapp.core.errors import Conflict
from webapp.core.geo import Location
from webapp.db.work import Work
from webapp.zones.queries import zones_at

DIGITS: Final = 2
"""Places are told to a hundredth of a degree, about a kilometre: where people ask, and nobody's home."""


@dataclass(frozen=True, slots=True)
class DemandRow:
    """What was asked for around a place. ``serving`` is a zone that holds the middle by now, ``nearest`` one that does
    not: its name, and the kilometres to its centre."""

    place: Location
    times: int
    open: int
    operators: int
    first_at: datetime
    last_at: datetime
    serving: str | None
    nearest: str | None
    nearest_operator: str | None
    nearest_km: float | None


def keep_demand(work: Work, place: Location, *, address: str, key: UUID, by: Actor, now: datetime) -> EnquiryStatus:
    """Keep a place that nobody serves, or that another operator serves, as an enquiry of whoever asks.

    ``key`` is its id: kept twice it is kept once. Raises ``Conflict`` ``place-served`` where a booking can be made.
    """
    serving = next(iter(zones_at(work.db, place)), None)
    if serving is not None and by.reaches(serving.operator_id):
        raise Conflict("place-served", "%(zone)s serves this place: enter a booking instead.", zone=serving.name)
    status = EnquiryStatus.SERVICE_NOT_AVAILABLE if serving is None else EnquiryStatus.OTHER_OPERATOR
    command = EnquiryCommand(
        status=status,
        address=address,
        place=place,
        serving_zone=serving.name if serving else None,
        serving_operator=serving.operator_name if serving else None,
        id=key,
    )
    record_enquiry(work, command, by=by, now=now)
    return status


def demand_by_place(
    db: Session, *, since: datetime | None, limit: int, offset: int, visible_to: Actor
) -> tuple[tuple[DemandRow, ...], int]:
    """Places asked for and not served, most often asked for first; and how many places there are. Two statements.

    An enquiry that was closed still was one; a call that was interrupted was none.
    """
    cells = (func.round(cast(column, Numeric), DIGITS) for column in (Enquiry.lat, Enquiry.lng))
    lat, lng = (cast(cell, Double) for cell in cells)
    asked = (
        select(
            lat.label("lat"),
            lng.label("lng"),
            func.count().label("times"),
            func.count().filter(Enquiry.status == EnquiryStatus.SERVICE_NOT_AVAILABLE).label("open"),
            func.count(Enquiry.operator_id.distinct()).label("operators"),
            func.min(Enquiry.created_at).label("first_at"),
            func.max(Enquiry.created_at).label("last_at"),
            func.avg(Enquiry.lat).label("mean_lat"),
            func.avg(Enquiry.lng).label("mean_lng"),
        )
        .where(_was_demand(since), may_read_enquiry(visible_to))
        .group_by(lat, lng)
    )
    shown = asked.order_by(func.count().desc(), func.max(Enquiry.created_at).desc(), lat, lng)
    cell = shown.limit(limit).offset(offset).subquery("cell")
    at = func.zones_at(cell.c.mean_lat, cell.c.mean_lng).table_valued("name").lateral("at")
    names = ("id", "operator_id", "operator_name", "name", "label", "kind", "time_zone", "distance_km")
    near = (
        func.zones_nearest(cell.c.mean_lat, cell.c.mean_lng, literal(1, Integer)).table_valued(*names).lateral("near")
    )
    rows = db.execute(
        select(
            cell, select(at.c.name).limit(1).scalar_subquery(), near.c.name, near.c.operator_name, near.c.distance_km
        )
        .outerjoin(near, true())
        .order_by(cell.c.times.desc(), cell.c.last_at.desc(), cell.c.lat, cell.c.lng)
    )
    total = db.scalar(select(func.count()).select_from(asked.subquery("every"))) or 0
    return tuple(
        DemandRow(Location(row.lat, row.lng), row.times, row.open, row.operators, row.first_at, row.last_at, *row[9:])
        for row in rows
    ), total


def _was_demand(since: datetime | None) -> ColumnElement[bool]:
    """Enquiries of places that nobody served. Drafts have an end, and those for another operator name it."""
    kept = Enquiry.status.in_((EnquiryStatus.SERVICE_NOT_AVAILABLE, EnquiryStatus.CLOSED))
    wanted = and_(kept, Enquiry.lat.is_not(None), Enquiry.serving_operator.is_(None), Enquiry.expires_at.is_(None))
    return wanted if since is None else and_(wanted, Enquiry.created_at >= since)
