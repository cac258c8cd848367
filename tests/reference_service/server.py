"""The process: it serves both contracts, keeps a log of what it was asked, and is controlled at ``/_control``."""

from __future__ import annotations

import json
import select
import socket
import socketserver
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from random import Random
from typing import Any
from urllib.parse import parse_qsl, urlsplit

from tests.reference_service.contracts import LIST, Reply, answer
from tests.reference_service.roster import Plan, Roster, as_json, stamp
from tests.reference_service.sending import send, spoiled
from tests.reference_service.wishes import Fault, Wishes

CONTROL = "/_control"
_LOG_LENGTH = 200_000


class Service:
    """Everything the process knows. Safe for threads."""

    def __init__(self, plan: Plan, wishes: Wishes, token: str | None) -> None:
        self.roster = Roster(plan)
        self.token = token
        self.wishes = self._healthy = wishes
        self._rng = Random(plan.seed)
        self._lock = threading.Lock()
        self._busy = 0
        self._connections = 0
        self.reset_counts()

    def reset_counts(self) -> None:
        """Forget what was asked so far."""
        with self._lock:
            self._log: deque[dict[str, Any]] = deque(maxlen=_LOG_LENGTH)
            self._counted: Counter[str] = Counter()
            self._most_at_once = 0
            self._connections = 0

    def clock(self) -> float:
        """Seconds of its own clock, which may be wrong."""
        return time.time() + self.wishes.clock_skew_seconds

    @property
    def now(self) -> datetime:
        """Its own clock."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def connected(self) -> None:
        """Count a connection."""
        with self._lock:
            self._connections += 1

    @contextmanager
    def asked(self, path: str, query: str, headers: Any) -> Iterator[dict[str, Any]]:
        """Write down a request, from its first moment; what became of it is filled in by whoever answers."""
        seen = {
            "at": stamp(datetime.now(UTC)), "monotonic": time.monotonic(), "path": path, "query": query, "status": None,
            "fault": None, "bytes": 0, "took_ms": None, "if_none_match": headers.get("If-None-Match"),
            "user_agent": headers.get("User-Agent"),
        }  # fmt: skip
        with self._lock:
            self._log.append(seen)
            self._counted["requests"] += 1
            self._counted["lists" if path == LIST else "details" if path.startswith(LIST) else "elsewhere"] += 1
            self._busy += 1
            self._most_at_once = max(self._most_at_once, self._busy)
        try:
            yield seen
        finally:
            with self._lock:
                self._busy -= 1
                seen["took_ms"] = round(1000 * (time.monotonic() - seen["monotonic"]), 3)
                self._counted[f"status {seen['status']}"] += 1
                if seen["fault"]:
                    self._counted[f"fault {seen['fault']}"] += 1

    def fate(self, path: str) -> str | None:
        """What becomes of the answer to a request that was just made."""
        with self._lock:
            wishes = self.wishes
            if wishes.coming and path.startswith(wishes.only):
                self.wishes = wishes.changed({"coming": wishes.coming[1:]})
                return None if wishes.coming[0] == "ok" else wishes.coming[0]
            return wishes.drawn(path, self._rng)

    def patience(self, path: str) -> float:
        """Seconds to wait before an answer."""
        with self._lock:
            if not path.startswith(self.wishes.only):
                return 0.0
            return (self.wishes.latency_ms + self._rng.uniform(0, self.wishes.jitter_ms)) / 1000

    def counts(self) -> dict[str, int]:
        """How often what was asked since the counts were reset, and the most requests that were open at once."""
        with self._lock:
            return {**self._counted, "connections": self._connections, "most_at_once": self._most_at_once}

    def control(self, said: dict[str, Any]) -> Any:
        """Do what a test asks for. Raises ValueError and KeyError for what cannot be done."""
        match said:
            case {"do": "set", "given": dict() as given}:
                with self._lock:
                    self.wishes = self.wishes.changed(given)
            case {"do": "clear"}:
                with self._lock:
                    self.wishes = self._healthy
            case {"do": "edit", "ids": list() as ids, "fields": dict() as fields, "drop": list() as drop}:
                self.roster.edit(ids, fields, drop, self.now)
            case {"do": "add", "count": int() as count, "fields": dict() as fields}:
                return self.roster.add(count, fields, self.now)
            case {"do": "remove", "ids": list() as ids}:
                self.roster.remove(ids)
            case {"do": "trainers"}:
                return self.roster.items()
            case {"do": "counts"}:
                return self.counts()
            case {"do": "requests"}:
                with self._lock:
                    return [dict(seen) for seen in self._log]
            case {"do": "reset_counts"}:
                self.reset_counts()
            case _:
                raise ValueError("nothing of that kind can be done")
        return None


class Talk(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: Server

    def setup(self) -> None:
        """Count it."""
        super().setup()
        self._counted = False

    def do_GET(self) -> None:
        """Answer one request."""
        service, address = self.server.service, urlsplit(self.path)
        if not self._counted:
            self._counted = True
            service.connected()
        with service.asked(address.path, address.query, self.headers) as seen:
            fault = seen["fault"] = service.fate(address.path)
            wishes = service.wishes
            hangs = fault == Fault.HANG
            if self._hung_up(wishes.hang_seconds if hangs else service.patience(address.path)) or hangs:
                self.close_connection = True
                return
            reply = spoiled(fault, self._answer(wishes, address.path, address.query, fault), wishes)
            seen["status"], seen["bytes"] = reply.status, len(reply.body)
            try:
                if not send(self.connection, reply, fault, wishes, service.clock):
                    self.close_connection = True
            except OSError:  # whoever asked has hung up
                self.close_connection = True
            if fault == Fault.RESET:
                self.server.torn.add(self.connection)

    def _hung_up(self, seconds: float) -> bool:
        """Wait; whether the client went away meanwhile."""
        readable, _, _ = select.select([self.connection], [], [], seconds) if seconds > 0 else ([], [], [])
        return bool(readable) and not self.connection.recv(1, socket.MSG_PEEK)

    def _answer(self, wishes: Wishes, path: str, query: str, fault: str | None) -> Reply:
        service = self.server.service
        if service.token and self.headers.get("Authorization") != f"Bearer {service.token}":
            return Reply(401, as_json({"error": "who are you?"}), {"WWW-Authenticate": "Bearer"})
        asked, wrong = dict(parse_qsl(query)), fault == Fault.WRONG_ITEMS
        return answer(service.roster, wishes, path, asked, self.headers.get("If-None-Match"), service.now, wrong=wrong)

    def do_POST(self) -> None:
        """Control, and nothing else."""
        said = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, told = 200, None
        if self.path != CONTROL:
            status, told = 405, "only control is posted to"
        else:
            try:
                told = self.server.service.control(json.loads(said))
            except (ValueError, KeyError, TypeError) as error:
                status, told = 400, f"{type(error).__name__}: {error}"
        body = as_json(told)
        head = f"HTTP/1.1 {status} Told\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n"
        self.connection.sendall(f"{head}Date: {formatdate(usegmt=True)}\r\n\r\n".encode() + body)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing on the terminal: the log is asked for."""


class Server(socketserver.ThreadingTCPServer):
    """Listens on the loopback only."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, port: int, service: Service) -> None:
        self.service = service
        self.torn: set[socket.socket] = set()
        super().__init__(("127.0.0.1", port), Talk)

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that is to be reset says no goodbye first."""
        if request in self.torn:
            self.torn.discard(request)
            self.close_request(request)
        else:
            super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no concern of ours; anything else is said."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)
