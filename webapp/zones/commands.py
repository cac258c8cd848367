"""``flask --app webapp zones …``: zones from files."""

from __future__ import annotations

from pathlib import Path

import click
from flask.cli import AppGroup

from webapp.audit.service import Origin, origin
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import DomainError
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_as
from webapp.db.work import read_only, retrying
from webapp.operators import queries as operators
from webapp.operators.rules import franchise_of
from webapp.zones import queries, service
from webapp.zones.importing import MAX_BYTES, ImportPlan, plan_import, read_zones

zones_group = AppGroup("zones", help="Territories.")

SHOWN_FAULTS = 50
"""Most faults that are printed."""


@zones_group.command("import")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, readable=True, path_type=Path))
@click.option("--operator", "operator_name", default=None, help="The franchise's name; the company when not given.")
@click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")
def zones_import(file: Path, operator_name: str | None, dry_run: bool) -> None:
    """Make an operator's zones what a CSV or GeoJSON FILE says: all of it, or nothing where one line is at fault.

    Columns: name, time_zone; center_lat, center_lng, radius_km or corners, max_travel_km; label, active,
    travel_buffer_minutes. A zone is known by its name; zones that the file does not name stay as they are.
    """
    with file.open("rb") as stream:
        data = stream.read(MAX_BYTES + 1)
    try:
        with acting_as(SYSTEM), origin(Origin("cli")):
            plan = _import(data, operator_name, dry_run=dry_run)
    except DomainError as error:
        raise click.ClickException(str(error)) from error
    words = f"{len(plan.created)} created, {len(plan.updated)} updated, {plan.unchanged} unchanged"
    click.echo(f"Would be: {words}. Nothing was changed." if dry_run else f"Zones: {words}.")


def _import(data: bytes, operator_name: str | None, *, dry_run: bool) -> ImportPlan:
    with read_only() as db:
        operator_id = COMPANY_ID if operator_name is None else operators.operator_named(db, operator_name).id
        stored = queries.zones_by_key(db, operator_id)
        read = read_zones(data, franchise_id=franchise_of(operator_id), stored=stored)
        if read.faults:
            lines = [str(fault) for fault in read.faults[:SHOWN_FAULTS]]
            if len(read.faults) > SHOWN_FAULTS:
                lines.append(f"… and {len(read.faults) - SHOWN_FAULTS} more.")
            raise click.ClickException("\n".join(["Nothing was imported.", *lines]))
        if dry_run:
            return plan_import(stored, read.zones)
    return retrying(
        lambda work: service.import_zones(work, read.zones, operator_id=operator_id, by=SYSTEM, now=clock.now())
    )
