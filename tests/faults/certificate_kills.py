"""Everything that a desk's machine may do to its certificates, as a schedule drawn from a seed."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from enum import StrEnum
from itertools import islice
from random import Random

from tests.bench.taught import Taught
from tests.faults.certificate_desk import LEASE_SECONDS, CertificateDesk, full_disk
from tests.faults.processes import wait_for_end

HORSE_WITHIN = 30.0
"""Seconds in which a fault waits for a work-horse to be at work."""
LONGEST_AT_WORK = 0.15
NEED_A_HORSE = 4
"""Kinds of faults that want somebody at work, and complete a booking of the reserve for that."""


class Fault(StrEnum):
    """What can happen."""

    WORKER = "worker"
    HORSE = "horse"
    BOTH = "worker and horse"
    WEB = "web"
    WEB_SERVER = "one of the web's servers"
    SWEEPER = "sweeper"
    HORSE_HANGS = "horse hangs longer than its lease"
    WORKER_HANGS = "worker hangs"
    VALKEY = "valkey"
    FLUSH = "flush"
    POSTGRES = "postgres"
    DISK = "disk full"


def schedule(number: int, rng: Random) -> list[Fault]:
    """So many faults in an order by chance: each kind equally often, what is over goes to the work-horse."""
    each, rest = divmod(number, len(Fault))
    drawn = [*(list(Fault) * each), *([Fault.HORSE, Fault.POSTGRES, Fault.HORSE_HANGS] * rest)[:rest]]
    rng.shuffle(drawn)
    return drawn


class Hand:
    """Does the faults, and mends after each what does not mend itself. ``struck`` counts those that hit somebody.

    ``reserve`` is bookings to complete when a work-horse is wanted.
    """

    def __init__(self, desk: CertificateDesk, rng: Random, reserve: Iterator[Taught]) -> None:
        self._desk = desk
        self._rng = rng
        self._reserve = reserve
        self.struck: Counter[Fault] = Counter()
        self.in_vain: Counter[Fault] = Counter()
        self.how_full = "never"
        self._deeds: dict[Fault, Callable[[], bool]] = {
            Fault.WORKER: self._worker,
            Fault.HORSE: self._horse,
            Fault.BOTH: self._both,
            Fault.WEB: self._web,
            Fault.WEB_SERVER: self._web_server,
            Fault.SWEEPER: self._sweeper,
            Fault.HORSE_HANGS: self._horse_hangs,
            Fault.WORKER_HANGS: self._worker_hangs,
            Fault.VALKEY: self._valkey,
            Fault.FLUSH: self._flush,
            Fault.POSTGRES: self._postgres,
            Fault.DISK: self._disk,
        }

    def strike(self, fault: Fault) -> None:
        """Let a fault happen, and bring back afterwards what it ended."""
        began = time.monotonic()
        struck = self._deeds[fault]()
        (self.struck if struck else self.in_vain)[fault] += 1
        restarted = self._desk.restart_ended()
        seconds = round(time.monotonic() - began, 2)
        self._desk.history.note("fault", fault=fault, struck=struck, restarted=restarted, seconds=seconds)

    def _pause(self, least: float = 0.5, most: float = 1.5) -> None:
        time.sleep(self._rng.uniform(least, most))

    def _some(self, kind: str) -> str:
        return self._rng.choice(self._desk.processes.names(kind))

    def _at_work(self) -> tuple[str, int] | None:
        """A worker and its work-horse, somewhere in the middle of its work; None when nobody works."""
        ends = time.monotonic() + HORSE_WITHIN
        names = self._desk.processes.names("worker")
        with ThreadPoolExecutor(1) as beside:
            for booking in islice(self._reserve, 1):
                beside.submit(self._desk.complete_at_last, booking)
            while time.monotonic() < ends:
                for name in names:
                    horse = self._desk.processes.horse(name, 0)
                    if horse is not None:
                        time.sleep(self._rng.uniform(0, LONGEST_AT_WORK))
                        if horse in self._desk.processes.children(name):
                            return name, horse
                time.sleep(0.002)
        return None

    def _worker(self) -> bool:
        """The parent alone: its work-horse works on, and nobody hears of it."""
        found = self._at_work()
        self._desk.processes.kill(found[0] if found else self._some("worker"))
        self._pause()
        return True

    def _horse(self) -> bool:
        found = self._at_work()
        return found is not None and _signalled(found[1], signal.SIGKILL)

    def _both(self) -> bool:
        found = self._at_work()
        if found is None:
            return False
        self._desk.processes.kill(found[0])
        _signalled(found[1], signal.SIGKILL)
        self._pause()
        return True

    def _web(self) -> bool:
        """The web's parent; its servers notice within a second, and only then the port is free."""
        self._desk.processes.kill("web", signal.SIGSTOP)  # or it might have one more server than are waited for
        servers = self._desk.processes.children("web")
        self._desk.processes.kill("web")
        for pid in servers:
            wait_for_end(pid)
        return True

    def _web_server(self) -> bool:
        servers = self._desk.processes.children("web")
        return bool(servers) and _signalled(self._rng.choice(servers), signal.SIGKILL)

    def _sweeper(self) -> bool:
        self._desk.processes.kill(self._some("sweeper"))
        self._pause()
        return True

    def _horse_hangs(self) -> bool:
        """Stopped until another may have made the same certificate, and then let go on with its own."""
        found = self._at_work()
        if found is None or not _signalled(found[1], signal.SIGSTOP):
            return False
        time.sleep(LEASE_SECONDS + self._rng.uniform(1, 4))
        _signalled(found[1], signal.SIGCONT)
        return True

    def _worker_hangs(self) -> bool:
        name = self._some("worker")
        self._desk.processes.kill(name, signal.SIGSTOP)
        self._pause(1, 4)
        self._desk.processes.kill(name, signal.SIGCONT)
        return True

    def _valkey(self) -> bool:
        self._kill_server("valkey")
        self._pause()
        return True

    def _flush(self) -> bool:
        self._desk.redis.flushall()
        return True

    def _postgres(self) -> bool:
        self._kill_server("postgres")
        self._pause()
        return True

    def _kill_server(self, name: str) -> None:
        pid = self._desk.running.pids()[name]
        os.kill(pid, signal.SIGKILL)
        wait_for_end(pid)

    def _disk(self) -> bool:
        with full_disk(self._desk) as how:
            self.how_full = how
            self._pause(3, 6)
        return True


def _signalled(pid: int, number: signal.Signals) -> bool:
    """Whether there was still somebody to signal."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)
        return True
    return False
