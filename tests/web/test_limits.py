"""Who asks too often has to wait: every changing request is counted, by person, address and account, Valkey or not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from types import SimpleNamespace
from typing import Any

import limits as library
import pytest
from flask import Flask, Response
from redis import Redis
from werkzeug.test import TestResponse

from tests.arch.test_routes import CHANGING, any_values
from tests.make import Make
from tests.web.client import DeskClient
from tests.web.linter import lint_page
from tests.web.walls import at_port, counting_at, desk_with, forwarded, unused_port
from webapp.config import Settings, SettingsError, load_settings
from webapp.core.actor import Permission
from webapp.core.ids import new_id
from webapp.db.work import Database
from webapp.web.access import requires
from webapp.web.limits import account_key, address_key, limiter

pytestmark = pytest.mark.usefixtures("fresh_limits")

ABSENT = "01920000-0000-7000-8000-000000000001"
Rates = Callable[..., None]


@pytest.fixture
def rates(app: Flask, settings: Settings) -> Iterator[Rates]:
    """Sets rates for a test: ``rates(write_rate="3 per minute")``."""

    def change(**changes: str) -> None:
        app.extensions["settings"] = settings.model_copy(update=changes)

    yield change
    app.extensions["settings"] = settings


@pytest.fixture
def valkey_gone(app: Flask, settings: Settings) -> Iterator[int]:
    """Nobody listens where the limiter counts; the port."""
    port = unused_port()
    with counting_at(app, at_port(settings.redis_url, port), back_to=settings.redis_url):
        yield port


def write(client: DeskClient, **more: Any) -> TestResponse:
    """A changing request that comes to nothing."""
    return client.post("bookings.close_enquiry", enquiry_id=ABSENT, **more)


def statuses(times: int, ask: Callable[[], TestResponse]) -> list[int]:
    """What so many requests in a row were answered."""
    return [ask().status_code for _ in range(times)]


def guess(client: DeskClient, email: str = "nobody@example.org") -> TestResponse:
    """Somebody tries a password."""
    return client.post("/sign-in", data={"email": email, "password": "not this one at all"})


# -- while Valkey answers ------------------------------------------------------------------------------------------


OF_THEIR_OWN = {"/verify/file": 10}
"""Routes whose rate is no setting, and how often a minute they answer."""


def test_every_changing_route_is_limited(app: Flask, client: DeskClient, make: Make, rates: Rates) -> None:
    """With every rate at nothing, nothing gets as far as its view. A route that is not counted answers otherwise."""
    none = "0 per minute"
    rates(write_rate=none, sign_in_rate=none, reset_rate=none, second_factor_rate=none)
    client.sign_in(make.admin())
    asked: dict[str, int] = {}
    for rule in app.url_map.iter_rules():
        if CHANGING & (rule.methods or set()):
            with app.test_request_context():
                url = app.url_for(rule.endpoint, **any_values(rule, ABSENT))
            for _ in range(OF_THEIR_OWN.get(rule.rule, 0)):
                client.post(url)
            asked[rule.rule] = client.post(url).status_code
    assert len(asked) > 15
    assert {rule: status for rule, status in asked.items() if status != 429} == {}


def test_a_route_that_is_exempt_is_found_by_the_test_above(settings: Settings, db: Database, make: Make) -> None:
    def add(app: Flask) -> None:
        app.add_url_rule("/free", "free", limiter.exempt(requires(Permission.HOME_READ)(lambda: "x")), methods=["POST"])

    with desk_with(settings, db, add, write_rate="0 per minute") as app:
        client: Any = app.test_client()
        client.lint = False
        client.sign_in(make.staff())
        assert client.post("/free").status_code == 200
        assert write(client).status_code == 429


def test_one_person_s_writes_are_counted_and_nobody_else_s(
    client: DeskClient, new_client: Callable[[], DeskClient], make: Make, rates: Rates
) -> None:
    rates(write_rate="3 per minute")
    client.sign_in(make.staff())
    assert statuses(4, lambda: write(client)) == [404, 404, 404, 429]
    other = new_client()
    other.sign_in(make.staff())
    assert write(other).status_code == 404


def test_reading_is_not_counted(client: DeskClient, make: Make, rates: Rates) -> None:
    rates(write_rate="1 per minute", booking_rate="1 per minute")
    client.sign_in(make.staff())
    assert statuses(4, lambda: client.get("bookings.index")) == [200] * 4


def test_only_what_was_done_counts_as_a_booking_write(client: DeskClient, make: Make, rates: Rates) -> None:
    rates(booking_rate="2 per minute")
    booking = make.booking()
    client.sign_in(make.admin())

    def pay(version: int) -> int:
        data = {"version": str(version), "payment_status": "paid" if version % 2 else "unpaid"}
        return client.post("desk.set_payment", booking_id=booking.id, data=data).status_code

    assert statuses(3, lambda: client.post("desk.preview")) == [200] * 3
    assert [pay(9), pay(9), pay(9)] == [409] * 3  # refused: an old page
    assert [pay(1), pay(2), pay(3)] == [303, 303, 429]


def test_five_exports_an_hour_and_the_page_that_asks_for_one_is_none(
    settings: Settings, db: Database, make: Make
) -> None:
    def add(app: Flask) -> None:
        def form() -> str:
            return "<!doctype html><title>Export</title>"

        def file() -> Response:
            return Response("a,b\r\n", mimetype="text/csv")

        for name, view in (("form", form), ("file", file)):
            app.add_url_rule(f"/export/{name}", name, requires(Permission.HOUSEHOLD_EXPORT)(view))

    with desk_with(settings, db, add, export_rate="5 per hour") as app:
        client: Any = app.test_client()
        client.lint = False
        client.sign_in(make.admin())
        assert statuses(3, lambda: client.get("/export/form")) == [200] * 3
        assert statuses(6, lambda: client.get("/export/file")) == [200] * 5 + [429]
        assert int(client.get("/export/file").headers["Retry-After"]) > 60


def test_keys_name_the_operator_first_and_no_e_mail_address(
    client: DeskClient, make: Make, redis_url: str, rates: Rates
) -> None:
    rates(booking_rate="9 per minute", write_rate="9 per minute")
    person, booking = make.staff(), make.booking()
    guess(client, person.email)
    client.sign_in(person)
    client.post("desk.set_payment", booking_id=booking.id, data={"version": "1", "payment_status": "paid"})
    client.get("/verify/ZD-UNKNOWN")
    keys = [str(key) for key in Redis.from_url(redis_url, decode_responses=True).keys("*LIMITER*")]
    assert any(f"{person.operator_id}:user:{person.id}/writes" in key for key in keys)
    assert any(f"{person.operator_id}:user:{person.id}/bookings" in key for key in keys)
    assert any("address:127.0.0.1" in key for key in keys)
    assert not [key for key in keys if "@" in key or person.email.partition("@")[0] in key]


def test_an_account_s_key_is_the_same_however_it_is_typed_and_depends_on_the_desk_s_key(app: Flask) -> None:
    with app.test_request_context():
        typed = account_key(" Asha@Example.org")
        assert typed == account_key("asha@example.org") != account_key("asha@example.com")
        app.config["SECRET_KEY"], kept = "another" * 6, app.config["SECRET_KEY"]
        try:
            assert account_key("asha@example.org") != typed
        finally:
            app.config["SECRET_KEY"] = kept


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("203.0.113.7", "203.0.113.8", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:203.0.113.7", "203.0.113.7", True),
    ],
)
def test_a_line_s_whole_ipv6_block_is_one_address(app: Flask, one: str, other: str, same: bool) -> None:
    def key(address: str) -> str:
        with app.test_request_context(environ_base={"REMOTE_ADDR": address}):
            return address_key()

    assert (key(one) == key(other)) is same


def test_too_many_is_a_page_a_toast_or_a_problem(client: DeskClient, make: Make, rates: Rates) -> None:
    rates(write_rate="0 per minute")
    client.sign_in(make.staff())
    page = write(client)
    assert lint_page(page.text) == []
    assert "Too many tries. Wait 1 minute and try again." in page.text
    toast = write(client, htmx=True)
    assert (toast.headers["HX-Retarget"], toast.status_code) == ("#toasts", 429)
    assert lint_page(toast.text, fragment=True) == []
    told = write(client, headers={"Accept": "application/json"})
    assert told.mimetype == "application/problem+json"
    problem = json.loads(told.text)
    assert (problem["status"], problem["code"], problem["title"]) == (429, "too-many", "Too many tries")
    for answer in (page, toast, told):
        assert 1 <= int(answer.headers["Retry-After"]) <= 61
        assert answer.headers["Cache-Control"] == "no-store"


def test_an_answer_that_is_no_refusal_says_nothing_of_waiting(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    assert not {"Retry-After", "X-RateLimit-Limit"} & set(write(client).headers.keys())


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/nothing"])
def test_a_program_gets_every_error_as_a_problem(client: DeskClient, path: str) -> None:
    accepts = {} if path.startswith("/api/") else {"Accept": "application/json"}
    answer = client.get(path, headers=accepts)
    assert (answer.status_code, answer.mimetype) == (404, "application/problem+json")
    assert json.loads(answer.text)["status"] == 404
    assert client.get("/nothing", headers={"Accept": "text/html,*/*;q=0.8"}).mimetype == "text/html"


# -- while it does not ---------------------------------------------------------------------------------------------


def test_without_valkey_signing_in_is_counted_at_half_the_rate(client: DeskClient, valkey_gone: int) -> None:
    """Two processes that count alone together allow no more than one Valkey does."""
    answers = [guess(client) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert 1 <= int(answers[-1].headers["Retry-After"]) <= 61


def test_without_valkey_an_address_has_half_its_tries(client: DeskClient, valkey_gone: int) -> None:
    assert statuses(11, lambda: guess(client, f"{new_id()}@example.org")) == [422] * 10 + [429]


def test_without_valkey_reading_is_open(client: DeskClient, redis_url: str, request: pytest.FixtureRequest) -> None:
    assert statuses(11, lambda: client.get("/verify/ZD-UNKNOWN")) == [404] * 10 + [429]
    request.getfixturevalue("valkey_gone")
    assert statuses(25, lambda: client.get("/verify/ZD-UNKNOWN")) == [404] * 25


def test_without_valkey_writes_are_counted_per_process(
    client: DeskClient, make: Make, rates: Rates, valkey_gone: int
) -> None:
    rates(write_rate="4 per minute")
    client.sign_in(make.staff())
    assert statuses(5, lambda: write(client)) == [404] * 4 + [429]


def test_when_valkey_comes_back_it_counts_for_all_again(
    client: DeskClient, settings: Settings, valkey_gone: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert statuses(3, lambda: guess(client)) == [422, 422, 429]
    with forwarded(valkey_gone, settings.redis_url):
        # The library looks whether it is back at most every 32 seconds; let that time have passed.
        later = SimpleNamespace(time=lambda: time.time() + 60)
        monkeypatch.setattr("flask_limiter._extension.time", later)
        assert statuses(6, lambda: guess(client)) == [422] * 5 + [429]
        assert Redis.from_url(settings.redis_url).keys("*LIMITER*account*")


def test_valkey_going_between_question_and_answer_loses_no_answer(
    app: Flask, client: DeskClient, make: Make, settings: Settings, rates: Rates
) -> None:
    """What was booked is booked, and its page carries its headers, though it could not be counted."""
    rates(booking_rate="9 per minute", write_rate="9 per minute")
    booking = make.booking()
    client.sign_in(make.admin())
    port = unused_port()
    with counting_at(app, at_port(settings.redis_url, port), back_to=settings.redis_url):
        with forwarded(port, settings.redis_url):

            def hang_up(*_args: Any, **_more: Any) -> None:
                raise ConnectionError("the server is gone")

            storage = limiter.storage
            kept, app.before_request_funcs[None] = app.before_request_funcs[None], [*app.before_request_funcs[None]]
            app.before_request_funcs[None].append(lambda: setattr(storage, "incr", hang_up))
            try:
                answer = client.post(
                    "desk.set_payment", booking_id=booking.id, data={"version": "1", "payment_status": "paid"}
                )
            finally:
                app.before_request_funcs[None] = kept
        assert answer.status_code == 303
        assert "Content-Security-Policy" in answer.headers


# -- rates ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", ["5 per minute", "3/hour", "1 per 2 hours", "5 per minute; 30 per hour"])
def test_a_rate_the_library_reads_is_taken(text: str) -> None:
    assert library.parse_many(load_settings(write_rate=text).write_rate)


@pytest.mark.parametrize("name", ["sign_in_rate", "reset_rate"])
def test_a_rate_that_is_multiplied_for_addresses_is_one(name: str) -> None:
    with pytest.raises(SettingsError, match="has to be one rate"):
        load_settings(**{name: "5 per minute; 30 per hour"})


@pytest.mark.parametrize("text", ["", "often", "5", "5 per fortnight", "-1 per minute", "5 per 0 minutes"])
def test_a_rate_nobody_can_read_is_refused_at_the_start(text: str) -> None:
    """Flask-Limiter would log it and let everything through."""
    with pytest.raises(SettingsError, match="is no rate"):
        load_settings(write_rate=text)
