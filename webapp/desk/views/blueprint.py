"""The desk's blueprint; the modules beside this one hang their routes on it."""

from __future__ import annotations

from flask import Blueprint, current_app

from webapp.assignments.limits import Limits
from webapp.assignments.wording import reason_words
from webapp.audit import reading
from webapp.config import Settings
from webapp.core.errors import Conflict, Invalid
from webapp.desk.forms.fixes import fix_value, move_value
from webapp.desk.queries.booking import BookingDetail
from webapp.desk.words import event_words, missing_words
from webapp.web.access import current_actor
from webapp.web.words import _

bp = Blueprint("desk", __name__)
bp.add_app_template_global(missing_words, "missing_words")
bp.add_app_template_global(event_words, "event_words")
bp.add_app_template_global(fix_value, "fix_value")
bp.add_app_template_global(move_value, "move_value")


def limits() -> Limits:
    """The settings the engine heeds."""
    settings: Settings = current_app.extensions["settings"]
    return Limits.from_settings(settings)


def shown(booking: BookingDetail, on: str) -> None:
    """Note that the reader was shown whose booking this is, on the page ``on``: its children, mostly its contacts."""
    reading.household_read(booking.household_id, booking.operator_id, by=current_actor(), on=on)


def in_words(error: Conflict | Invalid) -> Conflict | Invalid:
    """A refusal whose reasons are said in the reader's language; the services only name them."""
    reasons = error.params.get("reasons")
    if not isinstance(error, Conflict) or not isinstance(reasons, (list, tuple)):
        return error
    why = "; ".join(reason_words(reason) for reason in reasons)
    return Conflict(error.code, error.message, name=error.params.get("name", ""), why=why)


__all__ = ["_", "bp", "in_words", "limits", "shown"]
