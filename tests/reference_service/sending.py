"""How an answer is sent: whole, or in one of the ways in which answers go wrong."""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.client import responses

from tests.reference_service.contracts import Reply
from tests.reference_service.roster import as_json
from tests.reference_service.wishes import Fault, Wishes

_PIECE = 65536
_LINGER_NOT = struct.pack("ii", 1, 0)


def spoiled(fault: str | None, reply: Reply, wishes: Wishes) -> Reply:
    """What is to be sent instead of a good answer, where the fault is one of status or content."""
    match fault:
        case Fault.BAD_JSON:
            return Reply(200, reply.body[: max(1, len(reply.body) // 2)] or b'{"items": [', reply.headers)
        case Fault.HTML:
            return Reply(200, b"<!doctype html><title>Sign in</title><p>Sign in", {"Content-Type": "text/html"})
        case Fault.WRONG_TYPES:
            return Reply(200, as_json({"items": {"trainerId": 7}, "data": "none", "nextCursor": 7}), reply.headers)
        case Fault.REDIRECT:
            return Reply(302, b"", {"Location": wishes.redirect_to})
        case "429" | "503":
            again = {} if wishes.retry_after is None else {"Retry-After": wishes.retry_after}
            return Reply(int(fault), as_json({"error": "later"}), again)
        case str() if fault.isdecimal():
            return Reply(int(fault), as_json({"error": responses.get(int(fault), "failed")}))
    return reply


def send(line: socket.socket, reply: Reply, fault: str | None, wishes: Wishes, clock: Callable[[], float]) -> bool:
    """Send an answer; whether the connection may be used again. A reset one is already closed for good."""
    body = reply.body
    headers = {"Content-Type": "application/json", **reply.headers, "Date": formatdate(clock(), usegmt=True)}
    half = max(1, len(body) // 2)
    match fault:
        case Fault.RESET:
            line.sendall(_head(reply.status, headers, len(body), wishes) + body[:half])
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
        case Fault.TRUNCATED:
            line.sendall(_head(reply.status, headers, len(body) + 1, wishes) + body[:half])
        case Fault.WRONG_LENGTH:
            line.sendall(_head(reply.status, headers, half, wishes) + body)
        case Fault.DRIP:
            line.sendall(_head(reply.status, headers, len(body), wishes))
            for at in range(len(body)):
                line.sendall(body[at : at + 1])
                time.sleep(1 / wishes.drip_bytes_per_second)
            return True
        case Fault.HUGE:
            line.sendall(_head(reply.status, headers, wishes.huge_bytes, wishes))
            for piece in _far_too_much(wishes.huge_bytes):
                line.sendall(piece)
        case Fault.HUGE_CHUNKED:
            line.sendall(_head(reply.status, headers, None, wishes))
            for piece in _far_too_much(wishes.huge_bytes):
                line.sendall(b"%x\r\n%b\r\n" % (len(piece), piece))
            line.sendall(b"0\r\n\r\n")
        case _:
            line.sendall(_head(reply.status, headers, len(body), wishes) + body)
            return True
    return False


def _head(status: int, headers: dict[str, str], length: int | None, wishes: Wishes) -> bytes:
    size = {"Transfer-Encoding": "chunked"} if length is None else {"Content-Length": str(length)}
    without = {name.lower() for name in wishes.without_headers}
    lines = [f"{name}: {value}" for name, value in {**headers, **size}.items() if name.lower() not in without]
    return "\r\n".join([f"HTTP/1.1 {status} {responses.get(status, 'Odd')}", *lines, "", ""]).encode("latin-1")


def _far_too_much(size: int) -> Iterator[bytes]:
    """Good JSON but for its size, should anybody read to the end of it."""
    first, last = b'{"items":[],"nextCursor":null,"more":"', b'"}'
    yield first
    left = size - len(first) - len(last)
    while left > 0:
        yield b"x" * min(left, _PIECE)
        left -= _PIECE
    yield last
