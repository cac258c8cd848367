"""One of the sweepers leads; the others wait for its lease to end."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from sqlalchemy.exc import OperationalError

from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database, connect
from webapp.ops import queries, service
from webapp.ops.sweeper import RENEW_EVERY, Periodic, Sweeper

OFTEN = Periodic(JobName.EXPIRE_HOLDS, timedelta(seconds=5), lambda ctx: None)
SELDOM = Periodic(JobName.TIDY_ACCOUNTS, timedelta(hours=1), lambda ctx: None)
DEAD = "postgresql+psycopg://nobody@127.0.0.1:1/nothing"


def leads(db: Database, holder: str, *, length: timedelta = service.LEASE) -> bool:
    with db.unit_of_work() as work:
        return service.take_lead(work, "sweeper", holder, length=length)


def test_one_leads_and_the_other_waits(db: Database) -> None:
    assert leads(db, "first")
    assert not leads(db, "second")
    assert leads(db, "first"), "renewing"
    assert not leads(db, "second")


def test_a_lease_that_ran_out_is_anybodys(db: Database) -> None:
    assert leads(db, "killed", length=timedelta(seconds=-1))
    assert leads(db, "second")
    assert not leads(db, "killed")


def test_only_the_holder_can_release(db: Database) -> None:
    assert leads(db, "first")
    with db.unit_of_work() as work:
        service.release(work, "sweeper", "second")
    assert not leads(db, "second")
    with db.unit_of_work() as work:
        service.release(work, "sweeper", "first")
    assert leads(db, "second")


def test_whether_somebody_leads_can_be_asked(db: Database) -> None:
    def is_led() -> bool:
        with db.read_only() as session:
            return queries.is_led(session, "sweeper")

    assert not is_led()
    leads(db, "first")
    assert is_led()
    leads(db, "first", length=timedelta(seconds=-1))
    assert not is_led()


class Clock:
    at = 1000.0

    def __call__(self) -> float:
        return self.at


class Recorder:
    """Notes what is done; fails at what it is told to."""

    def __init__(self, *, failing: Periodic | None = None) -> None:
        self.done: list[JobName] = []
        self.failing = failing

    def __call__(self, entry: Periodic) -> None:
        if entry is self.failing:
            raise RuntimeError("a bug")
        self.done.append(entry.job)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sweeper(ctx: JobContext, clock: Clock) -> Callable[..., Sweeper]:
    def make(holder: str, perform: Recorder, ctx: JobContext = ctx) -> Sweeper:
        return Sweeper(ctx, (OFTEN, SELDOM), perform, holder=holder, monotonic=clock)

    return make


def test_the_leader_does_what_is_due_and_the_other_nothing(sweeper: Callable[..., Sweeper], clock: Clock) -> None:
    first, second = Recorder(), Recorder()
    leader, other = sweeper("first", first), sweeper("second", second)
    leader.step()
    other.step()
    assert (first.done, second.done) == ([OFTEN.job, SELDOM.job], [])
    clock.at += 5
    leader.step()
    other.step()
    assert (first.done, second.done) == ([OFTEN.job, SELDOM.job, OFTEN.job], [])


def test_one_that_stops_hands_over_at_once(sweeper: Callable[..., Sweeper]) -> None:
    first, second = Recorder(), Recorder()
    leader, other = sweeper("first", first), sweeper("second", second)
    leader.step()
    leader.resign()
    other.step()
    assert other.leads
    assert second.done == [OFTEN.job, SELDOM.job]


def test_a_leader_that_was_overtaken_stops(
    sweeper: Callable[..., Sweeper], db: Database, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder()
    slow = sweeper("slow", recorder)
    slow.step()
    leads(db, "slow", length=timedelta(seconds=-1))
    assert leads(db, "quick")
    recorder.done.clear()
    clock.at += RENEW_EVERY
    slow.step()
    assert not slow.leads
    assert recorder.done == []
    assert "sweeper.overtaken" in caplog.text


def test_a_failing_entry_keeps_nobody_from_their_turn(
    sweeper: Callable[..., Sweeper], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    recorder = Recorder(failing=OFTEN)
    leader = sweeper("first", recorder)
    leader.step()
    assert recorder.done == [SELDOM.job]
    assert "sweep.failed" in caplog.text
    recorder.failing = None
    clock.at += 5
    leader.step()
    assert recorder.done == [SELDOM.job, OFTEN.job]


class StopAfter(threading.Event):
    """Set after a number of waits, none of which takes time."""

    def __init__(self, waits: int) -> None:
        super().__init__()
        self.left = waits
        self.asked: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.asked.append(timeout or 0.0)
        self.left -= 1
        if self.left <= 0:
            self.set()
        return self.is_set()


def test_a_database_that_is_away_is_waited_for_ever_longer(
    sweeper: Callable[..., Sweeper], ctx: JobContext, caplog: pytest.LogCaptureFixture
) -> None:
    engine = connect(DEAD)
    recorder = Recorder()
    lost = sweeper("first", recorder, JobContext(ctx.settings, Database(engine, lambda job, ids: None)))
    with pytest.raises(OperationalError):
        lost.step()
    stop = StopAfter(8)
    lost.run(stop)
    engine.dispose()
    assert stop.asked[::2] == [1.0, 2.0, 4.0, 8.0]
    assert recorder.done == []
    assert "sweeper.waits" in caplog.text


def test_stopping_releases_the_lead(sweeper: Callable[..., Sweeper], db: Database) -> None:
    recorder = Recorder()
    sweeper("first", recorder).run(StopAfter(1))
    assert recorder.done == [OFTEN.job, SELDOM.job]
    assert leads(db, "second")
