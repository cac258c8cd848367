"""Known and unknown addresses take equally long and get equal answers: signing in, a forgotten password, an invitation.

The real application with hashes at their full cost, on a committed database. Pairs are interleaved, whoever comes first
in one comes second in the next, so whatever else the machine does hits both alike. The last test plants ten
milliseconds for known addresses, and has to find them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from uuid import UUID

import pytest
from flask import Flask
from flask.testing import FlaskClient
from redis import Redis

from tests.bench.report import Row
from tests.faults.world import FaultWorld, exactly, fault_world, report, sized
from tests.services import Servers
from tests.web.client import NOW, engine_of
from webapp.accounts import invitations, resetting
from webapp.accounts.invitations import InvitationCommand
from webapp.accounts.views import forgotten
from webapp.app import create_app
from webapp.config import Environment, Settings
from webapp.core import clock
from webapp.core.actor import Role
from webapp.db import work as work_module
from webapp.db.tenancy import acting_as

pytestmark = pytest.mark.faults

PAIRS = sized(200, 2_000)
ROUNDS = 4
WARM_UP = 10
BOUND_MS = 5.0
PLANTED_MS = 10.0
KNOWN, UNKNOWN = "asha-somebody@example.org", "ravi-somebody@example.org"
WRONG = "seven lamps along the river"
assert len(KNOWN) == len(UNKNOWN), "the page may repeat the address"

Try = Callable[[str], object]
"""One request about an address; what comes back is all that the asker sees."""


@dataclass(frozen=True, slots=True)
class Compared:
    """Medians in milliseconds, and how many pairs saw different answers."""

    known_ms: float
    unknown_ms: float
    different: int
    pairs: int

    @property
    def apart_ms(self) -> float:
        """How far the medians are apart."""
        return abs(self.known_ms - self.unknown_ms)


def compare(ask: Try, pairs: int) -> Compared:
    """Ask about a known and an unknown address in turns, ``pairs`` times.

    On a machine that others use, medians of few pairs may be apart by chance: then as many are asked again, and again.
    Chance grows smaller with each round; a difference that is there does not.
    """
    took: dict[str, list[float]] = {KNOWN: [], UNKNOWN: []}
    different = 0
    found = Compared(0.0, BOUND_MS, 0, 0)
    for _ in range(ROUNDS):
        if found.apart_ms < BOUND_MS:
            break
        for n in range(-WARM_UP, pairs):
            seen = {}
            for email in (KNOWN, UNKNOWN) if n % 2 else (UNKNOWN, KNOWN):
                started = time.perf_counter()
                seen[email] = ask(email)
                spent = (time.perf_counter() - started) * 1000
                if n >= 0:
                    took[email].append(spent)
            different += seen[KNOWN] != seen[UNKNOWN]
        found = Compared(median(took[KNOWN]), median(took[UNKNOWN]), different, len(took[KNOWN]))
    return found


def told(what: str, found: Compared) -> list[Row]:
    """The rows of the report."""
    return [
        Row(f"{what}: pairs", found.pairs, ""),
        Row(f"{what}: known, median", found.known_ms, "ms"),
        Row(f"{what}: unknown, median", found.unknown_ms, "ms"),
        Row(f"{what}: apart", found.apart_ms, "ms", f"under {BOUND_MS:g}", found.apart_ms < BOUND_MS),
        exactly(f"{what}: pairs with different answers", found.different, 0),
    ]


@pytest.fixture
def desk(servers: Servers, app: Flask, settings: Settings, at: object) -> Iterator[tuple[Flask, FaultWorld]]:
    """An application that hashes at full cost and makes nobody wait for asking often, with one known account."""
    Redis.from_url(settings.redis_url).flushdb()
    before = work_module.database()
    often = "1000000 per minute"
    real = create_app(
        settings.model_copy(update={"environment": Environment.DEVELOPMENT, "sign_in_rate": often, "reset_rate": often})
    )
    work_module.bind(before)
    clock.freeze(NOW)
    try:
        with fault_world(servers, real, connections=4) as world:
            world.make.user(Role.FRANCHISE_STAFF, email=KNOWN)
            yield real, world
    finally:
        engine_of(real).dispose()


def without_secrets(page: str) -> str:
    """A page without its nonces, its CSRF token and the address that was asked about."""
    page = re.sub(r'nonce="[^"]+"|name="csrf_token" value="[^"]+"|data-csrf="[^"]+"', "", page)
    return page.replace(KNOWN, "").replace(UNKNOWN, "")


def form_of(client: FlaskClient, path: str) -> dict[str, str]:
    """What a browser that has the page sends along."""
    token = re.search(r'name="csrf_token" value="([^"]+)"', client.get(path).text)
    assert token is not None
    return {"csrf_token": token[1]}


def signing_in(app: Flask) -> Try:
    """A wrong password typed for an address."""
    client = app.test_client()
    form = form_of(client, "/sign-in")

    def ask(email: str) -> object:
        answer = client.post("/sign-in", data=form | {"email": email, "password": WRONG})
        assert answer.status_code == 422
        return answer.status_code, without_secrets(answer.text), len(answer.data)

    return ask


def forgetting(app: Flask) -> Try:
    """A letter asked for."""
    client = app.test_client()
    form = form_of(client, "/forgotten")

    def ask(email: str) -> object:
        answer = client.post("/forgotten", data=form | {"email": email})
        assert answer.status_code == 303
        return answer.status_code, answer.headers["Location"], answer.data

    return ask


def test_signing_in_takes_as_long_for_an_unknown_address(desk: tuple[Flask, FaultWorld]) -> None:
    app, _world = desk
    report("f9_sign_in", *told("signing in", compare(signing_in(app), PAIRS)))


def test_a_forgotten_password_takes_as_long_for_an_unknown_address(desk: tuple[Flask, FaultWorld]) -> None:
    app, _world = desk
    report("f9_forgotten", *told("forgotten password", compare(forgetting(app), PAIRS)))


def test_an_invitation_takes_as_long_for_an_unknown_address(desk: tuple[Flask, FaultWorld]) -> None:
    _app, world = desk
    manager = world.make.manager()

    def ask(email: str) -> object:
        command = InvitationCommand(manager.operator_id, email, "Somebody", Role.FRANCHISE_STAFF)
        with acting_as(manager.actor), world.database.unit_of_work() as work:
            made: UUID = invitations.invite(work, command, by=manager.actor, now=NOW)
        return made.version

    report("f9_invitation", *told("invitation", compare(ask, PAIRS)))


def test_ten_planted_milliseconds_are_found(desk: tuple[Flask, FaultWorld], monkeypatch: pytest.MonkeyPatch) -> None:
    app, _world = desk
    real = resetting.ask_for_reset

    def leaking(work: work_module.Work, email: str, *, locale: str, now: datetime) -> None:
        if email == KNOWN:
            time.sleep(PLANTED_MS / 1000)
        real(work, email, locale=locale, now=now)

    monkeypatch.setattr(forgotten, "ask_for_reset", leaking)
    found = compare(forgetting(app), sized(50, 200))
    report(
        "f9_control",
        Row("ten milliseconds planted: apart", found.apart_ms, "ms", f"over {BOUND_MS:g}", found.apart_ms > BOUND_MS),
    )
