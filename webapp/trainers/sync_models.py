"""What the trainer service said, and how the synchronisation went: nobody's rows, seen by admins and the desk itself.

The service says things of trainers (``ServiceRecord``); the roster is what the desk makes of them. Whatever cannot be
made sense of stays here, in quarantine, and never reaches the roster.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, String, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.base import Base, whole_lease, word
from webapp.trainers.sync_rules import ChangeKind, Contract, LinkKind, RunCause, RunKind, RunState


class ServiceState(Base):
    """What is known of the trainer service as a whole: one row, there from the migration on."""

    __tablename__ = "trainer_service_state"
    __table_args__ = (CheckConstraint("id = 1", name="single"),)

    id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    contract: Mapped[Contract | None] = mapped_column(word(Contract, "contract"))
    """How it speaks, as last detected."""
    watermark: Mapped[datetime | None]
    """By the service's own clock: what changed at or after it is asked for next."""
    etag: Mapped[str | None] = mapped_column(String(200))
    etag_since: Mapped[datetime | None]
    """The watermark of the question that ``etag`` answers."""
    fresh_at: Mapped[datetime | None]
    """By our clock: as of when the roster is what the service says; the start of the last run that was done."""
    full_at: Mapped[datetime | None]
    """The start of the last full run that was done."""
    next_at: Mapped[datetime]
    """When the next run by schedule is due."""
    failures: Mapped[int] = mapped_column(default=0)
    """Failed calls in a row, as the breaker counts them."""
    opened_at: Mapped[datetime | None]
    """When the breaker opened; nothing while it is closed."""
    retry_tokens: Mapped[float] = mapped_column(default=0.0)
    """How many retries the calls made so far have earned."""


class SyncRun(Base):
    """One synchronisation: the promise that it happens, how far it is, and what came of it. One at a time is open."""

    __tablename__ = "trainer_sync_runs"
    __table_args__ = (
        CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="finished"),
        whole_lease(),
        Index(
            "uq_trainer_sync_runs_open",
            text("(true)"),
            unique=True,
            postgresql_where=text("state IN ('waiting', 'running')"),
        ),
        Index("ix_trainer_sync_runs_requested_at", "requested_at"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[RunKind] = mapped_column(word(RunKind, "kind"))
    cause: Mapped[RunCause] = mapped_column(word(RunCause, "cause"))
    requested_by: Mapped[UUID | None]
    requested_by_name: Mapped[str] = mapped_column(String(120))
    requested_at: Mapped[datetime]
    accept_shrink: Mapped[bool] = mapped_column(default=False)
    """Whether far fewer trainers than before may be believed."""
    state: Mapped[RunState] = mapped_column(word(RunState, "state"))
    contract: Mapped[Contract | None] = mapped_column(word(Contract, "contract"))
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]
    next_at: Mapped[datetime]
    """When it may be taken up."""
    attempts: Mapped[int] = mapped_column(default=0)
    lease: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    since: Mapped[datetime | None]
    """The watermark it asks from; nothing for a full run."""
    cursor: Mapped[str | None] = mapped_column(String(1100))
    """Where it goes on: the next page, as the contract names it."""
    newest: Mapped[datetime | None]
    """The next watermark as far as is known, by the service's clock."""
    expected: Mapped[int | None]
    """How many trainers it will look at, as far as can be told."""
    pages: Mapped[int] = mapped_column(default=0)
    requests: Mapped[int] = mapped_column(default=0)
    retries: Mapped[int] = mapped_column(default=0)
    received: Mapped[int] = mapped_column(default=0)
    """Bytes of answers."""
    seen: Mapped[int] = mapped_column(default=0)
    added: Mapped[int] = mapped_column(default=0)
    changed: Mapped[int] = mapped_column(default=0)
    unchanged: Mapped[int] = mapped_column(default=0)
    refused: Mapped[int] = mapped_column(default=0)
    gone: Mapped[int] = mapped_column(default=0)
    errors: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """Failed calls by kind."""
    problem: Mapped[str | None] = mapped_column(String(64))
    """Why it failed."""


class SyncChange(Base):
    """What a run changed, trainer by trainer; kept as long as the run."""

    __tablename__ = "trainer_sync_changes"
    __table_args__ = (Index("ix_trainer_sync_changes_run_id", "run_id"),)

    id: Mapped[UUID] = mapped_column(primary_key=True)
    run_id: Mapped[UUID] = mapped_column(ForeignKey("trainer_sync_runs.id", ondelete="CASCADE"))
    at: Mapped[datetime]
    kind: Mapped[ChangeKind] = mapped_column(word(ChangeKind, "kind"))
    service_id: Mapped[str] = mapped_column(String(64))
    trainer_id: Mapped[UUID | None]
    name: Mapped[str] = mapped_column(String(200), default="")
    facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    """The fields that changed, or the code of the refusal and its facts."""


class ServiceRecord(Base):
    """What the service last said of one trainer, and what came of it: on the roster, or in quarantine with a reason."""

    __tablename__ = "trainer_service_records"
    __table_args__ = (
        CheckConstraint("(refused_code IS NULL) = (refused_at IS NULL)", name="refused"),
        CheckConstraint("missed_runs >= 0", name="missed_runs"),
        Index("ix_trainer_service_records_refused_at", "refused_at", postgresql_where=text("refused_at IS NOT NULL")),
        Index("ix_trainer_service_records_trainer_id", "trainer_id"),
        Index("ix_trainer_service_records_detail_at", "detail_at"),
    )

    service_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    trainer_id: Mapped[UUID | None] = mapped_column(ForeignKey("trainers.id", ondelete="SET NULL"))
    said: Mapped[dict[str, Any]]
    """Word for word, as far as it could be read."""
    digest: Mapped[str] = mapped_column(String(64))
    """SHA-256 of ``said``: what is said again word for word changes nothing."""
    updated_at: Mapped[datetime | None]
    """By the service's own clock."""
    said_at: Mapped[datetime]
    """When it first said this, by ours."""
    placed_at: Mapped[datetime | None]
    """When something it said was last put on the roster."""
    detail_at: Mapped[datetime | None]
    """When the trainer was last asked for one by one (the deployed contract)."""
    refused_code: Mapped[str | None] = mapped_column(String(64))
    refused_facts: Mapped[dict[str, Any]] = mapped_column(default=dict)
    refused_at: Mapped[datetime | None]
    """Since when what is said cannot be put on the roster."""
    notes: Mapped[list[Any]] = mapped_column(default=list)
    """What was left out although the trainer is on the roster: courses and zones the desk does not know."""
    seen_run: Mapped[UUID | None]
    """The last full run that saw the trainer."""
    missed_runs: Mapped[int] = mapped_column(default=0)
    """Full runs in a row that did not."""
    gone_at: Mapped[datetime | None]
    """When the trainer was taken to have left."""


class ServiceLink(Base):
    """What a name of the service means here, said by an admin: a franchise, zone or course, or whose a trainer is."""

    __tablename__ = "trainer_service_links"
    __table_args__ = (
        UniqueConstraint("kind", "external_id"),
        CheckConstraint("(kind IN ('franchise', 'trainer')) = (to_operator_id IS NOT NULL)", name="to_operator"),
        CheckConstraint("(kind = 'zone') = (to_zone_id IS NOT NULL)", name="to_zone"),
        CheckConstraint("(kind = 'course') = (to_course_id IS NOT NULL)", name="to_course"),
        CheckConstraint("external_id <> ''", name="external_id"),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    kind: Mapped[LinkKind] = mapped_column(word(LinkKind, "kind"))
    external_id: Mapped[str] = mapped_column(String(128))
    to_operator_id: Mapped[UUID | None] = mapped_column(ForeignKey("operators.id"))
    to_zone_id: Mapped[UUID | None] = mapped_column(ForeignKey("zones.id"))
    to_course_id: Mapped[UUID | None] = mapped_column(ForeignKey("courses.id"))
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    created_by_name: Mapped[str] = mapped_column(String(120))


class ServiceHook(Base):
    """A message of the service that something changed. Its id is taken once: whoever sends it again changes nothing."""

    __tablename__ = "trainer_service_hooks"
    __table_args__ = (Index("ix_trainer_service_hooks_received_at", "received_at"),)

    id: Mapped[str] = mapped_column(String(200), primary_key=True)
    """Its ``webhook-id``."""
    received_at: Mapped[datetime]
    kind: Mapped[str] = mapped_column(String(64))
    service_id: Mapped[str | None] = mapped_column(String(64))
    """The trainer it is about, where it names one."""
    settled_at: Mapped[datetime | None]
    """When a run that began after it was done."""
