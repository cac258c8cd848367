"""The one way to call an address that somebody configured or typed: a geocoder, a webhook, a store of files.

Such an address may point at our own network, where servers trust whoever reaches them. So (OWASP Server-Side Request
Forgery Prevention Cheat Sheet; ASVS 5.0, 1.3.6):

- https on port 443 or above 1023, without user names, to a host that is spelled as one;
- the name is resolved once, every address it has must be public, and the connection goes to what was looked at, under
  the name's certificate: a name that changes its address meanwhile changes nothing;
- no redirect is followed, no proxy of the environment used, no compressed answer read;
- the whole call ends in ``seconds``, and its answer in ``most_bytes``, however slowly it drips; being connected and
  each step may be given less.

``OUTGOING_ALLOWED_HOSTS`` names hosts of our own, which may be private and asked over http.
"""

from __future__ import annotations

import re
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf
from typing import Any, Final

import httpcore
import httpx

from webapp.clients.addresses import AllowList, is_address, is_sound_host, may_be_called
from webapp.clients.pinned import Dialer, Limits, OutgoingError, PinnedLine, Resolver, Why, ask_system, connect
from webapp.config import Settings

SECONDS: Final = 10.0
MOST_BYTES: Final = 1024 * 1024
_OURS: Final = frozenset(
    {"host", "transfer-encoding", "content-length", "connection", "accept-encoding", "te", "upgrade"}
)
"""Headers that belong to the connection and not to whoever calls."""
_NOT_MODIFIED: Final = 304
"""In the family of redirects, and none: it points nowhere."""

__all__ = ["Outgoing", "OutgoingError", "Reply", "Why", "only_host_of", "outgoing_from"]


@dataclass(frozen=True, slots=True)
class Reply:
    """An answer, whatever its status but a redirect; header names in small letters."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Target:
    url: httpx.URL
    host: str
    port: int
    allowed: bool


class Outgoing:
    """Calls other people's servers. Safe to share between threads; each call has a connection of its own."""

    def __init__(
        self,
        allowed: AllowList,
        *,
        seconds: float = SECONDS,
        connect_seconds: float = inf,
        step_seconds: float = inf,
        most_bytes: int = MOST_BYTES,
        tls: ssl.SSLContext | None = None,
        resolve: Resolver | None = None,
        dial: Dialer | None = None,
    ) -> None:
        """``tls`` says whose certificates count (the system's); ``resolve`` and ``dial`` stand in for the network."""
        self._allowed = allowed
        self._seconds = seconds
        self._connect_seconds = connect_seconds
        self._step_seconds = step_seconds
        self._most_bytes = most_bytes
        self._tls = tls
        self._resolve = resolve or ask_system
        self._dial = dial or connect

    def check(self, url: str) -> None:
        """Look at an address that somebody typed, without asking any server. Raises ``OutgoingError``."""
        self._target(url)

    def call(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        json: Any = None,
        seconds: float | None = None,
        most_bytes: int | None = None,
    ) -> Reply:
        """Send one request and read its answer whole. Raises ``OutgoingError``; never call it inside a transaction.

        ``seconds`` and ``most_bytes`` stand in for this client's own.
        """
        target = self._target(url)
        sent = {name: value for name, value in (headers or {}).items() if name.lower() not in _OURS}
        ends = time.monotonic() + (self._seconds if seconds is None else seconds)
        limits = Limits(ends, self._connect_seconds, self._step_seconds)
        line = PinnedLine(target.allowed, limits, self._resolve, self._dial)
        try:
            request = httpx.Request(method, target.url, headers=sent, content=content, json=json)
            request.headers["Accept-Encoding"] = "identity"
            body, sent_headers = request.read(), request.headers.raw
            with (
                httpcore.ConnectionPool(ssl_context=self._context(target), network_backend=line) as pool,
                pool.stream(method, _wire_url(target.url), headers=sent_headers, content=body) as response,
            ):
                return self._read(target, response, self._most_bytes if most_bytes is None else most_bytes)
        except httpcore.TimeoutException as error:
            raise OutgoingError(Why.TOO_SLOW, target.host) from error
        # h11 refuses headers with line breaks, and answers that are no HTTP, as ProtocolErrors of httpcore.
        except (httpcore.NetworkError, httpcore.ProtocolError, httpcore.UnsupportedProtocol, httpx.InvalidURL) as error:
            raise OutgoingError(Why.NO_ANSWER, target.host) from error

    def _context(self, target: _Target) -> ssl.SSLContext | None:
        """Whose certificates count: the system's, read when first needed. Two threads may both read them."""
        if self._tls is None and target.url.scheme == "https":
            self._tls = ssl.create_default_context()
        return self._tls

    def _target(self, text: str) -> _Target:
        url, host, port = _read_url(text)
        allowed = self._allowed.holds(host, port)
        if not allowed and url.scheme != "https":
            raise OutgoingError(Why.NOT_HTTPS, host)
        if not allowed and port != 443 and port < 1024:
            raise OutgoingError(Why.PORT, host)
        bare = is_address(host)
        if (bare and not may_be_called(host, allowed=allowed)) or not (bare or allowed or "." in host):
            raise OutgoingError(Why.PRIVATE, host)
        return _Target(url.copy_with(fragment=None), host, port, allowed)

    def _read(self, target: _Target, response: httpcore.Response, most_bytes: int) -> Reply:
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}
        if 300 <= response.status < 400 and response.status != _NOT_MODIFIED:
            raise OutgoingError(Why.REDIRECT, target.host)
        if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
            raise OutgoingError(Why.ENCODED, target.host)  # what was not asked for; it may unpack to anything
        body = bytearray()
        for part in response.iter_stream():
            body += part
            if len(body) > most_bytes:
                raise OutgoingError(Why.TOO_LARGE, target.host)
        return Reply(response.status, headers, bytes(body))


def outgoing_from(settings: Settings) -> Outgoing:
    """The way out as the settings allow it."""
    return Outgoing(AllowList.of(settings.outgoing_allowed_list))


def only_host_of(url: str) -> AllowList:
    """Exactly the host and port of an address that this desk's operator chose. Raises ``OutgoingError``."""
    _, host, port = _read_url(url)
    return AllowList(frozenset({(host, port)}))


def _read_url(text: str) -> tuple[httpx.URL, str, int]:
    """An address with its host, in small letters, and its port. Raises ``OutgoingError`` where it is none."""
    if any(ord(letter) <= 32 or ord(letter) == 127 for letter in text) or "\\" in text:
        raise OutgoingError(Why.BAD_URL)
    try:
        url = httpx.URL(text)
        host = url.raw_host.decode("ascii").lower().removesuffix(".")
    except (httpx.InvalidURL, UnicodeError, ValueError) as error:
        raise OutgoingError(Why.BAD_URL) from error
    authority = re.split(r"[/?#]", text.partition("://")[2], maxsplit=1)[0]
    if "@" in authority or not host or not is_sound_host(host) or url.scheme not in ("http", "https"):
        raise OutgoingError(Why.BAD_URL)
    port = url.port or (443 if url.scheme == "https" else 80)
    if port > 65535:
        raise OutgoingError(Why.BAD_URL)
    return url, host, port


def _wire_url(url: httpx.URL) -> httpcore.URL:
    return httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
