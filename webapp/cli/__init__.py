"""Commands: ``flask --app webapp …``, as thin as views. One module per group; they act as the desk itself."""

from __future__ import annotations

from flask import Flask

from webapp.cli.audit import audit_group
from webapp.cli.courses import course_group
from webapp.cli.doctor import doctor
from webapp.cli.households import households_group
from webapp.cli.keys import keys_group
from webapp.cli.operators import operator_group
from webapp.cli.sweep import sweep
from webapp.cli.sync import trainers_group
from webapp.cli.trainers import trainer_group
from webapp.cli.users import user_group
from webapp.cli.zones import zone_group
from webapp.demo.command import demo
from webapp.zones.commands import zones_group


def register(app: Flask) -> None:
    """Give the app its commands."""
    groups = (
        user_group,
        operator_group,
        course_group,
        zone_group,
        zones_group,
        trainer_group,
        trainers_group,
        households_group,
        audit_group,
        keys_group,
    )
    for command in (*groups, demo, doctor, sweep):
        app.cli.add_command(command)
