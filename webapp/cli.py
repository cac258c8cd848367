"""Commands: ``flask --app webapp …``, as thin as views. Each room's commands register in ``register``."""

from __future__ import annotations

import secrets
import sys
from typing import Final

import click
from flask import Flask
from flask.cli import AppGroup

from webapp.accounts import service as accounts
from webapp.accounts.rules import check_password
from webapp.accounts.signin import hash_password
from webapp.core import clock
from webapp.core.actor import SYSTEM, Role
from webapp.core.errors import DomainError
from webapp.core.ids import COMPANY_ID
from webapp.db.work import read_only, unit_of_work
from webapp.demo.command import demo
from webapp.operators import queries as operators
from webapp.zones.commands import zones_group

_PASSWORD_BYTES: Final = 15
"""Random bytes of a generated password: 120 bits, 20 characters."""

user_group = AppGroup("user", help="Accounts of the people who sign in.")


@user_group.command("create")
@click.argument("email")
@click.option("--name", prompt=True, help="The person's name.")
@click.option("--role", type=click.Choice([role.value for role in Role]), prompt=True)
@click.option("--operator", "operator_name", default=None, help="The franchise's name; the company when not given.")
@click.option(
    "--locale", type=click.Choice(["en", "hi", "te"]), default="en", show_default=True, help="Language of the pages."
)
@click.option("--password-stdin", is_flag=True, help="Read the password from standard input.")
def create_user(email: str, name: str, role: str, operator_name: str | None, locale: str, password_stdin: bool) -> None:
    """Give EMAIL an account. Without --password-stdin a strong password is made up and printed, once."""
    password = sys.stdin.readline().rstrip("\r\n") if password_stdin else secrets.token_urlsafe(_PASSWORD_BYTES)
    try:
        check_password(password)
        operator_id = COMPANY_ID
        if operator_name is not None:
            with read_only() as db:
                operator_id = operators.operator_named(db, operator_name).id
        command = accounts.UserCommand(operator_id, email, name, Role(role), locale)
        with unit_of_work() as work:
            accounts.create_user(work, command, hash_password(password), by=SYSTEM, now=clock.now())
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.echo(f"{email} can sign in now.")
    if not password_stdin:
        click.echo(f"Password: {password}")


def register(app: Flask) -> None:
    """Give the app its commands."""
    # Accounts
    app.cli.add_command(user_group)
    # Zones
    app.cli.add_command(zones_group)
    # Demo
    app.cli.add_command(demo)
