"""Keys are changed while people work: the key before still counts, until it is taken away."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.make import Make
from tests.web.client import DeskClient
from tests.web.walls import desk_with
from webapp.config import Settings
from webapp.db.work import Database

OLD: Final = "the-key-before-0123456789abcdefghij"
NEW: Final = "the-key-of-today-0123456789abcdefghij"
NEXT: Final = "the-key-of-tomorrow-0123456789abcdefg"

DeskOf = Callable[..., Flask]


@pytest.fixture
def desk_of(settings: Settings, db: Database) -> Iterator[DeskOf]:
    """Makes the desk as it runs with a key and perhaps the key before."""
    from contextlib import ExitStack

    with ExitStack() as stack:

        def desk(key: str, previous: str | None = None) -> Flask:
            return stack.enter_context(desk_with(settings, db, secret_key=key, secret_key_previous=previous))

        yield desk


def browser_of(app: Flask) -> DeskClient:
    """A browser that asks this desk."""
    client = app.test_client()
    assert isinstance(client, DeskClient)
    return client


def moved(browser: DeskClient, app: Flask) -> DeskClient:
    """The same browser with what it keeps, after the desk was started anew."""
    after = browser_of(app)
    cookie = browser.get_cookie("zonedesk")
    assert cookie is not None
    after.set_cookie("zonedesk", cookie.value)
    return after


def send(browser: DeskClient, token: str) -> TestResponse:
    """Send a form that was opened with this token."""
    url = "/enquiries/01920000-0000-7000-8000-000000000001/close"
    return browser.post(url, data={"csrf_token": token}, csrf=False)


def test_a_sign_in_and_an_open_form_survive_the_change_and_die_with_the_old_key(desk_of: DeskOf, make: Make) -> None:
    before = browser_of(desk_of(OLD))
    before.sign_in(make.staff())
    token = before.csrf_token()
    assert send(before, token).status_code == 404  # taken: there is no such enquiry

    during = moved(before, desk_of(NEW, OLD))
    assert during.get("bookings.index").status_code == 200
    assert send(during, token).status_code == 404

    after = moved(before, desk_of(NEW))
    assert after.get("bookings.index").status_code == 303
    assert send(after, token).status_code == 400


def test_what_is_made_during_the_change_is_signed_with_the_new_key_alone(desk_of: DeskOf, make: Make) -> None:
    during = browser_of(desk_of(NEW, OLD))
    during.sign_in(make.staff())
    token = during.csrf_token()
    after = moved(during, desk_of(NEW))
    assert after.get("bookings.index").status_code == 200
    assert send(after, token).status_code == 404
    back = moved(during, desk_of(OLD))
    assert back.get("bookings.index").status_code == 303
    assert send(back, token).status_code == 400


def test_a_cookie_written_with_the_old_key_is_written_anew_with_the_new_one(desk_of: DeskOf, make: Make) -> None:
    """A browser that comes by during the change needs nothing of the old key afterwards."""
    before = browser_of(desk_of(OLD))
    before.sign_in(make.staff())
    during = moved(before, desk_of(NEW, OLD))
    with during.session_transaction() as cookie:
        cookie["touched"] = True
    assert moved(during, desk_of(NEW)).get("bookings.index").status_code == 200


def test_only_one_key_before_counts(desk_of: DeskOf, make: Make) -> None:
    first = browser_of(desk_of(OLD))
    first.sign_in(make.staff())
    assert moved(first, desk_of(NEXT, NEW)).get("bookings.index").status_code == 303


def test_nothing_of_flask_security_signs_with_the_old_key(desk_of: DeskOf) -> None:
    """It would take a list of fallbacks for keys to sign with, and sign with the oldest."""
    app: Any = desk_of(NEW, OLD)
    serializer = app.extensions["security"].reset_serializer
    assert serializer.secret_keys == [NEW.encode()]
