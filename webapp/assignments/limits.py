"""The settings the engine heeds, as one value that is handed around."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from webapp.assignments.rules import HOLD_HOURS
from webapp.config import Settings
from webapp.schedule.rules import DEFAULT_TRAVEL, TravelSettings
from webapp.trainers.freshness import recheck_after
from webapp.trainers.rules import MAX_COURSES


@dataclass(frozen=True, slots=True)
class Limits:
    """Hours a proposal holds its slots, courses a trainer may be certified for, how long a way takes.

    Approvals on a roster older than ``recheck_after`` are looked at again; nothing where there is no trainer service.
    """

    hold_hours: int = HOLD_HOURS
    max_courses: int = MAX_COURSES
    travel: TravelSettings = DEFAULT_TRAVEL
    recheck_after: timedelta | None = None

    @classmethod
    def from_settings(cls, settings: Settings) -> Limits:
        """The limits this desk is set to."""
        return cls(
            hold_hours=settings.hold_hours,
            max_courses=settings.max_courses_per_trainer,
            travel=TravelSettings(detour=settings.travel_detour, speed_kmh=settings.travel_speed_kmh),
            recheck_after=recheck_after(settings),
        )
