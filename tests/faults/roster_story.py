"""One run of F6: people who look, book and approve, a trainer service that renames trainers, and what came of it."""

from __future__ import annotations

import threading
import time
from base64 import b64encode
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.faults.page_views import RosterLog, View, Visitors
from tests.faults.roster_desk import Deed, RosterDesk
from tests.faults.world import SEED

RATE = 20.0
"""Pages a second."""
PROBES = 5.0
DEED_EVERY = 2.0
EDIT_EVERY = 4.0
HOOK_SECRET = "whsec_" + b64encode(b"only-for-tests-of-faults").decode()


@dataclass
class Story:
    """What happened in one run."""

    log: RosterLog
    views: list[View] = field(default_factory=list)
    health: list[View] = field(default_factory=list)
    proposals: dict[str, list[Deed]] = field(default_factory=dict)
    approvals: list[Deed] = field(default_factory=list)
    calls_a_minute: dict[str, float] = field(default_factory=dict)
    renamed: dict[str, str] = field(default_factory=dict)
    messages_refused: int = 0

    def of(self, *phases: str) -> list[View]:
        """The views of some phases."""
        return [view for view in self.views if view.phase in phases]


@contextmanager
def every(seconds: float, deed: Callable[[], None]) -> Iterator[None]:
    """Do something again and again while the block runs. What it raises is raised at the end."""
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            deed()

    with ThreadPoolExecutor(1) as one:
        done = one.submit(repeat)
        try:
            yield
        finally:
            stop.set()
        done.result()


def live(desk: RosterDesk, story: Story, phase: str, seconds: float) -> None:
    """Let people look, book and approve, and the service rename trainers and say so; count what it is asked."""
    visitors = Visitors(desk.port, desk.visits, seed=SEED)
    probes = Visitors(desk.port, [(desk.admin, "/healthz")], seed=SEED)
    proposed = story.proposals.setdefault(phase, [])

    def deed() -> None:
        proposed.append(desk.propose())
        if len(proposed) % 2 == 0 and proposed[-1].status == 303:
            story.approvals.append(desk.approve(proposed[-1].booking_id))

    def rename() -> None:
        service_id = f"T{desk.rng.randrange(1, desk.trainers + 1):06d}"
        story.renamed[service_id] = f"Renamed {len(story.renamed)}"
        desk.service.edit(service_id, name=story.renamed[service_id])
        told = desk.service.send_hook(desk.url, service_id, secret=HOOK_SECRET)
        story.messages_refused += not told.is_success

    desk.service.reset_counts()
    began = time.monotonic()
    with every(DEED_EVERY, deed), every(EDIT_EVERY, rename), ThreadPoolExecutor(1) as beside:
        health = beside.submit(probes.look, phase, seconds=seconds, rate=PROBES)
        story.views += visitors.look(phase, seconds=seconds, rate=RATE)
        story.health += health.result()
        story.calls_a_minute[phase] = desk.service.asked * 60 / (time.monotonic() - began)
