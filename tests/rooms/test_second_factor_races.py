"""Second factors given at the same moment: real connections, real commits. No code is good twice."""

from __future__ import annotations

from datetime import timedelta
from functools import partial

import pytest

from tests.codes import code_of
from tests.make import Person
from tests.rooms.test_assignment_races import Desk, desk, refusals
from tests.web.client import NOW
from webapp.accounts import second_factors, sign_ins
from webapp.accounts.queries import Account, account
from webapp.accounts.rules import PENDING_TRIES, SignInStage
from webapp.accounts.totp import DeskTotp
from webapp.config import Settings
from webapp.core.actor import Role
from webapp.db.work import Work

__all__ = ["desk"]

pytestmark = pytest.mark.race

CROWD = 12
ROUNDS = 4
"""A race is run several times: who comes first is up to the machine."""


def known(desk: Desk, person: Person) -> Account:
    """Somebody's account as signing in reads it."""
    with desk.database.read_only() as db:
        return account(db, person.id)


def test_one_code_given_by_a_crowd_lets_one_in(desk: Desk, settings: Settings) -> None:
    totp = DeskTotp(settings.totp_keys)
    for _round in range(ROUNDS):
        person = desk.make.admin()
        code = code_of(person)

        def give(work: Work, person: Person = person, code: str = code) -> bool:
            return totp.is_right(work, person.id, code)

        outcomes = desk.at_once([partial(desk.database.retrying, give)] * CROWD)
        assert sorted(map(bool, outcomes)) == [False] * (CROWD - 1) + [True]


def test_without_the_compare_and_set_the_crowd_gets_in(
    desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: were the counter only looked at before, one code would be good for many."""
    monkeypatch.setattr(second_factors, "use_counter", lambda _db, _user_id, _counter: True)
    totp, person = DeskTotp(settings.totp_keys), desk.make.admin()
    code = code_of(person)
    outcomes = desk.at_once(
        [partial(desk.database.retrying, lambda work: totp.is_right(work, person.id, code))] * CROWD
    )
    assert sum(map(bool, outcomes)) > 1


def test_one_recovery_code_given_by_a_crowd_lets_one_in(desk: Desk) -> None:
    person = desk.make.admin()
    holder = known(desk, person)
    with desk.database.unit_of_work() as work:
        codes = second_factors.make_recovery_codes(work, holder, by=person.actor, now=NOW)
    for code in codes[:ROUNDS]:

        def give(work: Work, code: str = code) -> bool:
            return second_factors.use_recovery_code(work, holder, code, now=NOW)

        outcomes = desk.at_once([partial(desk.database.retrying, give)] * CROWD)
        assert sum(map(bool, outcomes)) == 1


def test_a_crowd_of_guesses_has_five_tries(desk: Desk) -> None:
    person = desk.make.admin()
    browser = sign_ins.Browser(b"1" * 32, "test", "127.0.0.1")
    with desk.database.unit_of_work() as work:
        holder = account(work.db, person.id)
        session_id = sign_ins.begin_pending(work, holder, browser, SignInStage.SECOND_FACTOR, now=NOW)
    now = NOW + timedelta(minutes=1)
    outcomes = desk.at_once(
        [partial(desk.database.retrying, lambda work: sign_ins.take_try(work, session_id, now=now))] * CROWD
    )
    assert sum(map(bool, outcomes)) == PENDING_TRIES


def test_of_two_who_set_up_the_first_factor_one_does(desk: Desk, settings: Settings) -> None:
    totp = DeskTotp(settings.totp_keys)
    for _round in range(ROUNDS):
        person = desk.make.user(Role.ADMIN, totp=False)
        holder = known(desk, person)

        def set_up(work: Work, holder: Account = holder) -> None:
            sealed = totp.new_secret(holder.id)
            second_factors.set_up_totp(work, holder, sealed, 1, first=True, by=holder.actor, now=NOW)

        outcomes = desk.at_once([partial(desk.database.retrying, set_up)] * 4)
        assert refusals(outcomes) == {"second-factor-exists": 3}
