"""What a process remembers of trainers is what the tables say: every way to change them renews the stamp."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.rooms.test_assignments import Desk, desk_of, rows
from webapp.assignments.facts import TrainerFacts
from webapp.assignments.queries import roster
from webapp.assignments.queries.needs import BookingNeed, booking_need
from webapp.assignments.queries.roster import trainer_as_now, trainers_of_operator
from webapp.core.ids import new_id
from webapp.db.work import counting_statements, read_only, unit_of_work
from webapp.schedule.rules import SECONDS_PER_DAY, TakenSlots

CHANGES = {
    "a slot goes": "DELETE FROM schedule_slots WHERE booking_id = :taken AND date = '2027-01-07'",
    "a slot moves": "UPDATE schedule_slots SET period = tstzrange(lower(period) + interval '20 min',"
    " upper(period) + interval '20 min') WHERE booking_id = :taken",
    "a slot is another trainer's": "UPDATE schedule_slots SET trainer_id = :other WHERE booking_id = :taken",
    "time off comes": "INSERT INTO time_off (id, operator_id, trainer_id, period, reason)"
    " VALUES (:id, :operator, :trainer, '[2027-01-05 00:00+00,2027-01-06 00:00+00)', 'ill')",
    "time off goes": "DELETE FROM time_off WHERE trainer_id = :trainer",
    "time off is shorter": "UPDATE time_off SET period = '[2027-01-09 00:00+00,2027-01-09 01:00+00)'"
    " WHERE trainer_id = :trainer",
    "hours are other ones": "UPDATE working_hours SET ends = '17:00' WHERE trainer_id = :trainer",
    "hours go": "DELETE FROM working_hours WHERE trainer_id = :trainer AND weekday = 3",
    "a certification goes": "DELETE FROM trainer_courses WHERE trainer_id = :trainer",
    "a zone goes": "DELETE FROM trainer_zones WHERE trainer_id = :trainer",
    "the trainer leaves": "UPDATE trainers SET active = false WHERE id = :trainer",
    "the trainer moves": "UPDATE trainers SET base_lat = base_lat + 0.01 WHERE id = :trainer",
}


@pytest.fixture
def desk(make: Make) -> Desk:
    return desk_of(make)


def told(booking: BookingNeed) -> dict[UUID, TrainerFacts]:
    """What is remembered, by trainer, as far as it is about the course's days, in an order that can be compared."""
    with read_only() as db:
        return comparable(booking, trainers_of_operator(db, booking.need, booking.family))


def afresh(booking: BookingNeed, trainer_ids: list[UUID]) -> dict[UUID, TrainerFacts]:
    with read_only() as db:
        found = [trainer_as_now(db, booking.need, booking.family, id_) for id_ in trainer_ids]
    return comparable(booking, [one for one in found if one is not None])


def comparable(booking: BookingNeed, found: list[TrainerFacts]) -> dict[UUID, TrainerFacts]:
    first, last = booking.need.start_seconds[0] - SECONDS_PER_DAY, booking.need.start_seconds[-1] + SECONDS_PER_DAY

    def within(slots: TakenSlots) -> TakenSlots:
        return replace(slots, starts=tuple(start for start in slots.starts if first <= start <= last))

    return {
        facts.id: replace(
            facts,
            taken=tuple(sorted((one for slots in facts.taken if (one := within(slots)).starts), key=repr)),
            away=tuple(sorted(off for off in facts.away if booking.need.starts[0] < off.ends_at)),
        )
        for facts in found
    }


def needed(desk: Desk, **wishes: object) -> BookingNeed:
    placed = desk.booking(**wishes)
    with read_only() as db:
        return booking_need(db, placed.id)


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_changes_is_known_at_the_next_question(desk: Desk, change: str) -> None:
    one, other = desk.trainer("A"), desk.trainer("B")
    taken = desk.booking(timeslot=time(18))
    desk.propose(taken, one)
    with unit_of_work() as work:
        work.db.execute(
            text(CHANGES["time off comes"].replace("01-05", "01-09").replace("01-06", "01-10")),
            {"id": new_id(), "operator": desk.operator_id, "trainer": one},
        )
    booking = needed(desk)
    before = told(booking)
    assert before == afresh(booking, [one, other])
    named = {"taken": taken.id, "trainer": one, "other": other, "id": new_id(), "operator": desk.operator_id}
    statement = text(CHANGES[change])
    with unit_of_work() as work:
        work.db.execute(statement, {name: value for name, value in named.items() if f":{name}" in CHANGES[change]})
    after = told(booking)
    assert after == afresh(booking, [one, other])
    assert after[one] != before[one], "this change matters, and the comparison would notice if it were not known"


def test_only_who_has_changed_is_read_again(desk: Desk) -> None:
    one, other = desk.trainer("A"), desk.trainer("B")
    first, second = desk.booking(), needed(desk)
    told(second)
    with read_only() as db, counting_statements() as statements:
        trainers_of_operator(db, second.need, second.family)
        assert statements() == 1
    stamps = "SELECT stamp FROM trainers WHERE id = :id"
    before = [rows(stamps, id=id_) for id_ in (one, other)]
    desk.propose(first, one)
    assert [rows(stamps, id=id_) == stamp for id_, stamp in zip((one, other), before, strict=True)] == [False, True]
    with read_only() as db, counting_statements() as statements:
        found = {facts.id: facts for facts in trainers_of_operator(db, second.need, second.family)}
        assert statements() == 2
    assert (len(found[one].taken), len(found[other].taken)) == (1, 0)


def test_what_was_rolled_back_is_not_remembered(desk: Desk) -> None:
    trainer = desk.trainer()
    booking = needed(desk)
    before = told(booking)
    for name in ("Undone", "Done"):
        with unit_of_work() as work:
            savepoint = work.db.begin_nested()
            work.db.execute(text("UPDATE trainers SET name = :name WHERE id = :id"), {"name": name, "id": trainer})
            (seen,) = trainers_of_operator(work.db, booking.need, booking.family)
            assert seen.name == name
            savepoint.rollback() if name == "Undone" else savepoint.commit()
        expected = before[trainer].name if name == "Undone" else name
        assert told(booking)[trainer].name == expected


def test_a_course_further_off_than_what_is_remembered_is_read(desk: Desk) -> None:
    trainer = desk.trainer()
    booking, later, earlier = needed(desk), desk.booking(start_date=date(2027, 9, 1)), desk.booking()
    told(booking)
    desk.propose(earlier, trainer)
    desk.propose(later, trainer)
    far = needed(desk, start_date=date(2027, 9, 1), timeslot=time(18))
    for wanted in (far, booking, far):
        assert told(wanted) == afresh(wanted, [trainer])
    assert [slots.booking_id for slots in told(far)[trainer].taken] == [later.id]
    assert [slots.booking_id for slots in told(booking)[trainer].taken] == [earlier.id]


def test_a_booking_does_not_stand_in_its_own_way(desk: Desk) -> None:
    trainer = desk.trainer()
    placed = desk.booking()
    desk.propose(placed, trainer)
    with read_only() as db:
        booking = booking_need(db, placed.id)
    assert told(booking)[trainer].taken == ()
    assert told(booking) == afresh(booking, [trainer])


def test_the_least_recently_asked_for_are_forgotten_first(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    memory = roster._Memory(2)
    monkeypatch.setattr(roster, "_memory", memory)
    ids = [desk.trainer(name) for name in ("A", "B", "C")]
    booking = needed(desk)
    for _ in range(2):
        assert set(told(booking)) == set(ids)
        assert len(memory.of(ids)) == 2


def test_another_operators_trainer_is_nobody(make: Make, desk: Desk) -> None:
    stranger = desk_of(make).trainer()
    booking = needed(desk)
    assert told(booking) == afresh(booking, [stranger]) == {}
