"""The desk's processes, one by one: started, killed, stopped and started again, and the work-horses among them."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path

from tests.services import ROOT
from webapp.embedded.processes import end_with_parent


def free_port() -> int:
    """A port that nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_end(pid: int, seconds: float = 30.0) -> bool:
    """Whether a process, anybody's child, ends in time (Linux)."""
    try:
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], seconds)[0])
    finally:
        os.close(handle)


class Processes:
    """Processes by name, each in a session of its own, with a log of its own. ``end`` leaves nothing running."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder = folder
        self._env = dict(env)
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._commands: dict[str, tuple[tuple[str, ...], dict[str, str]]] = {}
        self._sessions: set[int] = set()

    def start(self, name: str, *command: str, **changed: str) -> None:
        """Start ``python …`` under a name."""
        self._commands[name] = (command, changed)
        with (self._folder / f"{name}.log").open("ab") as out:
            process = subprocess.Popen(
                [sys.executable, *command],
                cwd=ROOT,
                env={**self._env, **changed},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(signal.SIGTERM),
            )
        self._running[name] = process
        self._sessions.add(process.pid)

    def restart(self, name: str) -> None:
        """Start again what ended, as it was started."""
        command, changed = self._commands[name]
        self.start(name, *command, **changed)

    def pid(self, name: str) -> int:
        """The process's number."""
        return self._running[name].pid

    def names(self, kind: str) -> list[str]:
        """The names of one kind: ``worker-0``, ``worker-1``."""
        return [name for name in self._running if name.split("-")[0] == kind]

    def ended(self) -> list[str]:
        """Which have ended by now."""
        return [name for name, process in self._running.items() if process.poll() is not None]

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """SIGKILL, and wait until it is gone; with another signal, only send that."""
        self._running[name].send_signal(number)
        if number is signal.SIGKILL:
            self._running[name].wait(30)

    def children(self, name: str) -> list[int]:
        """A process's children: the work-horse of a worker, the servers of the web's."""
        pid = self.pid(name)
        try:
            found = Path(f"/proc/{pid}/task/{pid}/children").read_text("utf-8")
        except (FileNotFoundError, ProcessLookupError):
            return []
        return [int(child) for child in found.split()]

    def horse(self, name: str, seconds: float) -> int | None:
        """The work-horse a worker has, or gets within so many seconds."""
        ends = time.monotonic() + seconds
        while not (found := self.children(name)):
            if time.monotonic() > ends:
                return None
            time.sleep(0.002)
        return found[0]

    def end(self) -> None:
        """End everything, orphans of killed parents as well: they are still in the sessions that were begun here."""
        for process in self._running.values():
            with contextlib.suppress(ProcessLookupError):
                process.send_signal(signal.SIGCONT)
                process.terminate()
        ends = time.monotonic() + 10
        for process in self._running.values():
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(max(0.1, ends - time.monotonic()))
        for pid in self._members():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for process in self._running.values():
            process.wait(30)

    def _members(self) -> list[int]:
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                stat = (entry / "stat").read_text("utf-8", "replace").rsplit(")", 1)[1].split()
                if int(stat[3]) in self._sessions and stat[0] != "Z":
                    found.append(int(entry.name))
        return found
