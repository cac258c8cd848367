"""F8: nobody sees or changes what is another operator's, whatever is asked and however.

Every rule of the URL map × method × role × whose row it is, in-process, on committed data, as the role that serves.
``ISOLATION=all`` walks it twice more, with one of the two lines of defence switched off: the other alone must hold.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from flask import Flask

from tests.isolation import checks
from tests.isolation.checks import Asker
from tests.isolation.fill import NOT_REACHED
from tests.isolation.matrix import UNSAFE, rules
from tests.isolation.modes import Mode, in_mode
from tests.isolation.world import TODAY, World, clone_of, new_world
from tests.services import Servers
from webapp.config import Settings
from webapp.trainers import as_of, badge
from webapp.web.limits import limiter

MODES = (Mode.NORMAL, Mode.NO_POLICIES, Mode.NO_SCOPING) if os.environ.get("ISOLATION") == "all" else (Mode.NORMAL,)


NOBODY = "http://127.0.0.1:1"
"""Where nobody listens: whoever checks the connection is told so at once."""


@pytest.fixture(scope="module")
def world(app: Flask, servers: Servers, settings: Settings) -> Iterator[World]:
    """A world of three operators, made once for each worker."""
    with new_world(app, servers, settings) as made:
        yield made


@pytest.fixture(autouse=True)
def today(app: Flask, settings: Settings, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """Some sessions are over, others lie ahead; the roster comes from a trainer service.

    The time zone that its age is told in is looked up once: a zone of their own may change it between two requests.
    """
    at(TODAY)
    monkeypatch.setattr(as_of, "KEPT", math.inf)
    monkeypatch.setattr(as_of, "ZONES_KEPT", math.inf)
    badge.forget(app)
    monkeypatch.setitem(app.extensions, "settings", settings.model_copy(update={"trainer_service_url": NOBODY}))
    monkeypatch.setattr(limiter, "enabled", False)  # many cells of one person in a minute


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("asker", Asker)
def test_nobody_sees_or_changes_what_is_not_theirs(
    world: World, asker: Asker, mode: Mode, record_property: Callable[[str, object], None]
) -> None:
    checks.offers(world)
    with clone_of(world) as mine, in_mode(mine, mode):
        tally = checks.ask_everything(mine, asker, twice=mode is Mode.NORMAL)
    record_property(f"F8 {mode.value}", tally.cells)
    assert not tally.wrong, f"{len(tally.wrong)} wrong\n" + "\n".join(tally.wrong[:30])


def test_the_matrix_knows_a_changing_request_for_every_route_that_changes(world: World) -> None:
    changing = {rule.endpoint for rule in rules(world.app) if UNSAFE & (rule.methods or set())}
    assert changing - {request.endpoint for request in checks.offers(world)} == set(), "say in by_hand how to ask"


def test_what_is_refused_to_others_works_for_its_own_people(world: World) -> None:
    """Else a refusal would prove nothing: the request itself might be wrong."""
    checks.offers(world)
    hard = set(NOT_REACHED)
    with clone_of(world) as mine:
        tally = checks.ask_as_their_own(mine)
    changing = {rule.endpoint for rule in rules(world.app) if UNSAFE & (rule.methods or set())}
    missed = changing - tally.reached - hard
    assert not missed, "\n".join(f"{endpoint}: {dict(tally.statuses[endpoint])}" for endpoint in sorted(missed))
    assert tally.reached & hard == set(), "these work after all: take them out of NOT_REACHED"


def test_with_both_lines_of_defence_gone_the_matrix_finds_the_leaks(world: World) -> None:
    """The negative control: a matrix that cannot fail proves nothing."""
    checks.offers(world)
    with clone_of(world) as mine, in_mode(mine, Mode.NOTHING):
        tally = checks.ask_everything(mine, Asker.FRANCHISE_STAFF, twice=False)
    assert any("shows Zqbela" in wrong for wrong in tally.wrong)
    assert any("answers 200 to somebody whose it is not" in wrong for wrong in tally.wrong)
    assert any(" wrote " in wrong for wrong in tally.wrong)
