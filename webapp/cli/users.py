"""``flask --app webapp user …``: the people who sign in."""

from __future__ import annotations

import secrets
import sys
from dataclasses import replace
from typing import Final
from uuid import UUID

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from webapp.accounts import managing, queries, second_factors, service, sign_ins
from webapp.accounts.rules import check_password, normalised_email
from webapp.accounts.signin import hash_password
from webapp.accounts.totp import totp
from webapp.cli.common import as_the_system, ask, change, operator_id_of, operator_option, said, table
from webapp.core import clock
from webapp.core.actor import SYSTEM, Role
from webapp.db.work import Work

_PASSWORD_BYTES: Final = 15
"""Random bytes of a generated password: 120 bits, 20 characters."""

user_group = AppGroup("user", help="Accounts of the people who sign in.")
_roles = click.Choice([role.value for role in Role])
_stdin_option = click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")


@user_group.command("create")
@click.argument("email")
@click.option("--name", prompt=True, help="The person's name.")
@click.option("--role", type=_roles, prompt=True)
@operator_option
@click.option("--locale", default="en", show_default=True, help="Language of the pages: en, hi, te.")
@_stdin_option
def create_user(email: str, name: str, role: str, operator_name: str | None, locale: str, password_stdin: bool) -> None:
    """Give EMAIL an account. Without --password-stdin a strong password is made up and printed, once."""
    password, hashed = _password(password_stdin, email, name)

    def create(work: Work) -> None:
        operator_id = operator_id_of(work.db, operator_name)
        command = service.UserCommand(operator_id, email, name, Role(role), locale)
        service.create_user(work, command, hashed, by=SYSTEM, now=clock.now())

    change(create)
    click.echo(f"{email} can sign in now.")
    if not password_stdin:
        click.echo(f"Password: {password}")


@user_group.command("list")
@click.option("--operator", "operator_name", default=None, help="Only this operator's accounts; all when not given.")
def list_users(operator_name: str | None) -> None:
    """List accounts: who may do what, and when they signed in last (UTC)."""

    def rows(db: Session) -> tuple[queries.AccountRow, ...]:
        operator_id: UUID | None = operator_id_of(db, operator_name) if operator_name is not None else None
        return queries.accounts_index(db, visible_to=SYSTEM, operator_id=operator_id)

    table(
        ("E-mail", "Name", "Role", "Operator", "Active", "Last sign-in"),
        (
            (
                row.email,
                row.name,
                row.role.value,
                row.operator_name,
                row.active,
                f"{row.last_sign_in_at:%Y-%m-%d %H:%M}" if row.last_sign_in_at else None,
            )
            for row in ask(rows)
        ),
    )


@user_group.command("change")
@click.argument("email")
@click.option("--email", "new_email", default=None, help="The new address.")
@click.option("--name", default=None)
@click.option("--role", type=_roles, default=None)
@click.option("--operator", "operator_name", default=None, help="Move to this operator.")
@click.option("--locale", default=None, help="Language of the pages: en, hi, te.")
@click.option("--active/--inactive", default=None, help="Inactive: signed out everywhere, and not let in again.")
def change_user(
    email: str,
    new_email: str | None,
    name: str | None,
    role: str | None,
    operator_name: str | None,
    locale: str | None,
    active: bool | None,
) -> None:
    """Change the account of EMAIL; what is not named stays. Another role or operator signs the person out."""

    def carry_out(work: Work) -> bool:
        known = _account(work.db, email)
        as_is = service.UserCommand(known.operator_id, known.email, known.name, known.role, known.locale, known.active)
        wanted = replace(
            as_is,
            operator_id=operator_id_of(work.db, operator_name) if operator_name is not None else as_is.operator_id,
            email=as_is.email if new_email is None else new_email,
            name=as_is.name if name is None else name,
            role=as_is.role if role is None else Role(role),
            locale=as_is.locale if locale is None else locale,
            active=as_is.active if active is None else active,
        )
        return managing.change_user(work, known.id, wanted, by=SYSTEM, now=clock.now())

    said(change(carry_out), email)


@user_group.command("password")
@click.argument("email")
@_stdin_option
def reset_password(email: str, password_stdin: bool) -> None:
    """Give EMAIL another password and sign every browser out. Without --password-stdin it is made up and printed."""
    known = ask(lambda db: _account(db, email))
    password, hashed = _password(password_stdin, known.email, known.name)
    change(lambda work: service.set_password(work, known.id, hashed, by=SYSTEM, now=clock.now()))
    click.echo(f"{email} has a new password and is signed out everywhere.")
    if not password_stdin:
        click.echo(f"Password: {password}")


@user_group.command("sign-out")
@click.argument("email")
def sign_out(email: str) -> None:
    """Sign EMAIL out of every browser."""

    def carry_out(work: Work) -> int:
        known = queries.account(work.db, _account(work.db, email).id)
        return sign_ins.end_every_sign_in(work, known, by=SYSTEM, now=clock.now())

    click.echo(f"{email} is signed out of {change(carry_out)} browsers.")


@user_group.command("second-factor")
@click.argument("email")
@click.option("--reset", is_flag=True, help="Remove them all, for somebody who lost phone and recovery codes.")
def second_factor(email: str, reset: bool) -> None:
    """Tell which second factors EMAIL has, or remove them all and sign EMAIL out everywhere.

    Make sure first that it is the person who asks: afterwards the password alone leads to setting up a new one.
    """
    if reset:
        change(lambda work: second_factors.reset(work, _account(work.db, email).id, by=SYSTEM, now=clock.now()))
        click.echo(f"{email} has no second factor any more and is signed out everywhere.")
        return
    has = ask(lambda db: queries.second_factors_of(db, _account(db, email).id))
    table(("Authenticator app", "Passkeys", "Recovery codes left"), [(has.totp, has.passkeys, has.recovery_codes_left)])


@user_group.command("seal-anew")
def seal_anew() -> None:
    """Encrypt all TOTP secrets with the TOTP_KEY in use; afterwards TOTP_KEY_PREVIOUS can go."""
    done, lost = change(lambda work: totp().seal_all_anew(work))
    click.echo(f"{done} encrypted anew.")
    if lost:
        raise click.ClickException(f"{lost} cannot be read: their key is neither TOTP_KEY nor in TOTP_KEY_PREVIOUS.")


def _account(db: Session, email: str) -> queries.AccountRow:
    return queries.account_with_address(db, normalised_email(email), visible_to=SYSTEM)


def _password(from_stdin: bool, email: str, name: str) -> tuple[str, str]:
    """A password, typed or made up, and its hash; hashed here because that takes long and needs no transaction."""
    password = sys.stdin.readline().rstrip("\r\n") if from_stdin else secrets.token_urlsafe(_PASSWORD_BYTES)
    with as_the_system():
        check_password(password, email=email, name=name)
    return password, hash_password(password)
