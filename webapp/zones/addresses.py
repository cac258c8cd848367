"""Places by their address, for the pages that ask: the geocoder of the settings, and towns for short Plus Codes."""

from __future__ import annotations

from typing import Final

from flask import Flask, current_app

from webapp.clients.geocoder import FoundPlace, Geocoder, geocoder_from
from webapp.config import Settings
from webapp.core.geo import Location
from webapp.web.beside import Question

FIND_TOWN: Final[Question[[str], Location | None]] = Question("zones.find_town")

_EXTENSION: Final = "zonedesk_geocoder"

__all__ = ["FIND_TOWN", "FoundPlace", "geocoder", "init_geocoder"]


def init_geocoder(app: Flask, settings: Settings) -> None:
    """Give the app the geocoder that its settings name. Asks nobody yet."""
    app.extensions[_EXTENSION] = geocoder_from(settings)


def geocoder() -> Geocoder | None:
    """The geocoder of the running app; ``None`` where addresses cannot be searched for."""
    found: Geocoder | None = current_app.extensions[_EXTENSION]
    return found
