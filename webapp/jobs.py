"""Every job by name, and the one function RQ calls. A job knows no Flask: it gets a ``JobContext``."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from functools import partial
from typing import Final

import sentry_sdk
import structlog
from sqlalchemy import Engine

import webapp.tables  # noqa: F401 - every table is known before the first query
from webapp import logs
from webapp.accounts import jobs as accounts
from webapp.assignments import jobs as assignments
from webapp.audit import jobs as audit
from webapp.audit.service import Origin, origin
from webapp.bookings import jobs as bookings
from webapp.certificates import batch_jobs as batches
from webapp.certificates import jobs as certificates
from webapp.certificates import letter_jobs as certificate_letters
from webapp.certificates import upkeep
from webapp.certificates.designs import jobs as designs
from webapp.config import Settings, load_settings
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for_nobody
from webapp.db.work import Database, connect
from webapp.households import jobs as households
from webapp.ops.sweeper import Periodic
from webapp.queue.doorbell import Doorbell
from webapp.trainers import jobs as trainers
from webapp.trainers.queries import worked_in
from webapp.zones import jobs as zones

Handler = Callable[..., object]
"""``handler(ctx, **ids)``: thin, and harmless when run twice or at once."""

HANDLERS: Final[Mapping[JobName, Handler]] = {
    JobName.ISSUE_CERTIFICATES: certificates.issue,
    JobName.SIGN_REVOCATIONS: upkeep.sign_revocations,
    JobName.SWEEP_FILES: upkeep.sweep_files,
    JobName.PREVIEW_DESIGNS: designs.preview,
    JobName.ERASE_FILES: certificates.erase_files,
    JobName.SEND_CERTIFICATES: certificate_letters.send,
    JobName.MAKE_BATCHES: batches.make,
    JobName.TIDY_BATCHES: batches.tidy,
    JobName.NOTE_ERASURES: households.note_erasures,
    JobName.EXPIRE_HOLDS: assignments.expire_holds,
    JobName.RETRY_WAITLIST: assignments.retry_waitlist,
    JobName.RECHECK_APPROVALS: assignments.recheck_approvals,
    JobName.EXPIRE_DRAFTS: bookings.expire_drafts,
    JobName.TIDY_ACCOUNTS: accounts.tidy,
    JobName.SEND_LETTERS: accounts.send_letters,
    JobName.SEAL_AUDIT: audit.seal,
    JobName.SYNC_TRAINERS: trainers.sync,
    JobName.IMPORT_ZONES: partial(zones.import_zones, worked_in=worked_in),
}

PERIODIC: Final = (
    Periodic(JobName.ISSUE_CERTIFICATES, timedelta(seconds=5), certificates.ring_again),
    Periodic(JobName.SIGN_REVOCATIONS, timedelta(seconds=15), upkeep.ring_sign_revocations),
    Periodic(JobName.SWEEP_FILES, timedelta(hours=6), upkeep.ring_sweep_files),
    Periodic(JobName.PREVIEW_DESIGNS, timedelta(seconds=5), designs.ring_again),
    Periodic(JobName.ERASE_FILES, timedelta(seconds=60), certificates.ring_erase_files),
    Periodic(JobName.SEND_CERTIFICATES, timedelta(seconds=5), certificate_letters.ring),
    Periodic(JobName.MAKE_BATCHES, timedelta(seconds=5), batches.ring),
    Periodic(JobName.TIDY_BATCHES, timedelta(minutes=10), batches.ring_tidy),
    Periodic(JobName.NOTE_ERASURES, timedelta(seconds=60), households.ring_note_erasures),
    Periodic(JobName.EXPIRE_HOLDS, timedelta(seconds=30), assignments.expire_holds),
    Periodic(JobName.RETRY_WAITLIST, timedelta(seconds=60), assignments.retry_waitlist),
    Periodic(JobName.RECHECK_APPROVALS, timedelta(seconds=30), assignments.recheck_approvals),
    Periodic(JobName.EXPIRE_DRAFTS, timedelta(minutes=10), bookings.expire_drafts),
    Periodic(JobName.SEND_LETTERS, timedelta(seconds=5), accounts.ring_for_letters),
    Periodic(JobName.TIDY_ACCOUNTS, timedelta(hours=1), accounts.tidy),
    Periodic(JobName.SEAL_AUDIT, timedelta(seconds=5), audit.seal),
    Periodic(JobName.SEAL_AUDIT, timedelta(days=1), audit.seal_forgotten),
    Periodic(JobName.SYNC_TRAINERS, timedelta(seconds=5), trainers.ring_for_sync),
    Periodic(JobName.IMPORT_ZONES, timedelta(seconds=5), zones.ring_for_imports),
)
"""What the sweeper does itself. It only touches the database, so it goes on while Redis is away; certificates and
letters need a work-horse, and files and the trainer service are none of its business: for them it rings."""

POOL_SIZE: Final = 2
_SENTRY_SECONDS: Final = 2.0

log = structlog.get_logger(__name__)
_own: tuple[int, JobContext] | None = None


def run(name: str, ids: dict[str, str]) -> None:
    """Do the job called ``name`` in this process. Raises ``ValueError`` for a name there is no job of."""
    job = JobName(name)
    perform(context_of_process(), job, HANDLERS[job], ids)


def perform(
    context: JobContext, job: JobName, handler: Handler, ids: Mapping[str, str], *, level: int = logging.INFO
) -> None:
    """Run a handler with its name in the log and the audit; a failure is reported and raised again.

    It begins on nobody's behalf and sees no operator's rows: it asks which operators have something due, and does that
    for one after the other (``db.tenancy.acting_for``).

    ``level`` is that of the line in the log when it went well.
    """
    started = time.perf_counter()
    with (
        acting_for_nobody(),
        origin(Origin("job")),
        structlog.contextvars.bound_contextvars(job=job.value, job_run=new_id().hex),
    ):
        try:
            handler(context, **ids)
        except Exception:
            log.exception("job.failed")
            sentry_sdk.capture_exception()
            # A work-horse ends without the interpreter's clean-up, which would send what is queued.
            sentry_sdk.flush(_SENTRY_SECONDS)
            raise
        log.log(level, "job.done", duration_ms=round((time.perf_counter() - started) * 1000, 1))


def context_of_process() -> JobContext:
    """This process's context, made at the first call.

    A process forked off one that has a context gets its own: the connections it inherited belong to the parent, so
    they are let go without being closed.
    """
    global _own
    if _own is not None and _own[0] == os.getpid():
        return _own[1]
    if _own is not None and isinstance(_own[1].database.bind, Engine):
        _own[1].database.bind.dispose(close=False)
    _own = (os.getpid(), make_context(load_settings()))
    return _own[1]


def make_context(settings: Settings) -> JobContext:
    """A context with an engine of its own; configures logging and error reports. Connects to nothing yet.

    The clock is left alone: the process that forks work-horses has set it once for all of them.
    """
    logs.configure(settings)
    report_errors(settings)
    engine = connect(settings.database_url, pool_size=POOL_SIZE)
    return JobContext(settings, Database(engine, Doorbell(settings.redis_url).ring))


def report_errors(settings: Settings) -> None:
    """Send failures to Sentry when there is one; never a row's content, which is in local variables."""
    if settings.sentry_dsn:
        sentry_sdk.init(
            dsn=settings.sentry_dsn,
            environment=settings.environment.value,
            data_collection=logs.REPORTED,
            default_integrations=False,
            traces_sample_rate=0.0,
            before_send=logs.scrub,
        )
