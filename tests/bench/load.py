"""Load by several connections at once: processes with threads, as the desk is served, so that Python's lock is shared
out the same way for the engine and for the floor.

Run as ``python -m tests.bench.load``: reads a pickled ``Job`` from its input, says ``ready``, and begins at ``go``.
"""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from uuid import UUID

from sqlalchemy import text

import webapp.tables  # noqa: F401 - every table is known before the first query
from tests.bench.floor import Floor, Sample
from tests.bench.world import NOW
from webapp import embedded
from webapp.assignments.limits import Limits
from webapp.assignments.queries.candidates import candidates
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.service import propose
from webapp.core.actor import Actor
from webapp.core.ids import new_id
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, connect, counting_statements

ROOT = Path(__file__).resolve().parents[2]
PROCESSES, THREADS = 2, 4
Pair = tuple[UUID, UUID]
"""A booking and the trainer who is free for it."""


@dataclass(frozen=True, slots=True)
class Job:
    """What one process has to do: each thread works through its own pairs until the time is over.

    With a ``sample`` the floor writes, else the engine proposes as ``actor``. The first ``warm`` pairs are not timed.
    """

    url: str
    threads: tuple[tuple[Pair, ...], ...]
    seconds: float
    warm: int
    actor: Actor
    sample: Sample | None = None


@dataclass(frozen=True, slots=True)
class Done:
    """What came of it: seconds per assignment, how many found nobody, when the first began and the last ended."""

    took: list[float]
    statements: list[int]
    nobody: int
    began: float
    ended: float


@dataclass(slots=True)
class _Tally:
    took: list[float] = field(default_factory=list)
    statements: list[int] = field(default_factory=list)
    nobody: int = 0
    ended: float = 0.0
    error: BaseException | None = None


class Engine:
    """B: the engine through its service, one transaction each."""

    def __init__(self, url: str, actor: Actor, connections: int = 1) -> None:
        self.sql = connect(url, pool_size=connections)
        self._database = Database(self.sql, lambda job, ids: None)
        self._actor = actor

    def __enter__(self) -> Engine:
        return self

    def __exit__(self, *_error: object) -> None:
        self.sql.dispose()

    def propose(self, booking_id: UUID) -> tuple[UUID | None, int]:
        """Propose the best trainer for a waiting booking: whom, and the SQL statements it took."""
        with acting_as(self._actor), counting_statements() as statements:
            proposed = self._database.retrying(
                lambda work: propose(work, booking_id, trainer_id=None, by=self._actor, now=NOW, limits=Limits())
            )
            return proposed.trainer_id, statements()

    def best(self, booking_id: UUID) -> UUID:
        """Whom the engine would choose now."""
        with acting_as(self._actor), self._database.read_only() as db:
            wanted = booking_need(db, booking_id)
            return candidates(db, wanted.need, wanted.family, max_courses=Limits().max_courses)[0].trainer_id

    def take(self, booking_id: UUID, trainer_id: UUID) -> bool:
        """Propose this very trainer, unless somebody is locking them; whether that could be done."""
        if self._locked(trainer_id):
            return False
        with acting_as(self._actor), self._database.unit_of_work() as work:
            propose(work, booking_id, trainer_id=trainer_id, by=self._actor, now=NOW, limits=Limits())
        return True

    def call_in_ill(self, _booking_id: UUID, trainer_id: UUID) -> bool:
        """Record time off for the next two months, unless somebody is locking the trainer; whether that was done."""
        if self._locked(trainer_id):
            return False
        with acting_as(self._actor), self._database.unit_of_work() as work:
            off = (
                "INSERT INTO time_off (id, operator_id, trainer_id, period, reason)"
                " VALUES (:id, :operator, :trainer, tstzrange(:since, :until), 'ill')"
            )
            times = {"since": NOW, "until": NOW + timedelta(days=60)}
            ids = {"id": new_id(), "operator": self._actor.operator_id, "trainer": trainer_id}
            work.db.execute(text(off), ids | times)
        return True

    def _locked(self, trainer_id: UUID) -> bool:
        free = "SELECT 1 FROM trainers WHERE id = :id FOR NO KEY UPDATE SKIP LOCKED"
        with acting_as(self._actor), self._database.unit_of_work() as work:
            return work.db.execute(text(free), {"id": trainer_id}).scalar() is None


def throughput(
    url: str, pairs: Sequence[Pair], *, seconds: float, actor: Actor, like: Sample | None = None, warm: int = 3
) -> Done:
    """Assignments over eight connections (two processes of four threads) until the time is over or nobody waits.

    ``url`` is the application's address. Raises ``RuntimeError`` when one of the processes fails.
    """
    lanes = [tuple(pairs[i :: PROCESSES * THREADS]) for i in range(PROCESSES * THREADS)]
    jobs = [Job(url, tuple(lanes[i::PROCESSES]), seconds, warm, actor, like) for i in range(PROCESSES)]
    with ExitStack() as stack:
        running = [stack.enter_context(_process()) for _ in jobs]
        for process, job in zip(running, jobs, strict=True):
            assert process.stdin is not None
            pickle.dump(job, process.stdin)
            process.stdin.flush()
        for process in running:
            assert process.stdout is not None
            if process.stdout.readline() != b"ready\n":
                raise RuntimeError("a process of the load did not get ready")
        for process in running:
            assert process.stdin is not None
            process.stdin.write(b"go\n")
            process.stdin.flush()
        answers: list[Done] = []
        for process in running:
            assert process.stdout is not None
            said = process.stdout.read()
            if process.wait() != 0:
                raise RuntimeError("a process of the load failed")
            answers.append(pickle.loads(said))
    return Done(
        [t for done in answers for t in done.took],
        [n for done in answers for n in done.statements],
        sum(done.nobody for done in answers),
        min(done.began for done in answers),
        max(done.ended for done in answers),
    )


def _process() -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.bench.load"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )


def per_second(done: Done) -> float:
    """Assignments made per second."""
    return len(done.took) / (done.ended - done.began)


def _run(job: Job) -> Done:
    tallies = [_Tally() for _ in job.threads]
    # One pool per process, as the desk has it.
    engine = Engine(job.url, job.actor, len(job.threads))
    ready = threading.Barrier(len(job.threads) + 1)
    go = threading.Event()

    def lane(pairs: tuple[Pair, ...], tally: _Tally) -> None:
        with ExitStack() as stack:
            write = _writer(job, tally, engine, stack)
            for pair in pairs[: job.warm]:
                write(pair)
            tally.took.clear()
            tally.statements.clear()
            tally.nobody = 0
            ready.wait()
            go.wait()
            ends = time.monotonic() + job.seconds
            for pair in pairs[job.warm :]:
                if time.monotonic() > ends:
                    break
                write(pair)
            tally.ended = time.monotonic()

    def guarded(pairs: tuple[Pair, ...], tally: _Tally) -> None:
        try:
            lane(pairs, tally)
        except BaseException as error:
            tally.error = error
            ready.abort()

    threads = [threading.Thread(target=guarded, args=each) for each in zip(job.threads, tallies, strict=True)]
    for thread in threads:
        thread.start()
    began = 0.0
    try:
        ready.wait()
        sys.stdout.buffer.write(b"ready\n")
        sys.stdout.buffer.flush()
        sys.stdin.buffer.readline()
        began = time.monotonic()
    except threading.BrokenBarrierError:
        pass
    finally:
        go.set()
    for thread in threads:
        thread.join()
    engine.sql.dispose()
    for tally in tallies:
        if tally.error is not None:
            raise tally.error
    return Done(
        [t for tally in tallies for t in tally.took],
        [n for tally in tallies for n in tally.statements],
        sum(tally.nobody for tally in tallies),
        began,
        max(tally.ended for tally in tallies),
    )


def _writer(job: Job, tally: _Tally, engine: Engine, stack: ExitStack) -> Callable[[Pair], None]:
    """What one connection does with a booking, timed."""
    if job.sample is not None:
        floor = stack.enter_context(Floor(embedded.libpq_url(job.url), job.sample))

        def write(pair: Pair) -> None:
            began = time.monotonic()
            floor.write(*pair)
            tally.took.append(time.monotonic() - began)

        return write

    def ask(pair: Pair) -> None:
        began = time.monotonic()
        trainer_id, statements = engine.propose(pair[0])
        if trainer_id is None:
            tally.nobody += 1
            return
        tally.took.append(time.monotonic() - began)
        tally.statements.append(statements)

    return ask


def serve() -> None:
    """What the child process does."""
    found = _run(pickle.load(sys.stdin.buffer))
    sys.stdout.buffer.write(pickle.dumps(found))


if __name__ == "__main__":
    # By its name, so that what is pickled is known by the same name on the other side.
    from tests.bench import load

    load.serve()
