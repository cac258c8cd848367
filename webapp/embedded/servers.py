"""Start and stop of the two embedded servers together."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO, Self

import psycopg

from webapp.embedded import postgres, valkey
from webapp.embedded.errors import EmbeddedError
from webapp.embedded.place import find_place
from webapp.embedded.processes import end_leftovers, stop

START_SECONDS = 60.0
"""How long a server may take until it answers; recovery after a crash of the machine is what takes long."""
_SIGNALS = {"postgres": (signal.SIGINT, signal.SIGQUIT), "valkey": (signal.SIGTERM, signal.SIGTERM)}
"""How each is stopped, politely and firmly; SIGINT is PostgreSQL's "fast": clients are ended, nothing is lost."""
_SECRETS = ("id", postgres.SUPERUSER, postgres.OWNER, postgres.APP, postgres.BACKUP, "valkey")


@dataclass(frozen=True, slots=True)
class EmbeddedServers:
    """Addresses of the running servers, passwords included, which is why none of them shows in a ``repr``."""

    database_url: str = field(repr=False)
    """For serving: ``zonedesk_app``, who owns nothing."""
    database_owner_url: str = field(repr=False)
    """For migrating: ``zonedesk_owner``, who owns the database."""
    redis_url: str = field(repr=False)
    backup_url: str = field(repr=False)
    """For dumping: ``zonedesk_backup``, who reads everything and writes nothing."""
    admin_url: str = field(repr=False)
    """PostgreSQL's superuser, for making databases in tests; no part of Zonedesk is ever given it."""


class RunningServers:
    """Both servers, running until `stop`; a context manager."""

    def __init__(
        self,
        urls: EmbeddedServers,
        processes: dict[str, subprocess.Popen[bytes]],
        lock: IO[str],
        bring_up: Callable[[str], None],
    ) -> None:
        self.urls = urls
        self._processes = processes
        self._lock = lock
        self._bring_up = bring_up

    def dead(self) -> str | None:
        """Name of a server that ended by itself (``postgres`` or ``valkey``), ``None`` while both run."""
        return next((name for name, process in self._processes.items() if process.poll() is not None), None)

    def pids(self) -> dict[str, int]:
        """Process ids by server name."""
        return {name: process.pid for name, process in self._processes.items()}

    def revive(self) -> None:
        """Start a server again that ended by itself, at its address, and return when it answers.

        Raises `EmbeddedError` when it does not start, or another process has taken its port meanwhile.
        """
        while (name := self.dead()) is not None:
            self._bring_up(name)

    def stop(self) -> None:
        """Stop both servers cleanly and let go of the data folder. Harmless when called again."""
        _stop_all(self._processes)
        self._lock.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start(data_dir: Path, *, durable: bool = True) -> RunningServers:
    """Start both servers on ``data_dir``, made when absent, and return when they answer.

    Servers left behind by a killed process are stopped first. ``durable=False`` is for tests: nothing is synced to
    disk and Valkey keeps nothing. Raises `EmbeddedError`, with nothing left running.
    """
    data_dir = data_dir.resolve()
    control, log = data_dir / "embedded", data_dir / "log"
    running: dict[str, subprocess.Popen[bytes]] = {}
    with contextlib.ExitStack() as undo, _one_sentence(data_dir):
        log.mkdir(parents=True, exist_ok=True)
        if not control.exists():
            control.mkdir()
            control.chmod(0o711)  # the servers' user passes through; the files in it are closed one by one
        lock = undo.enter_context(_locked(control / "lock"))
        undo.callback(_stop_all, running)
        keys = _kept_secrets(control)
        place = find_place(data_dir, keys["id"])
        end_leftovers(place.data / "postgres", "postgres", signal.SIGINT)
        end_leftovers(place.data / "valkey", "valkey-server", signal.SIGTERM)
        postgres.initialise(place, keys[postgres.SUPERUSER], durable=durable)
        ports = _kept_ports(control)

        def admin_url() -> str:
            return postgres.address(postgres.SUPERUSER, keys[postgres.SUPERUSER], ports["postgres"])

        def bring_up(name: str) -> None:
            if name == "postgres":
                _bring_up(
                    *(running, name, ports, log / "postgres.log"),
                    lambda port, file: postgres.launch(place, port, file, durable=durable),
                    lambda port: postgres.answers(admin_url()),
                )
            else:
                _bring_up(
                    *(running, name, ports, log / "valkey.log"),
                    lambda port, file: valkey.launch(place, port, keys["valkey"], file, durable=durable),
                    lambda port: valkey.answers(keys["valkey"], port),
                )

        def bring_up_again(name: str) -> None:
            before = ports[name]
            bring_up(name)
            if ports[name] != before:
                raise EmbeddedError(f"Port {before} of the {name} server was taken by another process.")

        for name in ("postgres", "valkey"):
            bring_up(name)
        _write(control / "ports.json", ports, mode=0o644)
        postgres.make_roles(admin_url(), keys)
        _leave_to_owner(data_dir)
        undo.pop_all()
        urls = EmbeddedServers(
            database_url=postgres.address(postgres.APP, keys[postgres.APP], ports["postgres"]),
            database_owner_url=postgres.address(postgres.OWNER, keys[postgres.OWNER], ports["postgres"]),
            redis_url=valkey.address(keys["valkey"], ports["valkey"]),
            backup_url=postgres.address(postgres.BACKUP, keys[postgres.BACKUP], ports["postgres"]),
            admin_url=admin_url(),
        )
        return RunningServers(urls, running, lock, bring_up_again)


def port_is_free(port: int) -> bool:
    """Whether a server of this user could listen on this port of 127.0.0.1 now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((postgres.HOST, port))
        except OSError:
            return False
    return True


def _leave_to_owner(data_dir: Path) -> None:
    """Run by root on an ordinary user's data folder: the files made here stay usable for that user."""
    if os.geteuid() == 0:
        owner = data_dir.stat()
        for path in (
            *(data_dir / "log").iterdir(),
            *(data_dir / "embedded").glob("*.json"),
            data_dir / "embedded/lock",
        ):
            os.chown(path, owner.st_uid, owner.st_gid, follow_symlinks=False)


def _stop_all(processes: Mapping[str, subprocess.Popen[bytes]]) -> None:
    for name, process in reversed(list(processes.items())):
        stop(process, *_SIGNALS[name])


@contextlib.contextmanager
def _one_sentence(data_dir: Path) -> Iterator[None]:
    """Word the failures of the file system and of the database as one sentence."""
    try:
        yield
    except OSError as error:
        where = f" ({error.filename})" if error.filename else ""
        raise EmbeddedError(f"The data folder {data_dir} cannot be used: {error.strerror}{where}.") from error
    except psycopg.Error as error:
        reason = (str(error).strip() or "no reason given").splitlines()[0]
        raise EmbeddedError(f"The embedded PostgreSQL could not be set up: {reason}.") from error


def _locked(path: Path) -> IO[str]:
    """The lock file, locked for this process alone; the lock goes with the process, however that ends."""
    lock = path.open("a+", encoding="ascii")
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise EmbeddedError(
            f"The servers of {path.parent.parent} are already run by another process (pid {holder})."
        ) from error
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def _kept_secrets(control: Path) -> dict[str, str]:
    """The secrets of this data folder, made and kept where only this user reads them when there are none."""
    path = control / "secrets.json"
    try:
        kept = {str(key): str(value) for key, value in json.loads(path.read_text("utf-8")).items()}
        # A role that a later version knows gets its password when that version first starts.
        missing = {name: secrets.token_urlsafe(24) for name in _SECRETS if name not in kept}
        if missing and "id" in kept:
            kept |= missing
            _write(path, kept, mode=0o600)
        return kept
    except FileNotFoundError:
        if (control / "servers" / "postgres").exists():
            raise EmbeddedError(
                f"{path} is missing, so nobody can open the database beside it: put it back, or delete {control} "
                "to begin anew."
            ) from None
    except (ValueError, AttributeError) as error:
        raise EmbeddedError(f"{path} is damaged: put a good copy back, or delete {control} to begin anew.") from error
    made = {name: secrets.token_urlsafe(24) for name in _SECRETS}
    _write(path, made, mode=0o600)
    return made


def _write(path: Path, values: Mapping[str, str | int], *, mode: int) -> None:
    """Write JSON so that a crash leaves the old file or the new one, never half of one."""
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    with open(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        json.dump(values, file)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)


def _kept_ports(control: Path) -> dict[str, int]:
    """The ports of the last run, where they are still free, and other free ones where not."""
    kept: dict[str, int] = {}
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        kept = {str(name): int(port) for name, port in json.loads((control / "ports.json").read_text("utf-8")).items()}
    ports: dict[str, int] = {}
    for name in ("postgres", "valkey"):
        port = kept.get(name, 0)
        while not port or port in ports.values() or not port_is_free(port):
            port = _some_port()
        ports[name] = port
    return ports


def _some_port() -> int:
    with socket.socket() as probe:
        probe.bind((postgres.HOST, 0))
        return int(probe.getsockname()[1])


def _bring_up(
    running: dict[str, subprocess.Popen[bytes]],
    name: str,
    ports: dict[str, int],
    log: Path,
    launch: Callable[[int, Path], subprocess.Popen[bytes]],
    answers: Callable[[int], bool],
) -> None:
    """Start one server and wait until it answers; take another port when the one meant for it was just taken."""
    ends = time.monotonic() + START_SECONDS
    while True:
        begin = log.stat().st_size if log.exists() else 0
        try:
            running[name] = launch(ports[name], log)
        except OSError as error:
            raise EmbeddedError(f"The {name} server cannot be run: {error.strerror} ({error.filename}).") from error
        while running[name].poll() is None and not answers(ports[name]):
            if time.monotonic() > ends:
                raise EmbeddedError(f"The {name} server did not answer in {START_SECONDS:.0f} seconds; see {log}.")
            time.sleep(0.02)
        if running[name].poll() is None:
            return
        said = log.read_bytes()[begin:].decode("utf-8", "replace") if log.stat().st_size >= begin else ""
        if time.monotonic() < ends and "in use" in said:
            # The port was taken between our look and the start; or, after a crash, the last backends of the old
            # server are still letting go of its shared memory.
            ports[name] = _some_port() if "ddress" in said else ports[name]
            time.sleep(0.1)
            continue
        raise EmbeddedError(f"The {name} server did not start: {(said.strip() or 'it said nothing').splitlines()[-1]}")
