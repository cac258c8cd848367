"""``flask --app webapp zone …``: territories, one at a time; ``zones import`` takes a file of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import click
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from webapp.cli.common import ask, change, operator_id_of, operator_option, said, table
from webapp.cli.values import ring as read_ring
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.db.work import Work
from webapp.operators.rules import franchise_of
from webapp.zones import queries, service
from webapp.zones.commands import zones_import
from webapp.zones.rules import ZoneCommand
from webapp.zones.shapes import clean_ring

zone_group = AppGroup("zone", help="Territories.")
zone_group.add_command(zones_import, "import")


def _shape_options(command: Any) -> Any:
    """The options that draw a zone: circle or polygon."""
    for option in (
        click.option("--label", default=None, help="Free text beside the name."),
        click.option("--buffer", "buffer", type=int, default=None, help="Travel buffer in minutes."),
        click.option("--time-zone", default=None, help="IANA name, as Asia/Kolkata."),
        click.option("--max-travel-km", type=float, default=None, help="How far a polygon's trainers may travel."),
        click.option(
            "--simplify-m", type=float, default=None, help="Move the ring's border by at most so many metres."
        ),
        click.option("--ring", default=None, help="Polygon: a GeoJSON file, or corners as 'lat,lng lat,lng …'."),
        click.option("--radius-km", type=float, default=None, help="Circle: radius."),
        click.option("--lng", type=float, default=None, help="Circle: longitude of the centre."),
        click.option("--lat", type=float, default=None, help="Circle: latitude of the centre."),
    ):
        command = option(command)
    return command


@zone_group.command("create")
@click.argument("name")
@operator_option
@_shape_options
def create_zone(name: str, operator_name: str | None, **options: Any) -> None:
    """Draw the zone NAME: a circle (--lat --lng --radius-km) or a polygon (--ring --max-travel-km)."""
    if options["time_zone"] is None:
        raise click.UsageError("Missing option '--time-zone'.")
    drawn = _redrawn(ZoneCommand(name, None, ""), **options)

    def carry_out(work: Work) -> None:
        command = replace(drawn, franchise_id=franchise_of(operator_id_of(work.db, operator_name)))
        service.create(work, command, by=SYSTEM, now=clock.now())

    change(carry_out)
    click.echo(f"{name} created.")


@zone_group.command("change")
@click.argument("name")
@operator_option
@click.option("--name", "new_name", default=None, help="The new name.")
@click.option("--active/--inactive", default=None, help="Inactive: serves no place any more.")
@_shape_options
def change_zone(
    name: str, operator_name: str | None, new_name: str | None, active: bool | None, **options: Any
) -> None:
    """Change the zone NAME of the company, or of --operator; what is not named stays."""

    def carry_out(work: Work) -> bool:
        known = queries.zone_named(work.db, operator_id_of(work.db, operator_name), name)
        wanted = replace(
            _redrawn(known.command, **options),
            name=known.command.name if new_name is None else new_name,
            active=known.command.active if active is None else active,
        )
        return service.change(work, known.id, wanted, by=SYSTEM, now=clock.now())

    said(change(carry_out), name)


@zone_group.command("list")
@click.option("--operator", "operator_name", default=None, help="Only this operator's zones; all when not given.")
def list_zones(operator_name: str | None) -> None:
    """List zones."""

    def rows(db: Session) -> tuple[queries.ZoneRow, ...]:
        operator_id = None if operator_name is None else operator_id_of(db, operator_name)
        return queries.zones_index(db, visible_to=SYSTEM, operator_id=operator_id)[0]

    table(
        ("Name", "Label", "Operator", "Shape", "Reach km", "Time zone", "Active"),
        (
            (row.name, row.label, row.operator_name, row.kind.value, row.reach_km, row.time_zone, row.active)
            for row in ask(rows)
        ),
    )


def _redrawn(
    zone: ZoneCommand,
    *,
    lat: float | None,
    lng: float | None,
    radius_km: float | None,
    ring: str | None,
    simplify_m: float | None,
    max_travel_km: float | None,
    time_zone: str | None,
    buffer: int | None,
    label: str | None,
) -> ZoneCommand:
    """The zone with the shape and terms that were typed; a circle's options and a polygon's exclude each other."""
    of_circle = [lat, lng, radius_km] != [None, None, None]
    if of_circle and (ring is not None or max_travel_km is not None):
        raise click.UsageError("A circle has --lat, --lng and --radius-km; a polygon --ring and --max-travel-km.")
    if (lat is None) != (lng is None):
        raise click.UsageError("A centre needs both --lat and --lng.")
    if simplify_m is not None and ring is None:
        raise click.UsageError("Only a --ring is simplified.")
    if ring is not None:
        zone = replace(zone, ring=_simplified(read_ring(ring), simplify_m), center=None, radius_km=None)
    if lat is not None and lng is not None:
        try:
            zone = replace(zone, center=Location(lat, lng), ring=None, max_travel_km=None)
        except ValueError as error:
            raise click.UsageError(f"There is no such place: {error}.") from error
    if radius_km is not None and zone.ring is not None:
        raise click.UsageError("A polygon becomes a circle with --lat, --lng and --radius-km together.")
    if max_travel_km is not None and zone.ring is None:
        raise click.UsageError("Only a polygon has --max-travel-km; a circle's trainers travel its radius.")
    return replace(
        zone,
        radius_km=zone.radius_km if radius_km is None else radius_km,
        max_travel_km=zone.max_travel_km if max_travel_km is None else max_travel_km,
        time_zone=zone.time_zone if time_zone is None else time_zone,
        travel_buffer_minutes=zone.travel_buffer_minutes if buffer is None else buffer,
        label=zone.label if label is None else label,
    )


def _simplified(ring: tuple[Location, ...], tolerance_m: float | None) -> tuple[Location, ...]:
    try:
        return ring if tolerance_m is None else clean_ring(ring, tolerance_m=tolerance_m)
    except Invalid as fault:
        raise click.ClickException(str(fault)) from fault
