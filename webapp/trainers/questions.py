"""What the trainers' pages ask of higher rooms; the desk hands the answers in (see ``web.beside``)."""

from __future__ import annotations

from datetime import datetime
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.trainers.week import WeekSlot
from webapp.web.beside import Question

SLOTS_OF: Final[Question[[Session, UUID, Interval, Actor], tuple[WeekSlot, ...]]] = Question("trainers.slots_of")
"""When a trainer is taken within a period."""
BOOKED_FROM: Final[Question[[Session, UUID, datetime, Actor], tuple[Interval, ...]]] = Question("trainers.booked_from")
"""When a trainer teaches from an instant on, as far as it is approved, earliest first."""
FIND_TOWN: Final[Question[[str], Location | None]] = Question("trainers.find_town")
"""The middle of a town, for short Plus Codes."""
