"""Time off: what it hits is shown before it is recorded, and it is taken back on the trainer's page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.make import Make
from tests.rooms.test_replacing import Taught, rows, taught_by
from tests.web.client import Bell, DeskClient
from tests.web.test_bookings_pages import words
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import unit_of_work


@pytest.fixture
def desk(make: Make, client: DeskClient) -> Taught:
    """Ten booked sessions, 4 to 13 January at 16:00, and the franchise's manager at the desk."""
    taught = taught_by(make)
    client.sign_in(make.manager(taught.operator_id))
    return taught


def send(client: DeskClient, desk: Taught, *, htmx: bool = False, part: str = "", **changed: Any) -> TestResponse:
    """The form, filled in but for what is changed: five days of fever."""
    data = {"key": str(new_id()), "from_date": "2027-01-06", "to_date": "2027-01-10", "reason": "fever"} | changed
    query = {"part": part} if part else None
    return client.post("trainers.record_time_off", trainer_id=desk.trainer_id, data=data, htmx=htmx, query_string=query)


def kept(desk: Taught) -> list[Any]:
    return rows("SELECT reason FROM time_off WHERE trainer_id = :id ORDER BY period", id=desk.trainer_id)


def test_five_days_of_sick_leave_hit_five_sessions_which_then_need_cover(client: DeskClient, desk: Taught) -> None:
    page = client.get("trainers.time_off", trainer_id=desk.trainer_id)
    assert "On the clock of Asia/Kolkata." in page.text
    assert client.statements <= 12
    asked = send(client, desk, do="ask")
    shown = words(asked)
    assert asked.status_code == 200
    assert "Away from Wed 6 Jan 2027, 00:00 IST until Mon 11 Jan 2027, 00:00 IST." in shown
    assert "5 booked sessions will need cover. Wed 6 Jan 2027, 16:00 IST Thu 7 Jan 2027" in shown
    assert kept(desk) == []
    done = send(client, desk)
    assert (done.status_code, done.location) == (303, f"/trainers/{desk.trainer_id}")
    after = client.get(f"/trainers/{desk.trainer_id}")
    assert "Recorded. 5 booked sessions need cover." in words(after)
    assert "fever" in after.text
    assert '<a href="/cover">5 need cover</a>' in after.text
    assert client.statements <= 12
    assert client.get("desk.cover").text.count(desk.booking.reference) >= 5


@pytest.mark.parametrize(
    ("changed", "hit"),
    [
        ({"to_date": ""}, 1),
        ({"to_date": "", "from_time": "16:40"}, 0),
        ({"to_date": "", "from_time": "16:39"}, 1),
        ({"to_date": "", "to_time": "16:00"}, 0),
        ({"to_date": "", "from_time": "09:00", "to_time": "16:01"}, 1),
        ({"to_date": "2027-01-07", "to_time": "12:00"}, 1),
        ({"from_date": "2027-02-01", "to_date": "2027-02-03"}, 0),
    ],
)
def test_whole_days_are_easy_and_hours_possible(
    client: DeskClient, desk: Taught, changed: dict[str, Any], hit: int
) -> None:
    panel = send(client, desk, htmx=True, part="answer", **changed)
    assert panel.text.lstrip().startswith('<div id="answer"')
    told = {0: "No booked session lies in it.", 1: "1 booked session will need cover."}[hit]
    assert told in words(panel)
    assert kept(desk) == [], "the panel only tells"
    done = send(client, desk, **changed)
    told = {0: "Recorded. No booked session lies in it.", 1: "Recorded. 1 booked session needs cover."}[hit]
    assert told in words(client.get(done.location))


WRONG = [
    ({"from_date": ""}, "Give the first day."),
    ({"from_date": "6 January"}, "Give the date as year-month-day, for example 2027-01-04."),
    ({"from_date": "2027-02-30"}, "Give the date as year-month-day"),
    ({"to_date": "2027-01-05"}, "Time off must end after it starts."),
    ({"to_date": "2027-01-06", "from_time": "10:00", "to_time": "10:00"}, "Time off must end after it starts."),
    ({"from_time": "25:00"}, "Give the time as hours and minutes, for example 16:00."),
    ({"to_time": "noon"}, "Give the time as hours and minutes"),
    ({"from_date": "2026-12-01", "to_date": "2026-12-31"}, "This time is over already: nothing would come of it."),
    ({"to_date": "2030-01-01"}, "That is more than two years. Make the trainer inactive instead."),
    ({"to_date": "9999-12-31"}, "Give a date of this century."),
    ({"from_date": "0001-01-01"}, "Give a date of this century."),
    ({"reason": "x" * 121}, "Use at most 120 characters."),
    ({"reason": "a\x00b"}, "Remove the invisible characters"),
]


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_what_is_wrong_is_said_and_nothing_is_recorded(
    client: DeskClient, desk: Taught, wrong: dict[str, str], sentence: str, htmx: bool
) -> None:
    for do in ("", "ask"):
        page = send(client, desk, htmx=htmx, do=do, **wrong)
        assert page.status_code == 422
        assert ("<h1" in page.text) is not htmx
        assert "There is a problem" in page.text
        assert sentence in page.text
        assert "fever" in page.text or "reason" in wrong
    panel = send(client, desk, htmx=True, part="answer", **wrong)
    assert panel.status_code == 200, "what is missing while somebody types is no mistake"
    assert sentence in panel.text
    assert kept(desk) == []


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_sent_twice_records_once(client: DeskClient, desk: Taught, htmx: bool) -> None:
    key = str(new_id())
    for _again in range(2):
        done = send(client, desk, htmx=htmx, key=key)
        where = done.headers["HX-Redirect"] if htmx else done.location
        assert where == f"/trainers/{desk.trainer_id}"
    assert len(kept(desk)) == 1
    other = desk.trainer("Bela")
    again = {"key": key, "from_date": "2027-01-06"}
    assert client.post("trainers.record_time_off", trainer_id=other, data=again, htmx=htmx).status_code == 404


@pytest.mark.parametrize("htmx", [False, True])
def test_other_days_from_a_page_that_recorded_some_are_not_said_to_be_recorded(
    client: DeskClient, desk: Taught, htmx: bool
) -> None:
    key = str(new_id())
    assert send(client, desk, key=key).status_code == 303
    other = send(client, desk, htmx=htmx, key=key, to_date="2027-01-12")
    assert other.status_code == 409
    assert "This page has recorded other time off already." in other.text
    assert 'value="2027-01-12"' in other.text
    assert "Recorded." not in client.get("trainers.show", trainer_id=desk.trainer_id).text.replace(
        "Recorded. 5 booked sessions need cover.", ""
    ), "the first one alone was"
    assert len(kept(desk)) == 1
    drawn = re.search(r'name="key"[^>]*value="([^"]*)"', other.text)
    assert drawn is not None
    assert drawn[1] != key
    assert send(client, desk, key=drawn[1], to_date="2027-01-12").status_code == 303
    assert len(kept(desk)) == 2


def test_time_off_is_taken_back_once_and_the_waitlist_is_looked_at(
    client: DeskClient, desk: Taught, bells: list[Bell]
) -> None:
    send(client, desk)
    page = client.get("trainers.show", trainer_id=desk.trainer_id).text
    (action,) = re.findall(r'action="(/trainers/[^"]*/remove)"', page)
    bells.clear()
    for told in ("The time off is taken back.", "The time off was taken back already."):
        done = client.post(action)
        assert (done.status_code, done.location) == (303, f"/trainers/{desk.trainer_id}")
        assert told in client.get(done.location).text
    assert bells == [(JobName.RETRY_WAITLIST, {"operator_id": str(desk.operator_id)})]
    assert kept(desk) == []
    assert desk.booking.reference not in client.get("desk.cover").text


@pytest.mark.usefixtures("service")
def test_what_the_service_says_is_read_only_and_what_people_add_is_not(client: DeskClient, desk: Taught) -> None:
    send(client, desk, reason="leave")
    with unit_of_work() as work:
        work.db.execute(text("UPDATE time_off SET from_service = true"))
    send(client, desk, reason="fever")
    page = client.get("trainers.show", trainer_id=desk.trainer_id)
    assert words(page).count("Take back") == 1
    assert "kept by the trainer service" in page.text
    (said,) = rows("SELECT id FROM time_off WHERE from_service")[0]
    for htmx in (False, True):
        gone = client.post("trainers.remove_time_off", trainer_id=desk.trainer_id, time_off_id=said, htmx=htmx)
        assert gone.status_code == 409
        assert "The trainer service says so: it has to be taken back there." in gone.text
    assert len(kept(desk)) == 2


def test_time_off_that_is_over_is_not_listed(client: DeskClient, desk: Taught) -> None:
    send(client, desk, from_date="2026-12-30", to_date="2027-01-01", reason="flu", to_time="10:00")
    assert "flu" in client.get("trainers.show", trainer_id=desk.trainer_id).text
    with unit_of_work() as work:
        work.db.execute(text("UPDATE time_off SET period = tstzrange('2026-12-30', '2027-01-01')"))
    page = client.get("trainers.show", trainer_id=desk.trainer_id)
    assert "flu" not in page.text
    assert "zd-hour-away" in page.text, "the week still tells"
