"""Checks of single settings: addresses, hosts and keys as texts. Pure."""

from __future__ import annotations

import re
from base64 import b64decode
from typing import Final
from urllib.parse import parse_qs, urlsplit

from webapp.core.failpoints import LOOPBACK

DEVELOPMENT_KEY = "development-only-secret-key-never-for-production"
"""Production refuses it."""
MINIMUM_SECRET = 32
_LETTERS: Final = 10
"""Fewer different characters than this, and a key was typed, not drawn."""
_TILES: Final = re.compile(
    r"(?P<host>https?://[a-z0-9-]+(?:\.[a-z0-9-]+)*(?::[0-9]{1,5})?)(?P<path>/[\x21-\x7e]*)", re.IGNORECASE
)
_HOST: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)*")
_ENCRYPTED: Final = frozenset({"require", "verify-ca", "verify-full"})


def is_hook_secret(text: str) -> bool:
    """Whether a text is a secret of the Standard Webhooks: ``whsec_`` and 24 to 64 bytes in base64."""
    try:
        return text.startswith("whsec_") and 24 <= len(b64decode(text.removeprefix("whsec_"), validate=True)) <= 64
    except ValueError:
        return False


def is_service_address(text: str) -> bool:
    """Whether a text is the address of a service: no user name, no query."""
    address = urlsplit(text)
    plain = address.username is None and not address.query and not address.fragment
    return address.scheme in ("http", "https") and bool(address.hostname) and plain


def tile_host(url: str) -> str | None:
    """Scheme, host and port of an address of tiles, for ``img-src``; ``None`` where the address is no such thing.

    A host with a placeholder in it would be several, and is refused; so is anything that could end the directive.
    """
    found = _TILES.fullmatch(url)
    wanted = found is not None and all(f"{{{name}}}" in found["path"] for name in "zxy")
    return found["host"] if found is not None and wanted else None


def is_geocoder(text: str) -> bool:
    """Whether a text is the address of a geocoder: a host that is spelled as one, without a user name."""
    address = urlsplit(text)
    host = _HOST.fullmatch(address.hostname or "") is not None and address.username is None
    return address.scheme in ("http", "https") and host and fits_a_header(text)


def store_is_private(url: str) -> bool:
    """Whether what is said to this store crosses no network, or crosses it encrypted."""
    address = urlsplit(url)
    return address.scheme == "https" or address.hostname in LOOPBACK


def fits_a_header(token: str) -> bool:
    """Whether a token can be sent as it is: where it could not, the error about it would quote it."""
    return all("!" <= letter <= "~" for letter in token)


def is_weak(key: str) -> bool:
    """Whether a key is the default one, short, or of so few letters that nobody drew it by chance."""
    return key == DEVELOPMENT_KEY or len(key) < MINIMUM_SECRET or len(set(key)) < _LETTERS


def postgres_is_private(url: str) -> bool:
    """Whether what is said to this PostgreSQL crosses no network, or crosses it encrypted."""
    parts = urlsplit(url)
    said = parse_qs(parts.query)
    hosts = [_host(one) for one in parts.netloc.rpartition("@")[2].split(",")]
    hosts += [host for key in ("host", "hostaddr") for value in said.get(key, ()) for host in value.split(",")]
    if all(not host or host.startswith("/") or host in LOOPBACK for host in hosts):
        return True
    return said.get("sslmode", [""])[-1] in _ENCRYPTED


def redis_is_private(url: str) -> bool:
    """Whether what is said to this Valkey crosses no network, or crosses it encrypted to a server that was checked."""
    parts = urlsplit(url)
    if parts.scheme == "unix" or (parts.hostname or "localhost") in LOOPBACK:
        return True
    said = parse_qs(parts.query)
    return parts.scheme == "rediss" and said.get("ssl_cert_reqs", ["required"])[-1].lower() == "required"


def _host(text: str) -> str:
    if text.startswith("["):
        return text[1:].partition("]")[0]
    return text.partition(":")[0].lower()
