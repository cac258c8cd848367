"""Structured logs on standard error: one JSON object per line, or readable lines at a developer's terminal.

Fields named like a secret or like a person's data are replaced before anything is written, and what looks like one is
cut out of texts, exceptions included. The same cleaning runs over what goes to Sentry.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from webapp.config import Environment, Settings

REDACTED: Final = "[redacted]"

_SECRET_PARTS: Final = (
    "password",
    "passwd",
    "passphrase",
    "token",
    "secret",
    "authorization",
    "credential",
    "cookie",
    "csrf",
    "signature",
    "totp",
    "recovery",
    "api_key",
    "private_key",
    "secret_key",
    "phone",
    "email",
    "dsn",
)
"""A field whose name contains one of these never shows its value."""
_SECRET_NAMES: Final = frozenset(
    {"name", "address", "guardian", "student", "session", "form", "body", "otp", "pin", "birthday"}
)
"""Nor does a field of exactly one of these names, or one that ends in ``_name``."""
_IN_URL: Final = re.compile(
    r"(?<![a-z0-9+.-])(?P<scheme>[a-z][a-z0-9+.-]{0,20}://)"
    r"(?:(?P<user>[^\s:/@]{0,200}):[^\s@/]{1,500}|[^\s:/@?#]{1,500})@",
    re.IGNORECASE,
)
"""User and password of an address, or the bare key that a Sentry DSN has in their place."""
_WORDS: Final = (
    r"(?:password|passwd|passphrase|token|secret|authorization|cookie|signature|credential|totp|recovery"
    r"|api[_-]?key|private[_-]?key)"
)
_ASSIGNED: Final = re.compile(
    rf"(?P<key>{_WORDS}[\w-]{{0,40}}[\"']?\s{{0,8}}[=:]\s{{0,8}}|(?<![\w-])(?:__Host-)?(?:zonedesk|session)=)"
    r"(?:\"[^\"]*\"|'[^']*'|(?:(?:bearer|basic|digest)\s{1,8})?[^\s,;&)}\]]+)",
    re.IGNORECASE,
)
"""A value assigned to a name that says secret, quoted or not; also a cookie of ours."""
_SCHEME: Final = re.compile(r"\b(?P<scheme>Bearer|Basic)\s{1,8}[A-Za-z0-9._~+/=-]{8,}", re.IGNORECASE)
_LINK: Final = re.compile(
    r"(?P<path>/(?:reset|join|invitations?|links?|set-password|verify/[^/\s\"'?#]{1,64})/)(?!<)[^/\s\"'?#]+",
    re.IGNORECASE,
)
"""What stands behind the path of a link that was sent to somebody: whoever has it can use it. A route's ``<token>`` is
none."""
_LONG: Final = re.compile(r"[A-Za-z0-9_-]{32,}")
_EMAIL: Final = re.compile(
    r"[^\s@<>\"'(),;:/?&=\[\]]{1,64}(?:@|%40)[^\s@<>\"'(),;:/?&=%]{1,255}\.[^\s@<>\"'(),;:./?&=%]{1,63}"
)
_PHONE: Final = re.compile(r"(?<![\w+])(?:\+|%2B)[1-9](?:[ \u00a0()-]?\d){7,14}(?!\w)")
"""E.164, as numbers are kept, also with the spaces people write."""
_ROW: Final = re.compile(r"(?<=DETAIL:)\s.*?(?=\n(?:HINT|CONTEXT|STATEMENT|\[SQL|  File|\n)|\Z)", re.DOTALL)
"""What PostgreSQL adds to a broken constraint: the values, or the whole row, that broke it."""
_PRIVATE_KEY: Final = re.compile(
    r"-----BEGIN [A-Z ]{0,40}PRIVATE KEY-----.*?(?:-----END [A-Z ]{0,40}PRIVATE KEY-----|\Z)", re.DOTALL
)
_LONGEST: Final = 32_768
"""Letters of one text that are written; a longer one is cut, for it could be a visitor's."""
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


@lru_cache(maxsize=1024)
def is_private(name: str) -> bool:
    """Whether a field of this name holds a secret or somebody's personal data."""
    low = name.lower().replace("-", "_")
    return any(part in low for part in _SECRET_PARTS) or low in _SECRET_NAMES or low.rpartition("_")[2] == "name"


def clean_text(text: str) -> str:
    """A text without what opens a door or names a person, as far as that can be told from its looks.

    Cut out are passwords and keys in addresses, values assigned to secret names, bearer tokens, private keys, link
    tokens, anything long that was drawn by chance, rows a constraint refused, e-mail addresses and phone numbers.
    Field names are the stronger guard (``is_private``); this one is for texts that others made, such as an exception's.
    """
    # Each pattern is asked only where its sign is there, and each repetition has an end: this runs for every text of
    # every line, and over what visitors write.
    if len(text) > _LONGEST:
        text = text[:_LONGEST] + "…"
    if "PRIVATE KEY" in text:
        text = _PRIVATE_KEY.sub(REDACTED, text)
    if "DETAIL:" in text:
        text = _ROW.sub(f" {REDACTED}", text)
    if "://" in text:
        text = _IN_URL.sub(_without_password, text)
    if "=" in text or ":" in text:
        text = _ASSIGNED.sub(rf"\g<key>{REDACTED}", text)
    if " " in text:
        text = _SCHEME.sub(rf"\g<scheme> {REDACTED}", text)
    if "/" in text:
        text = _LINK.sub(rf"\g<path>{REDACTED}", text)
    if len(text) >= 32:
        text = _LONG.sub(_unless_drawn, text)
    if "@" in text or "%40" in text:
        text = _EMAIL.sub(REDACTED, text)
    if "+" in text or "%2" in text:
        text = _PHONE.sub(REDACTED, text)
    return text


def _without_password(found: re.Match[str]) -> str:
    user = found["user"]
    return f"{found['scheme']}{REDACTED if user is None else f'{user}:{REDACTED}'}@"


def _unless_drawn(found: re.Match[str]) -> str:
    """The run of letters itself, unless it looks as ``secrets.token_urlsafe`` draws them.

    Ids, hashes and names keep to small letters or hold no digit, and stay; so long as a token none of them is.
    """
    run = found[0]
    drawn = run != run.lower() and run != run.upper() and (len(run) >= 43 or any(map(str.isdigit, run)))
    return REDACTED if drawn else run


def clean(value: Any, depth: int = _DEPTH) -> Any:
    """A value with every private field below it replaced; what lies deeper than ``depth`` is replaced whole.

    Anything that is no plain value becomes its text first, and is cleaned as one: the renderer would otherwise write
    an exception or a settings object out after everything was cleaned.
    """
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Mapping):
        if depth == 0:
            return REDACTED
        return {
            clean_text(str(key)): REDACTED if is_private(str(key)) and item is not None else clean(item, depth - 1)
            for key, item in value.items()
        }
    if isinstance(value, list | tuple | set | frozenset):
        return REDACTED if depth == 0 else [clean(item, depth - 1) for item in value]
    if isinstance(value, bytes | bytearray):
        return clean_text(bytes(value).decode("utf-8", "replace"))
    try:
        return clean_text(str(value))
    except Exception:
        return f"<{type(value).__name__}>"


_OURS: Final = frozenset({"event", "level", "logger", "timestamp"})


def redact(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """The processor that runs last before a line is written."""
    for key, value in event.items():
        if key in _OURS:
            event[key] = clean(value)
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
