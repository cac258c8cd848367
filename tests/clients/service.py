"""A trainer service of a test's own: answers byte for byte, over real sockets, what it is told to."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from tests.raw_server import Answer, Server, says, server
from webapp.clients.trainer_service.client import Profile
from webapp.clients.trainer_service.http import HttpTrainerService

TOKEN = "tok-Kq7vXw2pLm9sRt4zYb8n"
SECRET_PATH = "/tenant-Jd5fGh3k"
"""Part of the address, and nobody's business."""
QUICK = Profile(connect_seconds=0.3, read_seconds=0.4, total_seconds=1.5, tries=3)
"""The refresher, in less time: for what is about time."""
UNHURRIED = Profile(connect_seconds=20.0, read_seconds=20.0, total_seconds=60.0, tries=3)
"""The refresher, in so much time that a machine with other things to do is never taken for a fault of the service."""
ONE_TRY = replace(UNHURRIED, tries=1)


def http(status: int, body: Any = b"", **headers: str) -> bytes:
    """An answer; a body that is no bytes is sent as JSON."""
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [f"HTTP/1.1 {status} x", f"Content-Length: {len(sent)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + sent


def page(*ids: str, **more: Any) -> bytes:
    """A page of the bulk contract."""
    return http(200, {"items": [{"trainerId": one} for one in ids], "nextCursor": None} | more)


EMPTY = page()
BUSY = http(503)


def in_turn(*answers: bytes | Answer) -> Answer:
    """The first to the first who asks, and so on; the last to everybody after."""
    left = list(answers)
    lock = threading.Lock()

    def answer(line: socket.socket, asked: bytes) -> None:
        with lock:
            mine = left.pop(0) if len(left) > 1 else left[0]
        (says(mine) if isinstance(mine, bytes) else mine)(line, asked)

    return answer


def resets(before: bytes = b"") -> Answer:
    """Breaks the connection off (RST), after some bytes."""

    def answer(line: socket.socket, _asked: bytes) -> None:
        line.sendall(before)
        threading.Event().wait(0.05)  # what was sent arrives before the connection is gone
        line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    return answer


def thinks(seconds: float) -> Answer:
    """Answers after a while."""

    def answer(line: socket.socket, _asked: bytes) -> None:
        threading.Event().wait(seconds)
        line.sendall(EMPTY)

    return answer


@contextmanager
def serving(*answers: bytes | Answer, **more: Any) -> Iterator[tuple[Server, HttpTrainerService]]:
    """A service for a while, and somebody who asks it."""
    with server(in_turn(*answers)) as there:
        yield there, client_of(there, **more)


def client_of(there: Server, **more: Any) -> HttpTrainerService:
    """Somebody who asks a service: with patience and with retries in store, unless said otherwise."""
    given: dict[str, Any] = {"profile": UNHURRIED, "retry_tokens": 10.0} | more
    return HttpTrainerService(f"http://127.0.0.1:{there.port}{SECRET_PATH}/", TOKEN, **given)


def asked_for(there: Server, number: int = 0) -> str:
    """The path and query of a request that arrived."""
    return there.asked[number].decode().split(" ")[1].removeprefix(SECRET_PATH)


def header_of(there: Server, name: str, number: int = 0) -> str | None:
    """A header of a request that arrived."""
    for line in there.asked[number].decode().split("\r\n")[1:]:
        found, _, value = line.partition(": ")
        if found.lower() == name.lower():
            return value
    return None
