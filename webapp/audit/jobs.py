"""Background work on the audit: its seals."""

from __future__ import annotations

import structlog

from webapp.audit import sealing
from webapp.core.actor import SYSTEM
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as

log = structlog.get_logger(__name__)


def seal(ctx: JobContext) -> None:
    """Seal what was written lately; harmless at any time and in any number at once.

    It acts as the desk itself, over all operators: the chain is one, and nothing of an entry leaves the transaction.
    """
    with acting_as(SYSTEM):
        _tell(sealing.seal_new(ctx.database, now=ctx.now()))


def seal_forgotten(ctx: JobContext) -> None:
    """Look through all entries once in a while, so that none stays without a seal for ever."""
    with acting_as(SYSTEM):
        _tell(sealing.seal_forgotten(ctx.database, now=ctx.now()))


def _tell(sealed: sealing.Sealed | None) -> None:
    """Note the head in the log: shipped elsewhere, it is what a chain written anew is found out by."""
    if sealed is not None:
        log.info("audit.sealed", entries=sealed.entries, position=sealed.position, head=sealed.head.hex())
