"""Fifty people name the same trainer for the same lessons at the same moment, again and again (example 5).

In each round exactly one is held; the others hear that the trainer is taken, and never of an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from functools import partial
from random import Random
from uuid import UUID

import pytest

from tests.bench.report import at_most
from tests.faults import checkers
from tests.faults.history import History
from tests.faults.world import SEED, FaultWorld, client_actor, exactly, none_of, recorded, report, sized
from webapp.assignments.service import Proposed

pytestmark = pytest.mark.faults

CLIENTS = 50
ROUNDS = sized(40, 400)
ROUNDS_OF_A_CROWD = 20
TRAINERS = 20
SLOTS = [time(9), time(9, 10), time(9, 20), time(9, 30)]
HELD = "SELECT DISTINCT trainer_id FROM schedule_slots"


def test_of_fifty_clients_one_wins_each_round_and_the_others_hear_that_the_trainer_is_taken(world: FaultWorld) -> None:
    rng = Random(SEED)
    trainers = world.trainers(TRAINERS)
    homes = world.homes(10)
    world.warm_up(CLIENTS)
    wrong_rounds = found = 0
    with recorded("stampede") as history:
        for number in range(ROUNDS):
            if number % ROUNDS_OF_A_CROWD == 0:
                slot = rng.choice(SLOTS)
                crowd = [
                    world.place(homes[n % len(homes)], date(2027, 3, 10), slot, client_actor(n)).id
                    for n in range(CLIENTS)
                ]
            trainer_id = rng.choice(trainers)
            won = one_round(world, history, crowd, trainer_id)
            held = checkers.ids_with(world.address, HELD)
            if [made.trainer_id for made in won.values()] != [trainer_id] or held != {str(trainer_id)}:
                wrong_rounds += 1
            found += sum(world.breaches().values())
            for n, made in won.items():
                assert made.assignment_id is not None
                world.withdraw(made.assignment_id, client_actor(n))
    outcomes = history.outcomes("propose")
    told = checkers.ids_told(world.address, "assignment.proposed")
    won_ids = {event.facts["assignment"] for event in history.of("propose", "ok")}
    report(
        "stampede",
        exactly(f"attempts, {CLIENTS} clients a round", len(history.events), ROUNDS * CLIENTS),
        exactly("rounds without exactly one winner", wrong_rounds, 0),
        exactly("wins", outcomes.pop("ok", 0), ROUNDS),
        exactly("losers who heard that the trainer is taken", outcomes.pop("trainer-taken", 0), ROUNDS * (CLIENTS - 1)),
        exactly("other answers", outcomes.total(), 0),
        exactly("wins that only history or only the audit knows", len(told ^ won_ids), 0),
        exactly("breaches, looked for after each round", found, 0),
        *none_of(world.breaches()),
        at_most("99th percentile", history.percentile_99(), "s", 2),
    )


def one_round(world: FaultWorld, history: History, bookings: Sequence[UUID], trainer_id: UUID) -> dict[int, Proposed]:
    """Everybody asks at once; the answers of those who won, by client."""

    def ask(n: int) -> Proposed | None:
        request = partial(world.propose, bookings[n], trainer_id, client_actor(n))
        return history.ask(n, "propose", bookings[n], request, facts_of)

    answers = world.at_once([partial(ask, n) for n in range(len(bookings))])
    return {n: made for n, made in enumerate(answers) if made is not None}


def facts_of(made: Proposed) -> dict[str, UUID | None]:
    """What the history keeps of a proposal."""
    return {"assignment": made.assignment_id, "trainer": made.trainer_id}
