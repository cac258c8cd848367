"""Reading the audit: what happened to a thing, the log as auditors search it, and the seals beside it."""

from __future__ import annotations

from webapp.audit.queries.history import Happened, history

__all__ = ["Happened", "history"]
