"""The embedded Valkey: its configuration and whether it answers."""

from __future__ import annotations

import contextlib
import signal
import socket
import subprocess
from pathlib import Path

from webapp.embedded.place import Place

HOST = "127.0.0.1"


def address(password: str, port: int) -> str:
    """The address as redis-py and RQ take it; the password is URL-safe by making."""
    return f"redis://:{password}@{HOST}:{port}/0"


def launch(place: Place, port: int, password: str, log: Path, *, durable: bool) -> subprocess.Popen[bytes]:
    """Start the server; it answers a little later. ``durable`` keeps an append-only file, synced every second."""
    data = place.data / "valkey"
    if not data.exists():
        data.mkdir(mode=0o700)
        place.user.give(data)
    quoted = str(data).replace("\\", "\\\\").replace('"', '\\"')
    settings = [
        f"bind {HOST}",
        f"port {port}",
        f"requirepass {password}",
        f'dir "{quoted}"',
        "databases 64",
        "daemonize no",
        'logfile ""',
        'save ""',
        f"appendonly {'yes' if durable else 'no'}",
        "maxmemory-policy noeviction",
    ]
    # Handed over on standard input, so that the password stands on no command line and in no second file.
    return place.user.launch([place.binaries.valkey, "-"], log, end=signal.SIGTERM, stdin="\n".join(settings) + "\n")


def answers(password: str, port: int) -> bool:
    """Whether the server has loaded its data and takes commands now."""
    with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=5) as line:
        line.sendall(f"AUTH {password}\r\nPING\r\n".encode())
        said = b""
        while said.count(b"\r\n") < 2 and (part := line.recv(256)):
            said += part
        return said == b"+OK\r\n+PONG\r\n"
    return False
