"""The whole-course grid: for one trainer and every session, whether it is free and if not what stands in the way."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from uuid import UUID

from webapp.assignments.conflicts import conflicts
from webapp.assignments.facts import CourseNeed, TrainerFacts
from webapp.assignments.reasons import OF_SESSIONS
from webapp.assignments.rules import Verdict


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


@dataclass(frozen=True, slots=True)
class GridRow:
    """A trainer of the grid: a cell for each session, and how many of them are free."""

    trainer_id: UUID
    name: str
    cells: tuple[Cell, ...]

    @property
    def free(self) -> int:
        """How many sessions are free."""
        return free_count(self.cells)


@dataclass(frozen=True, slots=True)
class Grid:
    """The whole course: ``sessions`` across, as number and local date, trainers down; ``more`` are not shown."""

    sessions: tuple[tuple[int, date], ...]
    rows: tuple[GridRow, ...]
    more: int = 0
    by_free: bool = False


SHOWN = 30
"""How many trainers a grid shows: with thirty sessions more would be a page nobody reads and slow to draw."""


def course_grid(
    need: CourseNeed,
    verdicts: Sequence[Verdict],
    facts: Mapping[UUID, TrainerFacts],
    *,
    by_free: bool = False,
    first: UUID | None = None,
    shown: int = SHOWN,
) -> Grid:
    """The grid of those trainers against whom nothing stands but single sessions.

    In the order of ``verdicts``, or by free sessions, most first; a trainer who must be seen comes ``first``.
    """
    within = [
        v for v in verdicts if all(reason.code in OF_SESSIONS for reason in v.reasons) and facts[v.trainer_id].hours
    ]
    if by_free:
        within.sort(key=lambda v: -(v.free or 0))
    within.sort(key=lambda v: v.trainer_id != first)
    rows = tuple(GridRow(v.trainer_id, v.name, grid_row(need, facts[v.trainer_id])) for v in within[:shown])
    sessions = tuple((session.number, session.date) for session in need.sessions)
    return Grid(sessions, rows, len(within) - len(rows), by_free)
