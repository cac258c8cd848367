"""What the commands share: acting as the system, one sentence for a refusal, operators by name, tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final, TypeVar
from uuid import UUID

import click
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.orm import Session

from webapp.audit.service import Origin, origin
from webapp.core.actor import SYSTEM
from webapp.core.errors import DomainError
from webapp.core.ids import COMPANY_ID
from webapp.db import work as work_module
from webapp.db.base import sqlstate_of
from webapp.db.tenancy import acting_as
from webapp.db.work import Work
from webapp.operators import queries as operators

T = TypeVar("T")

UNDEFINED_TABLE: Final = "42P01"

operator_option = click.option(
    "--operator", "operator_name", default=None, help="The franchise's name; the company when not given."
)


@contextmanager
def as_the_system() -> Iterator[None]:
    """Run a block as the desk itself; a refusal becomes one sentence and exit code 1."""
    try:
        with acting_as(SYSTEM), origin(Origin("cli")):
            yield
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    except DBAPIError as error:
        if sqlstate_of(error) == UNDEFINED_TABLE:
            raise click.ClickException("The database has no tables yet: run flask --app webapp db upgrade.") from error
        if not isinstance(error, OperationalError):
            raise
        reason = (str(error.orig).strip() or "no answer").splitlines()[0]
        raise click.ClickException(f"The database does not answer: {reason}") from error


def change(task: Callable[[Work], T]) -> T:
    """Run ``task`` as one unit of work of the system: all of it happens, or nothing."""
    with as_the_system():
        return work_module.retrying(task)


def ask(question: Callable[[Session], T]) -> T:
    """Answer a question as the system."""
    with as_the_system(), work_module.read_only() as db:
        return question(db)


def operator_id_of(db: Session, name: str | None) -> UUID:
    """The id of an operator by name; the company's without one. Raises ``Invalid``."""
    return COMPANY_ID if name is None else operators.operator_named(db, name).id


def said(changed: bool, what: str) -> None:
    """Tell whether a change changed anything."""
    click.echo(f"{what} changed." if changed else f"{what} was like that already; nothing changed.")


def table(heading: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print rows in aligned columns under a heading; ``None`` is a dash, a truth value yes or no."""
    lines = [[_cell(value) for value in row] for row in (heading, *rows)]
    widths = [max(len(line[column]) for line in lines) for column in range(len(heading))]
    for line in lines:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: object) -> str:
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case tuple():
            return ", ".join(map(str, value)) or "-"
        case _:
            return str(value)
