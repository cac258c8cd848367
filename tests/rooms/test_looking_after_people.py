"""Looking after accounts: who may change whom, what a change does, and what no change may do."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from tests.make import Make, Person
from tests.web.client import NOW, DeskClient
from webapp.accounts import managing
from webapp.accounts.models import Letter, Passkey, RecoveryCode, SignInSession, User
from webapp.accounts.rules import LetterKind
from webapp.accounts.service import UserCommand
from webapp.audit.models import AuditEntry
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand


def command(person: Person, **changes: object) -> UserCommand:
    """A person's account as it was made, but for some changes."""
    as_is = UserCommand(person.operator_id, person.email, person.name, person.role)
    return replace(as_is, **changes)  # type: ignore[arg-type]  # each test names real fields


def change(db: Database, person: Person, *, by: Actor, **changes: object) -> bool:
    """Change an account in a transaction of its own."""
    with db.unit_of_work() as work:
        return managing.change_user(work, person.id, command(person, **changes), by=by, now=NOW)


def stored(db: Database, person: Person) -> User:
    """The account's row."""
    with db.read_only() as session:
        return session.scalars(select(User).where(User.id == person.id)).one()


def letters(db: Database) -> list[tuple[LetterKind, str]]:
    """The letters promised, in order."""
    with db.read_only() as session:
        rows = session.scalars(select(Letter).order_by(Letter.id))
        return [(row.kind, row.email) for row in rows]


def entries(db: Database, person: Person) -> list[AuditEntry]:
    """What the audit says of an account after it was made."""
    with db.read_only() as session:
        found = select(AuditEntry).where(
            AuditEntry.subject_id == person.id,
            AuditEntry.what.not_in(["account.created", "account.signed_in", "account.totp_set_up"]),
        )
        return list(session.scalars(found.order_by(AuditEntry.id)))


def with_factors(db: Database, person: Person) -> None:
    """Give an account an authenticator app, a passkey and a recovery code."""
    with db.unit_of_work() as work:
        user = work.db.scalars(select(User).where(User.id == person.id)).one()
        user.totp_secret, user.totp_counter = "sealed", 7
        shared = {"operator_id": person.operator_id, "user_id": person.id, "created_at": NOW}
        work.db.add(RecoveryCode(id=new_id(), code_hash=b"c" * 32, used_at=None, **shared))
        work.db.add(
            Passkey(
                id=new_id(),
                credential_id=person.id.bytes,
                public_key=b"k",
                sign_count=0,
                transports=[],
                backed_up=False,
                name="Telephone",
                last_used_at=None,
                **shared,
            )
        )


# ── who may ──


def test_a_manager_renames_switches_off_and_on_the_own_staff(db: Database, make: Make) -> None:
    manager = make.manager()
    staff = make.staff(manager.operator_id)
    assert change(db, staff, by=manager.actor, name="Asha Rao", locale="te")
    assert stored(db, staff).name == "Asha Rao"
    for active in (False, True):
        with db.unit_of_work() as work:
            assert managing.set_active(work, staff.id, active, by=manager.actor, now=NOW)
        assert stored(db, staff).active is active
    assert [entry.actor_id for entry in entries(db, staff)] == [manager.id] * 3


def test_a_manager_does_not_touch_managers_of_the_own_franchise(db: Database, make: Make) -> None:
    manager = make.manager()
    other = make.manager(manager.operator_id)
    for attempt in every_act(db, other, manager.actor):
        with pytest.raises(Forbidden, match="your own franchise's staff"):
            attempt()
    assert entries(db, other) == []


def test_e2_a_foreign_account_is_as_absent_as_one_that_is_not_there(db: Database, make: Make) -> None:
    manager, foreign = make.manager(), make.staff(make.franchise())
    nobody = replace(foreign, id=new_id())
    for person in (foreign, nobody, make.staff(), make.admin()):
        for attempt in every_act(db, person, manager.actor):
            with pytest.raises(NotFound) as refused:
                attempt()
            assert (refused.value.code, str(refused.value)) == ("not-found", "There is nothing here.")


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF, Role.AUDITOR])
def test_who_has_no_right_over_accounts_changes_none(db: Database, make: Make, role: Role) -> None:
    person = make.user(role)
    colleague = make.user(role, operator_id=person.operator_id)
    for target in (person, colleague):
        for attempt in every_act(db, target, person.actor):
            with pytest.raises(Forbidden):
                attempt()


def test_a_manager_makes_no_manager_and_moves_nobody(db: Database, make: Make) -> None:
    manager = make.manager()
    staff = make.staff(manager.operator_id)
    with pytest.raises(Forbidden, match="cannot give this role"):
        change(db, staff, by=manager.actor, role=Role.FRANCHISE_MANAGER)
    with pytest.raises(Forbidden, match="cannot give this role"):
        change(db, staff, by=manager.actor, operator_id=make.franchise())
    with pytest.raises(Forbidden, match="cannot give this role"):
        change(db, staff, by=manager.actor, operator_id=COMPANY_ID, role=Role.COMPANY_STAFF)
    assert entries(db, staff) == []


def test_nobody_changes_their_own_role_or_operator_or_switches_themselves_off(db: Database, make: Make) -> None:
    admin, franchise = make.admin(), make.franchise()
    make.admin()
    for changes in (
        {"role": Role.AUDITOR},
        {"role": Role.FRANCHISE_MANAGER, "operator_id": franchise},
        {"active": False},
    ):
        with pytest.raises(Forbidden, match="Nobody changes their own role"):
            change(db, admin, by=admin.actor, **changes)
    with pytest.raises(Forbidden, match="your account's page"), db.unit_of_work() as work:
        managing.reset_second_factors(work, admin.id, by=admin.actor, now=NOW)
    assert change(db, admin, by=admin.actor, name="Asha Rao"), "but their own name"


def test_whoever_lost_the_right_since_the_page_was_opened_uses_it_no_more(db: Database, make: Make) -> None:
    admin, other, staff = make.admin(), make.admin(), make.staff()
    change(db, admin, by=other.actor, role=Role.COMPANY_STAFF)
    with pytest.raises(Conflict, match="Your own account was changed"):
        change(db, staff, by=admin.actor, role=Role.ADMIN)
    change(db, admin, by=other.actor, role=Role.ADMIN, active=False)
    with pytest.raises(Conflict, match="Your own account was changed"):
        change(db, staff, by=admin.actor, role=Role.ADMIN)
    assert stored(db, staff).role is Role.COMPANY_STAFF


# ── what it does ──


def test_whoever_is_switched_off_is_signed_out_at_once_and_told(
    db: Database, make: Make, new_client: Callable[[], DeskClient]
) -> None:
    manager = make.manager()
    staff = make.staff(manager.operator_id)
    browsers = [new_client(), new_client()]
    for browser in browsers:
        browser.sign_in(staff)
    with db.unit_of_work() as work:
        managing.set_active(work, staff.id, False, by=manager.actor, now=NOW)
    assert [browser.get("courses.index").status_code for browser in browsers] == [303, 303]
    assert letters(db) == [(LetterKind.ACCOUNT_CHANGED, staff.email)]
    with db.unit_of_work() as work:
        managing.set_active(work, staff.id, True, by=manager.actor, now=NOW)
    assert [browser.get("courses.index").status_code for browser in browsers] == [303, 303]


def test_all_sign_ins_of_an_account_end_and_nobody_elses(
    db: Database, make: Make, new_client: Callable[[], DeskClient]
) -> None:
    manager = make.manager()
    staff, colleague = make.staff(manager.operator_id), make.staff(manager.operator_id)
    hers, his = new_client(), new_client()
    hers.sign_in(staff)
    his.sign_in(colleague)
    with db.unit_of_work() as work:
        managing.end_sign_ins(work, staff.id, by=manager.actor, now=NOW)
    assert hers.get("courses.index").status_code == 303
    assert his.get("courses.index").status_code == 200
    assert [entry.what for entry in entries(db, staff)] == ["account.signed_out_everywhere"]


def test_second_factors_are_forgotten_and_the_person_is_told(
    db: Database, make: Make, new_client: Callable[[], DeskClient]
) -> None:
    manager = make.manager()
    staff, colleague = make.staff(manager.operator_id), make.staff(manager.operator_id)
    with_factors(db, staff)
    with_factors(db, colleague)
    browser = new_client()
    browser.sign_in(staff)
    with db.unit_of_work() as work:
        managing.reset_second_factors(work, staff.id, by=manager.actor, now=NOW)
    assert browser.get("courses.index").status_code == 303
    user = stored(db, staff)
    assert (user.totp_secret, user.totp_counter) == (None, None)
    with db.read_only() as session:
        left = [session.scalars(select(table.user_id)).all() for table in (RecoveryCode, Passkey)]
    assert left == [[colleague.id], [colleague.id]]
    assert letters(db) == [(LetterKind.SECOND_FACTOR_CHANGED, staff.email)]
    assert [entry.what for entry in entries(db, staff)] == ["account.second_factors_reset"]


def test_whoever_moves_to_another_operator_keeps_their_second_factors(
    db: Database, make: Make, client: DeskClient
) -> None:
    admin, franchise = make.admin(), make.franchise()
    staff = make.staff(make.franchise())
    with_factors(db, staff)
    change(db, staff, by=admin.actor, name="Asha")
    change(db, staff, by=SYSTEM, active=False)  # leaves a letter that has to come along
    change(db, staff, by=SYSTEM)
    client.sign_in(staff)
    assert change(db, staff, by=admin.actor, operator_id=franchise)
    with db.read_only() as session:
        for table in (RecoveryCode, Passkey):
            assert session.scalars(select(table.operator_id)).all() == [franchise]
        assert set(session.scalars(select(Letter.operator_id))) == {franchise}
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 0
    assert client.get("courses.index").status_code == 303
    told = [(entry.what, entry.operator_id) for entry in entries(db, staff)[-2:]]
    assert told == [("account.changed", franchise), ("account.moved_away", staff.operator_id)]
    assert str(franchise) not in str(entries(db, staff)[-1].after), "the operator left behind is not told where to"


def test_a_change_that_changes_nothing_leaves_no_trace(db: Database, make: Make) -> None:
    admin, staff = make.admin(), make.staff()
    assert not change(db, staff, by=admin.actor)
    assert (entries(db, staff), letters(db)) == ([], [])


def test_a_new_name_is_no_reason_for_a_letter(db: Database, make: Make) -> None:
    admin, staff = make.admin(), make.staff()
    change(db, staff, by=admin.actor, name="Asha Rao", locale="te")
    assert letters(db) == []


def test_another_address_is_told_to_the_old_one_too(db: Database, make: Make) -> None:
    staff = make.staff()
    change(db, staff, by=SYSTEM, email="zz@example.org")
    assert sorted(email for _kind, email in letters(db)) == sorted([staff.email, "zz@example.org"])


def test_nobody_writes_over_a_change_they_have_not_seen(db: Database, make: Make) -> None:
    admin, staff = make.admin(), make.staff()
    seen = managing.seen_of(staff.operator_id, staff.name, staff.role, "en", True)
    change(db, staff, by=SYSTEM, role=Role.AUDITOR)
    wanted = command(staff, name="Asha")
    with pytest.raises(Conflict, match="Somebody changed this account"), db.unit_of_work() as work:
        managing.change_user(work, staff.id, wanted, by=admin.actor, now=NOW, seen=seen)
    assert stored(db, staff).role is Role.AUDITOR


def test_an_operator_that_is_not_there_is_refused_in_words(db: Database, make: Make) -> None:
    with pytest.raises(Invalid, match="Choose an operator") as refused:
        change(db, make.staff(make.franchise()), by=make.admin().actor, operator_id=new_id())
    assert refused.value.field == "operator"


# ── the last admin ──


@pytest.mark.parametrize(
    "changes",
    [{"active": False}, {"role": Role.AUDITOR}, {"role": Role.FRANCHISE_MANAGER, "operator_id": "a franchise"}],
)
def test_the_last_active_admin_is_neither_switched_off_nor_demoted_nor_moved(
    db: Database, make: Make, changes: dict[str, object]
) -> None:
    if "operator_id" in changes:
        changes = changes | {"operator_id": make.franchise()}
    last, retired = make.admin(), make.admin()
    change(db, retired, by=last.actor, active=False)
    with pytest.raises(Conflict, match="last active admin") as refused:
        change(db, last, by=SYSTEM, **changes)
    assert refused.value.code == "last-admin"
    change(db, retired, by=last.actor)
    assert change(db, last, by=SYSTEM, **changes), "with another active admin it may happen"


def test_the_company_cannot_be_switched_off_and_its_admins_with_it(db: Database, make: Make) -> None:
    admin = make.admin()
    with pytest.raises(Conflict, match="company itself"), db.unit_of_work() as work:
        operators.change(work, COMPANY_ID, OperatorCommand("Zonedesk", active=False), by=admin.actor, now=NOW)


def every_act(db: Database, person: Person, by: Actor) -> list[Callable[[], object]]:
    """Everything that can be done to an account."""

    def act(verb: Callable[..., object], *args: object) -> Callable[[], object]:
        def attempt() -> object:
            with db.unit_of_work() as work:
                return verb(work, person.id, *args, by=by, now=NOW)

        return attempt

    return [
        act(managing.change_user, command(person, name="Another name")),
        act(managing.set_active, False),
        act(managing.end_sign_ins),
        act(managing.reset_second_factors),
    ]
