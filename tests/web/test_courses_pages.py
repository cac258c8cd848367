"""Pages of the courses."""

from __future__ import annotations

from tests.make import Make
from tests.web.client import DeskClient
from webapp.core.ids import new_id


def test_courses_count_the_trainers_and_bookings_one_may_see(client: DeskClient, make: Make) -> None:
    maths, franchise = make.course("Maths"), make.franchise()
    make.trainer((make.zone(),), (maths,))
    make.trainer((make.zone(operator_id=franchise),), (maths,), operator_id=franchise)
    make.booking(course_id=maths)
    client.sign_in(make.staff(franchise))
    page = client.get("courses.index")
    assert 'data-label="Certified trainers" class="zd-num">1<' in page.text
    assert 'data-label="Live bookings" class="zd-num">0<' in page.text
    assert client.statements <= 12
    client.sign_in(make.admin())
    page = client.get("courses.index")
    assert 'data-label="Certified trainers" class="zd-num">2<' in page.text
    assert 'data-label="Live bookings" class="zd-num">1<' in page.text


def test_one_course_leads_to_its_trainers(client: DeskClient, make: Make) -> None:
    maths = make.course("Maths")
    client.sign_in(make.staff())
    page = client.get("courses.show", course_id=maths)
    assert "Maths" in page.text
    assert f"/trainers?course={maths}" in page.text
    assert client.get("courses.show", course_id=new_id()).status_code == 404


def test_no_courses_yet(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    assert "There are no courses yet." in client.get("courses.index").text
