"""New booking, as a browser without JavaScript sends it and as htmx does: all of it in one page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.make import HOME, Make
from tests.web.client import DeskClient
from webapp.bookings.service import PlacedBooking
from webapp.core.actor import Role
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.work import read_only

PLACE = f"{HOME.lat}, {HOME.lng}"
ELSEWHERE = Location(16.5, 80.6)
Data = dict[str, Any]


@dataclass
class Desk:
    """Staff of a franchise at the booking page, with a zone, a course and two trainers."""

    client: DeskClient
    make: Make
    operator_id: UUID
    zone_id: UUID
    course_id: UUID
    near: UUID
    far: UUID

    def form(self, **changes: Any) -> Data:
        """A form filled in whole, but for the changes; ``None`` leaves a field out."""
        sound: Data = {
            "key": str(new_id()),
            "guardian_name": "Sita Rao",
            "phone": "98480 12345",
            "language": "te",
            "student_1": "Arun Rao",
            "address": "12 Beach Road",
            "location": PLACE,
            "course": str(self.course_id),
            "class_type": "one_on_one",
            "delivery_mode": "weekday_daily",
            "total_sessions": "10",
            "start_date": "2027-01-04",
            "timeslot": "16:00",
            "trainer": str(self.near),
            "do": "propose",
        }
        return {name: value for name, value in (sound | changes).items() if value is not None}

    def send(self, *, htmx: bool = False, **changes: Any) -> TestResponse:
        """Send the form."""
        return self.client.post("desk.create_booking", data=self.form(**changes), htmx=htmx)

    def preview(self, *, htmx: bool = True, part: str = "", **changes: Any) -> str:
        """What the page shows of a form half filled."""
        query = {"part": part} if part else {}
        answer = self.client.post("desk.preview", data=self.form(**changes), htmx=htmx, query_string=query)
        assert answer.status_code == 200
        return answer.text


@pytest.fixture
def desk(client: DeskClient, make: Make) -> Desk:
    operator_id = make.franchise("Sunrise")
    zone_id, course_id = make.zone(operator_id=operator_id, center=HOME, name="Beach"), make.course("Science")
    near, far = (
        make.trainer((zone_id,), (course_id,), operator_id=operator_id, name=name, base=base)
        for name, base in (("Lakshmi", HOME), ("Ravi", Location(17.73, 83.2185)))
    )
    client.sign_in(make.staff(operator_id))
    return Desk(client, make, operator_id, zone_id, course_id, near, far)


def rows(table: str) -> int:
    """How many rows a table has."""
    with read_only() as db:
        return int(db.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def shown(answer: TestResponse) -> str:
    """The words of a page, without its tags."""
    words = " ".join(re.sub(r"<[^>]+>", " ", answer.text).split())
    return html.unescape(words).replace(" ,", ",").replace(" .", ".")


def follow(desk: Desk, answer: TestResponse) -> str:
    """The words of the page a success leads to."""
    assert answer.status_code == 303, shown(answer)
    return shown(desk.client.get(answer.location))


def test_the_empty_page_asks_for_everything_and_offers_no_proposal(desk: Desk) -> None:
    answer = desk.client.get("desk.new_booking")
    assert answer.status_code == 200
    assert "Still needed: place, course, first day, time." in shown(answer)
    assert 'value="propose"' not in answer.text
    assert desk.client.statements <= 12


def test_a_whole_form_proposes_and_leads_to_the_booking(desk: Desk) -> None:
    page = follow(desk, desk.send())
    assert "Lakshmi is proposed for" in page
    assert "Pending approval" in page
    assert "Lakshmi is proposed and held. Hold ends in 2 days." in page


def test_the_second_trainer_can_be_named(desk: Desk) -> None:
    assert "Ravi is proposed for" in follow(desk, desk.send(trainer=str(desk.far)))


def test_the_automatic_choice_takes_the_best(desk: Desk) -> None:
    assert "Lakshmi is proposed for" in follow(desk, desk.send(trainer="best"))


def test_the_waitlist_needs_no_trainer(desk: Desk) -> None:
    assert "is on the waitlist" in follow(desk, desk.send(do="wait", trainer=None))


def test_htmx_is_sent_on_to_the_booking_as_a_whole_page(desk: Desk) -> None:
    answer = desk.send(htmx=True)
    assert answer.status_code == 200
    assert answer.headers["HX-Redirect"].startswith("/bookings/")


def test_checking_without_javascript_shows_all_that_follows_and_keeps_what_was_typed(desk: Desk) -> None:
    answer = desk.send(do="check", trainer=None)
    page = shown(answer)
    assert answer.status_code == 200
    for words in ("Beach", "Sunrise", "10 sessions, 16:00 IST", "Mon 4 Jan 2027", "Wed 13 Jan 2027", "Lakshmi", "Ravi"):
        assert words in page
    for typed in ("Sita Rao", "98480 12345", "Arun Rao", "12 Beach Road", PLACE, "2027-01-04", "16:00"):
        assert f'value="{typed}"' in answer.text
    assert re.search(rf'value="{desk.near}" checked', answer.text), "the first is preselected"
    assert desk.client.statements <= 12


def test_enter_checks_and_books_nothing(desk: Desk) -> None:
    first = re.search(r'<button type="submit" name="do" value="(\w+)"', desk.client.get("desk.new_booking").text)
    assert first is not None
    assert first[1] == "check"


def test_htmx_gets_the_panel_alone(desk: Desk) -> None:
    fragment = desk.preview()
    assert fragment.lstrip().startswith('<div id="plan"')
    assert "Propose Lakshmi" in fragment
    assert desk.client.statements <= 12


def test_the_panel_shows_what_is_known_so_far(desk: Desk) -> None:
    fragment = desk.preview(course="", start_date="", timeslot="")
    assert "Beach" in fragment
    assert "Still needed: course, first day, time." in fragment
    without_course = desk.preview(course="")
    assert "10 sessions" in without_course
    assert "Still needed: course." in without_course


def test_the_panel_says_why_each_other_trainer_cannot(desk: Desk) -> None:
    desk.make.trainer((desk.zone_id,), (), operator_id=desk.operator_id, name="Untaught", base=HOME)
    fragment = desk.preview()
    assert "Why not the other one?" in fragment
    assert "Not certified for this course" in fragment


def test_a_city_stands_in_for_the_location_and_says_so(desk: Desk) -> None:
    fragment = desk.preview(location="", city="1253102")
    assert "Measured from the middle of Visakhapatnam" in fragment
    assert "Beach" in fragment


def test_a_plus_code_is_a_place(desk: Desk) -> None:
    assert "Beach" in desk.preview(location="7M4PM6P9+PC")


def test_a_location_that_is_none_is_not_replaced_by_the_city(desk: Desk) -> None:
    fragment = desk.preview(location="somewhere", city="1253102")
    assert "Beach" not in fragment
    assert "Give latitude and longitude" in fragment


def test_several_zones_can_be_chosen_from(desk: Desk) -> None:
    wider = desk.make.zone(operator_id=desk.operator_id, name="Wider", center=Location(17.70, 83.22), radius_km=20)
    assert "Book in" in desk.preview()
    page = follow(desk, desk.send(zone_id=str(wider), do="wait"))
    assert "Wider" in page


def test_a_zone_chosen_for_another_place_is_refused_in_words(desk: Desk) -> None:
    far = desk.make.zone(operator_id=desk.operator_id, name="Far", center=ELSEWHERE)
    answer = desk.send(zone_id=str(far), do="wait")
    assert answer.status_code == 422
    assert "This zone does not contain the place" in shown(answer)


def test_another_operators_place_shows_whose_it_is_and_keeps_an_enquiry(desk: Desk) -> None:
    desk.make.zone(operator_id=desk.make.franchise("Lotus"), name="Benz Circle", center=ELSEWHERE)
    place = f"{ELSEWHERE.lat}, {ELSEWHERE.lng}"
    fragment = desk.preview(location=place)
    assert "Served by Lotus" in fragment
    assert 'value="enquiry"' in fragment
    assert 'value="propose"' not in fragment
    refused = desk.send(location=place)
    assert refused.status_code == 409
    assert "You can record an enquiry" in shown(refused)
    page = follow(desk, desk.send(location=place, do="enquiry"))
    assert "The enquiry is recorded." in page
    assert "served by Lotus, zone Benz Circle" in page
    assert rows("bookings") == 0


def test_a_place_nobody_serves_becomes_demand(desk: Desk) -> None:
    fragment = desk.preview(location="18.5, 83.2")
    assert "Nobody serves this place yet" in fragment
    assert "Beach" in fragment, "the nearest zone"
    page = follow(desk, desk.send(location="18.5, 83.2", do="enquiry"))
    assert "No service here yet" in page
    assert "Sita Rao" in page


def test_an_interrupted_call_is_kept_with_what_fits(desk: Desk) -> None:
    page = follow(
        desk, desk.send(do="draft", location="", phone="", note="Calls again at six", callback_on="2027-01-02")
    )
    assert "Saved as a draft" in page
    for words in ("Sita Rao", "Calls again at six", "Arun Rao", "Sat 2 Jan 2027"):
        assert words in page


def test_a_draft_nobody_can_be_called_about_is_refused(desk: Desk) -> None:
    answer = desk.send(do="draft", guardian_name="", phone="")
    assert answer.status_code == 422
    assert "Give a name or a phone number." in shown(answer)


def test_a_draft_becomes_a_booking_and_is_closed_by_it(desk: Desk) -> None:
    desk.send(do="draft")
    listed = desk.client.get("bookings.enquiries").text
    link = re.search(r'href="(/bookings/new\?enquiry=[^"]+)"', listed)
    assert link is not None
    started = desk.client.get(link[1])
    assert "From an enquiry of Sita Rao." in shown(started)
    assert 'value="+91 98480 12345"' in started.text
    enquiry = link[1].partition("=")[2]
    follow(desk, desk.send(enquiry=enquiry))
    assert "Sita Rao" not in desk.client.get("bookings.enquiries").text
    assert "Booked" in shown(desk.client.get("bookings.enquiries", status="booked"))


BAD: list[tuple[Data, str]] = [
    ({"location": "91, 83"}, "Give a number between -90 and 90."),
    ({"location": "17, 181"}, "Give a number between -180 and 180."),
    ({"location": "nan, 83"}, "Give degrees as a number"),
    ({"location": "17,5, 83,2"}, "Give latitude and longitude"),
    ({"location": "12,5"}, "Write the decimals with a point: 17.6868, 83.2185."),
    ({"location": "P6P9+PF"}, "This Plus Code is short."),
    ({"timeslot": "25:00"}, "Give the time as hours and minutes"),
    ({"timeslot": "23:40"}, "must end by midnight"),
    ({"start_date": "2026-02-30"}, "Give the date as year-month-day"),
    ({"start_date": "2026-12-31"}, "The start date lies in the past."),
    ({"start_date": "9999-12-31"}, "The start date lies too far ahead."),
    ({"phone": "123"}, "Give a phone number that exists"),
    ({"email": "nobody"}, "Enter an e-mail address"),
    ({"guardian_name": "x" * 500}, "Use at most 120 characters."),
    ({"student_1": "x" * 500}, "Use at most 120 characters."),
    ({"address": "x" * 500}, "Use at most 400 characters."),
    ({"guardian_name": "Sita\x00Rao"}, "Remove the invisible characters"),
    ({"student_1": "\u200b"}, "Enter a name."),
    ({"address": "12\x1bRoad"}, "Remove the invisible characters"),
    ({"note": "a\x00b"}, "Remove the invisible characters"),
    ({"course": "b0b"}, "Choose one from the list."),
    ({"course": str(new_id())}, "Choose one from the list."),
    ({"household": str(new_id())}, "Choose one from the list."),
    ({"trainer": "somebody"}, "Choose one from the list."),
    ({"class_type": "one_on_ten"}, "Choose one from the list."),
    ({"delivery_mode": "hybrid"}, "Class type and delivery mode are both hybrid"),
    ({"total_sessions": "11"}, "Choose one from the list."),
    ({"total_sessions": "many"}, "Choose one from the list."),
    ({"prefers_language": "xx"}, "Choose one from the list."),
    ({"city": "0", "location": ""}, "Choose one from the list."),
    ({"class_type": "one_on_two"}, "This class type takes exactly 2 students, not 1."),
    ({"guardian_name": ""}, "Give the guardian's name."),
    ({"student_1": ""}, "Name at least one student."),
    ({"location": ""}, "Give the location, or choose a city."),
    ({"trainer": None}, "Choose a trainer, or put the booking on the waitlist."),
]


@pytest.mark.parametrize(("changes", "sentence"), BAD, ids=[f"{next(iter(c))}-{n}" for n, (c, _) in enumerate(BAD)])
def test_bad_input_is_said_at_its_field_keeps_the_rest_and_stores_nothing(
    desk: Desk, changes: Data, sentence: str
) -> None:
    answer = desk.send(**changes)
    assert answer.status_code == 422
    assert sentence in shown(answer)
    assert 'value="12 Beach Road"' in answer.text or "address" in changes
    assert 'value="Sita Rao"' in answer.text or "guardian_name" in changes
    assert rows("bookings") == 0
    assert rows("households") == 0


def test_bad_input_does_not_break_the_panel(desk: Desk) -> None:
    for changes, _ in BAD:
        desk.preview(**changes)


def test_htmx_gets_the_form_back_with_its_errors(desk: Desk) -> None:
    answer = desk.send(htmx=True, phone="123")
    assert answer.status_code == 422
    assert answer.text.lstrip().startswith('<form id="booking-form"')
    assert 'aria-describedby="phone-hint phone-error"' in answer.text


def test_a_trainer_lost_to_somebody_else_is_a_conflict_with_a_fresh_list(desk: Desk) -> None:
    desk.send()
    answer = desk.send(guardian_name="Mohan Das")
    page = shown(answer)
    assert answer.status_code == 409
    assert "Choose from the fresh list" in page
    assert 'value="Mohan Das"' in answer.text
    assert re.search(rf'value="{desk.far}" checked', answer.text), "the next one is preselected"
    assert rows("households") == 1


def test_a_trainer_a_rule_refuses_by_now_is_said_with_the_reason(desk: Desk) -> None:
    stranger = desk.make.trainer((desk.zone_id,), (), operator_id=desk.operator_id, name="Untaught", base=HOME)
    answer = desk.send(trainer=str(stranger))
    assert answer.status_code == 409
    assert "Untaught cannot take this course: Not certified for this course" in shown(answer)


def test_another_operators_trainer_is_as_good_as_none(desk: Desk) -> None:
    other = desk.make.franchise()
    zone_id = desk.make.zone(operator_id=other, center=ELSEWHERE)
    foreign = desk.make.trainer((zone_id,), (desk.course_id,), operator_id=other, name="Foreign")
    answer = desk.send(trainer=str(foreign))
    assert answer.status_code == 409
    assert "Foreign" not in answer.text
    assert rows("bookings") == 0


def test_the_form_sent_twice_makes_one_booking(desk: Desk) -> None:
    key = str(new_id())
    first, second = desk.send(key=key), desk.send(key=key)
    assert first.location == second.location
    assert "already placed" in follow(desk, second)
    assert (rows("bookings"), rows("households")) == (1, 1)


def test_the_key_of_a_strangers_booking_finds_nothing(desk: Desk, new_client: Callable[[], DeskClient]) -> None:
    key = str(new_id())
    desk.send(key=key)
    stranger = new_client()
    stranger.sign_in(desk.make.admin())
    answer = stranger.post("desk.create_booking", data=desk.form(key=key))
    assert answer.status_code == 404
    assert rows("bookings") == 1


def test_rubbish_for_a_key_books_all_the_same(desk: Desk) -> None:
    assert "Lakshmi is proposed" in follow(desk, desk.send(key="b0b"))


def test_a_known_family_is_found_and_its_student_booked(desk: Desk) -> None:
    known = desk.make.household("Meera", operator_id=desk.operator_id, guardian="Gopal Krishna")
    found = desk.preview(part="family", find="gopal", do="find")
    assert found.lstrip().startswith('<fieldset id="family"')
    assert "Gopal Krishna" in found
    chosen = desk.preview(part="family", household=str(known.household_id))
    assert "Meera" in chosen
    still = desk.preview(part="family", household=str(known.household_id), find="gopal")
    assert still.count("Gopal Krishna</strong>") == 1, "choosing one does not take the others away, nor double it"
    assert 'name="guardian_name"' not in chosen
    page = follow(
        desk,
        desk.send(
            household=str(known.household_id),
            student_ids=[str(known.student_ids[0])],
            student_1="",
            guardian_name=None,
            phone=None,
        ),
    )
    assert "Meera" in page
    assert rows("households") == 1


def test_finding_without_javascript_shows_the_families_in_the_page(desk: Desk) -> None:
    desk.make.household("Meera", operator_id=desk.operator_id, guardian="Gopal Krishna")
    answer = desk.send(do="find", find="meera")
    assert answer.status_code == 200
    assert "Gopal Krishna" in answer.text
    assert desk.client.statements <= 12


def test_the_page_of_a_family_starts_with_it(desk: Desk) -> None:
    known = desk.make.household("Meera", operator_id=desk.operator_id, guardian="Gopal Krishna")
    answer = desk.client.get("desk.new_booking", household=known.household_id)
    assert "Gopal Krishna" in answer.text
    assert re.search(rf'value="{known.student_ids[0]}" checked', answer.text), "the only child is ticked"


def test_another_operators_family_is_not_there(desk: Desk) -> None:
    foreign = desk.make.household("Mia", operator_id=desk.make.franchise(), guardian="Foreign")
    assert desk.client.get("desk.new_booking", household=foreign.household_id).status_code == 404
    assert desk.client.get("desk.new_booking", household="b0b").status_code == 404
    answer = desk.send(household=str(foreign.household_id))
    assert answer.status_code == 422
    assert "Foreign" not in answer.text
    assert "Foreign" not in desk.preview(part="family", find="foreign", do="find").replace("foreign", "")


def test_a_student_of_another_family_is_refused(desk: Desk) -> None:
    known = desk.make.household("Meera", operator_id=desk.operator_id)
    other = desk.make.household("Tara", operator_id=desk.operator_id)
    answer = desk.send(household=str(known.household_id), student_ids=[str(other.student_ids[0])], student_1="")
    assert answer.status_code == 422
    assert rows("bookings") == 0


def test_an_admin_books_for_the_operator_of_the_zone(desk: Desk) -> None:
    desk.client.sign_in(desk.make.admin())
    assert "Sunrise" in follow(desk, desk.send())


@pytest.mark.parametrize("role", [Role.AUDITOR])
def test_who_only_reads_cannot_book(desk: Desk, role: Role) -> None:
    desk.client.sign_in(desk.make.user(role))
    assert desk.client.get("desk.new_booking").status_code == 403
    assert desk.send().status_code == 403
    assert desk.client.post("desk.preview", data={}).status_code == 403


def test_a_form_without_its_token_is_refused(desk: Desk) -> None:
    answer = desk.client.post("desk.create_booking", data=desk.form(), csrf=False)
    assert answer.status_code == 400
    assert rows("bookings") == 0


def waiting(desk: Desk) -> PlacedBooking:
    """A booking on the waitlist."""
    return desk.make.booking(operator_id=desk.operator_id, zone_id=desk.zone_id, course_id=desk.course_id, place=HOME)


def test_a_waitlisted_booking_is_corrected_in_the_same_form(desk: Desk) -> None:
    booking = waiting(desk)
    page = desk.client.get("desk.edit", booking_id=booking.id)
    assert 'value="16:00"' in page.text
    assert "Propose Lakshmi" in page.text
    assert desk.client.statements <= 12
    data = filled(page.text) | {"timeslot": "17:00", "do": "wait"}
    answer = desk.client.post("desk.save", booking_id=booking.id, data=data)
    assert "17:00 IST" in follow(desk, answer)


def test_a_correction_can_propose_at_once(desk: Desk) -> None:
    booking = waiting(desk)
    data = filled(desk.client.get("desk.edit", booking_id=booking.id).text) | {"do": "propose"}
    assert "Lakshmi is proposed" in follow(desk, desk.client.post("desk.save", booking_id=booking.id, data=data))


def test_a_correction_of_an_old_page_is_a_conflict_that_keeps_what_was_typed(desk: Desk) -> None:
    booking = waiting(desk)
    data = filled(desk.client.get("desk.edit", booking_id=booking.id).text) | {"do": "wait", "address": "9 Hill Road"}
    assert desk.client.post("desk.save", booking_id=booking.id, data=data).status_code == 303
    answer = desk.client.post("desk.save", booking_id=booking.id, data=data | {"address": "7 Lake Road"})
    assert answer.status_code == 409
    assert "Somebody changed this booking meanwhile" in shown(answer)
    assert 'value="7 Lake Road"' in answer.text


def test_the_panel_of_a_correction_does_not_count_the_booking_against_itself(desk: Desk) -> None:
    booking = waiting(desk)
    data = filled(desk.client.get("desk.edit", booking_id=booking.id).text)
    fragment = desk.client.post("desk.edit_preview", booking_id=booking.id, data=data, htmx=True).text
    assert "Propose Lakshmi" in fragment


def test_a_proposed_booking_says_to_withdraw_first(desk: Desk) -> None:
    booking = waiting(desk)
    desk.make.proposal(booking, desk.near)
    for endpoint in ("desk.edit", "desk.propose"):
        answer = desk.client.get(endpoint, booking_id=booking.id)
        assert answer.status_code == 409
        assert "Withdraw the proposal first" in shown(answer)


def test_a_foreign_booking_cannot_be_corrected(desk: Desk) -> None:
    foreign = desk.make.booking(operator_id=desk.make.franchise())
    for endpoint in ("desk.edit", "desk.propose"):
        assert desk.client.get(endpoint, booking_id=foreign.id).status_code == 404
    for endpoint in ("desk.save", "desk.edit_preview", "desk.propose_trainer"):
        assert desk.client.post(endpoint, booking_id=foreign.id, data=desk.form()).status_code == 404


def test_a_trainer_is_proposed_for_a_waiting_booking(desk: Desk) -> None:
    booking = waiting(desk)
    page = desk.client.get("desk.propose", booking_id=booking.id)
    assert "Lakshmi" in page.text
    assert desk.client.statements <= 12
    answer = desk.client.post("desk.propose_trainer", booking_id=booking.id, data={"trainer": str(desk.far)})
    assert "Ravi is proposed" in follow(desk, answer)


def test_a_trainer_lost_while_proposing_again_gives_a_fresh_list(desk: Desk) -> None:
    desk.make.proposal(waiting(desk), desk.near)
    booking = waiting(desk)
    answer = desk.client.post("desk.propose_trainer", booking_id=booking.id, data={"trainer": str(desk.near)})
    assert answer.status_code == 409
    assert "Choose from the fresh list" in shown(answer)
    assert re.search(rf'value="{desk.far}" checked', answer.text)


@pytest.mark.parametrize("trainer", ["", "somebody"])
def test_proposing_nobody_is_refused(desk: Desk, trainer: str) -> None:
    answer = desk.client.post("desk.propose_trainer", booking_id=waiting(desk).id, data={"trainer": trainer})
    assert answer.status_code == 422
    assert "Choose one from the list." in shown(answer)


def filled(page: str) -> Data:
    """What a browser would send of the booking form."""
    import html5lib

    root = html5lib.parse(page, treebuilder="etree", namespaceHTMLElements=False)
    form = next(element for element in root.iter("form") if element.get("id") == "booking-form")
    data: Data = {}
    for element in form.iter():
        name, kind = element.get("name"), element.get("type")
        if not name or name == "csrf_token" or element.tag == "button":
            continue
        if element.tag == "select":
            chosen = [option for option in element.iter("option") if option.get("selected") is not None]
            data[name] = (chosen or list(element.iter("option")))[0].get("value")
        elif element.tag == "textarea":
            data[name] = element.text or ""
        elif kind not in ("radio", "checkbox") or element.get("checked") is not None:
            data[name] = element.get("value", "")
    return data
