"""Addresses of static files and icons: with a fingerprint of the content, looked at once for each request."""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache
from pathlib import Path
from typing import Final

from flask import current_app, g, url_for

SPRITE: Final = "icons.svg"
_KNOWN: Final = "zonedesk_static_urls"


def static_url(name: str) -> str:
    """The address of a static file with a fingerprint of its content, so browsers may keep it for a year."""
    known: dict[str, str] = g.setdefault(_KNOWN, {})
    if name not in known:
        known[name] = _url_of(name)
    return known[name]


def icon_href(name: str) -> str:
    """The address of one icon. Raises ``KeyError`` for a name that is not in the sprite, instead of drawing nothing.

    A page has dozens of them, so a request looks at the sprite once.
    """
    url = static_url(SPRITE)
    if name not in _icons_of(current_app.static_folder or "", url):
        raise KeyError(f"no icon {name!r} in static/icons.svg; add it to scripts/vendor.py")
    return f"{url}#{name}"


def _path_of(name: str) -> Path:
    return Path(current_app.static_folder or "") / name


def _url_of(name: str) -> str:
    path = _path_of(name)
    if not path.is_file():
        return url_for("static", filename=name)
    return url_for("static", filename=name, v=_fingerprint(str(path), path.stat().st_mtime_ns))


@lru_cache(maxsize=256)
def _fingerprint(path: str, _changed_ns: int) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()[:12]


@lru_cache(maxsize=1)
def _icons_of(folder: str, _url: str) -> frozenset[str]:
    """The names in a sprite; its address changes with what it holds."""
    return frozenset(re.findall(r'<symbol id="([^"]+)"', (Path(folder) / SPRITE).read_text(encoding="utf-8")))
