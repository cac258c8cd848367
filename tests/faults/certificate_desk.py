"""A whole desk that makes certificates, on servers of its own: web, workers, sweepers, and the hand that kills them."""

from __future__ import annotations

import contextlib
import http.client
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from redis import Redis

from tests.bench.taught import School, Taught, load, school
from tests.certificate_keys import with_keys
from tests.faults import certificate_checkers as checkers
from tests.faults.history import History
from tests.faults.over_http import SECRET, Browser, browsers
from tests.faults.processes import Processes, free_port
from tests.faults.world import sized
from tests.jobs.builders import revoke
from tests.make import Person
from tests.services import migrate
from webapp import embedded
from webapp.accounts import service as accounts
from webapp.core.actor import SYSTEM, Role
from webapp.core.failpoints import Failpoint
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect
from webapp.embedded.place import stand_in
from webapp.queue.doorbell import Doorbell

WORKERS = 2
SWEEPERS = 2
LEASE_SECONDS = 3
PATIENCE = 120.0
"""Seconds that anything may take, the start of the web on a busy machine among it."""
KINDS = ("web", "worker", "sweeper")
DISK_MEGABYTES = sized(64, 512)


class CertificateDesk:
    """The desk, everything a test needs to disturb it, and the checkers that look at it afterwards."""

    def __init__(self, folder: Path, running: embedded.RunningServers, store: Path, history: History) -> None:
        self.folder = folder
        self.running = running
        self.store = store
        self.history = history
        self.port = free_port()
        self.address = embedded.libpq_url(running.urls.admin_url)
        self.redis = Redis.from_url(running.urls.redis_url)
        self.school: School
        self.staff: list[Browser] = []
        self._admin: Person
        self.bookings: list[Taught] = []
        for kind in KINDS:
            (folder / "points" / kind).mkdir(parents=True)
        self.processes = Processes(folder, self._surroundings())

    def _surroundings(self) -> dict[str, str]:
        urls = self.running.urls
        return {
            **os.environ,
            "ZONEDESK_ENV": "development",
            "DATABASE_URL": urls.database_url,
            "DATABASE_OWNER_URL": urls.database_owner_url,
            "REDIS_URL": urls.redis_url,
            "PUBLIC_URL": f"http://127.0.0.1:{self.port}",
            "WRITE_RATE": "100000 per minute",
            "BOOKING_RATE": "100000 per minute",
            "DATA_DIR": str(self.folder),
            "CERTIFICATE_STORE": self.store.as_uri(),
            "CERTIFICATE_LEASE_SECONDS": str(LEASE_SECONDS),
            "SECRET_KEY": SECRET,
        }

    def furnish(self) -> None:
        """A school, keys, and somebody at the desk."""
        now = datetime.now(UTC)
        engine = connect(self.running.urls.database_url, pool_size=2)
        database = Database(engine, lambda job, ids: None)
        with acting_as(SYSTEM):
            self.school = school(database, now)
            with_keys(database, self.folder / "keys", now=now)
            people = [_person(database, role, now) for role in (Role.COMPANY_STAFF, Role.ADMIN)]
        engine.dispose()
        self.staff = browsers(self.address, people[0], 4, at=now)
        self._admin = people[1]

    @property
    def admin(self) -> Browser:
        """An admin who has just signed in: acts of weight want a second factor of the last ten minutes."""
        return browsers(self.address, self._admin, 1, at=datetime.now(UTC))[0]

    def begin(self, worker: Sequence[str] = ("worker.py",)) -> None:
        """Start everything, and wait until the web answers; ``worker`` is what a worker runs."""
        bind = ("-w", "2", "--threads", "4", "-b", f"127.0.0.1:{self.port}", "--no-control-socket")
        self.processes.start("web", "-m", "gunicorn", *bind, "webapp.app:create_app()", **self._armed("web"))
        for number in range(WORKERS):
            self.processes.start(f"worker-{number}", *worker, **self._armed("worker"))
        for number in range(SWEEPERS):
            self.processes.start(f"sweeper-{number}", "worker.py", "sweep", **self._armed("sweeper"))
        self.until(lambda: self.ask("GET", "/healthz") == 200, "the web server answers")

    def _armed(self, kind: str) -> dict[str, str]:
        return {"ZONEDESK_FAILPOINTS": str(self.folder / "points" / kind)}

    def teach(self, students: Sequence[int], **wishes: int) -> list[Taught]:
        """More bookings with one session left, some of which earn nobody a certificate."""
        with psycopg.connect(self.address, autocommit=True) as db:
            made = load(db, self.school, students, first=len(self.bookings), **wishes)
        self.bookings += made
        return made

    def ask(self, method: str, path: str, browser: Browser | None = None, **fields: object) -> int:
        """A request, and the status of its answer; 0 when nobody answers."""
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        body = None
        if browser is not None:
            headers["Cookie"] = browser.cookie
            body = urlencode({"csrf_token": browser.csrf, **fields})
        with closing(http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)) as line:
            try:
                line.request(method, path, body, headers)
                answer = line.getresponse()
                answer.read()
            except (OSError, http.client.HTTPException):
                return 0
        return answer.status

    def complete(self, booking: Taught, client: int = 0) -> bool:
        """Mark the last session, once; whether it was answered that it is."""
        fields: dict[str, object] = {f"mark-{student}": "present" for student in booking.students}
        path = f"/sessions/{booking.sessions[-1]}/attendance"
        browser = self.staff[client % len(self.staff)]

        def press() -> int:
            status = self.ask("POST", path, browser, outcome="completed", **fields)
            if status != 303:
                raise ConnectionError(f"status {status}")
            return status

        return self.history.ask(client, "complete", booking.id, press) is not None

    def complete_at_last(self, booking: Taught, client: int = 0) -> None:
        """Mark the last session as somebody does who presses again until the desk says that it is done."""
        ends = time.monotonic() + PATIENCE
        while not self.complete(booking, client):
            assert time.monotonic() < ends, f"booking {booking.id} could not be completed"
            time.sleep(0.3)

    def rows(self, sql: str, *parameters: Any) -> list[tuple[Any, ...]]:
        """What the database says, asked as somebody whom no policy binds."""
        with psycopg.connect(self.address, autocommit=True) as db:
            return db.execute(sql.encode(), parameters).fetchall()

    def execute(self, sql: str, *parameters: Any) -> None:
        """Change the database past every policy."""
        with psycopg.connect(self.address, autocommit=True) as db:
            db.execute(sql.encode(), parameters)

    def revoke(self, certificate_id: UUID) -> None:
        """Revoke a certificate as two people do, from this process."""
        engine = connect(self.running.urls.database_url, pool_size=2)
        with acting_as(SYSTEM):
            ring = Doorbell(self.running.urls.redis_url, timeout=5).ring
            revoke(Database(engine, ring), certificate_id, now=datetime.now(UTC))
        engine.dispose()

    def certificates(self, booking: Taught, *states: str) -> list[UUID]:
        """A booking's certificates that are in one of some states."""
        wanted = "SELECT id FROM certificates WHERE booking_id = %s AND state = ANY(%s) ORDER BY id"
        return [row[0] for row in self.rows(wanted, booking.id, list(states))]

    def breaches(self) -> dict[str, int]:
        """What the independent checkers count."""
        return checkers.breaches(self.address, self.store)

    def wait_until_sound(self, seconds: float) -> tuple[float, dict[str, int]]:
        """Wait until nothing is wrong any more; how long that took, and what is wrong still when time is up."""
        began = time.monotonic()
        while True:
            found = self.breaches()
            if not any(found.values()) or time.monotonic() - began > seconds:
                return time.monotonic() - began, found
            time.sleep(0.5)

    def until(self, met: Callable[[], object], what: str, seconds: float = PATIENCE) -> None:
        """Wait for something; fails, and says for what, when it does not come."""
        ends = time.monotonic() + seconds
        while not met():
            assert time.monotonic() < ends, f"{what}: not within {seconds:.0f} s; see {self.folder}"
            time.sleep(0.05)

    def order(self, point: Failpoint, what: str, kind: str) -> None:
        """Arm a point for the processes of a kind."""
        folder = self.folder / "points" / kind
        for path in (folder / f"{point}.hit", folder / f"{point}.reached"):
            path.unlink(missing_ok=True)
        (folder / f"{point}.new").write_text(what, "ascii")
        (folder / f"{point}.new").replace(folder / point)

    def take_back(self, point: Failpoint, kind: str) -> None:
        """Disarm a point."""
        (self.folder / "points" / kind / point).unlink(missing_ok=True)

    def was_hit(self, point: Failpoint, kind: str) -> bool:
        """Whether a process has done what was ordered, or was about to when it died of it."""
        return (self.folder / "points" / kind / f"{point}.hit").exists()

    @contextmanager
    def held(self, *names: str) -> Iterator[None]:
        """Nobody works while the block runs: the workers are stopped, and then go on but for those that are named."""
        workers = self.processes.names("worker")
        self.until(lambda: self._idle_and_stopped(workers), "the workers are idle")
        try:
            yield
        finally:
            for name in set(workers) - set(names):
                self.processes.kill(name, signal.SIGCONT)

    def _idle_and_stopped(self, workers: list[str]) -> bool:
        """Stop the workers; whether none has a work-horse, which would go on alone."""
        for name in workers:
            self.processes.kill(name, signal.SIGSTOP)
        if not any(self.processes.children(name) for name in workers):
            return True
        for name in workers:
            self.processes.kill(name, signal.SIGCONT)
        return False

    def restart_ended(self) -> list[str]:
        """Start again what has ended, server processes included."""
        self.running.revive()
        ended = self.processes.ended()
        for name in ended:
            self.processes.restart(name)
        return ended

    def end(self) -> None:
        """End the processes; the servers are whoever's who started them."""
        self.processes.end()
        self.redis.close()


def _person(database: Database, role: Role, now: datetime) -> Person:
    name = f"Person {role.value}"
    command = accounts.UserCommand(COMPANY_ID, f"{role.value}@example.org", name, role, "en")
    with database.unit_of_work() as work:
        user_id = accounts.create_user(work, command, "-", by=SYSTEM, now=now)
    return Person(user_id, command.email, name, role, COMPANY_ID)


def _mount_small_disk(stack: ExitStack, folder: Path) -> None:
    """A file system of its own under ``folder``, for as long as the stack lasts, where this user may mount one."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={DISK_MEGABYTES}m,mode=0700", "tmpfs", str(folder)]
    with contextlib.suppress(FileNotFoundError):
        if subprocess.run(mount, capture_output=True, check=False).returncode == 0:
            stack.callback(subprocess.run, ["umount", "-l", str(folder)], check=True)


@contextmanager
def certificate_desk(history: History) -> Iterator[CertificateDesk]:
    """A furnished desk none of whose processes runs yet; whatever runs at the end is ended."""
    folder = Path(tempfile.mkdtemp(prefix="zonedesk-certificates-"))
    folder.chmod(0o711)  # run by root, the servers' user has to pass through
    with ExitStack() as stack:
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        stack.callback(shutil.rmtree, stand_in(folder / "var"), ignore_errors=True)
        running = stack.enter_context(embedded.start(folder / "var", durable=True))
        migrate(running.urls.database_owner_url)
        desk = CertificateDesk(folder, running, folder / "store" / "certificates", history)
        _mount_small_disk(stack, desk.store.parent)
        stack.callback(desk.end)
        desk.furnish()
        yield desk


@contextmanager
def full_disk(desk: CertificateDesk) -> Iterator[str]:
    """No room for another byte where certificates are kept, for as long as the block runs; how that was done."""
    filler = desk.store.parent / "filler"
    if os.path.ismount(desk.store.parent):
        with filler.open("wb") as file, contextlib.suppress(OSError):
            while file.write(b"\0" * (1 << 20)):
                pass
        with filler.open("ab", buffering=0) as file, contextlib.suppress(OSError):
            while file.write(b"\0" * 512):
                pass
        try:
            yield "a small file system, filled"
        finally:
            filler.unlink()
    else:
        desk.order(Failpoint.STORING, "raise:ENOSPC@always", "worker")
        try:
            yield "a failpoint that says so"
        finally:
            desk.take_back(Failpoint.STORING, "worker")
