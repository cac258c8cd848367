"""Accounts: creating them, the command, and tidying."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from tests.make import Make
from tests.web.client import NOW, DeskClient
from webapp.accounts.jobs import tidy
from webapp.accounts.models import SignInSession, User
from webapp.audit.models import AuditEntry
from webapp.config import Settings
from webapp.core.actor import Role
from webapp.core.errors import Invalid
from webapp.core.ids import COMPANY_ID
from webapp.db.job_context import JobContext
from webapp.db.work import Database


def test_an_address_is_used_once_however_it_is_written(make: Make) -> None:
    make.user(email="asha@example.org")
    with pytest.raises(Invalid) as refused:
        make.user(email="ASHA@example.org")
    assert (refused.value.code, refused.value.field) == ("email-taken", "email")


@pytest.mark.parametrize(
    ("role", "of_franchise"),
    [(Role.FRANCHISE_STAFF, False), (Role.FRANCHISE_MANAGER, False), (Role.ADMIN, True), (Role.AUDITOR, True)],
)
def test_a_role_belongs_to_its_kind_of_operator(make: Make, role: Role, of_franchise: bool) -> None:
    operator_id = make.franchise() if of_franchise else COMPANY_ID
    with pytest.raises(Invalid, match="does not belong"):
        make.user(role, operator_id=operator_id)


def test_creating_an_account_is_audited_without_personal_data(make: Make, db: Database) -> None:
    person = make.user(name="Asha Rao", email="asha@example.org")
    with db.read_only() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.subject_id == person.id)).one()
        assert (entry.what, entry.actor_name) == ("account.created", "system")
        assert "Asha" not in str(entry.after)
        assert "asha" not in str(entry.after)


def test_the_command_makes_an_account_that_can_sign_in(app: Flask, db: Database, client: DeskClient) -> None:
    password = "a long enough password"
    options = ["--name", "Asha", "--role", "admin", "--password-stdin"]
    done = app.test_cli_runner().invoke(args=["user", "create", "asha@example.org", *options], input=password + "\n")
    assert done.exit_code == 0, done.output
    assert password not in done.output
    answer = client.post("/sign-in", data={"email": "asha@example.org", "password": password})
    assert answer.status_code == 303


def test_the_command_makes_up_a_strong_password(app: Flask, make: Make, db: Database, client: DeskClient) -> None:
    make.franchise("Coastal Tutors")
    options = ["--name", "Ravi", "--role", "franchise_staff", "--operator", "coastal  tutors"]
    done = app.test_cli_runner().invoke(args=["user", "create", "ravi@example.org", *options])
    assert done.exit_code == 0, done.output
    password = done.output.split("Password: ")[1].strip()
    assert len(password) >= 20
    answer = client.post("/sign-in", data={"email": "ravi@example.org", "password": password})
    assert answer.status_code == 303


@pytest.mark.parametrize(
    ("options", "typed", "sentence"),
    [
        (["--role", "admin", "--password-stdin"], "short", "at least 12 characters"),
        (["--role", "admin", "--operator", "Nobody"], "", "no operator named Nobody"),
        (["--role", "franchise_staff"], "", "does not belong"),
        (["--role", "boss"], "", "Invalid value"),
    ],
)
def test_the_command_refuses_in_one_sentence(
    app: Flask, db: Database, options: list[str], typed: str, sentence: str
) -> None:
    args = ["user", "create", "asha@example.org", "--name", "Asha", *options]
    done = app.test_cli_runner().invoke(args=args, input=typed + "\n")
    assert done.exit_code != 0
    assert sentence in done.output
    assert "Traceback" not in done.output
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(User)) == 0


def test_tidying_deletes_what_is_over_and_nothing_else(
    make: Make,
    db: Database,
    settings: Settings,
    new_client: Callable[[], DeskClient],
    at: Callable[[datetime], None],
) -> None:
    new_client().sign_in(make.user())
    at(NOW + timedelta(hours=2))
    new_client().sign_in(make.user())
    at(NOW + timedelta(hours=4))
    context = JobContext(settings, db)
    for _ in range(2):
        tidy(context)
        with db.read_only() as session:
            assert session.scalar(select(func.count()).select_from(SignInSession)) == 1


def test_tidying_knows_each_roles_idle_limit_and_what_was_never_finished(
    make: Make,
    db: Database,
    settings: Settings,
    new_client: Callable[[], DeskClient],
    at: Callable[[datetime], None],
) -> None:
    people = {role: make.user(role) for role in Role}
    for person in people.values():
        new_client().sign_in(person)
    half_way = make.admin()
    new_client().post("/sign-in", data={"email": half_way.email, "password": half_way.password})
    left = []
    for minutes in (9, 10, 29, 30, 59, 60, 179, 180):
        at(NOW + timedelta(minutes=minutes))
        tidy(JobContext(settings, db))
        with db.read_only() as session:
            ids = session.scalars(select(SignInSession.user_id)).all()
        left.append((minutes, half_way.id in ids, sorted(role for role, person in people.items() if person.id in ids)))
    staff = [Role.COMPANY_STAFF, Role.FRANCHISE_STAFF]
    assert left == [
        (9, True, sorted(Role)),
        (10, False, sorted(Role)),
        (29, False, sorted(Role)),
        (30, False, sorted([*staff, Role.FRANCHISE_MANAGER])),
        (59, False, sorted([*staff, Role.FRANCHISE_MANAGER])),
        (60, False, staff),
        (179, False, staff),
        (180, False, []),
    ]
