"""A trainer who is not eligible, the reason, the smallest change, and the proposal: without JavaScript."""

from __future__ import annotations

import html
import re
from datetime import date, time
from typing import Any

import pytest
from sqlalchemy import text

from tests.make import HOME, KOLKATA, Make
from tests.web.client import NOW
from tests.web.test_new_booking import Desk, desk, follow, shown
from webapp.assignments.fixes import FixKind
from webapp.core.actor import SYSTEM
from webapp.core.intervals import Interval, resolve_local
from webapp.db.work import read_only, unit_of_work
from webapp.trainers import service as trainers
from webapp.trainers.rules import WorkingHours

__all__ = ["desk"]


def button(page: str) -> str:
    """The value of the one button that applies a change."""
    (value,) = re.findall(r'name="fix" value="([^"]*)"', page)
    return html.unescape(value)


def fields(page: str) -> dict[str, Any]:
    """What the day, the time and the moves of a form hold."""
    found: dict[str, Any] = {"moves": re.findall(r'name="moves"[^>]* value="([^"]*)"', page)}
    for name in ("start_date", "timeslot"):
        tag = re.search(rf'<input[^>]*name="{name}"[^>]*>', page)
        assert tag is not None
        value = re.search(r'value="([^"]*)"', tag[0])
        found[name] = value[1] if value else None
    return found


def sessions(reference: str) -> list[tuple[int, date, time]]:
    with read_only() as db:
        found = db.execute(
            text(
                "SELECT number, s.date, s.timeslot FROM course_sessions s JOIN bookings b ON b.id = s.booking_id"
                " WHERE b.reference = :reference ORDER BY number"
            ),
            {"reference": reference},
        )
        return [(row[0], row[1], row[2]) for row in found]


def away(desk: Desk, trainer_id: Any, on: date, from_: time, to: time) -> None:
    """The trainer is away for a part of a day."""
    period = Interval(resolve_local(on, from_, KOLKATA).at, resolve_local(on, to, KOLKATA).at)
    with unit_of_work() as work:
        trainers.record_time_off(work, trainer_id, period, "", by=SYSTEM, now=NOW)


def colleague(desk: Desk, make: Make, name: str, **more: Any) -> Any:
    """One more trainer beside the two of the desk."""
    of: dict[str, Any] = {"operator_id": desk.operator_id, "base": HOME, "name": name}
    return make.trainer((desk.zone_id,), (desk.course_id,), **of | more)


def evening_only(desk: Desk, make: Make) -> Any:
    """Somebody who begins to work at 16:20."""
    hours = tuple(WorkingHours(day, time(16, 20), time(21)) for day in range(7))
    return colleague(desk, make, "Evening", hours=hours)


def away_at_first(desk: Desk, make: Make) -> Any:
    """Somebody who comes back after the first two days."""
    who = colleague(desk, make, "Back later")
    away(desk, who, date(2027, 1, 4), time(0), time(23))
    away(desk, who, date(2027, 1, 5), time(0), time(23))
    return who


def away_one_afternoon(desk: Desk, make: Make) -> Any:
    """Somebody who is away in one of the ten sessions."""
    who = colleague(desk, make, "Once away")
    away(desk, who, date(2027, 1, 6), time(15, 50), time(16, 40))
    return who


CASES = {
    FixKind.MOVE_COURSE: (evening_only, "Move the whole course to 16:20"),
    FixKind.START_LATER: (away_at_first, "start the course on Wed 6 Jan 2027"),
    FixKind.MOVE_SESSION: (away_one_afternoon, "Free for 9 of 10: move session 3 to"),
}


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize("kind", CASES)
def test_pick_a_trainer_read_why_apply_the_smallest_fix_propose(
    desk: Desk, make: Make, kind: FixKind, htmx: bool
) -> None:
    who, sentence = CASES[kind]
    trainer_id = who(desk, make)
    page = desk.send(do="check", trainer=None)
    assert sentence in shown(page)
    value = button(page.text)
    page = desk.send(do=None, trainer=None, fix=value, htmx=htmx)
    assert page.status_code == 200
    assert desk.client.statements <= 12
    assert re.search(rf'value="{trainer_id}" checked', page.text), "the trainer is chosen now"
    changed = fields(page.text)
    assert bool(changed["moves"]) == (kind is FixKind.MOVE_SESSION)
    booked = follow(desk, desk.send(trainer=str(trainer_id), **changed))
    assert "is proposed for" in booked
    reference = re.search(r"Booking (\w{4}-\w{4})", booked)
    assert reference is not None
    stored = sessions(reference[1])
    assert len(stored) == 10
    if kind is FixKind.MOVE_SESSION:
        other = [number for number, _on, at in stored if at != time(16)]
        assert other == [3]
    elif kind is FixKind.START_LATER:
        assert stored[0][1] == date(2027, 1, 6)
    else:
        assert {at for _number, _on, at in stored} == {time(16, 20)}


def test_whom_one_change_would_do_for_comes_first_and_is_in_sight_when_nobody_is_free(desk: Desk, make: Make) -> None:
    for trainer_id in (desk.near, desk.far):
        for on in (date(2027, 1, 4), date(2027, 1, 13)):
            away(desk, trainer_id, on, time(0), time(23))
    make.trainer((desk.zone_id,), (), operator_id=desk.operator_id, base=HOME, name="Aarti, not certified")
    who = colleague(desk, make, "Zubeida, once away")
    away(desk, who, date(2027, 1, 6), time(15, 50), time(16, 40))
    page = desk.send(do="check", trainer=None)
    (block,) = re.findall(r'<details id="trainers-others"[^>]*>', page.text)
    assert block.endswith(" open>")
    others = shown(page)
    others = others[others.index("Why none of these 4?") :]
    assert others.index("Zubeida, once away") < others.index("Aarti, not certified")
    colleague(desk, make, "Free")
    (block,) = re.findall(r'<details id="trainers-others"[^>]*>', desk.send(do="check", trainer=None).text)
    assert not block.endswith(" open>")


def test_a_move_can_be_given_up_and_one_that_cannot_be_is_refused_in_words(desk: Desk) -> None:
    assert "Session 3 is moved to 10:20" in desk.preview(moves=["3@10:20"])
    assert "is moved to" not in desk.preview()
    refused = desk.send(moves=["11@10:20"], do="wait")
    assert refused.status_code == 422
    assert "There is no session 11 to move." in shown(refused)
    late = desk.send(moves=["3@23:40"], do="wait")
    assert "Session 3 cannot be at that time." in shown(late)
    assert desk.send(moves=["rubbish"], do="wait").status_code == 422


@pytest.mark.parametrize("value", ["", "x", "move_course/1/2", "move_session/a/b/c", "start_later//2027-01-01"])
def test_a_rubbish_change_changes_nothing(desk: Desk, value: str) -> None:
    page = desk.send(do=None, trainer=None, fix=value)
    assert page.status_code == 200
    assert fields(page.text) == {"moves": [], "start_date": "2027-01-04", "timeslot": "16:00"}


def test_a_waiting_booking_is_changed_from_the_list_of_its_trainers_and_keeps_its_moves(desk: Desk, make: Make) -> None:
    for trainer_id in (desk.near, desk.far):
        away(desk, trainer_id, date(2027, 1, 8), time(0), time(23))
    who = away_one_afternoon(desk, make)
    follow(desk, desk.send(do="wait", trainer=None))
    with read_only() as db:
        (booking_id,) = db.execute(text("SELECT id FROM bookings")).scalars()
    page = desk.client.get("desk.propose", booking_id=booking_id)
    assert "Apply this change" in page.text
    links = [html.unescape(link) for link in re.findall(r'href="([^"]*\?fix=[^"]*)"', page.text)]
    (link,) = [link for link in links if str(who) in link]
    page = desk.client.get(link)
    changed = fields(page.text)
    assert changed["moves"]
    version = re.search(r'name="version" value="(\d+)"', page.text)
    family = re.search(r'name="student_ids"[^>]*value="([^"]*)"', page.text)
    assert version is not None
    assert family is not None
    data = desk.form(key=str(booking_id), version=version[1], student_ids=family[1], student_1="", do="wait", **changed)
    assert desk.client.post("desk.save", booking_id=booking_id, data=data).status_code == 303
    again = desk.client.get("desk.edit", booking_id=booking_id)
    assert fields(again.text)["moves"] == changed["moves"], "a later correction does not lose it"
