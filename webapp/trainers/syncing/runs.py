"""A synchronisation's life: asked for, taken up under a lease, carried on page by page, put off, done or failed.

One run is open at a time: whoever asks for another gets that one, and one for what changed becomes one for everybody
when that is what somebody wants. The row is the promise. Each page is written in a transaction that holds the row and
asks whether the lease is still its own, so a worker that was overtaken writes nothing, and one that is killed is taken
over from where the last page ended.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID, uuid4

from sqlalchemy import ColumnElement, and_, func, or_, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from webapp.clients.trainer_service.client import BreakerState
from webapp.core.actor import Actor
from webapp.core.errors import Conflict
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceRecord, ServiceState, SyncRun
from webapp.trainers.sync_rules import Contract, RunCause, RunKind, RunState

LEASE: Final = timedelta(seconds=30)
"""Longer than any one question takes, with all its tries; renewed with every page."""
TOO_OLD: Final = timedelta(hours=1)
"""A run that began so long ago is not gone on with: the pages it has seen say too little about now."""
OPEN: Final = SyncRun.state.in_([RunState.WAITING, RunState.RUNNING])


class LeaseLost(Exception):
    """Somebody else has the run: whatever was to be written is theirs to find out."""


class Widened(Exception):
    """Meanwhile somebody asked for everybody: the run begins anew as that."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A run taken up, the token that proves it, and what is known of the service."""

    run_id: UUID
    lease: UUID
    kind: RunKind
    cause: RunCause
    started_at: datetime
    since: datetime | None
    cursor: str | None
    etag: str | None
    contract: Contract | None
    breaker: BreakerState
    retry_tokens: float


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody asks for."""

    kind: RunKind
    cause: RunCause
    by_id: UUID | None
    by_name: str
    at: datetime
    accept_shrink: bool = False
    """Whether far fewer trainers than before may be believed."""


def request(
    work: Work,
    kind: RunKind,
    cause: RunCause,
    *,
    by: Actor,
    now: datetime,
    accept_shrink: bool = False,
    after: timedelta | None = None,
) -> UUID:
    """Ask for a synchronisation; returns the id of the open run, which may be one that others asked for.

    It is rung for at once, or left to the sweeper when it may begin only ``after`` some time.
    """
    wish = Wish(kind, cause, by.id, by.name, now, accept_shrink)
    listed = cause is not RunCause.WEBHOOK and work.db.get_one(ServiceState, 1).contract is Contract.LEGACY
    whole = replace(wish, kind=RunKind.FULL) if listed else wish  # the list tells no changes: they come of messages
    for _ in range(3):
        found = work.db.execute(select(SyncRun.id, SyncRun.kind, SyncRun.accept_shrink).where(OPEN)).one_or_none()
        if found is None:
            run_id = _begin(work.db, wish, next_at=now + (after or timedelta()))
        else:
            wider = whole.kind is RunKind.FULL and found.kind is RunKind.DELTA
            more = wider or (accept_shrink and not found.accept_shrink) or cause is RunCause.PERSON
            run_id = _widen(work.db, found.id, whole) if more else found.id
        if run_id is not None:
            if after is None:
                work.after_commit(JobName.SYNC_TRAINERS)
            return run_id
    raise Conflict("too-busy", "Many people are changing the same thing. Nothing was changed; try again.")


def _begin(db: Session, wish: Wish, *, next_at: datetime) -> UUID | None:
    """Write a run down; none when another one is open."""
    columns = SyncRun.__table__.columns
    counters = {column.key: 0 for column in columns if column.default is not None and column.default.arg == 0}
    row = {
        "id": new_id(),
        "kind": wish.kind,
        "cause": wish.cause,
        "requested_by": wish.by_id,
        "requested_by_name": wish.by_name,
        "requested_at": wish.at,
        "accept_shrink": wish.accept_shrink,
        "state": RunState.WAITING,
        "next_at": next_at,
        "errors": {},
    }
    return db.scalar(insert(SyncRun).values(counters | row).on_conflict_do_nothing().returning(SyncRun.id))


def _widen(db: Session, run_id: UUID, wish: Wish) -> UUID | None:
    """Let the open run do what somebody else asks for too; none when it is no longer open.

    One that is under way notices with its next page, and begins anew.
    """
    run = db.scalar(
        select(SyncRun).where(SyncRun.id == run_id, OPEN).with_for_update().execution_options(populate_existing=True)
    )
    if run is None:
        return None
    run.accept_shrink = run.accept_shrink or wish.accept_shrink
    if wish.kind is RunKind.FULL and run.kind is RunKind.DELTA:
        run.kind, run.since, run.cursor, run.newest = RunKind.FULL, None, None, None
        run.cause, run.requested_by, run.requested_by_name = wish.cause, wish.by_id, wish.by_name
    if wish.cause is RunCause.PERSON and run.state is RunState.WAITING:
        run.next_at = min(run.next_at, wish.at)  # nobody waits at a page for the schedule
    return run.id


def is_due(now: datetime) -> ColumnElement[bool]:
    """Runs that may be taken up: those that wait, and those whose worker is gone."""
    return or_(
        and_(SyncRun.state == RunState.WAITING, SyncRun.next_at <= now),
        and_(SyncRun.state == RunState.RUNNING, SyncRun.lease_until < now),
    )


def claim(work: Work, *, now: datetime) -> Claim | None:
    """Take up the open run; none when there is none, it has to wait, or somebody is at it."""
    run = work.db.scalar(select(SyncRun).where(is_due(now)).with_for_update(skip_locked=True))
    if run is None:
        return None
    if run.started_at is not None and now - run.started_at > TOO_OLD:
        run = _anew(work.db, run, now=now)
        if run is None:
            return None
    state = work.db.get_one(ServiceState, 1, populate_existing=True)
    if run.cursor is None:
        run.kind = _kind(run, state)
        run.since = state.watermark if run.kind is RunKind.DELTA and state.contract is Contract.BULK else None
        run.expected = _known(work.db) if run.kind is RunKind.FULL else None
    run.state, run.lease, run.lease_until = RunState.RUNNING, uuid4(), now + LEASE
    run.started_at, run.problem = run.started_at or now, None
    run.attempts += 1
    return Claim(
        run_id=run.id,
        lease=run.lease,
        kind=run.kind,
        cause=run.cause,
        started_at=run.started_at,
        since=run.since,
        cursor=run.cursor,
        etag=state.etag if run.since is not None and state.etag_since == run.since else None,
        contract=state.contract,
        breaker=BreakerState(state.failures, state.opened_at),
        retry_tokens=state.retry_tokens,
    )


def _known(db: Session) -> int | None:
    """How many trainers the service had the last time."""
    return db.scalar(select(func.nullif(func.count(), 0)).where(ServiceRecord.gone_at.is_(None)))


def _kind(run: SyncRun, state: ServiceState) -> RunKind:
    """What a run can be. Changes alone can be asked for where it is known since when, or whom messages were about."""
    if run.kind is RunKind.FULL or state.contract is None:
        return RunKind.FULL
    if state.contract is Contract.BULK:
        return RunKind.DELTA if state.watermark is not None else RunKind.FULL
    return RunKind.DELTA if run.cause is RunCause.WEBHOOK else RunKind.FULL


def _anew(db: Session, run: SyncRun, *, now: datetime) -> SyncRun | None:
    """End a run that is too old to go on, and begin another like it."""
    close(run, RunState.FAILED, now=now, problem=run.problem or "too-old")
    db.flush()  # the next one can only be open once this one is not
    wish = Wish(run.kind, run.cause, run.requested_by, run.requested_by_name, now, run.accept_shrink)
    run_id = _begin(db, wish, next_at=now)
    return db.get(SyncRun, run_id) if run_id is not None else None


def hold(db: Session, claim: Claim, *, whatever_kind: bool = False) -> SyncRun:
    """The run's row, held until the transaction ends.

    Raises ``LeaseLost``, and ``Widened`` unless it is held ``whatever_kind`` it has become.
    """
    run = db.scalar(
        select(SyncRun)
        .where(SyncRun.id == claim.run_id, SyncRun.lease == claim.lease, SyncRun.state == RunState.RUNNING)
        .with_for_update()
        .execution_options(populate_existing=True)
    )
    if run is None:
        raise LeaseLost
    if run.kind is not claim.kind and not whatever_kind:
        raise Widened
    return run


def close(run: SyncRun, state: RunState, *, now: datetime, problem: str | None = None) -> None:
    """End a run."""
    run.state, run.finished_at, run.problem = state, now, problem
    run.lease = run.lease_until = None


def put_off(run: SyncRun, *, at: datetime, problem: str | None = None) -> None:
    """Let a run wait; it goes on from its cursor."""
    run.state, run.next_at, run.problem = RunState.WAITING, at, problem or run.problem
    run.lease = run.lease_until = None
