"""Pages of the zones: the list, one zone, who serves a place, drawing and changing, history and holes."""

from __future__ import annotations

from webapp.zones.views import asking, drawing, history
from webapp.zones.views.blueprint import bp

__all__ = ["asking", "bp", "drawing", "history"]
