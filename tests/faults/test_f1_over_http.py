"""The stampede once more through the web server: fifty browsers press *Propose* for one trainer at the same moment.

One is sent on to the booking; forty-nine see the form again, with status 409, what happened, and a fresh list. Two
processes of four threads serve all of them, on the machine the browsers run on: how long that takes is printed only.
"""

from __future__ import annotations

import http.client
from collections import Counter
from contextlib import closing
from datetime import date, time
from functools import partial
from pathlib import Path
from random import Random
from urllib.parse import urlencode
from uuid import UUID

import pytest

from tests.bench.report import Row
from tests.faults import checkers
from tests.faults.history import History
from tests.faults.over_http import PATIENCE, Answer, Browser, browsers, web_server
from tests.faults.world import SEED, FaultWorld, exactly, none_of, recorded, report, sized
from tests.web.client import NOW

pytestmark = pytest.mark.faults

CLIENTS = 50
ROUNDS = sized(3, 20)


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
    people = browsers(world.address, person, CLIENTS, at=NOW)
    bookings = [world.place(homes[n % len(homes)], date(2027, 3, 10), time(9), person.actor).id for n in range(CLIENTS)]
    statuses: Counter[int] = Counter()
    wrong_rounds = stale_lists = 0
    clock = {"ZONEDESK_NOW": NOW.isoformat()}
    with recorded("stampede_http") as history, web_server(world.servers, tmp_path, **clock) as port:
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
