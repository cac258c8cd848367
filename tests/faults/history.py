"""What the clients saw, written down while it happens: one line per request, and what became of it.

``ok`` must be in the database, ``fail`` must not, ``unknown`` (an error nobody expected) may be either.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from statistics import quantiles
from typing import Any, TypeVar

from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Event:
    """One request: who asked for what, what was said, and after how many seconds."""

    client: int
    what: str
    subject: str
    outcome: str
    code: str
    took: float
    facts: dict[str, str] = field(default_factory=dict)


class History:
    """All requests of one test, and the file they are kept in."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.events: list[Event] = []
        self.unexpected: list[BaseException] = []
        self._file = path.open("w", encoding="utf-8")
        self._lock = threading.Lock()

    def ask(
        self,
        client: int,
        what: str,
        subject: object,
        request: Callable[[], T],
        told: Callable[[T], dict[str, Any]] = lambda answer: {},
    ) -> T | None:
        """Make a request and write down what became of it; the answer, or ``None`` when it was refused or failed."""
        self._write({"client": client, "what": what, "subject": str(subject), "outcome": "invoke"})
        began = time.monotonic()
        answer: T | None = None
        facts: dict[str, str] = {}
        try:
            answer = request()
        except (Conflict, Forbidden, Invalid, NotFound) as refusal:
            outcome, code = "fail", refusal.code
        except Exception as error:
            outcome, code = "unknown", type(error).__name__
            self.unexpected.append(error)
        else:
            outcome, code = "ok", ""
            facts = {name: str(value) for name, value in told(answer).items() if value is not None}
        event = Event(client, what, str(subject), outcome, code, time.monotonic() - began, facts)
        with self._lock:
            self.events.append(event)
        self._write(
            {"client": client, "what": what, "subject": event.subject, "outcome": outcome, "code": code,
             "seconds": round(event.took, 4), **facts}
        )  # fmt: skip
        return answer

    def _write(self, line: dict[str, Any]) -> None:
        with self._lock:
            self._file.write(json.dumps(line) + "\n")

    def note(self, what: str, **facts: object) -> None:
        """Write down something that happened beside the requests: a fault, for instance."""
        told = {name: str(value) for name, value in facts.items()}
        self._write({"what": what, "at": round(time.monotonic(), 3), **told})

    def close(self) -> None:
        """Finish the file."""
        self._file.close()

    def of(self, what: str, outcome: str) -> list[Event]:
        """The requests of one kind with one outcome."""
        return [event for event in self.events if (event.what, event.outcome) == (what, outcome)]

    def outcomes(self, *whats: str) -> Counter[str]:
        """How often each answer was heard: ``ok``, or the code of a refusal, or the name of an error."""
        return Counter(event.code or event.outcome for event in self.events if not whats or event.what in whats)

    def slowest(self) -> float:
        """Seconds of the slowest request."""
        return max(event.took for event in self.events)

    def percentile_99(self) -> float:
        """Seconds within which 99 of 100 requests were answered."""
        return quantiles([event.took for event in self.events], n=100, method="inclusive")[-1]
