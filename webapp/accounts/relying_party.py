"""For whom passkeys are made: the desk, known to browsers by the host of its public address.

W3C Web Authentication, Level 2, section 5.1.2 (relying party identifier) and RFC 6454, section 6.2 (an origin in
ASCII). A passkey made under one host is good under no other, so the host is decided by ``PUBLIC_URL`` alone and never
by what a request says about itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from webapp.config import Environment, Settings

_LOCAL: Final = "localhost"
_DEFAULT_PORT: Final = {"https": 443, "http": 80}


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """What authenticators and browsers know the desk by."""

    id: str
    """A host name in ASCII; never a number."""
    name: str
    origins: tuple[str, ...]
    """Where its pages are; the first is what people are told."""


def relying_party(settings: Settings) -> RelyingParty | None:
    """The desk as authenticators know it, or ``None`` where browsers make no passkeys.

    They make none for a host that is a number, and none over plain HTTP but for ``localhost``. A desk for trying out
    is often opened by its number: outside production it has passkeys under ``localhost``, at the same port.
    """
    address = urlsplit(settings.public_url)
    host = _name(address.hostname or "")
    if host is not None and (address.scheme == "https" or host == _LOCAL):
        return RelyingParty(host, "Zonedesk", (_origin(address.scheme, host, address.port),))
    if settings.environment is Environment.PRODUCTION:
        return None
    return RelyingParty(_LOCAL, "Zonedesk", (_origin("http", _LOCAL, address.port),))


def _name(host: str) -> str | None:
    """A host as origins spell it, or ``None`` for a number and for what is no host at all."""
    try:
        ip_address(host)
    except ValueError:
        pass
    else:
        return None
    try:
        return host.encode("idna").decode("ascii").lower() or None
    except UnicodeError:
        return None


def _origin(scheme: str, host: str, port: int | None) -> str:
    return f"{scheme}://{host}" if port in (None, _DEFAULT_PORT.get(scheme)) else f"{scheme}://{host}:{port}"
