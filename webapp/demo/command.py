"""``flask --app webapp demo``: load the made-up company, or list its sign-ins."""

from __future__ import annotations

from functools import partial

import click
from flask import current_app

from webapp.accounts.signin import hash_password
from webapp.accounts.totp import totp
from webapp.assignments.limits import Limits
from webapp.certificates.promising import promise_for
from webapp.cli.keys import make_keys
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import DomainError
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only
from webapp.demo.cast import PASSWORD, SIGN_INS, Secrets
from webapp.demo.load import is_empty, load


@click.command("demo")
@click.option("--if-empty", is_flag=True, help="Do nothing when somebody has an account already.")
@click.option("--list", "list_only", is_flag=True, help="Only print the demo's sign-ins.")
def demo(if_empty: bool, list_only: bool) -> None:
    """Load the demo: real places, made-up people, bookings in every state. Needs an empty desk."""
    settings: Settings = current_app.extensions["settings"]
    if settings.is_production:
        raise click.ClickException("The demo is never loaded in production.")
    if list_only:
        _print_sign_ins()
        return
    try:
        with acting_as(SYSTEM):
            if not if_empty or not _in_use():
                load(
                    now=clock.now(),
                    secrets=Secrets(hash_password, totp().seal),
                    promise=partial(promise_for, max_absences=settings.max_absences, public_url=settings.public_url),
                    limits=Limits(settings.hold_hours, settings.max_courses_per_trainer),
                )
                _print_sign_ins()
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    click.get_current_context().invoke(make_keys)


def _in_use() -> bool:
    with read_only() as db:
        return not is_empty(db)


def _print_sign_ins() -> None:
    for sign_in in SIGN_INS:
        key = "" if sign_in.key is None else f"{totp().code_of_key(sign_in.key)}  {sign_in.key}"
        role = sign_in.role.value.replace("_", " ")
        click.echo(f"  {sign_in.email:26}{role:18}{sign_in.operator:22}{key}".rstrip())
    click.echo(f"  password of all: {PASSWORD}")
    click.echo("  Admins and managers also enter a code: the six digits are good now, the key behind them is for your")
    click.echo("  authenticator app. Fresh codes at any time: flask --app webapp demo --list")
