"""F8 with one line of defence switched off: the other one alone must hold.

Each asker walks the whole matrix of ``tests/isolation`` twice more, in a copy of its world. ``make test`` walks it with
both lines in place, and shows that it finds the leaks when both are gone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime

import pytest
from flask import Flask

from tests.isolation import checks
from tests.isolation.checks import Asker
from tests.isolation.modes import Mode, in_mode
from tests.isolation.world import TODAY, World, clone_of, new_world
from tests.services import Servers
from webapp.config import Settings
from webapp.web.limits import limiter


@pytest.fixture(scope="module")
def world(app: Flask, servers: Servers, settings: Settings) -> Iterator[World]:
    """A world of three operators and the requests its pages offer, made once."""
    with new_world(app, servers, settings) as made:
        yield made


@pytest.mark.parametrize("mode", [Mode.NO_POLICIES, Mode.NO_SCOPING])
def test_f8_one_line_of_defence_alone_holds(
    world: World, mode: Mode, at: Callable[[datetime], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    at(TODAY)
    monkeypatch.setattr(limiter, "enabled", False)  # many cells of one person in a minute
    checks.offers(world)
    cells, wrong = 0, []
    for asker in Asker:
        with clone_of(world) as mine, in_mode(mine, mode):
            tally = checks.ask_everything(mine, asker)
        cells += tally.cells
        wrong += [f"{asker.value}: {line}" for line in tally.wrong]
        print(f"\nF8 {mode.value}, {asker.value}: {tally.cells} cells, {len(tally.wrong)} wrong")
    print(f"F8 {mode.value}: {cells} cells, {len(wrong)} wrong")
    assert not wrong, f"{len(wrong)} wrong\n" + "\n".join(wrong[:60])
