"""Pages of the trainers, and their week."""

from __future__ import annotations

from datetime import date, time, timedelta

from tests.make import Make
from tests.web.client import NOW, DeskClient
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.core.intervals import Interval
from webapp.db.work import unit_of_work
from webapp.trainers import service
from webapp.trainers.rules import WorkingHours


def test_the_list_names_zones_and_courses_without_a_query_per_row(client: DeskClient, make: Make) -> None:
    zone, course = make.zone(name="VSP-01"), make.course("Maths")
    client.sign_in(make.admin())
    make.trainer((zone,), (course,), name="Lakshmi R.")
    page = client.get("trainers.index")
    few = client.statements
    assert "Lakshmi R." in page.text
    for _ in range(30):
        make.trainer((zone,), (course,))
    page = client.get("trainers.index", zone=zone, course=course)
    assert "1–25 of 31 trainers" in page.text
    assert client.statements == few <= 12
    assert "Lakshmi R." in client.get("trainers.index", q="laksh", htmx=True).text
    assert "No trainer matches" in client.get("trainers.index", q="nobody").text


def test_what_keeps_a_trainer_from_being_proposed_is_seen_in_the_list(client: DeskClient, make: Make) -> None:
    make.trainer((make.zone(),), (), without_base=True, hours=())
    client.sign_in(make.staff())
    page = client.get("trainers.index")
    assert "No base" in page.text
    assert "No hours" in page.text


def test_a_foreign_trainer_answers_404_like_none_at_all(client: DeskClient, make: Make) -> None:
    trainer = make.trainer((make.zone(),), (), name="Theirs")
    client.sign_in(make.manager())
    assert client.get("trainers.show", trainer_id=trainer).status_code == 404
    assert client.get("trainers.show", trainer_id=new_id()).status_code == 404
    assert "Theirs" not in client.get("trainers.index").text
    assert client.get("trainers.index", zone=new_id()).status_code == 422


def test_a_week_shows_held_and_booked_sessions_and_time_off(client: DeskClient, make: Make) -> None:
    zone, course = make.zone(name="VSP-01"), make.course("Maths")
    trainer = make.trainer((zone,), (course,), name="Lakshmi R.", hours=(WorkingHours(1, time(9), time(12)),))
    free = make.trainer((zone,), (course,))
    booking = make.booking(zone_id=zone, course_id=course, start_date=date(2027, 1, 5), timeslot=time(16))
    held = make.proposal(booking, free)
    client.sign_in(make.staff())
    page = client.get("trainers.show", trainer_id=free, week="2027-W01")
    assert held.assignment_id
    assert page.text.count("zd-slot zd-held") == 6  # Tuesday to Sunday
    assert booking.reference in page.text
    assert "Week of Mon 4 Jan 2027" in page.text
    assert "Tue 5 Jan 2027, 16:00 IST" in page.text
    assert client.statements <= 12
    with unit_of_work() as work:
        sick = Interval(NOW + timedelta(days=4), NOW + timedelta(days=5))
        service.record_time_off(work, trainer, sick, "fever", by=SYSTEM, now=NOW)
    page = client.get("trainers.show", trainer_id=trainer, week="2027-W01")
    assert "zd-hour-away" in page.text
    assert "fever" in page.text
    assert "No sessions in this week." in page.text


def test_the_week_turns_by_links_and_rubbish_means_this_week(client: DeskClient, make: Make) -> None:
    trainer = make.trainer((make.zone(),), ())
    client.sign_in(make.staff())
    page = client.get("trainers.show", trainer_id=trainer, week="2027-W02")
    assert "week=2027-W01#week" in page.text
    assert "week=2027-W03#week" in page.text
    assert "This week" in page.text
    for rubbish in ("2027-W99", "x", "9999-W52", ""):
        page = client.get("trainers.show", trainer_id=trainer, week=rubbish)
        assert "Week of Mon 28 Dec 2026" in page.text
        assert "This week" not in page.text


def test_no_hours_means_unknown_and_says_so(client: DeskClient, make: Make) -> None:
    trainer = make.trainer((make.zone(),), (), without_base=True, hours=())
    client.sign_in(make.staff())
    page = client.get("trainers.show", trainer_id=trainer)
    assert "No working hours entered." in page.text
    assert "Not entered: cannot be proposed" in page.text
    assert "zd-week-wrap" not in page.text


def test_the_page_of_a_week_tells_nothing_of_families(client: DeskClient, make: Make) -> None:
    zone, course = make.zone(), make.course()
    trainer = make.trainer((zone,), (course,))
    family = make.household("Arun", guardian="Sita Devi", phone="+919848012345")
    make.proposal(make.booking(zone_id=zone, course_id=course, household=family), trainer)
    client.sign_in(make.auditor())
    page = client.get("trainers.show", trainer_id=trainer, week="2027-W01")
    assert "zd-held" in page.text
    for private in ("Arun", "Sita", "98480", "Beach Road"):
        assert private not in page.text
