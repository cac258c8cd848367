"""There is one scorer: the list, the automatic choice, the waitlist and the approval agree on random small worlds.

What SQL gathers for it is held against the same facts put together in Python from all rows.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import date, time, timedelta
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from tests.make import Make
from tests.rooms.test_assignments import LIMITS, Desk, desk_of
from tests.rules.builders import TakenSlot, together
from tests.web.client import NOW
from webapp.assignments import service, waitlist
from webapp.assignments.fixes import applied
from webapp.assignments.queries.candidates import Family, candidates
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.rules import CourseNeed, TrainerFacts, Verdict, assess, rank
from webapp.assignments.service import Proposed
from webapp.bookings.rules import DeliveryMode
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict
from webapp.core.geo import Location
from webapp.core.intervals import Interval, resolve_local
from webapp.db.work import Work, read_only, unit_of_work
from webapp.desk.queries.booking import booking_detail
from webapp.desk.queries.plan import plan_of, trainers_for
from webapp.desk.rules import Wish
from webapp.households.rules import Gender, Language
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours

SEEDS = range(5)
_MINUTE = timedelta(minutes=1)


@dataclass
class World:
    """A franchise with a random roster and some random proposals, and a booking that waits."""

    desk: Desk
    waiting: PlacedBooking


class _Undo(Exception):
    """What was done is only looked at."""


def world_of(make: Make, seed: int) -> World:
    """A world: the same for the same seed."""
    random, desk = Random(seed), desk_of(make)
    here = make.place_of(desk.operator_id)
    roster = []
    for _ in range(9):
        opens = random.choice([7, 7, 7, 16])
        weekdays = range(7) if random.random() < 0.8 else range(5)
        hours = () if random.random() < 0.1 else tuple(WorkingHours(day, time(opens), time(21)) for day in weekdays)
        roster.append(
            desk.trainer(
                courses=(desk.course_id,) if random.random() < 0.85 else (),
                base=Location(here.lat + random.uniform(-0.055, 0.055), here.lng + random.uniform(-0.055, 0.055)),
                without_base=random.random() < 0.08,
                gender=random.choice([None, *Gender]),
                languages=tuple(random.sample(list(Language), 2)),
                hours=hours,
            )
        )
    for trainer_id in random.sample(roster, 3):
        starts = resolve_local(date(2027, 1, random.randint(4, 24)), time(random.choice([0, 12])), "Asia/Kolkata").at
        with unit_of_work() as work:
            period = Interval(starts, starts + timedelta(hours=random.choice([5, 24, 72])))
            trainers.record_time_off(work, trainer_id, period, "", by=desk.manager, now=NOW)
    for _ in range(6):
        desk.propose(a_booking(desk, random))
    waiting = a_booking(desk, random)
    with unit_of_work() as work:
        household_id = work.db.scalar(text("SELECT household_id FROM bookings WHERE id = :id"), {"id": waiting.id})
        assert household_id is not None
        trainers.block(work, random.choice(roster), household_id, "Apart", by=desk.manager, now=NOW)
    return World(desk, waiting)


def a_booking(desk: Desk, random: Random) -> PlacedBooking:
    here = desk.make.place_of(desk.operator_id)
    mode = random.choice(list(DeliveryMode))
    return desk.booking(
        delivery_mode=mode,
        total_sessions=30 if mode is DeliveryMode.HYBRID else 10,
        start_date=date(2027, 1, random.randint(4, 12)),
        timeslot=time(random.choice([15, 16, 17]), random.choice([0, 20, 45])),
        place=Location(here.lat + random.uniform(-0.03, 0.03), here.lng + random.uniform(-0.03, 0.03)),
    )


@pytest.fixture(params=SEEDS, ids=lambda seed: f"seed{seed}")
def world(make: Make, request: pytest.FixtureRequest) -> World:
    return world_of(make, request.param)


def asked(db: Session, world: World) -> tuple[CourseNeed, Family, list[Verdict]]:
    """What the booking needs, and what the scorer says."""
    booking = booking_need(db, world.waiting.id)
    found = candidates(db, booking.need, booking.family, max_courses=LIMITS.max_courses, fixes_after=NOW)
    return booking.need, booking.family, found


def without_fix(verdicts: list[Verdict]) -> list[Verdict]:
    return [replace(verdict, fix=None) for verdict in verdicts]


def from_rows(db: Session, need: CourseNeed, family: Family) -> list[TrainerFacts]:
    """The facts of all trainers out of whole tables, put together without a thought for what matters."""
    rows = {
        name: db.execute(text(f"SELECT * FROM {name}")).all()
        for name in ("trainers", "trainer_courses", "trainer_zones", "working_hours", "trainer_blocks")
    }
    away = db.execute(text("SELECT trainer_id, lower(period), upper(period) FROM time_off")).all()
    slots = db.execute(text("SELECT *, lower(period) AS starts_at, upper(period) AS ends_at FROM schedule_slots")).all()
    found = []
    for trainer in rows["trainers"]:
        mine = [slot for slot in slots if slot.trainer_id == trainer.id and slot.booking_id != family.booking_id]
        found.append(
            TrainerFacts(
                id=trainer.id,
                name=trainer.name,
                operator_id=trainer.operator_id,
                active=trainer.active,
                course_ids=frozenset(r.course_id for r in rows["trainer_courses"] if r.trainer_id == trainer.id),
                zone_ids=frozenset(r.zone_id for r in rows["trainer_zones"] if r.trainer_id == trainer.id),
                base=None if trainer.base_lat is None else Location(trainer.base_lat, trainer.base_lng),
                hours=tuple(
                    WorkingHours(r.weekday, r.starts, r.ends)
                    for r in rows["working_hours"]
                    if r.trainer_id == trainer.id
                ),
                time_zone=trainer.time_zone,
                away=tuple(Interval(start, end) for who, start, end in away if who == trainer.id),
                taken=together(
                    TakenSlot(
                        Interval(slot.starts_at, slot.ends_at),
                        None if slot.place_lat is None else Location(slot.place_lat, slot.place_lng),
                        slot.buffer_minutes,
                    )
                    for slot in mine
                ),
                blocked=any(
                    r.trainer_id == trainer.id and r.household_id == family.household_id for r in rows["trainer_blocks"]
                ),
                languages=frozenset(trainer.languages),
                gender=trainer.gender,
            )
        )
    return [facts for facts in found if facts.operator_id == need.operator_id]


def only_looked_at(task: Callable[[Work], Proposed | None]) -> UUID | None:
    """Whom a verb would propose; nothing of it stays."""
    chosen: list[UUID | None] = []
    with suppress(_Undo), unit_of_work() as work:
        proposed = task(work)
        chosen.append(proposed.trainer_id if proposed is not None else None)
        raise _Undo
    return chosen[0]


def test_the_facts_sql_gathers_give_the_verdicts_of_all_rows(world: World) -> None:
    with read_only() as db:
        need, family, found = asked(db, world)
        by_hand = rank(assess(need, facts) for facts in from_rows(db, need, family))
        booked: dict[UUID, int] = dict(
            db.execute(
                text(
                    "SELECT trainer_id, 40 * count(*) FROM schedule_slots"
                    " WHERE lower(period) BETWEEN :first AND :last AND booking_id <> :own GROUP BY trainer_id"
                ),
                {"first": need.starts[0], "last": need.starts[-1], "own": family.booking_id},
            ).all()
        )
    assert without_fix(found) == by_hand
    assert any(not verdict.eligible for verdict in found)
    assert {v.trainer_id: v.booked_minutes for v in found if v.booked_minutes} == booked


def test_the_lists_of_the_pages_are_the_scorers(world: World) -> None:
    with read_only() as db:
        need, family, found = asked(db, world)
        stored = booking_detail(db, world.waiting.id, visible_to=SYSTEM)
        shown = trainers_for(db, world.waiting.id, now=NOW, limits=LIMITS)
        wish = Wish(
            place=stored.place,
            zone_id=stored.zone_id,
            course_id=stored.course_id,
            class_type=stored.class_type,
            delivery_mode=stored.delivery_mode,
            total_sessions=stored.total_sessions,
            start_date=stored.start_date,
            timeslot=stored.timeslot,
            students=len(stored.students),
            household_id=stored.household_id,
            student_ids=family.student_ids,
            booking_id=stored.id,
        )
        planned = plan_of(db, wish, visible_to=world.desk.staff, now=NOW, limits=LIMITS).trainers
    assert planned is not None
    assert [*shown.eligible, *shown.others] == found
    assert [*planned.eligible, *planned.others] == found
    assert need.total == stored.total_sessions


def test_automatic_choice_and_waitlist_take_the_first_of_the_list(world: World) -> None:
    with read_only() as db:
        found = asked(db, world)[2]
    best = found[0].trainer_id if found[0].eligible else None
    id_ = world.waiting.id

    def propose(work: Work) -> Proposed:
        return service.propose(work, id_, trainer_id=None, by=world.desk.staff, now=NOW, limits=LIMITS)

    assert only_looked_at(propose) == best
    assert only_looked_at(lambda work: waitlist.retry(work, id_, now=NOW, limits=LIMITS)) == best


def test_naming_a_trainer_succeeds_or_fails_as_the_list_says(world: World) -> None:
    with read_only() as db:
        found = asked(db, world)[2]
    for verdict in found:

        def propose(work: Work, named: UUID = verdict.trainer_id) -> Proposed:
            return service.propose(
                work, world.waiting.id, trainer_id=named, by=world.desk.staff, now=NOW, limits=LIMITS
            )

        if verdict.eligible:
            assert only_looked_at(propose) == verdict.trainer_id
            continue
        with pytest.raises(Conflict) as caught, unit_of_work() as work:
            propose(work)
        if caught.value.code != "trainer-taken":
            assert caught.value.params["reasons"] == verdict.reasons


def test_approval_checks_again_with_the_same_scorer(world: World) -> None:
    desk = world.desk
    made = desk.propose(world.waiting)
    if made.assignment_id is None or made.trainer_id is None:
        with read_only() as db:
            assert not any(verdict.eligible for verdict in asked(db, world)[2])
        return
    with read_only() as db:
        need, family, _found = asked(db, world)
        (held,) = candidates(db, need, family, max_courses=LIMITS.max_courses, only=made.trainer_id)
    assert held.eligible, "its own slots do not stand in its way"
    with unit_of_work() as work:
        period = Interval(need.starts[2], need.ends[2])
        trainers.record_time_off(work, made.trainer_id, period, "", by=desk.manager, now=NOW)
    with read_only() as db:
        listed = next(v for v in asked(db, world)[2] if v.trainer_id == made.trainer_id)
    with pytest.raises(Conflict) as caught:
        desk.approve(made.assignment_id)
    assert caught.value.params["reasons"] == listed.reasons != ()


def test_whoever_is_offered_with_a_fix_is_eligible_once_it_is_applied(world: World) -> None:
    with read_only() as db:
        need, family, found = asked(db, world)
        for verdict in found:
            if verdict.fix is None:
                continue
            changed = applied(need, verdict.fix)
            (after,) = candidates(db, changed, family, max_courses=LIMITS.max_courses, only=verdict.trainer_id)
            assert after.eligible, f"{verdict.name}: {verdict.fix}: {[str(reason) for reason in after.reasons]}"


def test_the_worlds_are_worth_looking_at(make: Make) -> None:
    """Among them are all kinds of reasons that single sessions can have, fixes, and trainers who can."""
    codes, fixes, eligible = set(), 0, 0
    for seed in SEEDS:
        world = world_of(make, seed)
        with read_only() as db:
            found = asked(db, world)[2]
        codes |= {reason.code.value for verdict in found for reason in verdict.reasons}
        fixes += sum(verdict.fix is not None for verdict in found)
        eligible += sum(verdict.eligible for verdict in found)
    assert {"busy", "off", "outside_hours", "travel", "blocked", "not_certified"} <= codes
    assert fixes >= 2
    assert eligible >= 2
