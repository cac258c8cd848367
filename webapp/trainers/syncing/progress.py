"""How far a run is, what its questions cost, how it ends, and when the next one is due."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sqlalchemy import delete, exists, false, func, select, text, update
from sqlalchemy.orm import Session

from webapp.clients.trainer_service.client import BreakerState
from webapp.clients.trainer_service.said import Tally
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.job_names import JobName
from webapp.db.work import Work
from webapp.trainers.freshness import LEGACY_EVERY
from webapp.trainers.sync_models import ServiceHook, ServiceState, SyncRun
from webapp.trainers.sync_rules import DELETED, Contract, RunCause, RunKind, RunState
from webapp.trainers.syncing import messages, runs
from webapp.trainers.syncing.heard import Counts

OVERLAP: Final = timedelta(seconds=30)
"""What was written at the service while it answered may come to light a little later, under an earlier instant."""
LONGEST_PAUSE: Final = timedelta(minutes=5)
"""After a service has shrunk, and where it asks for more than the schedule gives."""
KEPT: Final = timedelta(days=30)
FOLLOW_UP: Final = timedelta(seconds=2)
"""Messages that came while a run was under way are gathered for so long before the next."""
SHRUNK: Final = "shrunk"

_HELPED: Final = text("""
SELECT DISTINCT t.operator_id FROM trainer_sync_changes c JOIN trainers t ON t.id = c.trainer_id
WHERE c.run_id = :run_id
  AND (c.kind IN ('added', 'returned') OR (c.kind = 'changed' AND NOT c.facts -> 'fields' <@ '["name"]'))
""")


@dataclass(frozen=True, slots=True)
class Rhythm:
    """How often the service is asked."""

    every: timedelta
    full_every: timedelta

    @classmethod
    def of(cls, settings: Settings) -> Rhythm:
        """The rhythm of the settings."""
        return cls(timedelta(seconds=settings.trainer_sync_seconds), timedelta(hours=settings.trainer_full_sync_hours))

    def next_at(self, contract: Contract | None, now: datetime, *, at_least: timedelta = timedelta()) -> datetime:
        """When the next run is due: a tenth earlier or later by chance, so that desks do not ask in step."""
        every = max(self.every, LEGACY_EVERY) if contract is Contract.LEGACY else self.every
        return now + max(every, at_least) * (0.9 + secrets.randbelow(201) / 1000)

    def kind(self, state: ServiceState, now: datetime) -> RunKind:
        """What the schedule wants: everybody once in a while, and wherever changes alone cannot be asked for."""
        if state.contract is not Contract.BULK or state.watermark is None or state.full_at is None:
            return RunKind.FULL
        return RunKind.FULL if now - state.full_at >= self.full_every else RunKind.DELTA


@dataclass(frozen=True, slots=True)
class Spent:
    """What questions cost, and how the client is afterwards."""

    tally: Tally
    breaker: BreakerState
    retry_tokens: float


@dataclass(frozen=True, slots=True)
class Learned:
    """What the first answer tells of the service as a whole."""

    contract: Contract | None = None
    newest: datetime | None = None
    """By the service's clock: what is known of changes up to then."""
    expected: int | None = None


def charge(db: Session, run: SyncRun, spent: Spent) -> ServiceState:
    """Put down what questions cost, with the run and with what is known of the service, which is returned."""
    run.requests += spent.tally.requests
    run.retries += spent.tally.retries
    run.received = min(run.received + spent.tally.received, _MOST_COUNTED)
    if spent.tally.errors:
        known = dict(run.errors)
        run.errors = {**known, **{kind: known.get(kind, 0) + more for kind, more in spent.tally.errors.items()}}
    state = db.get_one(ServiceState, 1, populate_existing=True)
    state.failures, state.opened_at = spent.breaker.failures, spent.breaker.opened_at
    state.retry_tokens = spent.retry_tokens
    return state


_MOST_COUNTED: Final = 2**31 - 1


def advance(
    run: SyncRun,
    *,
    cursor: str | None,
    now: datetime,
    counts: Counts | None = None,
    learned: Learned | None = None,
    pages: int = 0,
) -> None:
    """Note how far the run is; the lease begins anew."""
    run.cursor, run.lease_until = cursor, now + runs.LEASE
    run.pages += pages
    if counts is not None:
        for count in fields(counts):
            setattr(run, count.name, getattr(run, count.name) + getattr(counts, count.name))
    if learned is not None:
        run.contract = learned.contract or run.contract
        run.expected = learned.expected or run.expected
        run.newest = max((at for at in (run.newest, learned.newest) if at is not None), default=None)


def finish(work: Work, run: SyncRun, state: ServiceState, rhythm: Rhythm, *, now: datetime, etag: str | None) -> None:
    """The run is done: the roster is what the service said when it began. ``etag`` is that of its only page."""
    started_at = run.started_at or now
    # Every question was answered. The breaker wants several in a row to close, and most runs ask only one.
    state.failures, state.opened_at = 0, None
    state.contract = run.contract or state.contract
    if run.kind is RunKind.FULL or state.contract is Contract.BULK:
        state.fresh_at = max(state.fresh_at or started_at, started_at)
    if run.kind is RunKind.FULL:
        state.full_at = started_at
    if state.contract is Contract.BULK:
        _mark(run, state)
    if run.since is not None:
        state.etag, state.etag_since = etag, run.since
    runs.close(run, RunState.DONE, now=now)
    state.next_at = rhythm.next_at(state.contract, now)
    _settle_hooks(work, run, state, started_at, now=now)
    _leave_behind(work, run.id, now=now)


def _mark(run: SyncRun, state: ServiceState) -> None:
    """From when on changes are asked for next. Everybody was looked at: then it is as the service says now, for its
    clock may have been ahead. Otherwise it never goes back, and what was forgotten (``Stage.doubt``) stays so.
    """
    watermark = run.newest - OVERLAP if run.newest is not None else None
    if run.kind is RunKind.FULL:
        state.watermark = watermark
    elif state.watermark is not None and watermark is not None:
        state.watermark = max(state.watermark, watermark)


def fail(
    work: Work,
    run: SyncRun,
    state: ServiceState,
    rhythm: Rhythm,
    problem: str,
    *,
    now: datetime,
    goes_on: bool,
    retry_after: float | None = None,
) -> None:
    """The run came to nothing; the next is due by schedule and no sooner. One for everybody that ``goes_on`` does so
    from its page then; any other is over.
    """
    at_least = LONGEST_PAUSE if problem == SHRUNK else min(timedelta(seconds=retry_after or 0), LONGEST_PAUSE)
    next_at = rhythm.next_at(run.contract or state.contract, now, at_least=at_least)
    young = run.started_at is not None and now - run.started_at <= runs.TOO_OLD
    if goes_on and young and run.kind is RunKind.FULL and run.cursor is not None:
        runs.put_off(run, at=next_at, problem=problem)
        return
    runs.close(run, RunState.FAILED, now=now, problem=problem)
    state.next_at = next_at
    _leave_behind(work, run.id, now=now)


def _settle_hooks(work: Work, run: SyncRun, state: ServiceState, started_at: datetime, *, now: datetime) -> None:
    """What was told before the run began is done with; for what came later another run is asked for."""
    told = [ServiceHook.settled_at.is_(None), ServiceHook.received_at <= started_at]
    if run.kind is RunKind.DELTA:
        told.append(ServiceHook.kind != DELETED)  # that takes a look at everybody
    if state.contract is Contract.LEGACY:
        told.append(messages.looked_into(started_at) if run.kind is RunKind.FULL else false())  # done one by one
    settled = update(ServiceHook).where(*told).values(settled_at=now)
    work.db.execute(settled.execution_options(synchronize_session=False))
    work.db.flush()  # the next run can only be open once this one is not
    kind = kind_told(work.db, now=now)
    if kind is not None:
        runs.request(work, kind, RunCause.WEBHOOK, by=SYSTEM, now=now, after=FOLLOW_UP)


def kind_told(db: Session, *, now: datetime) -> RunKind | None:
    """What the messages of the last day ask for that no run has dealt with; nothing where there are none."""
    recent = ServiceHook.settled_at.is_(None), ServiceHook.received_at > now - timedelta(days=1)
    whole = ServiceHook.kind == DELETED
    if db.get_one(ServiceState, 1).contract is Contract.LEGACY:
        whole |= ServiceHook.service_id.is_(None)
    wanted = db.scalar(select(func.bool_or(whole)).where(*recent))
    return None if wanted is None else RunKind.FULL if wanted else RunKind.DELTA


def _leave_behind(work: Work, run_id: UUID, *, now: datetime) -> None:
    """Once a run is over: the waitlists it may help are tried, and what is long over is forgotten."""
    work.db.flush()  # the statements below are no part of the session
    for operator_id in work.db.scalars(_HELPED, {"run_id": run_id}):
        work.after_commit(JobName.RETRY_WAITLIST, operator_id=str(operator_id))
    over = SyncRun.requested_at < now - KEPT, ~runs.OPEN
    work.db.execute(delete(SyncRun).where(*over).execution_options(synchronize_session=False))
    settled = ServiceHook.received_at < now - KEPT, ServiceHook.settled_at.is_not(None)
    work.db.execute(delete(ServiceHook).where(*settled).execution_options(synchronize_session=False))


def schedule(work: Work, rhythm: Rhythm, *, now: datetime) -> bool:
    """Ask for the run that is due, or for the messages that no run has dealt with; whether there is one to be rung for.

    After a failure messages wait for the schedule, too: a service that is ill is not asked any faster.
    """
    if work.db.scalar(select(exists().where(runs.OPEN))):
        late = bool(work.db.scalar(select(exists().where(runs.is_due(now)))))
        if late:
            work.after_commit(JobName.SYNC_TRAINERS)
        return late
    state, told = work.db.get_one(ServiceState, 1), kind_told(work.db, now=now)
    if state.next_at <= now:
        kind = RunKind.FULL if told is RunKind.FULL else rhythm.kind(state, now)
        runs.request(work, kind, RunCause.SCHEDULE, by=SYSTEM, now=now)
        return True
    last = work.db.scalar(select(SyncRun.state).order_by(SyncRun.requested_at.desc(), SyncRun.id.desc()).limit(1))
    if told is None or last is RunState.FAILED:
        return False
    runs.request(work, told, RunCause.WEBHOOK, by=SYSTEM, now=now)
    return True
