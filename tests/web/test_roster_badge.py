"""While the roster is older than promised, every page of a signed-in person says so."""

from __future__ import annotations

import html
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from time import sleep

import pytest
from flask import Flask

from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.roster import MINUTE, ServedDesk
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.ids import new_id
from webapp.db.work import counting_statements, read_only
from webapp.trainers import badge
from webapp.trainers.as_of import KEPT, ZONES_KEPT, LastSaid, Memory, last_said_and_zone


def badges(page: str) -> list[str]:
    """The states that a page or a fragment tells, in its order."""
    return re.findall(r'data-roster="(\w+)"', page)


def words(page: str) -> str:
    """What a reader of the page reads."""
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page).split()))


def test_a_fresh_roster_is_nothing_to_speak_of(client: DeskClient, make: Make, served: ServedDesk) -> None:
    client.sign_in(make.admin())
    served.ago(MINUTE)
    assert badges(client.get("desk.home").text) == []


def test_without_a_trainer_service_nothing_is_read_and_nothing_said(
    app: Flask, client: DeskClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(app.extensions, badge.MEMORY)  # whoever asked would find nobody to ask
    client.sign_in(make.admin())
    page = client.get("desk.home")
    assert (page.status_code, badges(page.text)) == (200, [])


@pytest.mark.parametrize("role", list(Role))
def test_an_older_one_is_told_on_every_page_with_its_time(
    client: DeskClient, make: Make, served: ServedDesk, role: Role
) -> None:
    person = client.sign_in(make.user(role))
    make.zone(operator_id=person.operator_id)
    served.ago(5 * MINUTE)
    for endpoint in ("desk.home", "bookings.index", "courses.index", "households.index"):
        page = client.get(endpoint)
        assert badges(page.text) == ["stale"]
        assert "Trainers as of 08:55 IST" in words(page.text)
    assert badges(client.get("trainers.index").text) == ["stale", "stale"]
    assert badges(client.get("trainers.show", trainer_id=new_id()).text) == ["stale"], "pages of refusals are pages"


def test_one_past_the_limit_says_what_follows(client: DeskClient, make: Make, served: ServedDesk) -> None:
    make.zone()
    client.sign_in(make.staff())
    served.ago(16 * MINUTE)
    page = client.get("desk.home").text
    assert badges(page) == ["expired"]
    assert "The trainer service has not answered since 08:44 IST. Bookings go on; approvals made now" in words(page)
    served.ago(timedelta(days=1))
    assert "since Thu 31 Dec 2026, 09:00 IST." in words(client.get("desk.home").text)


def test_one_that_was_never_loaded_says_so(client: DeskClient, make: Make, served: ServedDesk) -> None:
    client.sign_in(make.staff())
    served.last_said(None)
    page = client.get("desk.home").text
    assert badges(page) == ["expired"]
    assert "have not been loaded from the trainer service yet" in words(page)


def test_the_time_is_that_of_the_reader_s_zones(client: DeskClient, make: Make, served: ServedDesk) -> None:
    served.ago(5 * MINUTE)
    client.sign_in(make.staff())
    assert "as of 03:25 UTC" in words(client.get("desk.home").text), "nobody has a zone yet"
    franchise = make.franchise()
    for time_zone in ("America/New_York", "America/New_York", "Europe/Berlin"):
        make.zone(operator_id=franchise, time_zone=time_zone)
    client.sign_in(make.manager(franchise))
    assert "Trainers as of 22:25 EST" in words(client.get("desk.home").text)


def test_people_who_are_not_signed_in_hear_nothing(client: DeskClient, served: ServedDesk) -> None:
    served.ago(timedelta(days=1))
    assert badges(client.get("/verify").text) == []
    assert badges(client.get("accounts.sign_in").text) == []


def test_those_who_may_look_at_the_synchronisation_are_led_there(
    app: Flask, client: DeskClient, make: Make, served: ServedDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.ago(5 * MINUTE)
    monkeypatch.setattr(badge, "SYNC_ENDPOINT", "no.such.page")
    client.sign_in(make.admin())
    assert ">Trainer service</a>" not in client.get("desk.home").text
    monkeypatch.setattr(badge, "SYNC_ENDPOINT", "courses.index")
    assert ">Trainer service</a>" in client.get("desk.home").text
    client.sign_in(make.staff())
    assert ">Trainer service</a>" not in client.get("desk.home").text


def test_a_partial_that_is_swapped_says_it_itself(client: DeskClient, make: Make, served: ServedDesk) -> None:
    client.sign_in(make.staff())
    served.ago(5 * MINUTE)
    for endpoint in ("assignments.index", "trainers.index"):
        page, part = client.get(endpoint), client.get(endpoint, htmx=True)
        assert (badges(page.text), badges(part.text)) == (["stale", "stale"], ["stale"])
    served.ago(timedelta())
    assert badges(client.get("assignments.index", htmx=True).text) == []


def test_the_trainers_of_a_booking_under_way_say_it_too(client: DeskClient, make: Make, served: ServedDesk) -> None:
    zone_id, course_id = make.zone(), make.course()
    make.trainer((zone_id,), (course_id,))
    booking = make.booking(zone_id=zone_id, course_id=course_id)
    client.sign_in(make.staff())
    served.ago(16 * MINUTE)
    assert badges(client.get("desk.propose", booking_id=booking.id).text) == ["expired", "expired"]


# -- what is remembered --------------------------------------------------------------------------------------------


class Clock:
    """Seconds that a test moves on."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_the_state_is_looked_at_every_two_seconds_at_most_however_many_pages_ask(make: Make) -> None:
    clock, looks = Clock(), []
    reader, other = make.staff().actor, make.manager().actor

    def look(actor: object) -> tuple[LastSaid, str]:
        looks.append(actor)
        return LastSaid(NOW, None), "Asia/Kolkata"

    memory = Memory(look, monotonic=clock)
    for _ in range(3):
        assert memory.last_said(reader).fresh_at == NOW
        assert memory.time_zone(reader) == "Asia/Kolkata"
    assert memory.last_said(other).fresh_at == NOW
    assert looks == [reader]
    memory.time_zone(other)
    memory.time_zone(other)
    assert looks == [reader, other], "another operator's clock has to be looked up once"
    clock.now = KEPT
    memory.last_said(reader)
    assert looks == [reader, other, reader]
    clock.now = ZONES_KEPT + KEPT
    memory.time_zone(other)
    assert len(looks) == 4


def test_what_took_long_to_look_at_is_remembered_no_longer_for_it() -> None:
    clock, looks = Clock(), []

    def look(_actor: Actor) -> tuple[LastSaid, str]:
        looks.append(1)
        clock.now += KEPT - 0.5
        return LastSaid(NOW, None), "UTC"

    memory = Memory(look, monotonic=clock)
    memory.last_said(SYSTEM)
    memory.last_said(SYSTEM)
    assert len(looks) == 1
    clock.now = KEPT
    memory.last_said(SYSTEM)
    assert len(looks) == 2


def test_threads_that_ask_at_once_share_one_look() -> None:
    looks, gate = [], threading.Barrier(8)

    def look(_actor: object) -> tuple[LastSaid, str]:
        looks.append(1)
        sleep(0.05)
        return LastSaid(None, None), "UTC"

    memory = Memory(look)

    def ask() -> LastSaid:
        gate.wait(10)
        return memory.last_said(SYSTEM)

    with ThreadPoolExecutor(8) as crowd:
        found = list(crowd.map(lambda _: ask(), range(8)))
    assert found == [LastSaid(None, None)] * 8
    assert len(looks) == 1


def test_a_look_that_fails_is_made_again() -> None:
    broken = [True]

    def look(_actor: Actor) -> tuple[LastSaid, str]:
        if broken.pop():
            raise ZeroDivisionError
        return LastSaid(NOW, None), "UTC"

    memory = Memory(look)
    with pytest.raises(ZeroDivisionError):
        memory.last_said(SYSTEM)
    broken.append(False)
    assert memory.last_said(SYSTEM).fresh_at == NOW


def test_a_look_is_one_statement(make: Make, served: ServedDesk) -> None:
    make.zone(time_zone="Asia/Kolkata")
    admin = make.admin().actor
    with read_only() as db, counting_statements() as statements:
        said, zone = last_said_and_zone(db, visible_to=admin)
        assert statements() == 1
    assert (said.fresh_at, zone) == (NOW, "Asia/Kolkata")


def test_a_page_takes_one_statement_more_cold_and_none_warm(client: DeskClient, make: Make, served: ServedDesk) -> None:
    client.sign_in(make.admin())
    served.ago(20 * MINUTE)
    client.get("trainers.index")
    cold = client.statements
    client.get("trainers.index")
    assert client.statements == cold - 1
    served.app.extensions["settings"] = served.settings
    client.get("trainers.index")
    assert client.statements == cold - 1
