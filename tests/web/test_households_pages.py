"""Pages of the families."""

from __future__ import annotations

from tests.make import Make
from tests.web.client import DeskClient
from webapp.core.ids import new_id


def test_a_family_is_found_by_name_phone_and_student(client: DeskClient, make: Make) -> None:
    make.household("Arun", guardian="Sita Devi", phone="+919848012345")
    make.household("Ravi", guardian="Lakshmi", phone="+919999911111")
    client.sign_in(make.staff())
    for search in ("sita", "98480 12345", "arun"):
        page = client.get("households.index", q=search)
        assert "Sita Devi" in page.text
        assert "Lakshmi" not in page.text
    assert "No family matches." in client.get("households.index", q="nobody").text
    assert "Sita Devi" in client.get("households.index", q="sita", htmx=True).text


def test_a_long_list_has_pages_and_few_statements(client: DeskClient, make: Make) -> None:
    for _ in range(27):
        make.household("One", "Two")
    client.sign_in(make.staff())
    page = client.get("households.index")
    assert "1–25 of 27 families" in page.text
    assert client.statements <= 3
    assert "page 2 of 2" in client.get("households.index", page=2).text


def test_a_family_shows_consent_students_and_bookings(client: DeskClient, make: Make) -> None:
    family = make.household("Arun", "Meena", guardian="Sita Devi")
    booking = make.booking(household=family, course_id=make.course("Maths"))
    client.sign_in(make.staff())
    page = client.get("households.show", household_id=family.household_id)
    for shown in ("Family of Sita Devi", "Arun", "Meena", "Agreed", booking.reference, "Maths", "Waitlisted"):
        assert shown in page.text
    assert client.statements <= 12


def test_a_foreign_family_answers_404_like_none_at_all(client: DeskClient, make: Make) -> None:
    family = make.household(guardian="Sita Devi")
    client.sign_in(make.manager())
    assert client.get("households.show", household_id=family.household_id).status_code == 404
    assert client.get("households.show", household_id=new_id()).status_code == 404
    assert "Sita Devi" not in client.get("households.index").text
    assert "There are no families yet." in client.get("households.index").text


def test_an_auditor_is_not_offered_a_booking(client: DeskClient, make: Make) -> None:
    family = make.household()
    client.sign_in(make.auditor())
    page = client.get("households.show", household_id=family.household_id)
    assert "No booking yet." in page.text
    assert "New booking" not in page.text
