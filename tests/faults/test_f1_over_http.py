"""The stampede once more through the web server: fifty browsers press *Propose* for one trainer at the same moment.

One is sent on to the booking; forty-nine see the form again, with status 409, what happened, and a fresh list. Two
processes of four threads serve all of them, on the machine the browsers run on: how long that takes is printed only.
"""

from __future__ import annotations

import http.client
import os
import socket
import time as clock_time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date, time
from functools import partial
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import NamedTuple
from urllib.parse import urlencode
from uuid import UUID

import psycopg
import pytest
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import generate_csrf

from tests.bench.report import Row
from tests.faults import checkers
from tests.faults.history import History
from tests.faults.world import SEED, FaultWorld, exactly, none_of, recorded, report, sized
from tests.make import Person
from tests.web.client import NOW
from webapp.core.ids import new_id
from webapp.run import Parts

pytestmark = pytest.mark.faults

CLIENTS = 50
ROUNDS = sized(3, 20)
PATIENCE = 30.0
SECRET = "only-for-tests-of-faults-0123456789abcdef"


class Browser(NamedTuple):
    """What somebody's browser keeps after signing in."""

    cookie: str
    csrf: str


class Answer(NamedTuple):
    """A status, and the page that came with it."""

    status: int
    page: str


@contextmanager
def web_server(world: FaultWorld, folder: Path) -> Iterator[int]:
    """The web server as ``make run`` starts it, with its clock at ``NOW``; yields the port."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    env = os.environ | {
        "ZONEDESK_ENV": "development",
        "ZONEDESK_NOW": NOW.isoformat(),
        "DATABASE_URL": world.servers.database_url,
        "DATABASE_OWNER_URL": world.servers.owner_url,
        "REDIS_URL": world.servers.redis_url,
        # One person does here in a minute what nobody does at a desk.
        "WRITE_RATE": "100000 per minute",
        "BOOKING_RATE": "100000 per minute",
        "DATA_DIR": str(folder),
        "SECRET_KEY": SECRET,
    }
    parts = Parts(env, folder)
    try:
        bind = ("-w", "2", "--threads", "4", "-b", f"127.0.0.1:{port}", "--no-control-socket")
        parts.start("web", "-m", "gunicorn", *bind, "webapp.app:create_app()")
        wait_until_it_answers(parts, port)
        yield port
    finally:
        parts.stop()


def wait_until_it_answers(parts: Parts, port: int) -> None:
    """Return when the server says that it is alive; no worker runs, so it is never ready for all."""
    ends = clock_time.monotonic() + PATIENCE
    while clock_time.monotonic() < ends and parts.ended() is None:
        line = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        with suppress(OSError, http.client.HTTPException), closing(line):
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return
        clock_time.sleep(0.1)
    raise AssertionError("the web server did not start")


def browsers(world: FaultWorld, person: Person, number: int) -> list[Browser]:
    """So many signed-in browsers of one person: the rows and cookies that signing in leaves."""
    app = Flask("signer")
    app.secret_key = SECRET
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    made = []
    with psycopg.connect(world.address, autocommit=True) as db:
        row = db.execute("SELECT fs_uniquifier FROM users WHERE id = %s", [person.id]).fetchone()
        assert row is not None
        for _ in range(number):
            token = new_id().hex + new_id().hex
            db.execute(
                "INSERT INTO sign_in_sessions (id, operator_id, user_id, token_hash, created_at, last_seen_at, ends_at,"
                " second_factor_at, device, address, method)"
                " VALUES (%s, %s, %s, %s, %s, %s, %s + interval '12 hours', %s, 'faults', '127.0.0.1', 'passkey')",
                [new_id(), person.operator_id, person.id, sha256(token.encode()).digest(), NOW, NOW, NOW, NOW],
            )
            raw = new_id().hex
            with app.test_request_context() as context:
                context.session["csrf_token"] = raw
                csrf = str(generate_csrf())
            cookie = signer.dumps({"_user_id": f"{row[0]}.{token}", "_fresh": True, "csrf_token": raw})
            made.append(Browser(f"zonedesk={cookie}", csrf))
    return made


def press_propose(port: int, browser: Browser, booking_id: UUID, trainer_id: UUID) -> Answer:
    """Send the form with one trainer chosen."""
    body = urlencode({"csrf_token": browser.csrf, "trainer": trainer_id})
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": browser.cookie}
    with closing(http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)) as line:
        line.request("POST", f"/bookings/{booking_id}/propose", body, headers)
        response = line.getresponse()
        return Answer(response.status, response.read().decode())


def one_round(
    world: FaultWorld, history: History, port: int, people: list[Browser], bookings: list[UUID], trainer_id: UUID
) -> list[Answer]:
    """Everybody presses at once; an answer that never came is an unexpected error of the history."""

    def press(n: int) -> Answer | None:
        request = partial(press_propose, port, people[n], bookings[n], trainer_id)
        return history.ask(n, "propose", bookings[n], request, lambda answer: {"status": answer.status})

    answers = world.at_once([partial(press, n) for n in range(len(people))])
    return [answer for answer in answers if answer is not None]


def choice(trainer_id: UUID) -> str:
    """What a trainer who can be chosen has on the page."""
    return f'id="trainer-{trainer_id}"'


def test_of_fifty_browsers_one_is_sent_on_and_the_others_see_a_fresh_list(world: FaultWorld, tmp_path: Path) -> None:
    rng = Random(SEED)
    trainers, homes, person = world.trainers(20), world.homes(5), world.make.admin()
    people = browsers(world, person, CLIENTS)
    bookings = [world.place(homes[n % len(homes)], date(2027, 3, 10), time(9), person.actor).id for n in range(CLIENTS)]
    statuses: Counter[int] = Counter()
    wrong_rounds = stale_lists = 0
    with recorded("stampede_http") as history, web_server(world, tmp_path) as port:
        for trainer_id in rng.sample(trainers, ROUNDS):
            answers = one_round(world, history, port, people, bookings, trainer_id)
            round_statuses = Counter(answer.status for answer in answers)
            statuses += round_statuses
            held = checkers.ids_with(world.address, "SELECT DISTINCT trainer_id FROM schedule_slots")
            open_now = checkers.ids_with(world.address, "SELECT id FROM assignments WHERE status = 'proposed'")
            if (round_statuses[303], len(open_now), held) != (1, 1, {str(trainer_id)}):
                wrong_rounds += 1
            other = next(free for free in trainers if free != trainer_id)
            stale_lists += sum(
                answer.status == 409 and not (choice(other) in answer.page and choice(trainer_id) not in answer.page)
                for answer in answers
            )
            for assignment_id in open_now:
                world.withdraw(UUID(assignment_id), person.actor)
    report(
        "stampede_http",
        exactly(f"attempts, {CLIENTS} browsers a round", len(history.events), ROUNDS * CLIENTS),
        exactly("rounds without exactly one winner", wrong_rounds, 0),
        exactly("answered 303", statuses.pop(303, 0), ROUNDS),
        exactly("answered 409", statuses.pop(409, 0), ROUNDS * (CLIENTS - 1)),
        exactly("other answers", statuses.total() + len(history.unexpected), 0),
        exactly("refusals with a list that is not fresh", stale_lists, 0),
        *none_of(world.breaches()),
        Row("99th percentile, all at once", history.percentile_99(), "s"),
    )
