"""Zonedesk. ``create_app`` here is what ``flask --app webapp`` finds; importing a rule never imports Flask."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

__all__ = ["create_app"]


def create_app() -> Flask:
    """The application for commands. An environment unfit to boot from ends the process with one sentence, code 1."""
    from webapp import app
    from webapp.config import SettingsError

    try:
        return app.create_app()
    except SettingsError as error:
        sys.exit(f"Zonedesk cannot start: {error}")
