"""``flask --app webapp course …``: what is taught."""

from __future__ import annotations

import click
from flask.cli import AppGroup

from webapp.cli.common import ask, change, said, table
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.courses import queries, service
from webapp.courses.rules import CourseCommand
from webapp.db.work import Work

course_group = AppGroup("course", help="The catalogue of courses, the same for all operators.")


@course_group.command("create")
@click.argument("name")
@click.option("--description", default="", help="One or two sentences.")
def create_course(name: str, description: str) -> None:
    """Add the course NAME to the catalogue."""
    command = CourseCommand(name)
    change(lambda work: service.create(work, command, by=SYSTEM, now=clock.now(), description=description))
    click.echo(f"{name} created.")


@course_group.command("change")
@click.argument("name")
@click.option("--name", "new_name", default=None, help="The new name.")
@click.option("--description", default=None, help="The new description.")
@click.option("--active/--inactive", default=None, help="Inactive: keeps its bookings, takes no new ones.")
def change_course(name: str, new_name: str | None, description: str | None, active: bool | None) -> None:
    """Change the course NAME; what is not named stays."""

    def carry_out(work: Work) -> bool:
        known = queries.course_named(work.db, name)
        wanted = CourseCommand(known.name if new_name is None else new_name, known.active if active is None else active)
        return service.change(work, known.id, wanted, by=SYSTEM, now=clock.now(), description=description)

    said(change(carry_out), name)


@course_group.command("list")
def list_courses() -> None:
    """List the catalogue."""
    rows = ask(queries.courses_index)
    table(("Name", "Active", "Description"), ((row.name, row.active, row.description) for row in rows))
