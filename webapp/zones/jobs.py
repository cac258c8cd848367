"""Background work on zones: looking at files that were sent, and writing them."""

from __future__ import annotations

import time
from contextlib import suppress
from datetime import timedelta
from typing import Final

import structlog
from rq.timeouts import BaseTimeoutException
from sqlalchemy.exc import SQLAlchemyError

from webapp.core.errors import Conflict
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.zones.import_rules import KEPT, ImportState
from webapp.zones.imports import claiming
from webapp.zones.imports.checking import WorkedIn, check
from webapp.zones.imports.claiming import Claim, LeaseLost
from webapp.zones.imports.writing import write
from webapp.zones.rules import Disputes

SECONDS: Final = 120.0
"""After so long one job takes up no further file and rings for the next."""
RING_AGAIN_AFTER: Final = timedelta(seconds=5)
"""An import due for longer is rung again: its own ring may be lost."""
BUSY: Final = timedelta(seconds=10)
"""So long an import waits when others change the same zones."""
FORGOTTEN_AT_ONCE: Final = 20

log = structlog.get_logger(__name__)


def import_zones(ctx: JobContext, *, worked_in: WorkedIn) -> int:
    """Look at and write what is due, the longest waiting first; returns how many steps it took.

    Harmless at any time and in any number at once: a step is done by whoever holds its lease. ``worked_in`` says which
    zones trainers work in.
    """
    ends, steps = time.monotonic() + SECONDS, 0
    with ctx.read_only() as db:
        waiting = claiming.due(db, now=ctx.now())
    for one in waiting:
        if time.monotonic() > ends:
            with ctx.unit_of_work() as work:
                work.after_commit(JobName.IMPORT_ZONES)
            break
        with acting_for(one.operator_id):
            with ctx.unit_of_work() as work:
                held = claiming.claim(work, one.id, now=ctx.now())
            if held is not None:
                steps += 1
                with structlog.contextvars.bound_contextvars(zone_import=str(one.id)):
                    _take_step(ctx, held, worked_in)
    return steps


def _take_step(ctx: JobContext, held: Claim, worked_in: WorkedIn) -> None:
    asking = Disputes(ctx.settings.zone_disputes)
    try:
        if held.step is ImportState.WRITING:
            write(ctx.database, held, asking=asking, now=ctx.now)
        else:
            check(ctx.database, held, worked_in=worked_in, asking=asking, now=ctx.now)
    except LeaseLost:
        log.warning("zone_import.overtaken", step=held.step.value)
    except Conflict as busy:
        log.info("zone_import.put_off", reason=busy.code)
        with suppress(LeaseLost), ctx.unit_of_work() as work:
            claiming.put_off(work, held, BUSY, now=ctx.now())
    except (BaseTimeoutException, SQLAlchemyError):
        raise  # the lease runs out, and the step is begun anew
    except Exception as error:
        with suppress(LeaseLost, SQLAlchemyError), ctx.unit_of_work() as work:
            claiming.fail(work, held, f"unexpected-{type(error).__name__}"[:64], now=ctx.now())
        raise
    else:
        log.info("zone_import.step_done", step=held.step.value)


def ring_for_imports(ctx: JobContext) -> bool:
    """Ring for imports that wait too long, and let old ones go with their reports; whether it rang."""
    now = ctx.now()
    with ctx.read_only() as db:
        old = claiming.old(db, before=now - KEPT, limit=FORGOTTEN_AT_ONCE)
    for import_id, operator_id in old:
        with acting_for(operator_id), ctx.unit_of_work() as work:
            claiming.forget(work, import_id)
    with ctx.unit_of_work() as work:
        late = [one for one in claiming.due(work.db, now=now) if now - one.due_at >= RING_AGAIN_AFTER]
        if late:
            work.after_commit(JobName.IMPORT_ZONES)
    return bool(late)
