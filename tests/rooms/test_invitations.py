"""Inviting: who may, to what, and what inviting twice does."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from tests.jobs.builders import rows
from tests.jobs.letter_box import Box
from tests.make import Make, Person
from tests.web.client import NOW
from webapp.accounts import invitations
from webapp.accounts.invitations import InvitationCommand
from webapp.accounts.jobs import send_letters
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.db.job_context import JobContext
from webapp.db.work import Database

EMAIL = "ravi@example.org"
Change = Callable[..., UUID]


@pytest.fixture
def invite(db: Database) -> Change:
    """Invites somebody in a transaction of its own."""

    def invite(
        by: Actor,
        role: Role,
        operator_id: UUID,
        *,
        email: str = EMAIL,
        name: str = "Ravi",
        locale: str = "en",
        after: timedelta = timedelta(0),
    ) -> UUID:
        with db.unit_of_work() as work:
            command = InvitationCommand(operator_id, email, name, role, locale)
            return invitations.invite(work, command, by=by, now=NOW + after)

    return invite


def told(db: Database) -> list[object]:
    return [
        what for (what,) in rows(db, "SELECT what FROM audit_entries WHERE subject_kind = 'invitation' ORDER BY id")
    ]


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF, Role.AUDITOR])
def test_who_looks_after_nobody_invites_nobody(make: Make, db: Database, invite: Change, role: Role) -> None:
    person = make.user(role)
    given = Role.FRANCHISE_STAFF if role is Role.FRANCHISE_STAFF else Role.COMPANY_STAFF
    with pytest.raises(Forbidden):
        invite(person.actor, given, person.operator_id)
    assert rows(db, "SELECT 1 FROM invitations") == rows(db, "SELECT 1 FROM letters") == []


@pytest.mark.parametrize(
    ("role", "to", "refusal"),
    [
        (Role.FRANCHISE_STAFF, "own", None),
        (Role.FRANCHISE_MANAGER, "own", Forbidden),
        (Role.FRANCHISE_STAFF, "other", NotFound),
        (Role.FRANCHISE_STAFF, "absent", NotFound),
        (Role.ADMIN, "company", NotFound),
        (Role.ADMIN, "own", Invalid),
    ],
)
def test_a_manager_invites_staff_of_the_own_franchise(
    make: Make, db: Database, invite: Change, role: Role, to: str, refusal: type[DomainError] | None
) -> None:
    manager = make.manager()
    operator = {"own": manager.operator_id, "other": make.franchise(), "absent": uuid4(), "company": COMPANY_ID}[to]
    if refusal is None:
        invite(manager.actor, role, operator)
        return
    with pytest.raises(refusal):
        invite(manager.actor, role, operator)
    assert rows(db, "SELECT 1 FROM invitations") == []


@pytest.mark.parametrize("role", list(Role))
def test_an_admin_invites_anybody_to_where_the_role_belongs(make: Make, invite: Change, role: Role) -> None:
    of_franchise = role in (Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER)
    home, elsewhere = (make.franchise(), COMPANY_ID) if of_franchise else (COMPANY_ID, make.franchise())
    admin = make.admin().actor
    invite(admin, role, home)
    with pytest.raises(Invalid):
        invite(admin, role, elsewhere)


def test_nobody_is_invited_to_an_operator_that_is_switched_off(make: Make, db: Database, invite: Change) -> None:
    franchise = make.franchise()
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE operators SET active = false WHERE id = :id"), {"id": franchise})
    with pytest.raises(Conflict):
        invite(make.admin().actor, Role.FRANCHISE_STAFF, franchise)


@pytest.mark.parametrize(
    ("typed", "field"), [({"email": "ravi"}, "email"), ({"name": " "}, "name"), ({"locale": "xx"}, "locale")]
)
def test_what_will_not_do_names_its_field(make: Make, invite: Change, typed: dict[str, str], field: str) -> None:
    manager = make.manager()
    with pytest.raises(Invalid) as refused:
        invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id, **typed)
    assert refused.value.field == field


def test_inviting_again_renews_the_open_invitation(make: Make, db: Database, invite: Change) -> None:
    manager, admin = make.manager(), make.admin()
    first = invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    second = invite(
        admin.actor,
        Role.FRANCHISE_MANAGER,
        manager.operator_id,
        email=" RAVI@example.org",
        name="Ravi Teja",
        after=timedelta(hours=1),
    )
    assert first == second
    assert rows(db, "SELECT role, name, invited_by, created_at, expires_at FROM invitations") == [
        ("franchise_manager", "Ravi Teja", admin.id, NOW, NOW + timedelta(hours=73))
    ]
    assert told(db) == ["account.invited", "account.invited_again"]


def test_inviting_goes_on_working_when_the_statement_is_prepared(make: Make, db: Database, invite: Change) -> None:
    manager = make.manager()
    for _ in range(15):  # psycopg prepares what comes often, and the server then plans for any value
        invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    assert len(rows(db, "SELECT 1 FROM invitations")) == 1


def test_pressed_twice_sent_once(make: Make, db: Database, invite: Change, settings: Settings) -> None:
    manager, box = make.manager(), Box()
    for _ in range(2):
        invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    assert send_letters(JobContext(settings, db, lambda: NOW), mail=box) == 1
    invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    assert send_letters(JobContext(settings, db, lambda: NOW), mail=box) == 1, "a renewal afterwards writes again"


def test_two_operators_may_invite_the_same_address(make: Make, db: Database, invite: Change) -> None:
    for manager in (make.manager(), make.manager()):
        invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    assert len(rows(db, "SELECT 1 FROM invitations WHERE state = 'open'")) == 2


@pytest.fixture
def closing(db: Database) -> Callable[[UUID, Person], None]:
    """Withdraws an invitation in a transaction of its own."""

    def withdraw(invitation_id: UUID, by: Person) -> None:
        with db.unit_of_work() as work:
            invitations.withdraw(work, invitation_id, by=by.actor, now=NOW)

    return withdraw


def test_a_withdrawn_invitation_gets_no_letter_any_more(
    make: Make, db: Database, invite: Change, closing: Callable[[UUID, Person], None], settings: Settings
) -> None:
    manager, box = make.manager(), Box()
    invitation_id = invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    closing(invitation_id, manager)
    assert send_letters(JobContext(settings, db, lambda: NOW), mail=box) == 0
    assert rows(db, "SELECT state FROM letters") == [("dropped",)]
    assert told(db) == ["account.invited", "account.invitation_withdrawn"]
    with pytest.raises(Conflict):
        closing(invitation_id, manager)


def test_who_may_withdraw(make: Make, db: Database, invite: Change, closing: Callable[[UUID, Person], None]) -> None:
    manager, stranger, admin = make.manager(), make.manager(), make.admin()
    staff = make.staff(manager.operator_id)
    invitation_id = invite(admin.actor, Role.FRANCHISE_MANAGER, manager.operator_id)
    for by, refusal in ((stranger, NotFound), (manager, Forbidden), (staff, Forbidden)):
        with pytest.raises(refusal):
            closing(invitation_id, by)
        with pytest.raises(refusal), db.unit_of_work() as work:
            invitations.invite_again(work, invitation_id, by=by.actor, now=NOW)
    closing(invitation_id, admin)
    with pytest.raises(NotFound):
        closing(uuid4(), admin)


def test_an_invitation_that_is_over_can_be_made_anew(
    make: Make, db: Database, invite: Change, closing: Callable[[UUID, Person], None]
) -> None:
    manager = make.manager()
    first = invite(manager.actor, Role.FRANCHISE_STAFF, manager.operator_id)
    with db.unit_of_work() as work:
        assert invitations.invite_again(work, first, by=manager.actor, now=NOW) == first
    closing(first, manager)
    with db.unit_of_work() as work:
        assert invitations.invite_again(work, first, by=manager.actor, now=NOW) != first
    with db.unit_of_work() as work:
        work.db.execute(
            text("UPDATE invitations SET state = 'accepted', accepted_at = :now WHERE id = :id"),
            {"now": NOW, "id": first},
        )
    with pytest.raises(Conflict), db.unit_of_work() as work:
        invitations.invite_again(work, first, by=manager.actor, now=NOW)


def test_the_desk_itself_may_invite(make: Make, db: Database, invite: Change, settings: Settings) -> None:
    box = Box()
    invite(SYSTEM, Role.ADMIN, COMPANY_ID)
    assert send_letters(JobContext(settings, db, lambda: NOW), mail=box) == 1
    assert "/join/" in box.last.text
