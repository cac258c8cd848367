"""``flask --app webapp households …``: families that were erased, and erasing them again after a restore."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import TextIO
from uuid import UUID

import click
from flask import current_app
from flask.cli import AppGroup

from webapp.cli.common import as_the_system, ask, table
from webapp.clients.stores import erasure_list_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import DomainError, NotFound
from webapp.db import work as work_module
from webapp.desk.erasing import erase_family
from webapp.desk.queries.erasures import erasures_told
from webapp.households.rules import ErasureReason

households_group = AppGroup("households", help="Families whose data was erased.")


@households_group.command("erased")
def list_erased() -> None:
    """List the households that were erased, as the audit and the list beside the files know them."""
    known = _known()
    table(("Household", "Erased at"), ((id_, at.isoformat()) for id_, at in sorted(known.items())))


@households_group.command("erase-again")
@click.argument("file", type=click.File("r", encoding="utf-8"), required=False)
def erase_again(file: TextIO | None) -> None:
    """Erase the households again that were erased before a backup was restored. Twice does no harm.

    Which ones is known from the audit, from the list beside the certificates' files, and from FILE (``-`` reads
    standard input): one id to a line, as ``households erased`` prints them.
    """
    wanted = dict(_known())
    for household_id, at in _read(file or ()):
        wanted.setdefault(household_id, at)
    done = absent = refused = 0
    for household_id, at in sorted(wanted.items()):
        try:
            done += _erase(household_id, at)
        except NotFound:
            absent += 1
        except DomainError as error:
            refused += 1
            click.echo(f"{household_id}: {error}", err=True)
    click.echo(f"{done} erased again, {len(wanted) - done - absent - refused} were erased, {absent} are not here.")
    if refused:
        raise click.ClickException(f"{refused} could not be erased: see to the above, then run this again.")


def _known() -> Mapping[UUID, datetime]:
    """The first time each household was erased, from both places."""
    settings: Settings = current_app.extensions["settings"]
    listed = erasure_list_of(settings).all()
    return {**ask(erasures_told), **listed}


def _erase(household_id: UUID, at: datetime) -> bool:
    # Not through ``common.change``, which would end the command at the first refusal.
    refusal: DomainError | None = None
    with as_the_system():
        try:
            return work_module.retrying(
                lambda work: erase_family(
                    work, household_id, reason=ErasureReason.RESTORED, by=SYSTEM, now=clock.now(), erased_at=at
                )
            )
        except DomainError as error:
            refusal = error
    raise refusal


def _read(lines: Iterable[str]) -> Iterable[tuple[UUID, datetime]]:
    for line in lines:
        first, _, rest = line.strip().partition(" ")
        try:
            household_id = UUID(first)
        except ValueError:
            continue  # a heading, or an empty line
        try:
            at = datetime.fromisoformat(rest.strip())
        except ValueError:
            at = clock.now()
        yield household_id, at if at.tzinfo is not None else clock.now()
