"""Ground that a file's zones would take of other operators' zones: the rule of drawing, for many at once."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from webapp.core.geo import Location
from webapp.core.words import msgid
from webapp.db.geo_types import box_text, ring_of
from webapp.zones.files.said import Fault
from webapp.zones.judging import Judged
from webapp.zones.rules import Disputes, ZoneCommand, said_km2
from webapp.zones.shapes import Shape, gained_km2, overlap_km2

SHOWN: Final = 5
"""Most disputes of one row that are told, the largest first."""
_LOOKED_AT: Final = 40
"""Neighbours of a zone that are looked at first; more only where none of them shares ground."""
_FACTOR: Final = 25

# A function of the database that reads every operator's zones and finds those whose boxes meet.
_MEETING: Final = text(
    "SELECT number, operator_name, name, center_lat, center_lng, radius_km, ring"
    " FROM zones_meeting_boxes(CAST(:boxes AS box[]), :but_of, :most)"
)


@dataclass(frozen=True, slots=True)
class Dispute:
    """Another operator's active zone, and how much of its ground is taken, in square kilometres."""

    operator: str
    zone: str
    km2: float


@dataclass(frozen=True, slots=True)
class _Neighbour:
    operator: str
    zone: str
    shape: Shape


def disputes_of(
    db: Session, rows: Sequence[Judged], operator_id: UUID, *, most: int = _LOOKED_AT
) -> dict[int, tuple[Dispute, ...]]:
    """What each row that takes ground takes of other operators' zones, by line; rows that take none are absent."""
    taking = [row for row in rows if row.takes_ground and row.zone is not None]
    found: dict[int, tuple[Dispute, ...]] = {}
    crowded = []
    for row, near in zip(taking, _neighbours(db, taking, operator_id, most), strict=True):
        if taken := _taken(row, near):
            found[row.line] = taken
        elif len(near) == most:
            crowded.append(row)
    return found | disputes_of(db, crowded, operator_id, most=most * _FACTOR) if crowded else found


def judged_by(row: Judged, disputes: Sequence[Dispute], asking: Disputes, *, border: str) -> Judged:
    """The row, refused where its disputes are: by the setting, or for want of a reason. ``border`` is its column."""
    if not disputes:
        return row
    first = disputes[0]
    params = {"zone": first.zone, "operator": first.operator, "area": said_km2(first.km2)}
    if asking is Disputes.REFUSE:
        sentence = msgid("%(zone)s of %(operator)s has %(area)s km² of this ground already. Draw the border around it.")
        return row.with_faults(Fault(row.line, border, sentence, params))
    if not row.reason:
        sentence = msgid("%(zone)s of %(operator)s has %(area)s km² of this ground already: say why both may serve it.")
        return row.with_faults(Fault(row.line, "reason", sentence, params))
    return row


def _neighbours(db: Session, rows: Sequence[Judged], operator_id: UUID, most: int) -> list[list[_Neighbour]]:
    if not rows:
        return []
    # Boxes are the one type whose arrays are split by a semicolon.
    boxes = ";".join(box_text(row.zone.bounds) for row in rows if row.zone is not None)
    found: dict[int, list[_Neighbour]] = defaultdict(list)
    for row in db.execute(_MEETING, {"boxes": "{" + boxes + "}", "but_of": operator_id, "most": most}):
        shape = Shape(Location(row.center_lat, row.center_lng), row.radius_km, ring_of(row.ring))
        found[row.number].append(_Neighbour(row.operator_name, row.name, shape))
    return [found[number] for number in range(1, len(rows) + 1)]


def _taken(row: Judged, near: Sequence[_Neighbour]) -> tuple[Dispute, ...]:
    if row.zone is None:
        return ()
    after = _shape(row.zone.command)
    before = _shape(row.known.command) if row.known is not None and row.known.command.active else None
    taken = []
    for other in near:
        area = overlap_km2(after, other.shape) if before is None else gained_km2(before, after, other.shape)
        if area > 0:
            taken.append(Dispute(other.operator, other.zone, area))
    return tuple(sorted(taken, key=lambda one: (-one.km2, one.operator, one.zone))[:SHOWN])


def _shape(command: ZoneCommand) -> Shape:
    return Shape(command.measured_center, command.radius_km, command.ring)
