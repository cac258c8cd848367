"""What the pages of the synchronisation show: the service's state, runs and what they changed, who is in quarantine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Select, and_, case, func, or_, select
from sqlalchemy.orm import Session

from webapp.core.errors import NotFound
from webapp.operators.models import Operator
from webapp.trainers.models import Trainer
from webapp.trainers.sync_models import ServiceRecord, ServiceState, SyncChange, SyncRun
from webapp.trainers.sync_rules import ChangeKind, Contract, RunCause, RunKind, RunState


@dataclass(frozen=True, slots=True)
class StateRow:
    """The service as a whole. ``fresh_at`` by our clock, ``opened_at`` when the breaker opened, else nothing."""

    contract: Contract | None
    fresh_at: datetime | None
    full_at: datetime | None
    next_at: datetime
    failures: int
    opened_at: datetime | None
    retry_tokens: float


@dataclass(frozen=True, slots=True)
class RunRow:
    """One run; ``errors`` are failed calls by kind, ``problem`` is why it failed."""

    id: UUID
    kind: RunKind
    cause: RunCause
    requested_by_name: str
    requested_at: datetime
    accept_shrink: bool
    state: RunState
    contract: Contract | None
    started_at: datetime | None
    finished_at: datetime | None
    next_at: datetime
    attempts: int
    since: datetime | None
    expected: int | None
    pages: int
    requests: int
    retries: int
    received: int
    seen: int
    added: int
    changed: int
    unchanged: int
    refused: int
    gone: int
    errors: Mapping[str, int]
    problem: str | None

    @property
    def is_open(self) -> bool:
        """It waits or runs."""
        return self.state in (RunState.WAITING, RunState.RUNNING)

    @property
    def put_off(self) -> bool:
        """It was begun, and waits to go on."""
        return self.state is RunState.WAITING and self.attempts > 0

    @property
    def stage(self) -> str:
        """Which run it is and whether it is put off: what a page about it says besides how far it is."""
        return f"{self.id}-put-off" if self.put_off else str(self.id)

    @property
    def took(self) -> timedelta | None:
        """From its start to its end; nothing while it is open."""
        return self.finished_at - self.started_at if self.finished_at and self.started_at else None

    @property
    def failed_calls(self) -> int:
        """How many calls failed."""
        return sum(self.errors.values())


@dataclass(frozen=True, slots=True)
class ChangeRow:
    """What a run did with one trainer."""

    id: UUID
    at: datetime
    kind: ChangeKind
    service_id: str
    trainer_id: UUID | None
    name: str
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordRow:
    """A trainer as the service describes them; ``code`` says why they are in quarantine, if they are.

    ``trainer_id`` and the operator are those of the roster, where the trainer is on it.
    """

    service_id: str
    name: str | None
    code: str | None
    facts: Mapping[str, Any]
    refused_at: datetime | None
    trainer_id: UUID | None
    operator_id: UUID | None
    operator_name: str | None


_OPEN = SyncRun.state.in_([RunState.WAITING, RunState.RUNNING])
_RUN = [getattr(SyncRun, name) for name in RunRow.__slots__]
IN_QUARANTINE: ColumnElement[bool] = and_(ServiceRecord.refused_at.is_not(None), ServiceRecord.gone_at.is_(None))
"""Refused, and still a trainer of the service."""


def service_state(db: Session) -> StateRow:
    """What is known of the service; its one row is there from the migration on."""
    return StateRow(*db.execute(select(*(getattr(ServiceState, name) for name in StateRow.__slots__))).one())


def run_page(db: Session, run_id: UUID) -> RunRow:
    """One run. Raises ``NotFound``."""
    found = db.execute(select(*_RUN).where(SyncRun.id == run_id)).one_or_none()
    if found is None:
        raise NotFound()
    return RunRow(*found)


def open_run(db: Session) -> RunRow | None:
    """The run that waits or is under way: one at most."""
    found = db.execute(select(*_RUN).where(_OPEN)).one_or_none()
    return RunRow(*found) if found else None


def last_full(db: Session) -> RunRow | None:
    """The last run for everybody that is over."""
    over = select(*_RUN).where(SyncRun.kind == RunKind.FULL, ~_OPEN)
    found = db.execute(over.order_by(SyncRun.requested_at.desc(), SyncRun.id.desc()).limit(1)).one_or_none()
    return RunRow(*found) if found else None


def runs_index(db: Session, *, limit: int, offset: int = 0, notable: bool = False) -> tuple[tuple[RunRow, ...], int]:
    """The runs, newest first, and how many there are.

    ``notable`` leaves out the scheduled ones that went well and changed nothing, which come every half minute.
    """
    wanted = _notable() if notable else SyncRun.id.is_not(None)
    rows = db.execute(
        select(*_RUN).where(wanted).order_by(SyncRun.requested_at.desc(), SyncRun.id.desc()).limit(limit).offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(SyncRun).where(wanted)) or 0
    return tuple(RunRow(*row) for row in rows), total


def _notable() -> ColumnElement[bool]:
    return or_(
        SyncRun.kind == RunKind.FULL,
        SyncRun.cause != RunCause.SCHEDULE,
        SyncRun.state != RunState.DONE,
        SyncRun.added + SyncRun.changed + SyncRun.refused + SyncRun.gone > 0,
        SyncRun.errors != {},
    )


def changes_of(db: Session, run_id: UUID, *, limit: int, offset: int = 0) -> tuple[tuple[ChangeRow, ...], int]:
    """What a run changed, trainer by trainer: what needs somebody first; and how many changes there are."""
    needing = case({ChangeKind.REFUSED: 0, ChangeKind.GONE: 1}, value=SyncChange.kind, else_=2)
    rows = db.execute(
        select(*(getattr(SyncChange, name) for name in ChangeRow.__slots__))
        .where(SyncChange.run_id == run_id)
        .order_by(needing, SyncChange.name, SyncChange.id)
        .limit(limit)
        .offset(offset)
    )
    total = db.scalar(select(func.count()).select_from(SyncChange).where(SyncChange.run_id == run_id)) or 0
    return tuple(ChangeRow(*row) for row in rows), total


def quarantined_count() -> Select[int]:
    """The question how many trainers are in quarantine."""
    return select(func.count()).select_from(ServiceRecord).where(IN_QUARANTINE)


def quarantine_by_code(db: Session) -> dict[str, int]:
    """How many trainers are in quarantine for each reason, the most frequent first."""
    found = db.execute(
        select(func.coalesce(ServiceRecord.refused_code, ""), func.count())
        .where(IN_QUARANTINE)
        .group_by(ServiceRecord.refused_code)
        .order_by(func.count().desc(), ServiceRecord.refused_code)
    )
    return {row[0]: row[1] for row in found}


def quarantine(db: Session, *, limit: int, offset: int = 0, code: str | None = None) -> tuple[RecordRow, ...]:
    """The trainers in quarantine, those who have waited longest first."""
    wanted = IN_QUARANTINE if code is None else and_(IN_QUARANTINE, ServiceRecord.refused_code == code)
    rows = _records().where(wanted).order_by(ServiceRecord.refused_at, ServiceRecord.service_id)
    return tuple(RecordRow(*row) for row in db.execute(rows.limit(limit).offset(offset)))


def record(db: Session, service_id: str) -> RecordRow | None:
    """What the service says of one trainer, if it ever said anything."""
    found = db.execute(_records().where(ServiceRecord.service_id == service_id)).one_or_none()
    return RecordRow(*found) if found else None


def _records() -> Select[Any]:
    """The columns of ``RecordRow`` in its order."""
    said = ServiceRecord.said["name"]
    return (
        select(
            ServiceRecord.service_id,
            case((func.jsonb_typeof(said) == "string", said.astext), else_=Trainer.name),
            ServiceRecord.refused_code,
            ServiceRecord.refused_facts,
            ServiceRecord.refused_at,
            ServiceRecord.trainer_id,
            Trainer.operator_id,
            Operator.name,
        )
        .outerjoin(Trainer, Trainer.id == ServiceRecord.trainer_id)
        .outerjoin(Operator, Operator.id == Trainer.operator_id)
    )
