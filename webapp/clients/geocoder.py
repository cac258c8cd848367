"""Finding places by their address: another system, asked as Nominatim is (its "Search" page, format ``jsonv2``).

What is sent is the address that somebody typed and the language of the answer, nothing else of a family.
"""

from __future__ import annotations

import json
import ssl
import threading
import time
import unicodedata
from dataclasses import dataclass
from math import isfinite
from typing import Any, Final, Protocol
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

from webapp.clients.outgoing import Outgoing, OutgoingError, Reply, only_host_of
from webapp.config import Settings
from webapp.core.geo import Location

SECONDS: Final = 3.0
"""How long somebody on the telephone waits for it."""
CONNECT_SECONDS: Final = 1.5
MOST_BYTES: Final = 256 * 1024
MOST_FOUND: Final = 5
MOST_LETTERS: Final = 200
"""Longest name of a place."""
FAILURES: Final = 3
PAUSE_SECONDS: Final = 15.0
"""After so many failures in a row nobody asks for so long: threads that wait for it serve nobody."""

_SHOWN_FORMATS: Final = "\u200c\u200d"
"""Zero-width (non-)joiners: invisible, but Devanagari and Telugu spelling needs them."""


class GeocoderAway(Exception):
    """It did not answer, or not in a way that can be read. Holds nothing of the question or of the answer."""


@dataclass(frozen=True, slots=True)
class FoundPlace:
    """A place as the geocoder calls it."""

    name: str
    place: Location


class Geocoder(Protocol):
    """Finds places by their address."""

    def find(self, address: str, *, language: str) -> tuple[FoundPlace, ...]:
        """The places an address may mean, the likeliest first, at most ``MOST_FOUND``; none for an unknown one.

        ``language`` is a tag such as "te". Raises ``GeocoderAway``. Never call it inside a transaction.
        """


class HttpGeocoder:
    """``Geocoder`` over HTTP. Threads may share it."""

    def __init__(self, url: str, *, agent: str = "zonedesk", tls: ssl.SSLContext | None = None) -> None:
        """``url`` may bring parameters of its own, such as a key; ``agent`` says who asks. ``tls``: whose certificates
        count."""
        self._url = urlsplit(url)
        self._agent = agent
        self._line = Outgoing(
            only_host_of(url), seconds=SECONDS, connect_seconds=CONNECT_SECONDS, most_bytes=MOST_BYTES, tls=tls
        )
        self._patience = _Patience()

    def find(self, address: str, *, language: str) -> tuple[FoundPlace, ...]:
        """See ``Geocoder``."""
        if self._patience.is_out:
            raise GeocoderAway
        headers = {"Accept": "application/json", "Accept-Language": language, "User-Agent": self._agent}
        try:
            found = _read(self._line.call("GET", self._asking(address), headers=headers))
        except (OutgoingError, GeocoderAway):
            self._patience.tell(well=False)
            raise GeocoderAway from None  # the cause would name the address that was asked
        self._patience.tell(well=True)
        return found

    def _asking(self, address: str) -> str:
        asked = {"q": address, "format": "jsonv2", "limit": str(MOST_FOUND)}
        kept = [(name, value) for name, value in parse_qsl(self._url.query) if name not in asked]
        return urlunsplit(self._url._replace(query=urlencode([*kept, *asked.items()]), fragment=""))


class _Patience:
    """Runs out after ``FAILURES`` in a row, for ``PAUSE_SECONDS``; then one more failure is enough."""

    def __init__(self) -> None:
        self._failures = 0
        self._asks_again_at = 0.0
        self._lock = threading.Lock()

    @property
    def is_out(self) -> bool:
        return self._failures >= FAILURES and time.monotonic() < self._asks_again_at

    def tell(self, *, well: bool) -> None:
        with self._lock:
            self._failures = 0 if well else self._failures + 1
            self._asks_again_at = time.monotonic() + PAUSE_SECONDS


def geocoder_from(settings: Settings) -> Geocoder | None:
    """The geocoder the settings name; ``None`` where they name none."""
    if settings.geocoder_url is None:
        return None
    # Who runs a geocoder for many wants to know whom to write to (Nominatim's usage policy).
    return HttpGeocoder(settings.geocoder_url, agent=f"zonedesk ({settings.public_url})")


def _read(reply: Reply) -> tuple[FoundPlace, ...]:
    """The places of an answer; what is no place in it is passed over. Raises ``GeocoderAway``."""
    if reply.status != 200:
        raise GeocoderAway
    try:
        told = json.loads(reply.body)
    except (ValueError, RecursionError) as error:
        raise GeocoderAway from error
    if not isinstance(told, list):
        raise GeocoderAway
    return tuple(found for found in map(_place, told) if found is not None)[:MOST_FOUND]


def _place(told: Any) -> FoundPlace | None:
    if not isinstance(told, dict) or not isinstance(told.get("display_name"), str):
        return None
    try:
        lat, lng = float(told["lat"]), float(told["lon"])
        place = Location(round(lat, 6), round(lng, 6)) if isfinite(lat) and isfinite(lng) else None
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    name = _plain(told["display_name"])
    return FoundPlace(name, place) if name and place is not None else None


def _plain(text: str) -> str:
    """One line of what can be seen, at most ``MOST_LETTERS`` letters."""
    shown = (
        letter
        for letter in " ".join(text[: 4 * MOST_LETTERS].split())
        if letter in _SHOWN_FORMATS or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Cn")
    )
    return unicodedata.normalize("NFC", "".join(shown))[:MOST_LETTERS].strip()
