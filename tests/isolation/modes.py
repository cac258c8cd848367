"""The matrix with one of its two lines of defence switched off, and, to see that it can fail, with both."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from enum import StrEnum

import pytest
from sqlalchemy import true

from tests.isolation.world import World
from webapp.core.actor import Actor
from webapp.db import tenancy
from webapp.tables import metadata


class Mode(StrEnum):
    """Which lines of defence stand."""

    NORMAL = "normal"
    NO_POLICIES = "row-level security off"
    NO_SCOPING = "application scoping off"
    NOTHING = "both off"


@contextmanager
def in_mode(world: World, mode: Mode) -> Iterator[None]:
    """Switch off what the mode says, in this process and this world's database only."""
    with pytest.MonkeyPatch.context() as patch:
        if mode in (Mode.NO_POLICIES, Mode.NOTHING):
            world.as_superuser(
                *(f"ALTER TABLE {table.name} DISABLE ROW LEVEL SECURITY" for table in metadata.sorted_tables)
            )
        if mode in (Mode.NO_SCOPING, Mode.NOTHING):
            _scope_nothing(patch)
        yield


def _scope_nothing(patch: pytest.MonkeyPatch) -> None:
    """Make every condition of ownership true; the tenant that goes to the database stays the person's own."""
    real = vars(Actor)["sees_everything"].fget

    def acting_as(actor: Actor) -> object:
        return tenancy._acting(tenancy.Tenant(actor.operator_id, bool(real(actor))))

    known = {id(tenancy.owned_by): lambda column, actor: true(), id(tenancy.acting_as): acting_as}
    for module in [module for name, module in sys.modules.items() if name.startswith("webapp.")]:
        for name, value in list(vars(module).items()):
            if id(value) in known:
                patch.setattr(module, name, known[id(value)])
    patch.setattr(Actor, "sees_everything", property(lambda actor: True))
