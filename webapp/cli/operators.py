"""``flask --app webapp operator …``: the company and its franchises."""

from __future__ import annotations

from dataclasses import replace

import click
from flask.cli import AppGroup

from webapp.cli.common import ask, change, said, table
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.db.work import Work
from webapp.operators import queries, service
from webapp.operators.rules import OperatorCommand

operator_group = AppGroup("operator", help="The company and its franchises.")
_four_eyes_option = click.option(
    "--four-eyes/--two-eyes", default=None, help="Whether whoever proposed must leave the approval to somebody else."
)
_auto_approve_option = click.option(
    "--auto-approve/--approve-by-hand", default=None, help="Whether the desk approves this operator's proposals itself."
)


@operator_group.command("create")
@click.argument("name")
@_auto_approve_option
@_four_eyes_option
def create_operator(name: str, auto_approve: bool | None, four_eyes: bool | None) -> None:
    """Found the franchise NAME."""
    command = OperatorCommand(name, auto_approve=bool(auto_approve), four_eyes=four_eyes is not False)
    change(lambda work: service.create(work, command, by=SYSTEM, now=clock.now()))
    click.echo(f"{name} created.")


@operator_group.command("change")
@click.argument("name")
@click.option("--name", "new_name", default=None, help="The new name.")
@_auto_approve_option
@_four_eyes_option
@click.option("--active/--inactive", default=None, help="Inactive: its people cannot sign in.")
def change_operator(
    name: str, new_name: str | None, auto_approve: bool | None, four_eyes: bool | None, active: bool | None
) -> None:
    """Change the operator NAME; what is not named stays."""

    def carry_out(work: Work) -> bool:
        known = queries.operator_named(work.db, name)
        as_is = OperatorCommand(known.name, known.auto_approve, known.four_eyes, known.active)
        wanted = replace(
            as_is,
            name=as_is.name if new_name is None else new_name,
            auto_approve=as_is.auto_approve if auto_approve is None else auto_approve,
            four_eyes=as_is.four_eyes if four_eyes is None else four_eyes,
            active=as_is.active if active is None else active,
        )
        return service.change(work, known.id, wanted, by=SYSTEM, now=clock.now())

    said(change(carry_out), name)


@operator_group.command("list")
def list_operators() -> None:
    """List the company and its franchises."""
    rows, _total = ask(lambda db: queries.operators_index(db, visible_to=SYSTEM))
    table(
        ("Name", "Kind", "Auto-approve", "Four eyes", "Active"),
        ((row.name, row.kind.value, row.auto_approve, row.four_eyes, row.active) for row in rows),
    )
