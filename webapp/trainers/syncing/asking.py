"""Asking the deployed contract for single trainers, four at once."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Final

from webapp.clients.trainer_service.said import Said, ServiceFailed
from webapp.trainers.syncing.stage import Stage

AT_ONCE: Final = 4
"""More would ask a service too much that knows no other way than one by one."""
_LOOK_UP: Final = 5.0
"""Seconds after which somebody who waits for slow answers sees to the lease."""


@dataclass(slots=True)
class Answers:
    """What came of asking for some trainers: nothing for those whom the service does not know."""

    said: dict[str, Said | None] = field(default_factory=dict)
    failure: ServiceFailed | None = None
    """The first that failed; after it nobody else was asked for."""


def ask_for(stage: Stage, ids: Iterable[str]) -> Answers:
    """Ask for trainers by id until all are there, one cannot be had, or the process has to hand over."""
    answers, waiting = Answers(), deque(ids)
    with ThreadPoolExecutor(AT_ONCE, thread_name_prefix="trainer-service") as crowd:
        asked: dict[Future[Said | None], str] = {}
        while True:
            while waiting and len(asked) < AT_ONCE and answers.failure is None and not stage.is_over:
                service_id = waiting.popleft()
                asked[crowd.submit(stage.service.legacy_trainer, service_id)] = service_id
            if not asked:
                return answers
            done, _still = wait(asked, timeout=_LOOK_UP, return_when=FIRST_COMPLETED)
            for one in done:
                service_id = asked.pop(one)
                try:
                    answers.said[service_id] = one.result()
                except ServiceFailed as failure:
                    answers.failure = answers.failure or failure
            stage.renew()
