"""The zones' blueprint; the modules beside this one hang their routes on it."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

from flask import Blueprint, current_app, request

from webapp.config import Settings
from webapp.core.actor import Actor
from webapp.zones.rules import Disputes
from webapp.zones.words import area, changes_told, students_exactly, students_roughly

bp = Blueprint("zones", __name__, url_prefix="/zones")
bp.add_app_template_global(area, "square_km")
bp.add_app_template_global(changes_told, "changes_told")
bp.add_app_template_global(students_exactly, "students_exactly")
bp.add_app_template_global(students_roughly, "students_roughly")

DRAWN: Final = frozenset({"zones.create", "zones.edit", "zones.preview"})
"""Where a shape is sent."""
MOST_DRAWN: Final = 4 * 1024 * 1024
"""Largest body there, in bytes: a hundred thousand corners are heard and refused in words."""


@bp.url_value_preprocessor
def take_large_shapes(endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Said here because the form is read before any view, to look for its token."""
    if endpoint in DRAWN:
        request.max_content_length = request.max_form_memory_size = MOST_DRAWN


def disputes() -> Disputes:
    """What becomes of a border that takes ground of another operator's zone."""
    settings: Settings = current_app.extensions["settings"]
    return Disputes(settings.zone_disputes)


def linked(actor: Actor) -> UUID | None:
    """The operator whose zones may be opened; ``None`` when all may."""
    return None if actor.sees_everything else actor.operator_id
