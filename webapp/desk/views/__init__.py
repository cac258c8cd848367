"""Pages that read several rooms: home, new booking, and a booking whole."""

from __future__ import annotations

from webapp.desk.views import (
    apart,
    booking,
    cover,
    family_data,
    home,
    moving,
    new_booking,
    pausing,
    propose,
    taking_over,
    waiting,
)
from webapp.desk.views.blueprint import bp

__all__ = [
    "apart",
    "booking",
    "bp",
    "cover",
    "family_data",
    "home",
    "moving",
    "new_booking",
    "pausing",
    "propose",
    "taking_over",
    "waiting",
]
