"""``python worker.py [QUEUE]``: one RQ worker. ``python worker.py sweep``: the sweeper and its periodic work.

Both stop gracefully on SIGTERM and SIGINT. Any number of either may run; of the sweepers one leads. Exit code 2: the
environment is not fit to boot from.
"""

from __future__ import annotations

import logging
import os
import signal
import socket
import sys
import threading

from webapp import jobs, logs
from webapp.config import Settings, SettingsError, load_settings
from webapp.core import clock, failpoints
from webapp.core.ids import new_id
from webapp.db.job_context import JobContext
from webapp.ops.sweeper import Periodic, Sweeper
from webapp.queue import worker
from webapp.queue.doorbell import QUEUE


def main(arguments: list[str]) -> int:
    """Run what the arguments ask for until it is asked to stop."""
    if len(arguments) > 1 or arguments[:1] in (["-h"], ["--help"]):
        sys.stderr.write(__doc__ or "")
        return 2
    try:
        settings = load_settings()
    except SettingsError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    clock.start_at(settings.starts_at)
    failpoints.arm(settings.failpoints, settings.public_url)
    if arguments == ["sweep"]:
        sweep(settings)
    else:
        # Work-horses are forked off this process: it loads the code they need, but never compiles or connects.
        import webapp.certificates.signing.keyring  # noqa: F401 - takes half a second, once instead of for each job

        logs.configure(settings)
        worker.serve(settings.redis_url, arguments[0] if arguments else QUEUE)
    return 0


def sweep(settings: Settings) -> None:
    """Sweep until SIGTERM or SIGINT, then hand the leadership on."""
    context = jobs.make_context(settings)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda _number, _frame: stop.set())
    holder = f"{socket.gethostname()[:64]}-{os.getpid()}-{new_id().hex}"
    Sweeper(context, jobs.PERIODIC, lambda entry: perform(context, entry), holder=holder).run(stop)


def perform(context: JobContext, entry: Periodic) -> None:
    """Do one entry of the timetable in this process; it comes round too often for a line in the log each time."""
    jobs.perform(context, entry.job, entry.handler, {}, level=logging.DEBUG)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
