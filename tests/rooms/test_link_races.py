"""Links, invitations and letters on several real connections at once: each promise is kept once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from datetime import datetime
from functools import partial
from threading import Barrier
from uuid import UUID

import pytest

from tests.jobs.builders import rows
from tests.jobs.letter_box import Box
from tests.make import Person
from tests.rooms.test_assignment_races import Desk, desk
from tests.web.client import NOW
from webapp import jobs as all_jobs
from webapp.accounts import invitations, jobs
from webapp.accounts.invitations import InvitationCommand, JoinCommand
from webapp.accounts.links import token_hash
from webapp.accounts.resetting import ask_for_reset, reset_password
from webapp.config import Settings
from webapp.core.actor import Role
from webapp.core.errors import Invalid, NotFound
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.db.work import Work

pytestmark = pytest.mark.race
__all__ = ["desk"]

CROWD = 8


@pytest.fixture
def ctx(desk: Desk, settings: Settings) -> JobContext:
    """A job's context on the desk's own database."""
    return JobContext(settings, desk.database, lambda: NOW)


def outcome(request: Callable[[Work], UUID], desk: Desk, operator_id: UUID) -> str:
    """What one request on a connection of its own comes to."""
    try:
        with acting_for(operator_id), desk.database.unit_of_work() as work:
            request(work)
    except (NotFound, Invalid) as refused:
        return refused.code
    return "done"


def invite(desk: Desk, by: Person, email: str = "ravi@example.org") -> UUID:
    with desk.database.unit_of_work() as work:
        command = InvitationCommand(by.operator_id, email, "Ravi", Role.FRANCHISE_STAFF)
        return invitations.invite(work, command, by=by.actor, now=NOW)


def linked(ctx: JobContext) -> list[bytes]:
    """Send what waits; the hashes of the links in it."""
    box = Box()
    all_jobs.perform(ctx, JobName.SEND_LETTERS, partial(jobs.send_letters, mail=box), {})
    return [token_hash(box.path(n).rpartition("/")[2]) for n in range(len(box.letters))]


def test_an_invitation_accepted_many_times_at_once_makes_one_account(desk: Desk, ctx: JobContext) -> None:
    manager = desk.make.manager()
    invite(desk, manager)
    (link,) = linked(ctx)

    def accept(n: int) -> str:
        joining = JoinCommand(f"Ravi {n}", "en")
        return outcome(
            lambda work: invitations.accept(work, link, joining, "a hash", now=NOW), desk, manager.operator_id
        )

    found = desk.at_once([partial(accept, n) for n in range(CROWD)])
    assert Counter(map(str, found)) == Counter({"done": 1, "link-dead": CROWD - 1})
    assert len(rows(desk.database, "SELECT 1 FROM users WHERE email = 'ravi@example.org'")) == 1
    assert len(rows(desk.database, "SELECT 1 FROM audit_entries WHERE what = 'account.joined'")) == 1


def test_two_links_of_one_invitation_accepted_at_once_make_one_account(desk: Desk, ctx: JobContext) -> None:
    manager = desk.make.manager()
    invite(desk, manager)
    links = linked(ctx)
    invite(desk, manager)
    links += linked(ctx)
    assert len(set(links)) == 2

    def accept(link: bytes) -> str:
        joining = JoinCommand("Ravi", "en")
        return outcome(
            lambda work: invitations.accept(work, link, joining, "a hash", now=NOW), desk, manager.operator_id
        )

    found = desk.at_once([partial(accept, link) for link in links])
    assert sorted(map(str, found)) == ["done", "link-dead"]


def test_two_operators_invitations_of_one_address_make_one_account(desk: Desk, ctx: JobContext) -> None:
    managers = desk.make.manager(), desk.make.manager()
    pairs = []
    for manager in managers:
        invite(desk, manager)
        (link,) = linked(ctx)
        pairs.append((link, manager.operator_id))

    def accept(link: bytes, operator_id: UUID) -> str:
        joining = JoinCommand("Ravi", "en")
        return outcome(lambda work: invitations.accept(work, link, joining, "a hash", now=NOW), desk, operator_id)

    found = desk.at_once([partial(accept, *pair) for pair in pairs])
    assert sorted(map(str, found)) == ["done", "email-taken"]
    assert Counter(rows(desk.database, "SELECT state FROM invitations")) == Counter([("accepted",), ("open",)])


def test_a_reset_link_used_many_times_at_once_sets_one_password(desk: Desk, ctx: JobContext) -> None:
    person = desk.make.manager()
    with desk.database.unit_of_work() as work:
        ask_for_reset(work, person.email, locale="en", now=NOW)
    (link,) = linked(ctx)

    def reset(n: int) -> str:
        return outcome(lambda work: reset_password(work, link, f"hash {n}", now=NOW), desk, person.operator_id)

    found = desk.at_once([partial(reset, n) for n in range(CROWD)])
    assert Counter(map(str, found)) == Counter({"done": 1, "link-dead": CROWD - 1})
    winner = [str(one) for one in found].index("done")
    assert rows(desk.database, "SELECT password FROM users WHERE id = :id", id=person.id) == [(f"hash {winner}",)]
    told = "SELECT 1 FROM audit_entries WHERE what = 'account.password_reset'"
    assert len(rows(desk.database, told)) == 1


def test_inviting_one_address_many_times_at_once_opens_one_invitation(desk: Desk) -> None:
    manager = desk.make.manager()
    found = desk.at_once([partial(invite, desk, manager) for _ in range(CROWD)])
    assert len(set(found)) == 1
    assert len(rows(desk.database, "SELECT 1 FROM invitations")) == 1
    what = Counter(rows(desk.database, "SELECT what FROM audit_entries WHERE subject_kind = 'invitation'"))
    assert what == Counter({("account.invited",): 1, ("account.invited_again",): CROWD - 1})


def test_many_workers_at_once_send_each_letter_once(desk: Desk, ctx: JobContext) -> None:
    people = [desk.make.manager() for _ in range(6)]
    for person in people:
        with desk.database.unit_of_work() as work:
            ask_for_reset(work, person.email, locale="en", now=NOW)
    box = Box()
    job = partial(jobs.send_letters, mail=box)
    found = desk.at_once([partial(all_jobs.perform, ctx, JobName.SEND_LETTERS, job, {}) for _ in range(CROWD)])
    assert found == [None] * CROWD
    assert sorted(letter.to for letter in box.letters) == sorted(person.email for person in people)
    assert rows(desk.database, "SELECT DISTINCT state, attempts FROM letters") == [("sent", 1)]


def test_without_the_compare_and_set_a_reset_link_is_good_twice(
    desk: Desk, ctx: JobContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The negative control: both have looked at the link before either uses it up."""
    person = desk.make.manager()
    with desk.database.unit_of_work() as work:
        ask_for_reset(work, person.email, locale="en", now=NOW)
    (link,) = linked(ctx)
    both_looked = Barrier(2)

    def look_only(_work: Work, _hash: bytes, *, now: datetime) -> bool:
        both_looked.wait(30)
        return True

    monkeypatch.setattr("webapp.accounts.resetting.use_link", look_only)

    def reset(n: int) -> str:
        return outcome(lambda work: reset_password(work, link, f"hash {n}", now=NOW), desk, person.operator_id)

    assert desk.at_once([partial(reset, n) for n in range(2)]) == ["done", "done"]
