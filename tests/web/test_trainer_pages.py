"""Entering trainers and changing them on pages."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from tests.make import HOME, Make
from tests.rooms.test_replacing import taught_by
from tests.web.client import Bell, DeskClient
from tests.web.test_bookings_pages import words
from webapp.core.actor import Role
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.work import Database
from webapp.households.rules import Gender, Language
from webapp.trainers import queries
from webapp.trainers.rules import TrainerCommand
from webapp.trainers.sync_rules import Owned


class Desk:
    """A franchise with two zones and four courses, and its manager."""

    def __init__(self, make: Make, db: Database) -> None:
        self.make, self.db = make, db
        self.id = make.franchise()
        self.manager, self.staff = make.manager(self.id), make.staff(self.id)
        self.zones = tuple(make.zone(operator_id=self.id, name=f"Zone {name}") for name in "AB")
        self.courses = tuple(make.course(f"Course {name}") for name in "ABCD")

    def typed(self, **changed: Any) -> dict[str, Any]:
        """The form of a new trainer, filled in."""
        return {
            "key": str(new_id()),
            "name": "Lakshmi R.",
            "gender": "female",
            "languages": ["te", "en"],
            "courses": [str(self.courses[0])],
            "zones": [str(self.zones[0])],
            "base": "17.6868, 83.2185",
            "hours_0": "9-13, 15:00–19:30",
            "hours_6": "20-midnight",
            "notes": "Has a scooter.",
            "active": "y",
        } | changed

    def trainer(self, **more: Any) -> UUID:
        """A trainer of the first zone and course."""
        return self.make.trainer((self.zones[0],), (self.courses[0],), operator_id=self.id, **more)

    def stored(self, trainer_id: UUID) -> TrainerCommand:
        """What is kept of a trainer."""
        with self.db.read_only() as session:
            return queries.as_command(session, trainer_id)

    def run(self, sql: str, **values: Any) -> None:
        """Do what nobody at the desk can do."""
        with self.db.unit_of_work() as work:
            work.db.execute(text(sql), values)

    def from_service(self, trainer_id: UUID, *owned: Owned) -> None:
        """Let the trainer come from the trainer service, which says these fields."""
        sql = "UPDATE trainers SET service_id = 'T-1', service_fields = :owned WHERE id = :id"
        self.run(sql, id=trainer_id, owned=[field.value for field in owned])


@pytest.fixture
def desk(make: Make, db: Database) -> Desk:
    return Desk(make, db)


def form_of(client: DeskClient, trainer_id: UUID) -> dict[str, Any]:
    """The form for changing a trainer as a browser would send it untouched."""
    page = client.get("trainers.edit", trainer_id=trainer_id).text
    form = page[page.index('id="trainer-form"') :]
    found: dict[str, Any] = {}
    for tag in re.findall(r"<input[^>]*>", form):
        at = dict(re.findall(r'([a-z-]+)="([^"]*)"', tag))
        if at.get("type") == "checkbox":
            if " checked" in tag:
                found.setdefault(at["name"], []).append(at["value"])
        elif at["name"] != "csrf_token":
            found[at["name"]] = at.get("value", "")
    for name, inner in re.findall(r'<select[^>]*name="([a-z_]+)"[^>]*>(.*?)</select>', form, re.DOTALL):
        chosen = re.search(r'<option selected value="([^"]*)"', inner)
        found[name] = chosen[1] if chosen else ""
    for name, inner in re.findall(r'<textarea[^>]*name="([a-z_]+)"[^>]*>\r?\n?(.*?)</textarea>', form, re.DOTALL):
        found[name] = inner
    return found


def edit(client: DeskClient, trainer_id: UUID, *, htmx: bool = False, **changed: Any) -> TestResponse:
    """Open the form, change something and send it."""
    data = form_of(client, trainer_id) | changed
    sent = {name: value for name, value in data.items() if value is not None}
    return client.post("trainers.edit", trainer_id=trainer_id, data=sent, htmx=htmx)


def test_a_manager_puts_a_trainer_on_the_roster(client: DeskClient, desk: Desk, bells: list[Bell]) -> None:
    client.sign_in(desk.manager)
    assert "New trainer" in client.get("trainers.index").text
    page = client.get("trainers.create")
    assert 'action="/trainers/new"' in page.text
    assert "At most 3 courses." in page.text
    assert client.statements <= 12
    bells.clear()
    typed = desk.typed()
    done = client.post("trainers.create", data=typed)
    assert (done.status_code, done.location) == (303, f"/trainers/{typed['key']}")
    shown = words(client.get(done.location))
    for told in ("Lakshmi R. is on the roster now.", "Kept in the desk", "Has a scooter.", "20:00–midnight", "Edit"):
        assert told in shown
    assert client.statements <= 12
    kept = desk.stored(UUID(typed["key"]))
    assert (kept.operator_id, kept.name, kept.base, kept.active) == (desk.id, "Lakshmi R.", HOME, True)
    assert (kept.gender, set(kept.languages)) == (Gender.FEMALE, {Language.TELUGU, Language.ENGLISH})
    assert (kept.course_ids, kept.zone_ids) == (desk.courses[:1], desk.zones[:1])
    assert [(h.weekday, f"{h.starts:%H:%M}", f"{h.ends:%H:%M}") for h in kept.hours] == [
        (0, "09:00", "13:00"),
        (0, "15:00", "19:30"),
        (6, "20:00", "00:00"),
    ]
    assert bells == [(JobName.RETRY_WAITLIST, {"operator_id": str(desk.id)})]


@pytest.mark.parametrize("htmx", [False, True])
def test_a_form_sent_twice_enters_one_trainer(client: DeskClient, desk: Desk, htmx: bool) -> None:
    client.sign_in(desk.manager)
    typed = desk.typed()
    for _again in range(2):
        done = client.post("trainers.create", data=typed, htmx=htmx)
        where = done.headers["HX-Redirect"] if htmx else done.location
        assert where == f"/trainers/{typed['key']}"
    assert "entered already" in client.get(where).text
    with desk.db.read_only() as session:
        assert session.scalar(text("SELECT count(*) FROM trainers")) == 1
    foreign = desk.make.trainer((desk.make.zone(),), ())
    assert client.post("trainers.create", data=desk.typed(key=str(foreign)), htmx=htmx).status_code == 404
    assert client.post("trainers.create", data=desk.typed(key="rubbish"), htmx=htmx).status_code in (200, 303)


def test_an_admin_says_first_whose_trainer_it_is(client: DeskClient, desk: Desk, make: Make) -> None:
    client.sign_in(make.admin())
    asked = client.get("trainers.create")
    assert "A trainer belongs to one operator" in asked.text
    assert f'<option value="{desk.id}">' in asked.text
    page = client.get("trainers.create", operator=desk.id)
    assert f'action="/trainers/new?operator={desk.id}"' in page.text
    assert "Zone A" in page.text
    assert client.statements <= 12
    typed = desk.typed()
    done = client.post("trainers.create", operator=desk.id, data=typed)
    assert done.status_code == 303
    assert desk.stored(UUID(typed["key"])).operator_id == desk.id
    for strange in (new_id(), "rubbish"):
        assert client.get("trainers.create", operator=strange).status_code == 404
        assert client.post("trainers.create", operator=strange, data=desk.typed()).status_code == 404
    desk.run("UPDATE operators SET active = false WHERE id = :id", id=desk.id)
    assert str(desk.id) not in client.get("trainers.create").text
    assert client.get("trainers.create", operator=desk.id).status_code == 404


def test_a_manager_enters_trainers_of_their_own_franchise_only(client: DeskClient, desk: Desk, make: Make) -> None:
    other = make.franchise()
    foreign = make.zone(operator_id=other, name="Foreign Zone")
    client.sign_in(desk.manager)
    assert client.get("trainers.create", operator=desk.id).status_code == 200
    for strange in (other, new_id()):
        assert client.get("trainers.create", operator=strange).status_code == 404
        assert client.post("trainers.create", operator=strange, data=desk.typed()).status_code == 404
    for zone in (foreign, new_id(), "rubbish"):
        page = client.post("trainers.create", data=desk.typed(zones=[str(zone)]))
        assert page.status_code == 422
        assert "Choose from the list." in page.text
        assert "Foreign Zone" not in page.text


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF, Role.AUDITOR])
def test_who_may_not_change_the_roster_is_not_asked_to(client: DeskClient, desk: Desk, make: Make, role: Role) -> None:
    trainer_id = desk.trainer() if role is not Role.COMPANY_STAFF else make.trainer((make.zone(),), ())
    client.sign_in(make.user(role, operator_id=desk.id if role is Role.FRANCHISE_STAFF else None))
    assert "New trainer" not in client.get("trainers.index").text
    page = client.get("trainers.show", trainer_id=trainer_id).text
    assert "/edit" not in page
    assert "Add time off" not in page
    assert client.get("trainers.create").status_code == 403
    assert client.post("trainers.create", data=desk.typed()).status_code == 403
    for endpoint in ("trainers.edit", "trainers.time_off"):
        assert client.get(endpoint, trainer_id=trainer_id).status_code == 403
    for endpoint in ("trainers.edit", "trainers.record_time_off"):
        assert client.post(endpoint, trainer_id=trainer_id, data=desk.typed()).status_code == 403


def test_a_foreign_trainer_is_not_there(client: DeskClient, desk: Desk, make: Make) -> None:
    foreign = make.trainer((make.zone(),), (), name="Theirs")
    client.sign_in(desk.manager)
    for trainer_id in (foreign, new_id()):
        for endpoint in ("trainers.edit", "trainers.time_off", "trainers.apart"):
            assert client.get(endpoint, trainer_id=trainer_id).status_code == 404
        for endpoint in ("trainers.edit", "trainers.record_time_off", "trainers.keep_apart"):
            assert client.post(endpoint, trainer_id=trainer_id, data=desk.typed()).status_code == 404
        gone = client.post("trainers.remove_time_off", trainer_id=trainer_id, time_off_id=new_id())
        assert gone.status_code == 404
        assert client.post("trainers.end_apart", trainer_id=trainer_id, household_id=new_id()).status_code == 404
    assert desk.stored(foreign).name == "Theirs"


WRONG = [
    ({"name": " "}, "Give the trainer’s name."),
    ({"name": "x" * 121}, "Use at most 120 characters."),
    ({"name": "a\x00b"}, "Remove the invisible characters"),
    ({"zones": []}, "A trainer works in at least one zone."),
    ({"zones": ["rubbish"]}, "Choose from the list."),
    ({"courses": ["0"]}, "Choose from the list."),
    ({"courses": [str(UUID(int=7))]}, "Choose from the list."),
    ({"languages": ["tlh"]}, "Choose from the list."),
    ({"gender": "unknown"}, "Choose one from the list."),
    ({"base": "90.1, 83.2"}, "Give a number between -90 and 90."),
    ({"base": "17.6, 180.5"}, "Give a number between -180 and 180."),
    ({"base": "12,5"}, "Write the decimals with a point: 17.6868, 83.2185."),
    ({"base": "12,5, 83,2"}, "Give latitude and longitude"),
    ({"base": "NaN, 83.2"}, "Give degrees as a number"),
    ({"base": "1e999, 0"}, "Give degrees as a number"),
    ({"base": "M6P9+PC"}, "This Plus Code is short."),
    ({"base": "somewhere"}, "Give latitude and longitude"),
    ({"hours_2": "25:00-26:00"}, "“25:00” is no time of day"),
    ({"hours_2": "9-13, 12-14"}, "09:00-13:00 and 12:00-14:00 overlap."),
    ({"hours_2": "13-9"}, "“13-9” ends before it starts."),
    ({"hours_2": "nonsense"}, "“nonsense”: write hours as 09:00-13:00."),
    ({"hours_2": "<script>"}, "“&lt;script&gt;”"),
    ({"hours_2": "9-13," * 60}, "Use at most 200 characters."),
    ({"notes": "x" * 2001}, "Use at most 2000 characters."),
]


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize(("wrong", "sentence"), WRONG)
def test_what_is_wrong_comes_back_as_it_was_typed_with_a_word_on_it(
    client: DeskClient, desk: Desk, wrong: dict[str, Any], sentence: str, htmx: bool
) -> None:
    client.sign_in(desk.manager)
    page = client.post("trainers.create", data=desk.typed(**wrong), htmx=htmx)
    assert page.status_code == 422
    assert ("<h1" in page.text) is not htmx
    assert sentence in page.text
    assert "There is a problem" in page.text
    assert "9-13, 15:00–19:30" in page.text
    assert "Has a scooter." in page.text or "notes" in wrong
    with desk.db.read_only() as session:
        assert session.scalar(text("SELECT count(*) FROM trainers")) == 0


def test_too_many_courses_and_zones_of_two_time_zones_are_said_together(
    client: DeskClient, desk: Desk, make: Make
) -> None:
    dubai = make.zone(operator_id=desk.id, name="Zone D", time_zone="Asia/Dubai")
    client.sign_in(desk.manager)
    page = client.get("trainers.create").text
    assert "Zone A (Asia/Kolkata)" in page
    wrong = desk.typed(courses=[str(course) for course in desk.courses], zones=[str(dubai), str(desk.zones[0])])
    page = words(client.post("trainers.create", data=wrong | {"name": ""}))
    for told in (
        "There are 3 problems",
        "Give the trainer’s name.",
        "A trainer may be certified for at most 3 courses.",
        "All zones of one trainer share a time zone.",
    ):
        assert told in page


def test_a_short_plus_code_is_found_with_its_town(client: DeskClient, desk: Desk) -> None:
    client.sign_in(desk.manager)
    for code in ("7M95M6P9+PC", "M6P9+PC Visakhapatnam"):
        typed = desk.typed(base=code)
        assert client.post("trainers.create", data=typed).status_code == 303
        base = desk.stored(UUID(typed["key"])).base
        assert base is not None
        assert (round(base.lat, 2), round(base.lng, 2)) == (17.69, 83.22)


def test_an_edit_changes_what_was_changed_and_nothing_else(client: DeskClient, desk: Desk) -> None:
    base = Location(17.686812345678, 83.218512345678)
    trainer_id = desk.trainer(name="Lakshmi R.", base=base)
    before = desk.stored(trainer_id)
    client.sign_in(desk.manager)
    same = edit(client, trainer_id)
    assert (same.status_code, same.location) == (303, f"/trainers/{trainer_id}")
    assert "It was like that already" in client.get(same.location).text
    assert desk.stored(trainer_id) == before
    assert edit(client, trainer_id, name="Lakshmi Rao", hours_0="", hours_1="9–12", languages=["hi"]).status_code == 303
    after = desk.stored(trainer_id)
    assert (after.name, after.base, after.languages) == ("Lakshmi Rao", base, (Language.HINDI,))
    assert [h for h in after.hours if h.weekday > 1] == [h for h in before.hours if h.weekday > 1]
    assert [f"{h.starts:%H:%M}" for h in after.hours if h.weekday < 2] == ["09:00"]
    with desk.db.read_only() as session:
        told = session.execute(text("SELECT after FROM audit_entries WHERE what = 'trainer.changed'")).scalar_one()
    assert set(told) == {"name", "hours", "languages"}


@pytest.mark.parametrize("htmx", [False, True])
def test_nobody_writes_over_a_change_they_have_not_seen(client: DeskClient, desk: Desk, htmx: bool) -> None:
    trainer_id = desk.trainer(name="Lakshmi R.")
    client.sign_in(desk.manager)
    opened = form_of(client, trainer_id)
    assert edit(client, trainer_id, notes="Has a car.").status_code == 303
    for stale in (opened, opened | {"seen": ""}, opened | {"seen": "rubbish"}):
        late = client.post("trainers.edit", trainer_id=trainer_id, data=stale | {"name": "Late"}, htmx=htmx)
        assert late.status_code == 409
        assert "Somebody changed this trainer a moment ago." in late.text
        assert 'value="Late"' in late.text
    assert (desk.stored(trainer_id).name, desk.stored(trainer_id).notes) == ("Lakshmi R.", "Has a car.")


@pytest.mark.parametrize("htmx", [False, True])
def test_what_somebody_changed_meanwhile_is_told_and_a_second_save_goes_through(
    client: DeskClient, desk: Desk, htmx: bool
) -> None:
    trainer_id = desk.trainer(name="Lakshmi R.")
    client.sign_in(desk.manager)
    mine = form_of(client, trainer_id) | {"name": "Mine", "hours_2": "9-12", "notes": "Mine too."}
    theirs: dict[str, Any] = {
        "name": "Theirs",
        "gender": "male",
        "languages": ["hi"],
        "courses": [str(desk.courses[1])],
    }
    assert edit(client, trainer_id, **theirs, hours_2="14-16").status_code == 303
    late = client.post("trainers.edit", trainer_id=trainer_id, data=mine, htmx=htmx)
    assert late.status_code == 409
    shown = words(late)
    assert "Changed: Name, Certified for, Weekly hours, Gender, Languages." in shown
    for now in ("Theirs", "Course B", "14:00-16:00", "Male", "Hindi"):
        assert f"Somebody changed this meanwhile. Now it is: {now}" in shown
    assert shown.count("Somebody changed this meanwhile.") == 2 * 5, "above and at the field; nobody changed the rest"
    seen = re.search(r'name="seen"[^>]*value="([^"]*)"', late.text)
    assert seen is not None
    assert client.post("trainers.edit", trainer_id=trainer_id, data=mine | {"seen": seen[1]}).status_code == 303
    kept = desk.stored(trainer_id)
    assert (kept.name, kept.notes, kept.gender, kept.course_ids) == ("Mine", "Mine too.", None, desk.courses[:1])
    assert [f"{h.starts:%H:%M}" for h in kept.hours if h.weekday == 2] == ["09:00"]


@pytest.mark.usefixtures("service")
def test_what_the_service_took_over_meanwhile_stays_as_it_says_on_a_second_save(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer(name="Lakshmi R.")
    desk.from_service(trainer_id, Owned.NAME)
    client.sign_in(desk.manager)
    mine = form_of(client, trainer_id) | {"notes": "Mine."}
    desk.run("UPDATE trainers SET name = 'As the service says' WHERE id = :id", id=trainer_id)
    late = client.post("trainers.edit", trainer_id=trainer_id, data=mine)
    assert late.status_code == 409
    assert "Changed: Name." in words(late)
    seen = re.search(r'name="seen"[^>]*value="([^"]*)"', late.text)
    assert seen is not None
    assert client.post("trainers.edit", trainer_id=trainer_id, data=mine | {"seen": seen[1]}).status_code == 303
    assert (desk.stored(trainer_id).name, desk.stored(trainer_id).notes) == ("As the service says", "Mine.")


def test_a_trainer_stays_with_their_operator_whatever_is_sent(client: DeskClient, desk: Desk, make: Make) -> None:
    trainer_id, other = desk.trainer(), make.franchise()
    client.sign_in(make.admin())
    page = client.get("trainers.edit", trainer_id=trainer_id).text
    assert 'name="operator"' not in page
    assert edit(client, trainer_id, operator=str(other), operator_id=str(other), notes="Hm").status_code == 303
    assert desk.stored(trainer_id).operator_id == desk.id


def test_a_switched_off_zone_and_course_stay_ticked_until_somebody_unticks_them(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer()
    desk.run("UPDATE zones SET active = false WHERE id = :id", id=desk.zones[0])
    desk.run("UPDATE courses SET active = false WHERE id = :id", id=desk.courses[0])
    client.sign_in(desk.manager)
    page = client.get("trainers.edit", trainer_id=trainer_id)
    assert "Zone A, switched off" in page.text
    assert edit(client, trainer_id, notes="Still there").status_code == 303
    kept = desk.stored(trainer_id)
    assert (kept.zone_ids, kept.course_ids) == (desk.zones[:1], desk.courses[:1])
    assert edit(client, trainer_id, zones=[str(desk.zones[1])], courses=None).status_code == 303
    kept = desk.stored(trainer_id)
    assert (kept.zone_ids, kept.course_ids) == (desk.zones[1:], ())
    assert "Zone A" not in client.get("trainers.edit", trainer_id=trainer_id).text


def test_retiring_says_how_many_sessions_that_leaves_and_can_be_taken_back(
    client: DeskClient, make: Make, bells: list[Bell]
) -> None:
    taught = taught_by(make)
    client.sign_in(make.manager(taught.operator_id))
    page = words(client.get("trainers.edit", trainer_id=taught.trainer_id))
    assert "10 booked sessions need cover." in page
    assert client.statements <= 12
    done = edit(client, taught.trainer_id, active=None)
    page = words(client.get(done.location))
    assert "Saved. 10 booked sessions need cover now." in page
    assert "10 booked sessions need cover: the trainer does not teach any more. Needs cover" in page
    assert "Inactive" in page
    assert taught.booking.reference in client.get("desk.cover").text
    bells.clear()
    assert "Without it they are not proposed." in words(client.get("trainers.edit", trainer_id=taught.trainer_id))
    done = edit(client, taught.trainer_id, active="y")
    assert "need cover" not in words(client.get(done.location))
    assert bells == [(JobName.RETRY_WAITLIST, {"operator_id": str(taught.operator_id)})]


def test_the_page_of_a_known_trainer_takes_few_statements_whatever_there_is(client: DeskClient, desk: Desk) -> None:
    few = desk.trainer()
    many = desk.make.trainer(desk.zones, desk.courses[:3], operator_id=desk.id)
    for number in range(5):
        family = desk.make.household(operator_id=desk.id, guardian=f"Guardian {number}")
        desk.run(
            "INSERT INTO trainer_blocks VALUES (:operator, :trainer, :household, 'x', now())",
            operator=desk.id,
            trainer=many,
            household=family.household_id,
        )
    desk.from_service(many, Owned.NAME)
    client.sign_in(desk.manager)
    taken = []
    for trainer_id in (few, many):
        assert client.get("trainers.show", trainer_id=trainer_id).status_code == 200
        taken.append(client.statements)
    assert max(taken) <= 12
    assert taken[1] - taken[0] <= 1
    assert "5 families" in client.get("trainers.show", trainer_id=many).text
