"""Several at once: workers at a run, people who ask, admins who link, staff who book. Real connections and commits."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID

import pytest

from tests.rooms.test_assignment_races import Desk, desk
from tests.syncing.conftest import RHYTHM, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.assignments.service import Proposed
from webapp.clients.trainer_service.said import UNSAID, SaidTrainer
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid
from webapp.core.geo import Location
from webapp.courses import service as courses
from webapp.courses.rules import CourseCommand
from webapp.db.work import Work
from webapp.trainers import queries
from webapp.trainers import service as roster
from webapp.trainers.sync_rules import LinkKind, RunCause, RunKind
from webapp.trainers.syncing import linking, runs
from webapp.trainers.syncing.running import work_off

pytestmark = pytest.mark.race
__all__ = ["desk"]


def ask(desk: Desk, kind: RunKind = RunKind.FULL) -> UUID:
    return desk.database.retrying(lambda work: runs.request(work, kind, RunCause.PERSON, by=SYSTEM, now=NOW))


def work(desk: Desk, service: Told) -> UUID | None:
    return work_off(desk.database, service, RHYTHM, now=lambda: NOW, seconds=60)


def link(desk: Desk, kind: LinkKind, name: str, target: UUID) -> UUID:
    return desk.database.retrying(lambda unit: linking.link(unit, kind, name, target, moves=True, by=SYSTEM, now=NOW))


def served(desk: Desk, count: int, **fields: Any) -> Told:
    """A service whose trainers work in the desk's zone."""
    base = Location(17.6868, 83.2185)
    said = [replace(trainer(f"T{number:03}", desk.zone_id, base=base), **fields) for number in range(count)]
    return Told(*said, per_page=20)


def known(service: Told) -> list[SaidTrainer]:
    return [said for said in service.trainers.values() if isinstance(said, SaidTrainer)]


def test_of_many_who_ask_at_once_all_get_the_one_run(desk: Desk) -> None:
    asked = desk.at_once([partial(ask, desk, kind) for kind in (RunKind.FULL, RunKind.DELTA) for _ in range(8)])
    assert len(set(asked)) == 1
    assert desk.number("SELECT count(*) FROM trainer_sync_runs") == 1
    assert desk.number("SELECT count(*) FROM trainer_sync_runs WHERE kind = 'full'") == 1


def test_of_several_workers_at_one_run_one_works(desk: Desk) -> None:
    service = served(desk, 60)
    ask(desk)
    done = desk.at_once([partial(work, desk, service) for _ in range(6)])
    assert sorted(one is None for one in done) == [False, *[True] * 5]
    assert service.asked == ["first since=None etag=None", "page 20", "page 40"]
    assert desk.number("SELECT count(*) FROM trainers") == 60
    assert desk.number("SELECT count(*) FROM audit_entries WHERE what = 'trainer.created'") == 60


def test_a_worker_that_was_overtaken_in_the_middle_leaves_the_run_to_the_other(desk: Desk) -> None:
    """The first hangs in its second question until the second, a minute later, has done everything."""
    service, hangs, over = served(desk, 60), threading.Event(), threading.Event()

    def hang(question: str) -> None:
        if question == "page 20" and not hangs.is_set():
            hangs.set()
            over.wait(30)

    service.before_answer = hang
    run_id = ask(desk)

    def second() -> UUID | None:
        hangs.wait(30)
        later = NOW + timedelta(minutes=1)
        try:
            return work_off(desk.database, service, RHYTHM, now=lambda: later, seconds=60)
        finally:
            over.set()

    first: Callable[[], UUID | None] = partial(work, desk, service)
    assert desk.at_once([first, second]) == [run_id, run_id]
    assert desk.number("SELECT count(*) FROM trainers") == 60
    assert desk.number("SELECT count(*) FROM trainer_sync_changes") == 60
    assert desk.number("SELECT seen FROM trainer_sync_runs WHERE state = 'done'") == 60


def test_bookings_go_on_while_the_roster_changes_under_them(desk: Desk) -> None:
    service = served(desk, 40, courses=(str(desk.course_id),), hours=())
    ask(desk)
    work(desk, service)
    desk.trainers(8)
    bookings = desk.bookings(8)
    for said in known(service):
        service.say(replace(said, courses=(), name=f"{said.name} x"))
    ask(desk)

    def change(trainer_id: UUID) -> None:
        def task(unit: Work) -> None:
            changed = replace(queries.as_command(unit.db, trainer_id), languages=())
            roster.change(unit, trainer_id, changed, by=SYSTEM, now=NOW)

        desk.database.retrying(task)

    with desk.database.read_only() as db:
        rows, _total = queries.trainers_index(db, visible_to=SYSTEM, limit=6)
    tasks: list[Callable[[], object]] = [
        partial(work, desk, service),
        *(partial(desk.propose, booking) for booking in bookings),
        *(partial(change, row.id) for row in rows),
    ]
    outcomes = desk.at_once(tasks)
    assert not [one for one in outcomes if isinstance(one, Conflict)]
    assert sum(isinstance(one, Proposed) and one.assignment_id is not None for one in outcomes) == 8
    assert desk.number("SELECT count(*) FROM trainer_sync_runs WHERE state = 'done'") == 2
    assert desk.number("SELECT count(*) FROM trainers WHERE name LIKE '% x'") == 40


def test_a_link_and_a_run_that_place_the_same_trainers_place_them_once(desk: Desk) -> None:
    franchise = desk.make.franchise()
    zone = desk.make.zone(operator_id=franchise)
    service = served(desk, 40, franchise="F1", zones=(str(zone),))
    ask(desk)
    work(desk, service)
    for said in known(service):
        service.say(replace(said, name=f"{said.name} x"))
    ask(desk)

    tasks: list[Callable[[], object]] = [
        partial(work, desk, service),
        partial(link, desk, LinkKind.FRANCHISE, "F1", franchise),
        *(partial(link, desk, LinkKind.TRAINER, f"T{number:03}", franchise) for number in (0, 19, 39)),
    ]
    desk.at_once(tasks)
    assert desk.number("SELECT count(*) FROM trainers") == 40
    assert desk.number("SELECT count(*) FROM trainers WHERE service_id IS NOT NULL AND left_at IS NULL") == 40
    assert desk.number("SELECT count(*) FROM trainer_service_records WHERE trainer_id IS NULL") == 0


def test_the_same_link_said_by_several_at_once_is_one(desk: Desk) -> None:
    franchise = desk.make.franchise()

    said = partial(link, desk, LinkKind.FRANCHISE, "F1", franchise)
    assert len(set(desk.at_once([said] * 6))) == 1
    assert desk.number("SELECT count(*) FROM trainer_service_links") == 1


def test_of_two_who_say_whose_a_trainer_is_the_second_moves_nobody_by_mistake(desk: Desk) -> None:
    """Both saw a page on which the trainer was nobody's."""
    franchises = [desk.make.franchise() for _ in range(2)]
    for franchise in franchises:
        desk.make.zone(operator_id=franchise)
    service = Told(replace(trainer("T1"), zones=UNSAID, franchise=UNSAID))
    ask(desk)
    work(desk, service)
    assert desk.number("SELECT count(*) FROM trainers") == 0

    def say(franchise: UUID) -> object:
        try:
            return desk.database.retrying(
                lambda unit: linking.link(unit, LinkKind.TRAINER, "T1", franchise, by=SYSTEM, now=NOW)
            )
        except Invalid as refused:
            return refused.code

    outcomes = desk.at_once([partial(say, franchise) for franchise in franchises])
    assert outcomes.count("link-moves") == 1
    assert desk.number("SELECT count(*) FROM trainers") == 1
    assert desk.number("SELECT count(*) FROM trainers WHERE left_at IS NOT NULL") == 0


def test_courses_are_renamed_while_their_trainers_change(desk: Desk) -> None:
    """A new name counts up every operator's roster in turn, and so does a page of trainers of several operators."""
    franchises = [desk.make.franchise() for _ in range(4)]
    service = Told(per_page=20)
    for number, franchise in enumerate(franchises):
        zone = desk.make.zone(operator_id=franchise)
        desk.database.retrying(
            partial(
                linking.link, kind=LinkKind.FRANCHISE, external_id=f"F{number}", target_id=franchise, by=SYSTEM, now=NOW
            )
        )
        service.say(*(trainer(f"T{number}-{one}", zone, franchise=f"F{number}") for one in range(10)))
    ask(desk)
    work(desk, service)
    for said in known(service):
        service.say(replace(said, name=f"{said.name} x", courses=()))
    ask(desk)
    course_id = desk.make.course()

    def rename(number: int) -> object:
        command = CourseCommand(f"Renamed {number}")
        return desk.database.retrying(lambda unit: courses.change(unit, course_id, command, by=SYSTEM, now=NOW))

    tasks: list[Callable[[], object]] = [partial(work, desk, service), *(partial(rename, one) for one in range(6))]
    outcomes = desk.at_once(tasks)
    assert not [one for one in outcomes if isinstance(one, Conflict)]
    assert desk.number("SELECT count(*) FROM trainer_sync_runs WHERE state = 'done'") == 2
