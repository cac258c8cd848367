"""What a service may get wrong without anybody noticing: clocks, cursors, sizes, and names that change meanwhile."""

from __future__ import annotations

import threading
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.rooms.test_assignment_races import Desk, desk
from tests.syncing.conftest import Sync, trainer
from tests.syncing.test_races import ask, link, served, work
from tests.syncing.told import SERVED_AT, Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import BulkPage, SaidAway
from webapp.core.actor import SYSTEM
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.trainers.sync_rules import LinkKind, RunKind
from webapp.trainers.syncing import applying, bulk, records

__all__ = ["desk"]


def test_the_longest_cursor_the_contract_allows_is_kept(sync: Sync) -> None:
    class Long(Told):
        def _page(self, since: datetime | None, cursor: str) -> BulkPage:
            page = super()._page(since, cursor.lstrip("x") or "0")
            return replace(page, next_cursor=page.next_cursor and page.next_cursor.rjust(1000, "x"))

    zone = sync.make.zone()
    assert sync.run(Long(*[trainer(f"T{n}", zone) for n in range(4)]))["state"] == "done"


def test_an_instant_that_is_a_zero_is_none(sync: Sync) -> None:
    zone = sync.make.zone()
    service = Told(*[trainer(f"T{n}", zone, updated_at=datetime(1, 1, 1, tzinfo=UTC)) for n in range(2)])
    assert sync.run(service)["state"] == "done"
    assert sync.state()["watermark"] is None


def test_a_clock_that_was_ahead_once_hides_no_change_for_long(sync: Sync) -> None:
    zone, ahead = sync.make.zone(), SERVED_AT + timedelta(days=400)
    service = Told(trainer("T1", zone, updated_at=ahead), served_at=ahead)
    sync.run(service)
    service.served_at = SERVED_AT + timedelta(minutes=1)
    service.trainers.clear()
    service.say(trainer("T1", zone, name="New Name", updated_at=SERVED_AT))
    sync.run(service, RunKind.DELTA)
    assert sync.state()["watermark"] is None, "the next run looks at everybody"
    sync.run(service, RunKind.FULL)
    known = sync.trainer("T1")
    assert known is not None
    assert known["name"] == "New Name"
    assert sync.state()["watermark"] < SERVED_AT


def test_time_off_that_comes_and_goes_does_not_pile_up(sync: Sync) -> None:
    zone = sync.make.zone()
    away = (SaidAway(NOW + timedelta(days=5), NOW + timedelta(days=6), "ill"),)
    service = Told(trainer("T1", zone, time_off=away))
    for _ in range(3):
        service.say(trainer("T1", zone, time_off=away))
        sync.run(service)
        service.say(trainer("T1", zone))
        sync.run(service)
    assert sync.rows("SELECT count(*) AS rows FROM time_off")[0]["rows"] == 1
    service.say(trainer("T1", zone, time_off=away))
    sync.run(service)
    service.say(trainer("T1", zone, time_off=()))
    sync.run(service)
    assert sync.rows("SELECT count(*) AS rows FROM time_off")[0]["rows"] == 0


def test_a_page_of_more_than_was_asked_for_is_applied_in_slices(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "BULK_LIMIT", 3)
    sizes: list[int] = []
    real = applying.apply

    def watched(work: Any, heard: Any, *rest: Any, **named: Any) -> Any:
        given = [*heard]
        sizes.append(len(given))
        return real(work, given, *rest, **named)

    monkeypatch.setattr(bulk, "apply", watched)
    zone = sync.make.zone()
    service = Told(*[trainer(f"T{n}", zone) for n in range(8)], per_page=8)
    run = sync.run(service)
    assert (sizes, run["state"], run["seen"], run["added"]) == ([3, 3, 2], "done", 8, 8)


@pytest.mark.race
def test_a_link_that_changes_under_a_page_is_not_missed(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    def operator(name: str) -> Any:
        return desk.database.retrying(
            lambda unit: operators.create(unit, OperatorCommand(name, False), by=SYSTEM, now=NOW)
        )

    first, second = operator("First Tutors"), operator("Second Tutors")
    link(desk, LinkKind.FRANCHISE, "F", first)
    monkeypatch.setattr(
        "webapp.trainers.syncing.world.World.time_zone_at", lambda _self, _operator, _base: "Asia/Kolkata"
    )
    service, linking = Told(trainer("T1", franchise="F", courses=())), threading.Event()

    def say_otherwise() -> None:
        linking.set()
        link(desk, LinkKind.FRANCHISE, "F", second)

    admin = threading.Thread(target=say_otherwise)
    real = records.read_world

    def read_slowly(db: Any) -> Any:
        world = real(db)
        if not linking.is_set():
            admin.start()
            linking.wait(5)
            admin.join(0.5)  # it waits for this very page
        return world

    monkeypatch.setattr(applying, "read_world", read_slowly)
    ask(desk)
    work(desk, service)
    admin.join(10)
    found = desk.database.retrying(
        lambda unit: unit.db.execute(
            text("SELECT operator_id, held_back_code FROM trainers WHERE service_id = 'T1'")
        ).one()
    )
    assert tuple(found) == (first, "operator-changed"), "the admin's word counts, and nobody is moved without one"


@pytest.mark.race
def test_a_zone_that_changes_under_a_page_is_read_anew(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    service, changed = served(desk, 3), threading.Event()
    real = records.read_world

    def read_before_a_change(db: Any) -> Any:
        world = real(db)
        if not changed.is_set():
            changed.set()
            moved = {"id": desk.zone_id}
            other = threading.Thread(
                target=lambda: desk.database.retrying(
                    lambda unit: unit.db.execute(
                        text("UPDATE zones SET time_zone = 'Europe/Berlin' WHERE id = :id"), moved
                    )
                )
            )
            other.start()
            other.join()
        return world

    monkeypatch.setattr(applying, "read_world", read_before_a_change)
    ask(desk)
    work(desk, service)
    zones = desk.database.retrying(lambda unit: unit.db.scalars(text("SELECT DISTINCT time_zone FROM trainers")).all())
    states = desk.database.retrying(lambda unit: unit.db.scalars(text("SELECT state FROM trainer_sync_runs")).all())
    assert (list(zones), list(states)) == (["Europe/Berlin"], ["done"])
