"""A connection to what was looked at: names resolved once, addresses checked, every step inside the call's end."""

from __future__ import annotations

import queue
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from math import inf
from typing import Any, Final

import httpcore

from webapp.clients.addresses import may_be_called

_ADDRESSES: Final = 3
"""How many addresses of one host are tried."""

Resolver = Callable[[str, int], Sequence[str]]
Dialer = Callable[[str, int, float], socket.socket]


class Why(StrEnum):
    """Why a call was not made, or its answer not taken."""

    BAD_URL = "bad-url"
    NOT_HTTPS = "not-https"
    PORT = "port"
    PRIVATE = "private"
    UNKNOWN_HOST = "unknown-host"
    REDIRECT = "redirect"
    TOO_LARGE = "too-large"
    ENCODED = "encoded"
    TOO_SLOW = "too-slow"
    NO_ANSWER = "no-answer"


class OutgoingError(Exception):
    """A call that came to nothing. Says why and which host, never path, query or headers: they may hold secrets."""

    def __init__(self, why: Why, host: str = "") -> None:
        super().__init__(f"{why.value}: {host}" if host else why.value)
        self.why = why
        self.host = host


@dataclass(frozen=True, slots=True)
class Limits:
    """How long a call may take: until ``ends`` (of the monotonic clock), whatever happens.

    ``connect``: seconds to be connected, and again to agree on TLS; ``step``: seconds without anything new.
    """

    ends: float
    connect: float = inf
    step: float = inf

    def connected_by(self) -> float:
        """The end of what begins now and is part of connecting."""
        return min(self.ends, time.monotonic() + self.connect)

    def step_left(self) -> float:
        """Seconds that the next step may take."""
        return min(_left(self.ends), self.step)

    def not_connected(self, by: float) -> httpcore.TimeoutException | httpcore.NetworkError:
        """What it is not to be connected by then: no answer, or, when the whole call is over, too slow."""
        return httpcore.ConnectError("not connected in time") if by < self.ends else httpcore.ConnectTimeout()


class PinnedLine(httpcore.NetworkBackend):
    """Resolves, looks and connects in one step, so that what is connected to is what was looked at."""

    def __init__(self, allowed: bool, limits: Limits, resolve: Resolver, dial: Dialer) -> None:
        self._allowed = allowed
        self._limits = limits
        self._resolve = resolve
        self._dial = dial

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Connect to the first address that answers. The library's own time limits are replaced by the call's."""
        by = self._limits.connected_by()
        try:
            return self._connected(host, port, by)
        except httpcore.TimeoutException as error:
            raise self._limits.not_connected(by) from error

    def _connected(self, host: str, port: int, by: float) -> httpcore.NetworkStream:
        found = _within(_left(by), lambda: self._resolve(host, port))
        if not found:
            raise OutgoingError(Why.UNKNOWN_HOST, host)
        if not all(may_be_called(address, allowed=self._allowed) for address in found):
            raise OutgoingError(Why.PRIVATE, host)
        failed: OSError | None = None
        for address in found[:_ADDRESSES]:
            try:
                return _Stream(self._dial(address, port, _left(by)), self._limits)
            except OSError as error:
                failed = error
        raise httpcore.ConnectError(str(failed)) from failed


class _Stream(httpcore.NetworkStream):
    """A connection on which every step ends when the call does: a server that drips cannot prolong it."""

    def __init__(self, line: socket.socket, limits: Limits) -> None:
        self._line = line
        self._limits = limits

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            self._line.settimeout(self._limits.step_left())
            return self._line.recv(max_bytes)
        except TimeoutError as error:
            raise httpcore.ReadTimeout from error
        except OSError as error:
            raise httpcore.ReadError(str(error)) from error

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            while buffer:
                self._line.settimeout(self._limits.step_left())
                buffer = buffer[self._line.send(buffer) :]
        except TimeoutError as error:
            raise httpcore.WriteTimeout from error
        except OSError as error:
            raise httpcore.WriteError(str(error)) from error

    def close(self) -> None:
        self._line.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        by = self._limits.connected_by()
        try:
            self._line.settimeout(_left(by))
            return _Stream(ssl_context.wrap_socket(self._line, server_hostname=server_hostname), self._limits)
        except TimeoutError as error:
            self.close()
            raise self._limits.not_connected(by) from error
        except OSError as error:
            self.close()
            raise httpcore.ConnectError(str(error)) from error

    def get_extra_info(self, info: str) -> Any:
        return None  # a fresh connection speaks HTTP/1.1, and nothing else is asked of it


def _left(ends: float) -> float:
    """Seconds until the call's end. Raises ``httpcore.ReadTimeout`` after it: a socket takes 0 for *do not wait*."""
    left = ends - time.monotonic()
    if left <= 0:
        raise httpcore.ReadTimeout
    return left


def _within(seconds: float, question: Callable[[], Sequence[str]]) -> Sequence[str]:
    """Ask, and give up after some seconds: the system's resolver knows no limit, so it is left behind in a thread."""
    answers: queue.SimpleQueue[Sequence[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(question())
        except Exception as error:
            answers.put(error)

    threading.Thread(target=ask, name="resolver", daemon=True).start()
    try:
        answer = answers.get(timeout=seconds)
    except queue.Empty as error:
        raise httpcore.ConnectTimeout from error
    if isinstance(answer, OSError | UnicodeError):
        return ()
    if isinstance(answer, Exception):
        raise answer
    return answer


def ask_system(host: str, port: int) -> Sequence[str]:
    """The addresses the system knows a host by, without repetitions."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, proto=socket.IPPROTO_TCP)
    return tuple(dict.fromkeys(str(sockaddr[0]) for *_, sockaddr in found))


def connect(address: str, port: int, seconds: float) -> socket.socket:
    """A connection to an address, made within so many seconds."""
    return socket.create_connection((address, port), seconds)
