"""Passkeys at the same moment: real connections, real commits. No answer is good twice, and the last key stays."""

from __future__ import annotations

from functools import partial
from uuid import UUID

import pytest

from tests.authenticator import Key
from tests.make import Person
from tests.rooms.test_assignment_races import Desk, desk, refusals
from tests.web.client import NOW
from webapp.accounts import challenges, passkeys, second_factors
from webapp.accounts.authenticators import NewPasskey, Recognised
from webapp.accounts.challenges import Question
from webapp.accounts.passkeys import MAX_PASSKEYS
from webapp.accounts.queries import Account, account
from webapp.accounts.queries.doors import KnownPasskey, passkey_known_as
from webapp.accounts.queries.passkeys import passkeys_of
from webapp.accounts.rules import ChallengePurpose
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


def new(key: Key) -> NewPasskey:
    """What an authenticator has proved of a key."""
    return NewPasskey(key.id, key.cose(), 0, (), backed_up=False)


def given(desk: Desk, holder: Account) -> tuple[UUID, KnownPasskey]:
    """Give somebody a passkey: its row's id, and the passkey as the door knows it."""
    key = Key("localhost", holder.id.bytes)
    with desk.database.unit_of_work() as work:
        id_ = passkeys.add(work, holder, new(key), "", first=False, now=NOW)
    with desk.database.read_only() as db:
        found = passkey_known_as(db, key.id)
    assert found is not None
    return id_, found


def test_one_question_answered_by_a_crowd_is_good_once(desk: Desk) -> None:
    question = Question(ChallengePurpose.SIGN_IN, None)
    for number in range(ROUNDS):
        token_hash = bytes([number]) * 32
        with desk.database.unit_of_work() as work:
            challenges.issue(work, question, token_hash, instead_of=None, now=NOW)

        def take(work: Work, token_hash: bytes = token_hash) -> bytes | None:
            return challenges.take(work, question, token_hash, now=NOW)

        outcomes = desk.at_once([partial(desk.database.retrying, take)] * CROWD)
        assert sum(outcome is not None for outcome in outcomes) == 1


def test_one_count_given_by_a_crowd_is_good_once(desk: Desk) -> None:
    _id, found = given(desk, known(desk, desk.make.staff()))
    for count in range(1, ROUNDS + 1):

        def use(work: Work, count: int = count) -> bool:
            return passkeys.note_use(work, found, Recognised(count, backed_up=False), now=NOW)

        outcomes = desk.at_once([partial(desk.database.retrying, use)] * CROWD)
        assert sum(map(bool, outcomes)) == 1


def remove_all(desk: Desk, *, needed: bool) -> tuple[list[object], int]:
    """Remove both passkeys of somebody at once: what came of it, and how many are left."""
    holder = known(desk, desk.make.user(Role.ADMIN, totp=False))
    both = [given(desk, holder)[0] for _ in range(2)]

    def remove(work: Work, passkey_id: UUID) -> None:
        passkeys.remove(work, holder, passkey_id, needed=needed, now=NOW)

    outcomes = desk.at_once([partial(desk.database.retrying, partial(remove, passkey_id=id_)) for id_ in both])
    with desk.database.read_only() as db:
        return outcomes, len(passkeys_of(db, holder))


def test_of_two_who_remove_the_last_two_one_does(desk: Desk) -> None:
    for _round in range(ROUNDS):
        outcomes, left = remove_all(desk, needed=True)
        assert (refusals(outcomes), left) == ({"last-second-factor": 1}, 1)


def test_without_the_lock_both_would_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: each would count the other's passkey as the one that stays."""
    monkeypatch.setattr(second_factors, "lock", lambda _db, _user_id: None)
    assert min(remove_all(desk, needed=True)[1] for _round in range(5 * ROUNDS)) == 0


def test_a_crowd_of_new_passkeys_stops_at_ten(desk: Desk) -> None:
    holder = known(desk, desk.make.staff())

    def add(work: Work) -> UUID:
        return passkeys.add(work, holder, new(Key("localhost", b"")), "", first=False, now=NOW)

    outcomes = desk.at_once([partial(desk.database.retrying, add)] * (MAX_PASSKEYS + 2))
    assert refusals(outcomes) == {"passkeys-full": 2}


def test_of_two_who_make_the_first_with_a_password_one_does(desk: Desk) -> None:
    for _round in range(ROUNDS):
        holder = known(desk, desk.make.user(Role.ADMIN, totp=False))

        def add(work: Work, holder: Account = holder) -> UUID:
            return passkeys.add(work, holder, new(Key("localhost", b"")), "", first=True, now=NOW)

        assert refusals(desk.at_once([partial(desk.database.retrying, add)] * 4)) == {"second-factor-exists": 3}


def test_of_two_who_register_one_passkey_one_does(desk: Desk) -> None:
    for _round in range(ROUNDS):
        holders = [known(desk, desk.make.staff()) for _ in range(2)]
        key = Key("localhost", b"")

        def add(work: Work, holder: Account, key: Key = key) -> UUID:
            return passkeys.add(work, holder, new(key), "", first=False, now=NOW)

        outcomes = desk.at_once([partial(desk.database.retrying, partial(add, holder=holder)) for holder in holders])
        assert refusals(outcomes) == {"passkey-taken": 1}
