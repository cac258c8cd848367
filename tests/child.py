"""A process of its own for something that tests talk to: it tells its port, and ends with whoever started it."""

from __future__ import annotations

import contextlib
import os
import select
import subprocess
import sys
import threading
from collections.abc import Iterator

from tests.services import ROOT

START_SECONDS = 30.0
STOP_SECONDS = 10.0


@contextlib.contextmanager
def child(module: str, *arguments: str) -> Iterator[int]:
    """Run ``python -m module`` while the block runs; yields the port it prints. It is stopped however the block ends.

    Its standard input is ours to hold: when this process dies, even by SIGKILL, the input closes and the child goes.
    """
    process = subprocess.Popen(
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert process.stdin
    assert process.stdout
    try:
        said = process.stdout.readline() if select.select([process.stdout], [], [], START_SECONDS)[0] else b""
        if not said.strip().isdigit():
            raise RuntimeError(f"{module} did not start")
        yield int(said)
    finally:
        with contextlib.suppress(BrokenPipeError):
            process.stdin.close()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def serve_until_parent_goes(port: int) -> None:
    """For the child: tell the port, and end this process when standard input closes."""
    print(port, flush=True)

    def watch() -> None:
        while os.read(sys.stdin.fileno(), 4096):
            pass
        os._exit(0)  # threads may sit in a slow answer; nothing here is worth waiting for

    threading.Thread(target=watch, daemon=True).start()
