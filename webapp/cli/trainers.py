"""``flask --app webapp trainer …``: the roster."""

from __future__ import annotations

from dataclasses import replace
from typing import Any
from uuid import UUID

import click
from flask import current_app
from flask.cli import AppGroup
from sqlalchemy.orm import Session

from webapp.cli import values
from webapp.cli.common import ask, change, operator_id_of, operator_option, said, table
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.courses import queries as courses
from webapp.db.work import Work
from webapp.households.rules import Gender, Language
from webapp.trainers import queries, service
from webapp.trainers.rules import TrainerCommand, time_off_period
from webapp.zones import queries as zones

trainer_group = AppGroup("trainer", help="The roster.")


def _facts_options(command: Any) -> Any:
    """The options that say what a trainer is."""
    for option in (
        click.option(
            "--language", "languages", multiple=True, type=click.Choice([language.value for language in Language])
        ),
        click.option("--gender", type=click.Choice([gender.value for gender in Gender]), default=None),
        click.option("--hours", multiple=True, help="'mon-sun 07:00-21:00', local wall clock. May be repeated."),
        click.option("--base", default=None, help="Where they start from: LAT,LNG."),
        click.option("--zone", "zone_names", multiple=True, help="Where they work. May be repeated."),
        click.option("--course", "course_names", multiple=True, help="What they are certified for. May be repeated."),
    ):
        command = option(command)
    return command


@trainer_group.command("create")
@click.argument("name")
@operator_option
@_facts_options
def create_trainer(name: str, operator_name: str | None, **options: Any) -> None:
    """Put the trainer NAME on the roster. Without --base and --hours nobody can be sent to them."""

    def carry_out(work: Work) -> UUID:
        operator_id = operator_id_of(work.db, operator_name)
        blank = TrainerCommand(operator_id, name, None, None, (), (), (), ())
        command = _described(work.db, blank, **options)
        return service.create(
            work, command, by=SYSTEM, now=clock.now(), max_courses=_settings().max_courses_per_trainer
        )

    click.echo(f"{name} created: {change(carry_out)}")


@trainer_group.command("change")
@click.argument("trainer")
@operator_option
@click.option("--name", "new_name", default=None, help="The new name.")
@click.option("--active/--inactive", default=None, help="Inactive: keeps their slots, gets no new ones.")
@click.option("--no-base", is_flag=True, help="The base location is not known.")
@click.option("--no-hours", is_flag=True, help="The working hours are not known.")
@_facts_options
def change_trainer(
    trainer: str,
    operator_name: str | None,
    new_name: str | None,
    active: bool | None,
    no_base: bool,
    no_hours: bool,
    **options: Any,
) -> None:
    """Change TRAINER (a name, or the id from `trainer list`); what is not named stays, lists are replaced whole."""
    if (no_base and options["base"]) or (no_hours and options["hours"]):
        raise click.UsageError("Give a value, or say that there is none.")

    def carry_out(work: Work) -> bool:
        known_id = _trainer_id(work.db, operator_name, trainer)
        known = queries.as_command(work.db, known_id)
        wanted = _described(
            work.db,
            replace(
                known,
                name=known.name if new_name is None else new_name,
                active=known.active if active is None else active,
                base=None if no_base else known.base,
                hours=() if no_hours else known.hours,
            ),
            **options,
        )
        now, served = clock.now(), _settings().trainer_service_url is not None
        return service.change(
            work, known_id, wanted, by=SYSTEM, now=now, max_courses=_settings().max_courses_per_trainer, served=served
        )

    said(change(carry_out), trainer)


@trainer_group.command("list")
@click.option("--operator", "operator_name", default=None, help="Only this operator's trainers; all when not given.")
def list_trainers(operator_name: str | None) -> None:
    """List trainers with the ids that tell two of one name apart."""

    def rows(db: Session) -> tuple[queries.TrainerRow, ...]:
        operator_id = None if operator_name is None else operator_id_of(db, operator_name)
        return queries.trainers_index(db, visible_to=SYSTEM, operator_id=operator_id)[0]

    table(
        ("Id", "Name", "Operator", "Courses", "Zones", "Base", "Hours", "Active"),
        (
            (row.id, row.name, row.operator_name, row.courses, row.zones, row.has_base, row.has_hours, row.active)
            for row in ask(rows)
        ),
    )


@trainer_group.command("off")
@click.argument("trainer")
@operator_option
@click.option("--from", "begin", required=True, help="YYYY-MM-DD or 'YYYY-MM-DD HH:MM', local wall clock.")
@click.option(
    "--until", "end", required=True, help="Likewise; a day alone counts whole, 00:00 is the midnight that ends it."
)
@click.option("--reason", default="")
def record_time_off(trainer: str, operator_name: str | None, begin: str, end: str, reason: str) -> None:
    """Record that TRAINER is away. It may lie over booked sessions: those need cover then."""
    (first, starts), (last, ends) = values.instant(begin), values.instant(end)

    def carry_out(work: Work) -> None:
        trainer_id = _trainer_id(work.db, operator_name, trainer)
        zone = queries.trainer(work.db, trainer_id, visible_to=SYSTEM).time_zone
        now = clock.now()
        period = time_off_period(first, starts, last, ends, zone, now=now)
        service.record_time_off(work, trainer_id, period, reason, by=SYSTEM, now=now)

    change(carry_out)
    click.echo(f"{trainer} is away from {begin} until {end}.")


@trainer_group.command("block")
@click.argument("trainer")
@operator_option
@click.option("--household", "household_id", type=click.UUID, required=True, help="The id in the family's address.")
@click.option("--reason", required=True)
def block_trainer(trainer: str, operator_name: str | None, household_id: UUID, reason: str) -> None:
    """Keep TRAINER and a family apart."""

    def carry_out(work: Work) -> None:
        trainer_id = _trainer_id(work.db, operator_name, trainer)
        try:
            service.block(work, trainer_id, household_id, reason, by=SYSTEM, now=clock.now())
        except NotFound as error:
            sentence = "The trainer's operator has no family with the id %(id)s."
            raise Invalid("household-unknown", sentence, field="household", id=household_id) from error

    change(carry_out)
    click.echo(f"{trainer} is kept apart from the family.")


def _described(
    db: Session,
    trainer: TrainerCommand,
    *,
    course_names: tuple[str, ...],
    zone_names: tuple[str, ...],
    base: str | None,
    hours: tuple[str, ...],
    gender: str | None,
    languages: tuple[str, ...],
) -> TrainerCommand:
    """The trainer with what was typed; names become ids within the operator. Raises ``Invalid``."""
    return replace(
        trainer,
        course_ids=tuple(courses.course_named(db, name).id for name in course_names) or trainer.course_ids,
        zone_ids=tuple(zones.zone_named(db, trainer.operator_id, name).id for name in zone_names) or trainer.zone_ids,
        base=trainer.base if base is None else values.place(base),
        hours=tuple(period for text in hours for period in values.hours(text)) or trainer.hours,
        gender=trainer.gender if gender is None else Gender(gender),
        languages=tuple(Language(code) for code in languages) or trainer.languages,
    )


def _trainer_id(db: Session, operator_name: str | None, trainer: str) -> UUID:
    """A trainer by id, or by name within the operator. Raises ``Invalid`` for nobody, ``Conflict`` for several."""
    operator_id = operator_id_of(db, operator_name)
    unknown = Invalid("trainer-unknown", "The operator has no trainer %(name)s.", field="trainer", name=trainer)
    try:
        return queries.trainer(db, UUID(trainer), visible_to=SYSTEM).id
    except NotFound:
        raise unknown from None
    except ValueError:
        found = queries.trainers_named(db, operator_id, trainer)
    if not found:
        raise unknown
    if len(found) > 1:
        ids = ", ".join(str(row.id) for row in found)
        raise Conflict("trainer-ambiguous", "Several are named %(name)s; give an id: %(ids)s.", name=trainer, ids=ids)
    return found[0].id


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings
