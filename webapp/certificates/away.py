"""What a reader is told when the store of files does not answer."""

from __future__ import annotations

import structlog

from webapp.core.errors import Unavailable

log = structlog.get_logger(__name__)


def store_away(error: OSError) -> Unavailable:
    """The answer to raise; the log is told what it was."""
    log.error("certificate.store_away", error=type(error).__name__, problem=str(error))
    return Unavailable("store-away", "The place where files are kept does not answer. Try again in a minute.")
