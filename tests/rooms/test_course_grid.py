"""The whole-course grid says of every session what the check of that session alone says, on a real database."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, time

import pytest

from tests.make import Make
from tests.rooms.test_assignments import Desk, desk
from tests.web.client import NOW, DeskClient
from webapp.assignments.grid import Cell, course_grid
from webapp.assignments.queries.candidates import weigh
from webapp.assignments.queries.needs import booking_need
from webapp.assignments.rules import ReasonCode
from webapp.core.geo import Location
from webapp.core.intervals import Interval, resolve_local
from webapp.db.work import counting_statements, read_only, unit_of_work
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours

__all__ = ["desk"]

OF_REASON = {
    ReasonCode.OUTSIDE_HOURS: Cell.OUTSIDE_HOURS,
    ReasonCode.OFF: Cell.OFF,
    ReasonCode.BUSY: Cell.BUSY,
    ReasonCode.TRAVEL: Cell.TRAVEL_TIGHT,
}


def roster(desk: Desk) -> None:
    """Five trainers, each with something else in the way of some sessions from 4 to 13 January at 16:00."""
    here = desk.make.place_of(desk.operator_id)
    away_from = Location(here.lat + 0.06, here.lng)
    desk.trainer("Free")
    desk.trainer("Weekdays", hours=tuple(WorkingHours(day, time(7), time(21)) for day in range(5)))
    off = desk.trainer("Off")
    with unit_of_work() as work:
        days = [resolve_local(date(2027, 1, on), time(0), "Asia/Kolkata").at for on in (6, 9)]
        trainers.record_time_off(work, off, Interval(days[0], days[1]), "", by=desk.manager, now=NOW)
    busy, tight = desk.trainer("Busy"), desk.trainer("Tight")
    desk.propose(desk.booking(start_date=date(2027, 1, 8), timeslot=time(16, 20)), busy)
    elsewhere = desk.booking(start_date=date(2027, 1, 10), timeslot=time(16, 45), place=away_from)
    desk.propose(elsewhere, tight)
    desk.trainer("Untaught", courses=())
    desk.trainer("Unknown hours", hours=())


def test_every_cell_equals_the_check_of_its_session_alone(desk: Desk) -> None:
    roster(desk)
    booking = desk.booking()
    with read_only() as db:
        wanted = booking_need(db, booking.id)
        need, family = wanted.need, wanted.family
        looked = weigh(db, need, family, max_courses=3)
        grid = course_grid(need, looked.verdicts, looked.facts)
        alone = [
            {
                verdict.trainer_id: OF_REASON[verdict.reasons[0].code] if verdict.reasons else Cell.FREE
                for verdict in weigh(db, replace(need, sessions=(session,)), family, max_courses=3).verdicts
                if not verdict.reasons or verdict.reasons[0].code in OF_REASON
            }
            for session in need.sessions
        ]
    assert {row.name for row in grid.rows} == {"Free", "Weekdays", "Off", "Busy", "Tight"}
    for row in grid.rows:
        assert row.cells == tuple(of_session[row.trainer_id] for of_session in alone), row.name
    assert {cell for row in grid.rows for cell in row.cells} == set(Cell), "every kind of cell is there"


def test_the_grid_can_be_sorted_by_free_sessions_and_shows_who_must_be_seen(desk: Desk) -> None:
    roster(desk)
    booking = desk.booking()
    with read_only() as db:
        wanted = booking_need(db, booking.id)
        looked = weigh(db, wanted.need, wanted.family, max_courses=3)
    by_free = course_grid(wanted.need, looked.verdicts, looked.facts, by_free=True)
    assert [row.free for row in by_free.rows] == sorted((row.free for row in by_free.rows), reverse=True)
    assert by_free.rows[0].free == 10
    last = by_free.rows[-1]
    few = course_grid(wanted.need, looked.verdicts, looked.facts, first=last.trainer_id, shown=2)
    assert (few.rows[0].name, len(few.rows), few.more) == (last.name, 2, 3)
    ranked = course_grid(wanted.need, looked.verdicts, looked.facts)
    order = [verdict.trainer_id for verdict in looked.verdicts]
    assert [row.trainer_id for row in ranked.rows] == [
        id_ for id_ in order if id_ in {r.trainer_id for r in ranked.rows}
    ]


def test_the_facts_come_with_the_verdicts_in_one_answer(desk: Desk) -> None:
    roster(desk)
    booking = desk.booking()
    with read_only() as db, counting_statements() as count:
        wanted = booking_need(db, booking.id)
        weigh(db, wanted.need, wanted.family, max_courses=3, fixes_after=NOW)
        assert count() <= 4


@pytest.mark.parametrize("order", ["", "free"])
def test_the_pages_show_the_grid(desk: Desk, client: DeskClient, order: str) -> None:
    roster(desk)
    booking = desk.booking()
    client.sign_in(desk.make.manager(desk.operator_id))
    query = {"grid": order} if order else {}
    page = client.get("desk.propose", booking_id=booking.id, query_string=query)
    assert page.status_code == 200
    assert "Whole-course grid" in page.text
    assert page.text.count("zd-cell-busy") > 1
    assert client.statements <= 12
    made = desk.proposed(booking)
    page = client.get("assignments.show", assignment_id=made, query_string=query)
    assert "10 sessions, as of now" in page.text
    assert "10 of 10" in page.text
    assert client.statements <= 12
    assert ("Order of ranking" in page.text) == bool(order)


def test_a_stranger_cannot_see_it(desk: Desk, client: DeskClient, make: Make) -> None:
    booking = desk.booking()
    client.sign_in(make.manager(make.franchise()))
    assert client.get("desk.propose", booking_id=booking.id).status_code == 404
