"""The sweeper: a plain loop that does what is due while it leads. Losing a server makes it wait, never stop.

What it does must bear being done twice: when a leader hangs longer than its lease, the next one begins.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.ops import service
from webapp.queue.schedule import Timetable

TICK: Final = 1.0
"""Seconds between two looks at the timetable."""
RENEW_EVERY: Final = 5.0
"""Seconds between two renewals of the lease, a third of its length."""
LONGEST_PAUSE: Final = 15.0
"""Seconds of the longest wait after the database did not answer."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Periodic:
    """Work that comes round in the sweeper's own process: a job's handler, or what rings that job again."""

    job: JobName
    every: timedelta
    handler: Callable[[JobContext], object]


class Sweeper:
    """Does the entries that are due, each through ``perform``, while it holds the leadership.

    ``holder`` names this process among all others; ``monotonic`` is a clock in seconds.
    """

    def __init__(
        self,
        context: JobContext,
        entries: Sequence[Periodic],
        perform: Callable[[Periodic], None],
        *,
        holder: str,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._context = context
        self._entries = entries
        self._perform = perform
        self._holder = holder
        self._monotonic = monotonic
        self._timetable: Timetable[Periodic] | None = None
        self._renewed_at = 0.0

    @property
    def leads(self) -> bool:
        """Whether it led when it last asked."""
        return self._timetable is not None

    def run(self, stop: threading.Event) -> None:
        """Loop until ``stop`` is set, then release the leadership."""
        pause = TICK
        while not stop.is_set():
            try:
                self.step()
                pause = TICK
            except (SQLAlchemyError, OSError) as error:
                self._timetable = None
                log.warning("sweeper.waits", error=type(error).__name__, seconds=pause)
                stop.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)
            stop.wait(TICK)
        self.resign()

    def step(self) -> None:
        """Take or renew the lead and do what is due. Raises what the database raises when it does not answer.

        A failing entry is logged and comes round again; it never keeps the others from their turn.
        """
        if not self._keep_lead() or self._timetable is None:
            return
        for entry in self._timetable.due(self._monotonic()):
            if not self._keep_lead():
                return
            try:
                self._perform(entry)
            except Exception:
                log.exception("sweep.failed", job=entry.job.value)

    def resign(self) -> None:
        """Release the leadership, if the database can be told."""
        if not self.leads:
            return
        self._timetable = None
        try:
            with self._context.unit_of_work() as work:
                service.release(work, service.SWEEPER, self._holder)
            log.info("sweeper.resigned")
        except (SQLAlchemyError, OSError) as error:
            log.warning("sweeper.resigned_unheard", error=type(error).__name__)

    def _keep_lead(self) -> bool:
        at = self._monotonic()
        if self.leads and at - self._renewed_at < RENEW_EVERY:
            return True
        with self._context.unit_of_work() as work:
            leads = service.take_lead(work, service.SWEEPER, self._holder)
        if not leads:
            if self.leads:
                log.warning("sweeper.overtaken")
            self._timetable = None
            return False
        if not self.leads:
            log.info("sweeper.leads")
            self._timetable = Timetable(self._entries, at=at)
        self._renewed_at = at
        return True
