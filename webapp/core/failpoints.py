"""Named places where a test rig may kill, stop or fail this process, to prove that nothing is lost there.

A process can be armed only by its environment (``ZONEDESK_FAILPOINTS`` names a folder of the rig's), and refuses to be
where its desk is found under an address that is not this machine's own. Unarmed, a point costs one comparison. Armed,
it looks for a file of its own name in that folder, whose text says what to do and at which hit::

    kill@1              end this process by SIGKILL, the first time
    raise:ENOSPC@2      raise OSError with this errno, the second time
    pause:5@always      sleep so many seconds, each time

Beside it ``<point>.reached`` grows by a byte for each hit, whichever process it was, and ``<point>.hit`` appears before
anything is done. The rig removes all three before it arms the point again.
"""

from __future__ import annotations

import errno
import os
import signal
import time
from enum import StrEnum
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})
ALWAYS: Final = "always"


class Failpoint(StrEnum):
    """The way of a certificate from its booking's last session to its family's erasure. A rig hits each of them."""

    COMPLETING = "completing"
    """The last session is marked, nothing is promised yet; the transaction is open."""
    PROMISING = "promising"
    """The promises are written in that transaction."""
    BEFORE_RING = "ringing.before"
    """A transaction is committed, its jobs are not rung yet."""
    AFTER_RING = "ringing.after"
    CLAIMING = "claiming"
    """The claim is written, not committed."""
    CLAIMED = "claimed"
    RENDERED = "rendered"
    SIGNED = "signed"
    """The PDF is signed, its credential is not written."""
    CREDENTIAL = "signed.credential"
    """Both are signed, nothing is kept yet."""
    STORING = "storing"
    """A file is begun, nothing is written to it."""
    WRITTEN = "storing.written"
    """The file is whole and not synced."""
    SYNCED = "storing.synced"
    """The file is synced and has no name."""
    RENAMED = "storing.renamed"
    """The file has its name, its folder is not synced."""
    PDF_STORED = "stored.pdf"
    """The PDF is kept, its credential is not."""
    STORED = "stored"
    PUBLISHING = "publishing"
    """The certificate is published, not committed."""
    PUBLISHED = "published"
    FAILING = "failing"
    """Why a try failed is written, not committed."""
    FAILED = "failed"
    HANDING_OVER = "handing-over"
    """A job has made its share and not yet rung for the rest."""
    LISTED = "listed"
    """A list of void credentials is signed and written, not committed."""
    SWEEPING = "sweeping"
    """The sweeper begins to look for what waits too long."""
    GIVING_UP = "giving-up"
    """It has failed what was tried too often, not committed."""
    RINGING_AGAIN = "ringing-again"
    """It has found what to ring for, not committed."""
    ERASING = "erasing"
    """A family's certificates are anonymous, not committed."""
    REMOVED = "erasing.removed"
    """A file has no name any more, its folder is not synced."""
    FILE_ERASED = "erasing.file"
    """That the file is gone is written, not committed."""


class FailpointsRefused(Exception):
    """The environment would arm a desk that others can reach; the message says so in a sentence."""


_folder: Path | None = None


def arm(folder: Path | None, public_url: str) -> None:
    """Look for orders in ``folder`` from now on, ``None``: never. Raises ``FailpointsRefused``."""
    global _folder
    if folder is not None and not may_arm(public_url):
        raise FailpointsRefused("ZONEDESK_FAILPOINTS is for test rigs: PUBLIC_URL has to be on this machine.")
    _folder = folder


def may_arm(public_url: str) -> bool:
    """Whether a desk that is found under this address is nobody's but this machine's."""
    return urlsplit(public_url).hostname in LOOPBACK


def reach(point: Failpoint) -> None:
    """Be at a point. Raises the ``OSError`` that a rig ordered, or does not return."""
    if _folder is not None:
        _obey(_folder, point)


def _obey(folder: Path, point: Failpoint) -> None:
    try:
        order = (folder / point).read_text("ascii").strip()
    except FileNotFoundError:
        return
    what, _, when = order.partition("@")
    hit = _count(folder / f"{point}.reached")
    if when not in (ALWAYS, str(hit)):
        return
    (folder / f"{point}.hit").touch()
    verb, _, argument = what.partition(":")
    if verb == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif verb == "pause":
        time.sleep(float(argument))
    elif verb == "raise":
        number = getattr(errno, argument)
        raise OSError(number, os.strerror(number))
    else:
        raise ValueError(f"{point}: {order!r} is no order")


def _count(path: Path) -> int:
    """Append a byte; how many there are then, whoever else appends at the same moment."""
    handle = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(handle, b".")
        return os.lseek(handle, 0, os.SEEK_CUR)
    finally:
        os.close(handle)
