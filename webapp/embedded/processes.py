"""Server processes: whom they run as, how they end with their parent, and how leftovers are found and stopped."""

from __future__ import annotations

import contextlib
import ctypes
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from webapp.embedded.errors import EmbeddedError

STOP_SECONDS = 30.0
"""How long a server may take to stop when asked politely; PostgreSQL writes a checkpoint then."""
LOG_BYTES = 5_000_000
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C", "TZ": "UTC"}
"""All that the servers are told of the environment: no secret of the application reaches them."""
_PR_SET_PDEATHSIG = 1


@dataclass(frozen=True, slots=True)
class ServerUser:
    """Whom the servers run as; ``None`` ids mean the user of this process."""

    uid: int | None = None
    gid: int | None = None

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a short command as this user and capture what it says."""
        return subprocess.run(
            [str(part) for part in command],
            user=self.uid,
            group=self.gid,
            extra_groups=None if self.uid is None else [],
            env=ENVIRONMENT,
            cwd="/",
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )

    def launch(
        self, command: Sequence[str | Path], log: Path, *, end: signal.Signals, stdin: str = ""
    ) -> subprocess.Popen[bytes]:
        """Start a server in a session of its own, so that Ctrl-C reaches it only through us.

        On Linux the kernel sends it ``end`` when this process dies, even by SIGKILL.
        """
        if log.exists() and log.stat().st_size > LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        with log.open("ab") as out:
            process = subprocess.Popen(
                [str(part) for part in command],
                user=self.uid,
                group=self.gid,
                extra_groups=None if self.uid is None else [],
                env=ENVIRONMENT,
                cwd="/",
                stdin=subprocess.PIPE,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=end_with_parent(end),
            )
        if process.stdin:
            with contextlib.suppress(BrokenPipeError), process.stdin:
                process.stdin.write(stdin.encode())
        return process

    def give(self, top: Path) -> None:
        """Make this user the owner of a path inside the data folder, and of all below it."""
        if self.uid is None or self.gid is None:
            return
        for path in (top, *top.rglob("*")):
            os.chown(path, self.uid, self.gid, follow_symlinks=False)

    def copy(self, source: Path, target: Path) -> None:
        """Copy a folder for this user, all or nothing."""
        half = target.with_name(target.name + ".new")
        shutil.rmtree(half, ignore_errors=True)
        shutil.copytree(source, half, symlinks=True)
        self.give(half)
        half.replace(target)


def end_with_parent(end: signal.Signals) -> Callable[[], None] | None:
    """A ``preexec_fn`` that asks Linux to send ``end`` when the parent dies; elsewhere nothing.

    The kernel ties this to the starting *thread*, so it is left out when that is not the main one.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return None
    libc = ctypes.CDLL(None)
    parent = os.getpid()

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(end))
        if os.getppid() != parent:  # the parent died before the kernel was told
            os._exit(1)

    return ask


def stop(process: subprocess.Popen[bytes], gently: signal.Signals, firmly: signal.Signals) -> None:
    """Stop a process of ours: ``gently``, then ``firmly``, then by SIGKILL. Nothing happens when it has ended."""
    for how, seconds in ((gently, STOP_SECONDS), (firmly, 5.0), (signal.SIGKILL, None)):
        if process.poll() is None:
            process.send_signal(how)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(seconds)


def end_leftovers(folder: Path, binary: str, gently: signal.Signals) -> None:
    """Stop what a killed process left running on ``folder``, so that its files are nobody's but ours.

    Only the topmost processes are told: a server ends its own children. Raises EmbeddedError when one stays.
    """
    told: set[tuple[int, int]] = set()
    ends = time.monotonic() + STOP_SECONDS
    while left := _processes_at(folder, binary):
        late = time.monotonic() - ends
        if late > 10.0:
            raise EmbeddedError(f"A {binary} process left running on {folder} cannot be stopped.")
        how = signal.SIGKILL if late > 0 else gently
        for pid, parent in left.items():
            if (late > 0 or parent not in left) and (pid, how) not in told:
                told.add((pid, how))
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, how)
        time.sleep(0.02)


def _processes_at(folder: Path, binary: str) -> dict[int, int]:
    """The processes of ``binary`` that work in ``folder``, each with its parent, whatever a pid file says."""
    if not Path("/proc/self/stat").exists():
        return _process_of_pid_file(folder, binary)
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            with contextlib.suppress(OSError):  # it ended meanwhile, or is another user's
                name, rest = (entry / "stat").read_text("utf-8").split("(", 1)[1].rsplit(")", 1)
                if name == binary and _folder_of(entry) == str(folder):
                    found[int(entry.name)] = int(rest.split()[1])
    return found


def _folder_of(entry: Path) -> str:
    """Where a process works, by its folder in /proc. Raises OSError when it is gone or hidden from us."""
    try:
        return os.readlink(entry / "cwd")
    except PermissionError:
        # In a container root may not look at processes of others, unless it was given CAP_SYS_PTRACE; they may.
        owner = entry.stat()
        user = ServerUser() if owner.st_uid == os.geteuid() else ServerUser(owner.st_uid, owner.st_gid)
        return user.run("readlink", entry / "cwd").stdout.rstrip("\n")


def _process_of_pid_file(folder: Path, binary: str) -> dict[int, int]:
    """Without /proc: the process that PostgreSQL's pid file names, if its command line agrees."""
    with contextlib.suppress(FileNotFoundError, ValueError):
        pid = int((folder / "postmaster.pid").read_text("utf-8").split("\n")[0])
        command = ServerUser().run("ps", "-o", "command=", "-p", str(pid)).stdout
        if binary in command and str(folder) in command:
            return {pid: 1}
    return {}
