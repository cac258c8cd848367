"""The whole-course grid: for one trainer and every session, whether it is free and if not what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum

from webapp.assignments.conflicts import conflicts
from webapp.assignments.facts import CourseNeed, TrainerFacts


class Cell(StrEnum):
    """One trainer and one session. The values are shown to programs: never rename one."""

    FREE = "free"
    TRAVEL_TIGHT = "travel_tight"
    BUSY = "busy"
    OFF = "off"
    OUTSIDE_HOURS = "outside_hours"


def grid_row(need: CourseNeed, trainer: TrainerFacts) -> tuple[Cell, ...]:
    """A cell for each of ``need.sessions``, in their order.

    Where several things stand in the way of one session the cell shows the first in the order of the reasons: outside
    working hours (or none known), away, busy, too little time for the way. Rules about the trainer as a whole are not
    in the grid.
    """
    found = conflicts(need, trainer)
    row = [Cell.FREE] * need.total
    # The one that counts most is written last.
    marks: tuple[tuple[Cell, Iterable[int]], ...] = (
        (Cell.TRAVEL_TIGHT, (way.index for way in found.tight)),
        (Cell.BUSY, found.busy),
        (Cell.OFF, found.off),
        (Cell.OUTSIDE_HOURS, found.outside),
    )
    for cell, indexes in marks:
        for index in indexes:
            row[index] = cell
    return tuple(row)


def free_count(row: Sequence[Cell]) -> int:
    """How many sessions of a row are free: what the grid is sorted by."""
    return sum(cell is Cell.FREE for cell in row)
