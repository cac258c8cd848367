"""``make run``: a whole desk on this machine, from servers to sign-ins, until Ctrl-C.

Reads ``PORT`` (8000), ``DATA_DIR`` (``var``) and, both or neither, ``DATABASE_URL`` and ``REDIS_URL``. Whatever goes
wrong is said in one sentence, and nothing half-started stays behind. Exit codes: 0 stopped on request, 1 a part ended
by itself or did not start, 2 cannot begin.
"""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import NoReturn

import psycopg
import redis

from webapp import embedded
from webapp.embedded.processes import end_with_parent

ROOT = Path(__file__).resolve().parents[1]
READY_SECONDS = 120.0
STOP_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
GRACE_SECONDS = 12.0
"""How long the parts may take to end what they are doing before they are killed."""


class RunError(Exception):
    """The desk cannot run: one sentence, and the exit code."""

    def __init__(self, sentence: str, code: int) -> None:
        super().__init__(sentence)
        self.code = code


class _Stopped(BaseException):
    """Somebody asked us to stop: Ctrl-C, SIGTERM, or the terminal was closed."""


@dataclass(frozen=True, slots=True)
class Part:
    """A process of the desk, leader of a session of its own, and where it writes."""

    name: str
    process: subprocess.Popen[bytes]
    log: Path


class Parts:
    """The processes of the desk: each writes to its log, and all end when we do."""

    def __init__(self, env: Mapping[str, str], logs: Path) -> None:
        self._env = dict(env)
        self._logs = logs
        self._parts: list[Part] = []

    def start(self, name: str, *command: str) -> Part:
        """Start ``python …`` in the background, its output appended to ``<name>.log``."""
        log = self._logs / f"{name}.log"
        with log.open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env=self._env,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
        part = Part(name, process, log)
        self._parts.append(part)
        return part

    def finish(self, name: str, *command: str) -> str:
        """Run ``python …`` to its end and return what it said. Raises RunError when it fails."""
        log = self._logs / f"{name}.log"
        begin = log.stat().st_size if log.exists() else 0
        return self.finished(self.start(name, *command), begin)

    def finished(self, part: Part, begin: int = 0) -> str:
        """Wait for a part that is meant to end; what its log says from ``begin`` on. Raises RunError when it failed."""
        code = part.process.wait()
        self._parts.remove(part)
        if code != 0:
            raise RunError(f"The step {part.name!r} failed (exit code {code}); see {part.log}.", 1)
        return part.log.read_bytes()[begin:].decode("utf-8", "replace")

    def ended(self) -> Part | None:
        """A part that ended although it should go on."""
        return next((part for part in self._parts if part.process.poll() is not None), None)

    def stop(self) -> None:
        """Ask all to end, then kill what is left of each session: an RQ work-horse has a process group of its own."""
        sessions = [part.process.pid for part in self._parts]
        for part in self._parts:
            if part.process.poll() is None:
                os.killpg(part.process.pid, signal.SIGTERM)
        ends = time.monotonic() + GRACE_SECONDS
        for part in self._parts:
            with contextlib.suppress(subprocess.TimeoutExpired):
                part.process.wait(max(0.0, ends - time.monotonic()))
        for session in sessions:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(session, signal.SIGKILL)
        for pid in _members(set(sessions)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for part in self._parts:
            part.process.wait()
        self._parts.clear()


def _members(sessions: set[int]) -> list[int]:
    """Processes that belong to one of these sessions (Linux; elsewhere the process groups have to do)."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if int((entry / "stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()[3]) in sessions:
                found.append(int(entry.name))
    return found


@dataclass(frozen=True, slots=True)
class Wish:
    """What the environment asks for."""

    port: int
    data_dir: Path
    servers: tuple[str, str, str] | None
    """Addresses for serving, migrating and the queue, when the servers are somebody else's."""


def read_wish(env: Mapping[str, str]) -> Wish:
    """Read and check the environment before anything is started. Raises RunError (2)."""
    port = env.get("PORT") or "8000"
    if not port.isdecimal() or not 1 <= int(port) <= 65535:
        raise RunError(f"PORT is {port!r}; it has to be a number from 1 to 65535.", 2)
    database, queue = env.get("DATABASE_URL"), env.get("REDIS_URL")
    if bool(database) != bool(queue):
        missing = "REDIS_URL" if database else "DATABASE_URL"
        raise RunError(f"{missing} is not set: set both DATABASE_URL and REDIS_URL, or neither.", 2)
    servers = (database, env.get("DATABASE_OWNER_URL") or database, queue) if database and queue else None
    return Wish(int(port), Path(env.get("DATA_DIR") or "var").resolve(), servers)


def check_port(port: int) -> None:
    """Raise RunError (2) when nobody could listen on the port."""
    if not embedded.port_is_free(port):
        raise RunError(
            f"Port {port} is in use, or not open to this user: stop what uses it, or choose another with PORT=…", 2
        )


def make_folder(data_dir: Path) -> None:
    """Make the data folder and its logs. Raises RunError (2) when it cannot be written."""
    try:
        (data_dir / "log").mkdir(parents=True, exist_ok=True)
        for folder in (data_dir, data_dir / "log"):
            with tempfile.TemporaryFile(dir=folder):
                pass
    except OSError as error:
        raise RunError(
            f"The folder {data_dir} cannot be written ({error.strerror}): choose another with DATA_DIR=…", 2
        ) from error


def check_servers(database_url: str, redis_url: str) -> None:
    """Raise RunError (2) when one of the given servers does not answer."""
    try:
        psycopg.connect(embedded.libpq_url(database_url), connect_timeout=5).close()
    except psycopg.Error as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise RunError(f"The database of DATABASE_URL does not answer: {reason}", 2) from error
    try:
        with contextlib.closing(redis.Redis.from_url(redis_url, socket_connect_timeout=5, socket_timeout=5)) as queue:
            queue.ping()
    except (redis.RedisError, ValueError) as error:
        raise RunError(f"The server of REDIS_URL does not answer: {error}", 2) from error


def secret_key(data_dir: Path) -> str:
    """The key of this desk, made at its first start and kept where only this user reads it."""
    path = data_dir / "secret_key"
    if not path.exists():
        new = path.with_suffix(".new")
        new.unlink(missing_ok=True)
        with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(48))
        new.replace(path)
    return path.read_text("ascii")


def prepare(parts: Parts, data_dir: Path, owner_url: str, *, own_servers: bool) -> None:
    """Migrate and load the demo, or see cheaply that both were done to this very database.

    Raises RunError (1).
    """
    stamp = data_dir / "prepared.json"
    files = sorted((ROOT / "migrations" / "versions").glob("*.py"))
    digest = hashlib.sha256(b"\0".join(file.read_bytes() for file in files)).hexdigest()
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        kept = json.loads(stamp.read_text("utf-8"))
        if own_servers and (kept["migrations"], kept["version"]) == (digest, _version(owner_url)):
            return
    print("Preparing the database …", flush=True)
    parts.finish("migrate", "-m", "flask", "--app", "webapp", "db", "upgrade")
    print("Loading the demo, unless it is there …", flush=True)
    parts.finish("demo", "-m", "flask", "--app", "webapp", "demo", "--if-empty")
    stamp.write_text(json.dumps({"migrations": digest, "version": _version(owner_url)}), "utf-8")


def _version(owner_url: str) -> str | None:
    """The migration the database stands at, ``None`` before the first."""
    try:
        with psycopg.connect(embedded.libpq_url(owner_url), connect_timeout=5) as db:
            row = db.execute("SELECT version_num FROM alembic_version").fetchone()
    except psycopg.errors.UndefinedTable:
        return None
    return str(row[0]) if row else None


def wait_until_ready(parts: Parts, port: int) -> None:
    """Return when ``/readyz`` says 200. Raises RunError (1) when a part ends first or it takes too long."""
    ends = time.monotonic() + READY_SECONDS
    said = "nothing"
    while time.monotonic() < ends:
        _nobody_ended(parts)
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with contextlib.suppress(OSError, http.client.HTTPException), contextlib.closing(line):
            line.request("GET", "/readyz")
            answer = line.getresponse()
            said = answer.read(2000).decode("utf-8", "replace").strip()
            if answer.status == 200:
                return
        time.sleep(0.1)
    raise RunError(f"The desk was not ready after {READY_SECONDS:.0f} seconds; /readyz says: {said}", 1)


def _nobody_ended(parts: Parts, servers: embedded.RunningServers | None = None) -> None:
    if part := parts.ended():
        raise RunError(
            f"The part {part.name!r} ended by itself (exit code {part.process.returncode}); its log is {part.log}.", 1
        )
    if servers and (name := servers.dead()):
        raise RunError(f"The {name} server ended by itself; its log is {name}.log in the log folder.", 1)


def _ignore_requests() -> None:
    """While we stop, a second Ctrl-C changes nothing: it would leave something running."""
    for number in STOP_SIGNALS:
        signal.signal(number, signal.SIG_IGN)


def _stop_on_request(number: int, frame: FrameType | None) -> NoReturn:
    _ignore_requests()
    raise _Stopped


def run(env: Mapping[str, str]) -> None:
    """Run the desk until it is stopped or a part ends. Raises RunError and EmbeddedError."""
    wish = read_wish(env)
    check_port(wish.port)
    make_folder(wish.data_dir)
    with contextlib.ExitStack() as stack:
        servers = None
        if wish.servers:
            check_servers(wish.servers[1], wish.servers[2])
            check_servers(wish.servers[0], wish.servers[2])
            urls = wish.servers
        else:
            print("Starting PostgreSQL and Valkey …", flush=True)
            servers = stack.enter_context(embedded.start(wish.data_dir))
            urls = (servers.urls.database_url, servers.urls.database_owner_url, servers.urls.redis_url)
        address = env.get("PUBLIC_URL") or f"http://localhost:{wish.port}"
        parts = Parts(
            {
                "ZONEDESK_ENV": "development",
                **env,
                **dict(zip(("DATABASE_URL", "DATABASE_OWNER_URL", "REDIS_URL"), urls, strict=True)),
                "SECRET_KEY": env.get("SECRET_KEY") or secret_key(wish.data_dir),
                "DATA_DIR": str(wish.data_dir),
                "PUBLIC_URL": address,
            },
            wish.data_dir / "log",
        )
        stack.callback(parts.stop)
        stack.callback(print, "Stopping …", flush=True)
        stack.callback(_ignore_requests)
        prepare(parts, wish.data_dir, urls[1], own_servers=servers is not None)
        print("Starting the web server, the worker and the sweeper …", flush=True)
        bind = ("-w", "2", "--threads", "4", "-b", f"127.0.0.1:{wish.port}", "--graceful-timeout", "8", "--preload")
        parts.start("web", "-m", "gunicorn", *bind, "--no-control-socket", "webapp.app:create_app()")
        parts.start("worker", "worker.py")
        parts.start("sweeper", "worker.py", "sweep")
        # At each start, because franchises may have come since; the worker waits for the keys of each.
        parts.finish("keys", "-m", "flask", "--app", "webapp", "keys", "make")
        # Asked for at each start and last: the codes among them are good for a minute.
        sign_ins = parts.finish("sign-ins", "-m", "flask", "--app", "webapp", "demo", "--list")
        wait_until_ready(parts, wish.port)
        print(f"\nZonedesk is ready at {address}\n\n{sign_ins.rstrip()}\n\nCtrl-C stops it.", flush=True)
        while True:
            _nobody_ended(parts, servers)
            time.sleep(0.5)


def main() -> int:
    """Run the desk; the exit code is that of the whole command."""
    for number in STOP_SIGNALS:
        signal.signal(number, _stop_on_request)
    try:
        run(os.environ)
    except _Stopped:
        print("Stopped.", flush=True)
        return 0
    except RunError as error:
        print(error, file=sys.stderr)
        return error.code
    except embedded.EmbeddedError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main())
