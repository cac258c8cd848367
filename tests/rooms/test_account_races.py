"""Admins who act at the same moment: real connections, real commits. The desk is never left without one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from threading import Barrier
from typing import Any

import pytest
from sqlalchemy import Select

from tests.make import Person
from tests.rooms.test_assignment_races import Desk, desk, refusals
from tests.web.client import NOW
from webapp.accounts import managing
from webapp.accounts.service import UserCommand
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.errors import Conflict

__all__ = ["desk"]

pytestmark = pytest.mark.race

ROUNDS = 8
"""A race is run several times: who comes first is up to the machine."""
ACTIVE_ADMINS = "SELECT count(*) FROM users WHERE role = 'admin' AND active"

Changes = dict[str, Any]
DEMOTE: Changes = {"role": Role.COMPANY_STAFF}
SWITCH_OFF: Changes = {"active": False}


def changing(desk: Desk, person: Person, by: Actor, changes: Changes) -> Callable[[], object]:
    """A request that changes an account."""
    as_is = UserCommand(person.operator_id, person.email, person.name, person.role)
    command = replace(as_is, **changes)
    return lambda: desk.database.retrying(lambda work: managing.change_user(work, person.id, command, by=by, now=NOW))


def moving(desk: Desk) -> Changes:
    """A move to a franchise."""
    return {"role": Role.FRANCHISE_MANAGER, "operator_id": desk.make.franchise()}


def two_admins(desk: Desk) -> tuple[Person, Person]:
    """The only two."""
    return desk.make.admin(), desk.make.admin()


@pytest.mark.parametrize("kinds", [("demote", "demote"), ("off", "off"), ("move", "demote"), ("off", "move")])
def test_of_two_admins_who_take_each_others_rights_at_once_one_remains(desk: Desk, kinds: tuple[str, str]) -> None:
    one, other = two_admins(desk)
    made = {"demote": DEMOTE, "off": SWITCH_OFF, "move": moving(desk)}
    for _round in range(ROUNDS):
        outcomes = desk.at_once(
            [changing(desk, other, one.actor, made[kinds[0]]), changing(desk, one, other.actor, made[kinds[1]])]
        )
        assert desk.number(ACTIVE_ADMINS) == 1
        assert sum(isinstance(outcome, Conflict) for outcome in outcomes) == 1
        assert refusals(outcomes).keys() <= {"rights-changed", "last-admin"}
        for person in (one, other):
            changing(desk, person, SYSTEM, {})()


def test_of_two_commands_that_demote_the_last_two_admins_at_once_one_is_refused(desk: Desk) -> None:
    one, other = two_admins(desk)
    for _round in range(ROUNDS):
        outcomes = desk.at_once([changing(desk, person, SYSTEM, DEMOTE) for person in (one, other)])
        assert refusals(outcomes) == {"last-admin": 1}
        assert desk.number(ACTIVE_ADMINS) == 1
        for person in (one, other):
            changing(desk, person, SYSTEM, {})()


def test_a_ring_of_admins_demoting_each_other_leaves_at_least_one(desk: Desk) -> None:
    ring = [desk.make.admin() for _ in range(6)]
    for _round in range(ROUNDS):
        pairs = zip(ring, [*ring[1:], ring[0]], strict=True)
        desk.at_once([changing(desk, person, by.actor, DEMOTE) for by, person in pairs])
        assert desk.number(ACTIVE_ADMINS) >= 1
        for person in ring:
            changing(desk, person, SYSTEM, {})()


def test_without_the_locks_both_would_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The negative control: the race above is lost where nobody locks, so it proves something."""
    one, other = two_admins(desk)
    both_have_counted, become = Barrier(2), managing._become

    def late(*args: Any, **kwargs: Any) -> bool:
        both_have_counted.wait(30)
        return become(*args, **kwargs)

    monkeypatch.setattr(Select, "with_for_update", lambda self, **_options: self)
    monkeypatch.setattr(managing, "_become", late)
    outcomes = desk.at_once([changing(desk, other, one.actor, DEMOTE), changing(desk, one, other.actor, DEMOTE)])
    assert outcomes == [True, True]
    assert desk.number(ACTIVE_ADMINS) == 0
