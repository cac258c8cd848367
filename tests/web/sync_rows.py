"""Rows of the synchronisation as the synchronisation would leave them, for tests of its pages."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import update

from tests.web.client import NOW
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import unit_of_work
from webapp.trainers.models import Trainer
from webapp.trainers.sync_models import ServiceLink, ServiceRecord, ServiceState, SyncChange, SyncRun
from webapp.trainers.sync_rules import ChangeKind, Contract, LinkKind, RunCause, RunKind, RunState

URL = "https://roster.example.org:8443/desk"
TOKEN = "t0p-secret-of-the-service"
LEASE = timedelta(days=1)


def set_state(**values: Any) -> None:
    """The one row of the service's state."""
    with unit_of_work() as work:
        work.db.execute(update(ServiceState).values({"contract": Contract.BULK, "next_at": NOW, **values}))


def add_run(state: RunState = RunState.DONE, *, minutes_ago: float = 1, **values: Any) -> UUID:
    """A run, over or open."""
    asked_at = NOW - timedelta(minutes=minutes_ago)
    over = state in (RunState.DONE, RunState.FAILED)
    row: dict[str, Any] = {
        "id": new_id(),
        "kind": RunKind.DELTA,
        "cause": RunCause.SCHEDULE,
        "requested_by_name": "system",
        "requested_at": asked_at,
        "state": state,
        "started_at": None if state is RunState.WAITING else asked_at,
        "finished_at": asked_at + timedelta(seconds=3.2) if over else None,
        "next_at": asked_at,
    }
    with unit_of_work() as work:
        work.db.add(SyncRun(**row | values))
    run_id: UUID = row["id"]
    return run_id


def end_runs() -> None:
    """Let every run be over."""
    with unit_of_work() as work:
        work.db.execute(update(SyncRun).values(state=RunState.DONE, finished_at=NOW))


def add_change(run_id: UUID, kind: ChangeKind, service_id: str, *, name: str = "", **values: Any) -> None:
    """What a run did with one trainer."""
    with unit_of_work() as work:
        work.db.add(
            SyncChange(id=new_id(), run_id=run_id, at=NOW, kind=kind, service_id=service_id, name=name, **values)
        )


def add_record(
    service_id: str,
    *,
    name: str | None = "Lakshmi Rao",
    code: str | None = None,
    facts: dict[str, Any] | None = None,
    since: datetime = NOW - timedelta(hours=2),
    **values: Any,
) -> str:
    """What the service said of a trainer; in quarantine when there is a ``code``, for what its facts say."""
    facts = facts or {}
    said = {"trainerId": service_id, "name": name, "franchiseId": facts.get("franchise"), "zoneIds": facts.get("zones")}
    with unit_of_work() as work:
        work.db.add(
            ServiceRecord(
                service_id=service_id,
                said={key: value for key, value in said.items() if value is not None},
                digest="0" * 64,
                said_at=since,
                refused_code=code,
                refused_facts=facts,
                refused_at=since if code else None,
                **values,
            )
        )
    return service_id


def add_link(kind: LinkKind, external_id: str, target_id: UUID, *, by: str = "Asha Rao") -> UUID:
    """What a name means here."""
    column = {LinkKind.ZONE: "to_zone_id", LinkKind.COURSE: "to_course_id"}.get(kind, "to_operator_id")
    link_id = new_id()
    with unit_of_work() as work:
        work.db.add(
            ServiceLink(
                id=link_id,
                kind=kind,
                external_id=external_id,
                created_at=NOW,
                created_by_name=by,
                **{column: target_id},
            )
        )
    return link_id


def put_on_roster(trainer_id: UUID, service_id: str) -> None:
    """Let a trainer of the roster be one of the service's."""
    with unit_of_work() as work:
        work.db.execute(update(Trainer).where(Trainer.id == trainer_id).values(service_id=service_id))


def synchronised(marker: str = "", *, under_way: bool = True) -> None:
    """A synchronisation with everything that its pages can show, more than a page of each; ``marker`` in every name."""
    set_state(fresh_at=NOW - timedelta(seconds=90), failures=5, opened_at=NOW - timedelta(seconds=3))
    if under_way:
        add_run(RunState.RUNNING, kind=RunKind.FULL, minutes_ago=0, seen=500, lease=new_id(), lease_until=NOW + LEASE)
    add_run(RunState.FAILED, kind=RunKind.FULL, problem="shrunk", errors={"too-slow": 2}, minutes_ago=1)
    for number in range(30):
        add_run(changed=number, minutes_ago=2 + number)
    run = add_run(added=30, refused=30, minutes_ago=40)
    for number in range(30):
        name = f"{marker} Trainer {number}".strip()
        add_change(run, ChangeKind.ADDED, f"T-{number}", name=name)
        facts = {"franchise": f"{marker} F-{number}".strip()}
        add_change(
            run, ChangeKind.REFUSED, f"Q-{number}", name=name, facts={"code": "franchise-unknown", "facts": facts}
        )
        add_record(f"Q-{number}", name=name, code="franchise-unknown", facts=facts)
        add_record(f"Z-{number}", name=name, code="no-time-zone")
        add_link(LinkKind.FRANCHISE, f"{marker} G-{number}".strip(), COMPANY_ID)
