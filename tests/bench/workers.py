"""Workers as ``make run`` starts them, and how much memory they and their work-horses take."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

from tests.services import ROOT
from webapp.queue.worker import pulse

Kind = Literal["worker", "horse"]
LOOK_EVERY = 0.1
START_SECONDS = 120.0


@dataclass
class Memory:
    """What was seen: at which second a process of a kind held how many megabytes for itself and with others."""

    looks: list[tuple[float, Kind, float]] = field(default_factory=list)

    def highest(self, kind: Kind) -> float:
        """The most one process of a kind held; 0 when none was seen."""
        return max((megabytes for _, of, megabytes in self.looks if of == kind), default=0.0)

    def growth(self, kind: Kind) -> float:
        """The highest of the last quarter of the time against that of the first."""
        mine = [(at, megabytes) for at, of, megabytes in self.looks if of == kind]
        if not mine:
            return 1.0
        begins, ends = mine[0][0], mine[-1][0]
        quarter = (ends - begins) / 4
        first = max(megabytes for at, megabytes in mine if at <= begins + quarter)
        last = max(megabytes for at, megabytes in mine if at >= ends - quarter)
        return last / first


class Workers:
    """So many workers, until the block ends."""

    def __init__(self, env: Mapping[str, str], folder: Path, number: int) -> None:
        self._env = dict(env)
        self._log = folder / "workers.log"
        self._number = number
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        with self._log.open("ab") as out:
            for _ in range(self._number):
                self._processes.append(
                    subprocess.Popen(
                        [sys.executable, "worker.py"],
                        cwd=ROOT,
                        env=self._env,
                        stdin=subprocess.DEVNULL,
                        stdout=out,
                        stderr=subprocess.STDOUT,
                    )
                )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for process in self._processes:
            process.terminate()
        for process in self._processes:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(30)
            process.kill()
            process.wait()

    def ended(self) -> bool:
        """Whether one has ended by itself."""
        return any(process.poll() is not None for process in self._processes)

    def wait_until_idle(self) -> None:
        """Return when all are up and wait for work. Raises ``RuntimeError`` when that does not come."""
        ends = time.monotonic() + START_SECONDS
        while not self._idle():
            if self.ended() or time.monotonic() > ends:
                raise RuntimeError(f"the workers did not start; see {self._log}")
            time.sleep(0.05)

    def _idle(self) -> bool:
        found = pulse(self._env["REDIS_URL"], timeout=5)
        horses = any(_children(process.pid) for process in self._processes)
        return found.workers == self._number and found.waiting == 0 and not horses

    @contextmanager
    def watched(self) -> Iterator[Memory]:
        """Look at the memory of all of them for as long as the block runs."""
        memory, stop = Memory(), threading.Event()

        def watch() -> None:
            while not stop.wait(LOOK_EVERY):
                for process in self._processes:
                    self._look(process.pid, memory)

        watcher = threading.Thread(target=watch, daemon=True)
        watcher.start()
        try:
            yield memory
        finally:
            stop.set()
            watcher.join(10)

    def _look(self, pid: int, memory: Memory) -> None:
        at = time.monotonic()
        with contextlib.suppress(OSError):
            memory.looks.append((at, "worker", _megabytes(pid)))
            for child in _children(pid):
                memory.looks.append((at, "horse", _megabytes(child)))


def _children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8").split()]
    return []


def _megabytes(pid: int) -> float:
    """The resident memory of a process (Linux)."""
    with Path(f"/proc/{pid}/status").open(encoding="utf-8") as lines:
        for line in lines:
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) / 1024
    raise FileNotFoundError(f"process {pid} has ended")
