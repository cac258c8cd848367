"""Trainers who come from the trainer service: what is read only, where it comes from and as of when."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from flask import Flask

from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.test_bookings_pages import words
from tests.web.test_trainer_pages import Desk, edit, form_of
from webapp.config import Settings
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.db.work import Database
from webapp.trainers.sync_rules import Owned

BY_SERVICE = "Kept by the trainer service: it is changed there."


@pytest.fixture
def desk(make: Make, db: Database, service: None) -> Desk:
    return Desk(make, db)


def fresh(desk: Desk, at: datetime | None) -> None:
    """Let the roster be what the service says as of ``at``."""
    desk.run("UPDATE trainer_service_state SET fresh_at = :at", at=at)


def test_what_the_service_owns_is_shown_and_is_no_field(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer(name="Lakshmi R.")
    desk.from_service(trainer_id, *Owned)
    client.sign_in(desk.manager)
    page = client.get("trainers.edit", trainer_id=trainer_id)
    shown = words(page)
    assert shown.count(BY_SERVICE) == 6
    for told in ("Lakshmi R.", "Course A", "Zone A", "18.6868, 83.2185", "07:00–21:00"):
        assert told in shown
    assert " disabled" not in page.text
    assert set(form_of(client, trainer_id)) == {"seen", "gender", "languages", "notes"}
    assert edit(client, trainer_id, gender="female", notes="Has a car.").status_code == 303
    kept = desk.stored(trainer_id)
    assert (kept.name, kept.notes, kept.zone_ids, len(kept.hours)) == ("Lakshmi R.", "Has a car.", desk.zones[:1], 7)


def test_what_it_does_not_send_stays_the_desk_s_own(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer()
    desk.from_service(trainer_id, Owned.NAME, Owned.COURSES)
    client.sign_in(desk.manager)
    assert {"zones", "base", "hours_0", "active"} <= set(form_of(client, trainer_id))
    assert edit(client, trainer_id, hours_0="9-12", zones=[str(desk.zones[1])]).status_code == 303
    kept = desk.stored(trainer_id)
    assert (kept.zone_ids, len(kept.hours), kept.course_ids) == (desk.zones[1:], 7, desk.courses[:1])


FORGED: dict[Owned, tuple[str, dict[str, Any]]] = {
    Owned.NAME: ("Name", {"name": "Somebody else"}),
    Owned.ACTIVE: ("Active", {"active": "y"}),
    Owned.BASE: ("Base", {"base": "1.5, 1.5"}),
    Owned.COURSES: ("Certified for", {"courses": []}),
    Owned.ZONES: ("Works in", {"zones": []}),
    Owned.HOURS: ("Weekly hours", {"hours_3": "9-12"}),
}


@pytest.mark.parametrize("htmx", [False, True])
@pytest.mark.parametrize("owned", FORGED)
def test_a_forged_field_of_the_service_is_refused_by_name(
    client: DeskClient, desk: Desk, owned: Owned, htmx: bool
) -> None:
    trainer_id = desk.trainer(name="Lakshmi R.")
    before = desk.stored(trainer_id)
    client.sign_in(desk.manager)
    opened = form_of(client, trainer_id)
    desk.from_service(trainer_id, owned)
    named, changed = FORGED[owned]
    changed = {name: value or [str(desk.courses[1])] for name, value in changed.items()}
    mine = form_of(client, trainer_id) | changed
    page = client.post("trainers.edit", trainer_id=trainer_id, data=mine, htmx=htmx)
    assert page.status_code == 422
    assert f"“{named}” is kept by the trainer service: it cannot be changed here." in page.text
    late = client.post("trainers.edit", trainer_id=trainer_id, data=opened | {"notes": "Late"}, htmx=htmx)
    assert late.status_code == 422, "the service has taken it over since the form was opened"
    assert desk.stored(trainer_id) == before


def test_more_certifications_than_one_may_have_hinder_no_change_of_the_rest(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer()
    for course in desk.courses[1:]:
        desk.run("INSERT INTO trainer_courses VALUES (:o, :t, :c)", o=desk.id, t=trainer_id, c=course)
    desk.run("DELETE FROM trainer_zones")
    desk.from_service(trainer_id, Owned.COURSES, Owned.ZONES)
    client.sign_in(desk.manager)
    assert edit(client, trainer_id, notes="Has a car.").status_code == 303
    assert len(desk.stored(trainer_id).course_ids) == 4


def test_who_left_the_service_is_not_brought_back_here(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer()
    desk.from_service(trainer_id, Owned.NAME)
    desk.run("UPDATE trainers SET active = false, left_at = :at", at=NOW - timedelta(days=3))
    client.sign_in(desk.manager)
    assert "active" not in form_of(client, trainer_id)
    assert edit(client, trainer_id, active="y").status_code == 422
    assert edit(client, trainer_id, notes="Moved to Chennai.").status_code == 303
    page = words(client.get("trainers.show", trainer_id=trainer_id))
    assert "Has left" in page
    assert "Left Tue 29 Dec 2026, 09:00 IST" in page
    desk.run("UPDATE trainers SET service_id = NULL, service_fields = '{}'")
    assert edit(client, trainer_id, active="y").status_code == 303
    assert "Has left" not in client.get("trainers.show", trainer_id=trainer_id).text


@pytest.mark.parametrize(
    ("fresh_at", "held_at", "told"),
    [
        (NOW - timedelta(minutes=5), None, "From the trainer service, as of 08:55 IST"),
        (NOW - timedelta(days=1), None, "From the trainer service, as of Thu 31 Dec 2026, 09:00 IST"),
        (NOW, NOW - timedelta(hours=2), "From the trainer service, as of 07:00 IST"),
        (None, None, "From the trainer service"),
    ],
)
def test_page_and_list_tell_as_of_when_it_is(
    client: DeskClient, desk: Desk, fresh_at: datetime | None, held_at: datetime | None, told: str
) -> None:
    trainer_id = desk.trainer()
    desk.from_service(trainer_id, Owned.NAME)
    fresh(desk, fresh_at)
    if held_at is not None:
        desk.run("UPDATE trainers SET held_back_at = :at, held_back_code = 'zones-time-zone'", at=held_at)
    client.sign_in(desk.staff)
    for page in (client.get("trainers.show", trainer_id=trainer_id), client.get("trainers.index")):
        shown = words(page)
        assert told in shown
        assert ("as of" in shown) is (", as of" in told)
        assert client.statements <= 12
    assert ("Held back" in shown) is (held_at is not None)


@pytest.mark.parametrize(
    ("code", "told"),
    [
        ("franchise-unknown", "It names a franchise of which nobody has said which one it is here."),
        ("franchise-unsaid", "It does not say whose the trainer is."),
        ("operator-changed", "It says that the trainer is another operator’s now."),
        ("zone-of-another-operator", "It names a zone of another operator."),
        ("zones-time-zone", "It names zones in different time zones."),
        ("zones-unknown", "It names no zone that is known here."),
        ("no-time-zone", "It names no zone, and no zone here tells the trainer’s time zone."),
        ("unreadable", "Part of it cannot be read."),
        ("of-tomorrow", "It cannot be used (of-tomorrow)."),
    ],
)
def test_why_something_is_held_back_is_said_in_words(client: DeskClient, desk: Desk, code: str, told: str) -> None:
    trainer_id = desk.trainer()
    desk.from_service(trainer_id, Owned.NAME)
    desk.run("UPDATE trainers SET held_back_at = :at, held_back_code = :code", at=NOW, code=code)
    client.sign_in(desk.staff)
    page = words(client.get("trainers.show", trainer_id=trainer_id))
    assert f"What the trainer service says now cannot be used. {told} What stands here is what it said before." in page


def test_the_page_of_a_trainer_of_the_desk_asks_nothing_about_the_service(
    client: DeskClient, desk: Desk, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(app.extensions, "settings", settings)  # no badge, which asks now and then
    trainer_id = desk.trainer()
    client.sign_in(desk.staff)
    taken = []
    for told in ("Kept in the desk", "From the trainer service"):
        assert told in client.get("trainers.show", trainer_id=trainer_id).text
        taken.append(client.statements)
        assert told in client.get("trainers.index").text
        desk.from_service(trainer_id, Owned.NAME)
    assert taken[1] - taken[0] == 1


def test_without_a_service_the_desk_edits_all_of_it(
    client: DeskClient, desk: Desk, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_id = desk.trainer(name="Lakshmi R.")
    desk.from_service(trainer_id, *Owned)
    fresh(desk, NOW - timedelta(days=1))
    held = "UPDATE trainers SET active = false, left_at = :at, held_back_at = :at, held_back_code = 'unreadable'"
    desk.run(held, at=NOW - timedelta(days=1))
    client.sign_in(desk.manager)
    assert BY_SERVICE in words(client.get("trainers.edit", trainer_id=trainer_id))
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update={"trainer_service_url": None}))
    told = "From the trainer service, as of Thu 31 Dec 2026, 09:00 IST; the desk looks after it now"
    assert told in words(client.get("trainers.index"))
    shown = words(client.get("trainers.show", trainer_id=trainer_id))
    assert told in shown
    assert "cannot be used" not in shown
    assert BY_SERVICE not in words(client.get("trainers.edit", trainer_id=trainer_id))
    assert edit(client, trainer_id, name="Lakshmi Rao", active="y", hours_0="9-12").status_code == 303
    kept = desk.stored(trainer_id)
    assert (kept.name, kept.active, kept.course_ids) == ("Lakshmi Rao", True, desk.courses[:1])
    monkeypatch.setitem(
        app.extensions, "settings", settings.model_copy(update={"trainer_service_url": "https://trainers.example.org"})
    )
    assert {"name", "active", "hours_0"} < set(form_of(client, trainer_id)), "what the desk changed is its own"
    assert not {"courses", "zones", "base"} & set(form_of(client, trainer_id))


def test_without_a_service_its_time_off_is_taken_back(
    client: DeskClient, desk: Desk, app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    trainer_id, absence = desk.trainer(), new_id()
    desk.from_service(trainer_id, Owned.TIME_OFF)
    sql = (
        "INSERT INTO time_off (id, operator_id, trainer_id, period, reason, from_service)"
        " VALUES (:id, :operator, :trainer, '[2027-01-04,2027-01-06)', '', true)"
    )
    desk.run(sql, id=absence, operator=desk.id, trainer=trainer_id)
    client.sign_in(desk.manager)
    assert "kept by the trainer service" in client.get("trainers.show", trainer_id=trainer_id).text
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update={"trainer_service_url": None}))
    page = client.get("trainers.show", trainer_id=trainer_id).text
    assert "kept by the trainer service" not in page
    assert "Take back" in page
    gone = client.post("trainers.remove_time_off", trainer_id=trainer_id, time_off_id=absence)
    assert gone.status_code == 303
    assert "Take back" not in client.get("trainers.show", trainer_id=trainer_id).text


def listed(client: DeskClient, **asked: str) -> set[str]:
    page = client.get("trainers.index", htmx=True, **asked).text
    return {name for name in ("Asha", "Bela", "Chitra", "Devi") if name in page}


def test_the_list_is_filtered_by_where_somebody_is_kept_and_how_they_stand(client: DeskClient, desk: Desk) -> None:
    ids: dict[str, UUID] = {name: desk.trainer(name=name) for name in ("Asha", "Bela", "Chitra", "Devi")}
    desk.from_service(ids["Bela"], Owned.NAME)
    desk.run("UPDATE trainers SET active = false WHERE name IN ('Chitra', 'Devi')")
    desk.run("UPDATE trainers SET left_at = :at WHERE name = 'Devi'", at=NOW)
    client.sign_in(desk.staff)
    assert listed(client) == set(ids)
    assert listed(client, source="service") == {"Bela"}
    assert listed(client, source="desk") == {"Asha", "Chitra", "Devi"}
    assert listed(client, state="active") == {"Asha", "Bela"}
    assert listed(client, state="inactive") == {"Chitra"}
    assert listed(client, state="left") == {"Devi"}
    assert listed(client, source="desk", state="active", q="ash") == {"Asha"}
    page = client.get("trainers.index", source="service", state="left")
    assert "No trainer matches." in page.text
    assert '<option selected value="left">' in page.text
    for rubbish in ({"source": "moon"}, {"state": "asleep"}):
        assert client.get("trainers.index", **rubbish).status_code == 422


def test_the_place_of_a_trainer_is_read_only_too(client: DeskClient, desk: Desk) -> None:
    trainer_id = desk.trainer(base=Location(17.5, 83.5))
    desk.from_service(trainer_id, Owned.BASE, Owned.HOURS)
    desk.run("DELETE FROM working_hours")
    client.sign_in(desk.manager)
    page = words(client.get("trainers.edit", trainer_id=trainer_id))
    assert "Base 17.5000, 83.5000" in page
    assert "None said: they cannot be proposed." in page
