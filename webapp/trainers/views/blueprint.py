"""The trainers' blueprint; the modules beside this one hang their routes on it."""

from __future__ import annotations

from flask import Blueprint, current_app

from webapp.config import Settings
from webapp.trainers.words import held_back_words, kept_words

bp = Blueprint("trainers", __name__, url_prefix="/trainers")
bp.add_app_template_global(held_back_words, "held_back_words")
bp.add_app_template_global(kept_words, "kept_words")


def max_courses() -> int:
    """How many courses a trainer may be certified for (rule T3)."""
    settings: Settings = current_app.extensions["settings"]
    return settings.max_courses_per_trainer


def served() -> bool:
    """Whether there is a trainer service: only then is anything read-only here for it."""
    settings: Settings = current_app.extensions["settings"]
    return settings.trainer_service_url is not None
