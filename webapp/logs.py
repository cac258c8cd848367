"""Structured logs on standard error: one JSON object per line, or readable lines at a developer's terminal.

Fields named like a secret or like a person's data are replaced before anything is written, and passwords inside
addresses are cut out of texts, exceptions included. The same cleaning runs over what goes to Sentry.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from webapp.config import Environment, Settings

REDACTED: Final = "[redacted]"

_SECRET_PARTS: Final = (
    "password",
    "passwd",
    "token",
    "secret",
    "authorization",
    "cookie",
    "csrf",
    "phone",
    "email",
    "dsn",
)
"""A field whose name contains one of these never shows its value."""
_SECRET_NAMES: Final = frozenset({"name", "address", "guardian", "student", "session", "form", "body"})
"""Nor does a field of exactly one of these names, or one that ends in it after an underscore."""
_PASSWORD_IN_URL: Final = re.compile(
    r"(?P<scheme>[a-z][a-z0-9+.-]*://[^\s:/@]*):(?P<password>[^\s@/]+)@", re.IGNORECASE
)
_ASSIGNED: Final = re.compile(
    r"(?P<key>\b[\w-]*(?:password|passwd|token|secret|authorization|cookie)[\w-]*[\"']?\s*[=:]\s*)(?P<value>\"[^\"]*\"|'[^']*'|[^\s,;&)}\]]+)",
    re.IGNORECASE,
)
_EMAIL: Final = re.compile(r"[^\s@<>\"'(),;:]+@[^\s@<>\"'(),;:]+\.[^\s@<>\"'(),;:.]+")
_LINK: Final = re.compile(r"(?P<page>/(?:reset|join)/)[A-Za-z0-9_-]+")
"""Addresses from letters: whoever has one may set a password, or make an account."""
_DEPTH: Final = 6
_OF_EVENTS: Final = frozenset(
    {"breadcrumbs", "exception", "extra", "logentry", "message", "request", "tags", "threads", "user"}
)
"""The parts of a Sentry event that our code or a request filled."""

REPORTED: Final[Any] = {
    "user_info": False,
    "cookies": {"mode": "off"},
    "http_headers": {"request": {"mode": "allowlist", "terms": ["accept", "content-type", "hx-request", "user-agent"]}},
    "http_bodies": [],
    "url_query_params": {"mode": "off"},
    "database_query_data": False,
    "queues": False,
    "stack_frame_variables": False,
}
"""What Sentry may collect of a request or job: its ``data_collection`` option. Nothing that a family said."""


def is_private(name: str) -> bool:
    """Whether a field of this name holds a secret or somebody's personal data."""
    low = name.lower().replace("-", "_")
    return any(part in low for part in _SECRET_PARTS) or low in _SECRET_NAMES or low.rpartition("_")[2] == "name"


def clean_text(text: str) -> str:
    """A text without passwords in addresses, values of secret names, links of letters, and e-mail addresses."""
    text = _LINK.sub(rf"\g<page>{REDACTED}", text)
    text = _PASSWORD_IN_URL.sub(rf"\g<scheme>:{REDACTED}@", text)
    text = _ASSIGNED.sub(rf"\g<key>{REDACTED}", text)
    return _EMAIL.sub(REDACTED, text)


def clean(value: Any, depth: int = _DEPTH) -> Any:
    """A value with every private field below it replaced; what lies deeper than ``depth`` is replaced whole."""
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {
            key: REDACTED if is_private(str(key)) and item is not None else clean(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return REDACTED if depth == 0 else [clean(item, depth - 1) for item in value]
    return value


_OURS: Final = frozenset({"event", "level", "logger", "timestamp"})


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that runs last before a line is written."""
    for key, value in event.items():
        if key in _OURS:
            event[key] = clean_text(value) if isinstance(value, str) else value
        elif is_private(key) and value is not None:
            event[key] = REDACTED
        else:
            event[key] = clean(value)
    return event


def scrub(event: Any, _hint: Any) -> Any:
    """Clean an event before it goes to Sentry: request, user, breadcrumbs, messages and what code left beside them.

    The rest (versions of the machine, Sentry's own names) stays as it is, or events could not be grouped.
    """
    return {key: clean(part, depth=24) if key in _OF_EVENTS else part for key, part in event.items()}


class _StandardError(logging.Handler):
    """Writes to whatever standard error is at the moment of writing: test runners and supervisors exchange it."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write one line; a stream that is gone loses the line, not the request."""
        try:
            sys.stderr.write(self.format(record) + "\n")
            sys.stderr.flush()
        except Exception:
            self.handleError(record)


def configure(settings: Settings) -> None:
    """Send structlog and the standard library's logging to standard error, in one format. May be called again."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
    ]
    readable = settings.environment is Environment.DEVELOPMENT and sys.stderr.isatty()
    renderer: Processor = (
        structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)
        if readable
        else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *(step for step in shared if not isinstance(step, structlog.stdlib.ExtraAdder)),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            redact,
            renderer,
        ],
    )
    handler = _StandardError()
    handler.setFormatter(formatter)
    root = logging.getLogger()
    for old in [one for one in root.handlers if isinstance(one, _StandardError)]:
        root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(settings.log_level.upper())
    # The development server's own line per request would repeat ours, with full addresses.
    logging.getLogger("werkzeug").setLevel(logging.WARNING)
