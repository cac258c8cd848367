"""C: the engine through the web server. Whoever asks is signed in already; each request is one new booking."""

from __future__ import annotations

import http.client
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING
from urllib.parse import urlencode
from uuid import UUID

import psycopg
from flask import Flask
from flask.sessions import SecureCookieSessionInterface
from flask_wtf.csrf import generate_csrf

from tests.bench.report import Row, at_least, high, middle
from tests.bench.world import COURSE_ID, EVENING, FIRST_DAY, HOURS, NOW, SEED, SESSIONS, BenchZone, World, near
from tests.services import Servers
from webapp import embedded
from webapp.core.ids import new_id
from webapp.run import Parts

if TYPE_CHECKING:
    from tests.bench.engine import Sizes

_SECRET = "only-for-benchmarks-0123456789abcdef"
_START_SECONDS = 60.0
_PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class SignedIn:
    """What a browser that signed in keeps: its cookie, and the token its forms carry."""

    cookie: str
    csrf: str


@dataclass(frozen=True, slots=True)
class Answer:
    """What the desk said to one booking, and after how many milliseconds."""

    booking_id: UUID
    status: int
    took: float


def different_places(servers: Servers, port: int, world: World, sizes: Sizes, floor_rate: float) -> list[Row]:
    """Clients who each book in a zone of their own for some seconds, against what the floor writes a second."""
    zones = world.zones[: sizes.cities]
    people = [_sign_in(servers, zone) for zone in zones]
    answers: list[list[Answer]] = [[] for _ in zones]
    gate = threading.Barrier(len(zones) + 1)

    def client(number: int) -> None:
        rng = Random(SEED + number)
        with _line(port) as line:
            for _ in range(4):
                _book(line, people[number], zones[number], rng, rng.choice(HOURS))
            gate.wait()
            ends = time.monotonic() + sizes.seconds
            while time.monotonic() < ends:
                answers[number].append(_book(line, people[number], zones[number], rng, rng.choice(HOURS)))

    elapsed = _all_at_once(len(zones), client, gate)
    every = [answer for mine in answers for answer in mine]
    held = _held(servers, every)
    rate = len(held) / elapsed
    what = f"C throughput, {len(zones)} clients, different places, {sizes.zones[1]} trainers each, against D"
    return [
        at_least(what, 100 * rate / floor_rate, "%", 12),
        Row("  C, bookings with a trainer held", rate, "a second"),
        Row("  C, median", middle(a.took for a in every), "ms"),
        Row("  C, 95th percentile", high([a.took for a in every]), "ms"),
        Row("  C, requests that held nobody", len(every) - len(held), f"of {len(every)}", "0", len(every) == len(held)),
    ]


def same_evening(servers: Servers, port: int, zone: BenchZone, sizes: Sizes) -> list[Row]:
    """Clients who press the button for the same evening at the same moment (the domain's example 5)."""
    people = [_sign_in(servers, zone) for _ in range(sizes.crowd)]
    answers: list[Answer] = []
    gate = threading.Barrier(sizes.crowd + 1)

    def client(number: int) -> None:
        rng = Random(SEED + 1000 + number)
        with _line(port) as line:
            gate.wait()
            answers.append(_book(line, people[number], zone, rng, EVENING))

    _all_at_once(sizes.crowd, client, gate)
    held = _held(servers, answers)
    took = [answer.took for answer in answers]
    what = f"C, {sizes.crowd} clients on the same evening slot, {len(zone.trainers)} free trainers"
    different = len(set(held.values()))
    return [
        Row(f"{what}: different trainers held", different, "", f"{sizes.crowd}", different == sizes.crowd),
        Row(f"{what}: waitlisted or refused", sizes.crowd - len(held), "", "0", len(held) == sizes.crowd),
        Row("  median", middle(took), "ms"),
        Row("  95th percentile", high(took), "ms"),
    ]


@contextmanager
def desk(servers: Servers, folder: Path) -> Iterator[int]:
    """The web server as ``make run`` starts it: two processes of four threads; the port it listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    folder.mkdir(parents=True, exist_ok=True)
    env = os.environ | {
        "ZONEDESK_ENV": "development",
        "ZONEDESK_NOW": NOW.isoformat(),
        "DATABASE_URL": servers.database_url,
        "DATABASE_OWNER_URL": servers.owner_url,
        "REDIS_URL": servers.redis_url,
        # One person does here in a minute what nobody does at a desk.
        "WRITE_RATE": "100000 per minute",
        "BOOKING_RATE": "100000 per minute",
        "DATA_DIR": str(folder),
        "SECRET_KEY": _SECRET,
    }
    parts = Parts(env, folder)
    try:
        bind = ("-w", "2", "--threads", "4", "-b", f"127.0.0.1:{port}", "--preload", "--no-control-socket")
        parts.start("bench-web", "-m", "gunicorn", *bind, "webapp.app:create_app()")
        _wait(port, parts)
        yield port
    finally:
        parts.stop()


def _wait(port: int, parts: Parts) -> None:
    ends = time.monotonic() + _START_SECONDS
    while time.monotonic() < ends and parts.ended() is None:
        with suppress(OSError, http.client.HTTPException), _line(port) as line:
            line.request("GET", "/healthz")
            if line.getresponse().status == 200:
                return
        time.sleep(0.1)
    raise RuntimeError("the web server did not start; see bench-web.log")


@contextmanager
def _line(port: int) -> Iterator[http.client.HTTPConnection]:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=_PATIENCE)
    try:
        yield line
    finally:
        line.close()


def _sign_in(servers: Servers, zone: BenchZone) -> SignedIn:
    """The row and the cookie that signing in leaves, without typing the password."""
    token = new_id().hex + new_id().hex
    with psycopg.connect(embedded.libpq_url(servers.admin_url), autocommit=True) as db:
        db.execute(
            "INSERT INTO sign_in_sessions (id, operator_id, user_id, token_hash, created_at, last_seen_at, ends_at,"
            " device, address) VALUES (%s, %s, %s, %s, %s, %s, %s + interval '12 hours', 'bench', '127.0.0.1')",
            [new_id(), zone.operator_id, zone.staff_id, sha256(token.encode()).digest(), NOW, NOW, NOW],
        )
    app = Flask("bench")
    app.secret_key = _SECRET
    raw = new_id().hex
    with app.test_request_context() as context:
        context.session["csrf_token"] = raw
        csrf = str(generate_csrf())
    signer = SecureCookieSessionInterface().get_signing_serializer(app)
    assert signer is not None
    cookie = signer.dumps({"_user_id": f"{zone.staff_key}.{token}", "_fresh": True, "csrf_token": raw})
    return SignedIn(f"zonedesk={cookie}", csrf)


def _book(line: http.client.HTTPConnection, who: SignedIn, zone: BenchZone, rng: Random, hour: int) -> Answer:
    """Send the form of a new booking for a new family; the best trainer is asked for."""
    booking_id, home = new_id(), near(zone.center, rng)
    form = {
        "csrf_token": who.csrf,
        "key": booking_id,
        "guardian_name": "Lakshmi Rao",
        "phone": f"+9198{rng.randrange(10**8):08d}",
        "language": "en",
        "student_1": "Ravi Rao",
        "address": "12 Beach Road",
        "location": f"{home.lat}, {home.lng}",
        "course": COURSE_ID,
        "class_type": "one_on_one",
        "delivery_mode": "weekday_daily",
        "total_sessions": SESSIONS,
        "start_date": FIRST_DAY.isoformat(),
        "timeslot": f"{hour:02d}:00",
        "trainer": "best",
        "do": "propose",
    }
    headers = {"Content-Type": "application/x-www-form-urlencoded", "Cookie": who.cookie}
    began = time.monotonic()
    for again in (True, False):
        try:
            line.request("POST", "/bookings/new", urlencode(form), headers)
            response = line.getresponse()
            said = response.read()
            break
        except (ConnectionError, http.client.RemoteDisconnected):
            # The server closes a connection that nobody used for two seconds; browsers then send once more, on a new
            # one. The key makes it the same booking.
            line.close()
            if not again:
                raise
    took = 1000 * (time.monotonic() - began)
    if response.status not in (303, 409):
        raise RuntimeError(f"a booking was answered with {response.status}: {said[:500]!r}")
    return Answer(booking_id, response.status, took)


def _all_at_once(count: int, client: Callable[[int], None], gate: threading.Barrier) -> float:
    """Run the clients in threads; seconds from the opened gate to the end of the last one. Raises what they raise."""
    errors: list[BaseException] = []

    def guarded(number: int) -> None:
        try:
            client(number)
        except BaseException as error:
            errors.append(error)
            gate.abort()

    threads = [threading.Thread(target=guarded, args=(n,)) for n in range(count)]
    for thread in threads:
        thread.start()
    with suppress(threading.BrokenBarrierError):
        gate.wait()
    began = time.monotonic()
    for thread in threads:
        thread.join()
    for error in errors:
        if not isinstance(error, threading.BrokenBarrierError):
            raise error
    return time.monotonic() - began


def _held(servers: Servers, answers: list[Answer]) -> dict[UUID, UUID]:
    """The trainer held for each booking, by what the database says."""
    with psycopg.connect(embedded.libpq_url(servers.admin_url)) as db:
        rows = db.execute(
            "SELECT a.booking_id, a.trainer_id FROM assignments a JOIN schedule_slots s ON s.assignment_id = a.id"
            " WHERE a.status = 'proposed' AND a.booking_id = ANY(%s) GROUP BY 1, 2 HAVING count(*) = %s",
            [[answer.booking_id for answer in answers], SESSIONS],
        ).fetchall()
    return dict(rows)
