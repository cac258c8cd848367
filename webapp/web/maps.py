"""Where the browser gets the pictures of a map from, and leave to fetch them."""

from __future__ import annotations

from dataclasses import dataclass

from flask import current_app

from webapp.config import Settings
from webapp.web.headers import pictures_from


@dataclass(frozen=True, slots=True)
class MapTiles:
    """Pictures of a map: their address with ``{z}``, ``{x}`` and ``{y}``, and whose they are, as plain text."""

    url: str
    attribution: str


def map_tiles() -> MapTiles | None:
    """The pictures maps are drawn on; ``None`` for a plain ground. A Jinja global.

    Only a page that asks for them may show pictures of their host: the content policy of all others stays closed.
    """
    settings: Settings = current_app.extensions["settings"]
    if settings.map_tile_url is None or settings.map_tile_host is None:
        return None
    pictures_from(settings.map_tile_host)
    return MapTiles(settings.map_tile_url, settings.map_attribution or settings.map_tile_host.partition("://")[2])
