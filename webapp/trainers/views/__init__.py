"""Pages of the trainers: the roster, one trainer, entering and changing them, time off, and whom they are kept from."""

from __future__ import annotations

from webapp.trainers.views import apart, editing, roster, time_off
from webapp.trainers.views.blueprint import bp

__all__ = ["apart", "bp", "editing", "roster", "time_off"]
