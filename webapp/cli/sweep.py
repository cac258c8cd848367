"""``flask --app webapp sweep``: the periodic work, once, now."""

from __future__ import annotations

import click
from flask import current_app
from flask.cli import with_appcontext

from webapp import jobs
from webapp.config import Settings
from webapp.db import work
from webapp.db.job_context import JobContext


@click.command("sweep")
@with_appcontext
def sweep() -> None:
    """Do the periodic work once, now. A sweeper that runs beside it does no harm: all of it may happen twice."""
    settings: Settings = current_app.extensions["settings"]
    context = JobContext(settings, work.database())
    failed = []
    for entry in jobs.PERIODIC:
        try:
            jobs.perform(context, entry.job, entry.handler, {})
        except Exception as error:  # reported already; the other entries get their turn
            failed.append(f"{entry.job.value} ({type(error).__name__})")
        else:
            click.echo(f"{entry.job.value}: done")
    if failed:
        raise click.ClickException(f"Failed: {', '.join(failed)}.")
