"""What the status and the headers of an answer mean. Whatever a header says that cannot be read is not said."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Final

from webapp.clients.outgoing import Why
from webapp.clients.trainer_service.said import Fault

LONGEST_WAIT: Final = 30.0
"""Seconds: a service that asks for more is asked again then; synchronisations are hardly apart further."""
_TAG: Final = re.compile(r'(?:W/)?"[\x21\x23-\x7e]*"')
_JSON: Final = re.compile(r"application/(?:[a-z0-9.-]+\+)?json")
_MOST_TAG: Final = 200
_COUNT: Final = re.compile(r"[0-9]{1,9}")
_OF_LINE: Final = {
    Why.TOO_SLOW: Fault.TOO_SLOW,
    Why.TOO_LARGE: Fault.TOO_LARGE,
    Why.REDIRECT: Fault.REDIRECT,
    Why.ENCODED: Fault.NOT_JSON,
}
_OF_STATUS: Final = {
    401: Fault.NOT_ALLOWED,
    403: Fault.NOT_ALLOWED,
    408: Fault.TOO_SLOW,
    429: Fault.TOO_MANY,
}


def fault_of_line(why: Why) -> Fault:
    """A call without an answer, or with one that was not taken."""
    return _OF_LINE.get(why, Fault.NO_CONNECTION)


def fault_of_status(status: int) -> Fault:
    """An answer that is none of those hoped for."""
    return _OF_STATUS.get(status, Fault.SERVER_ERROR if status >= 500 else Fault.REFUSED)


def etag(headers: Mapping[str, str]) -> str | None:
    """``ETag``, as it can be kept and sent back."""
    tag = headers.get("etag", "").strip()
    return tag if len(tag) <= _MOST_TAG and _TAG.fullmatch(tag) else None


def is_json(headers: Mapping[str, str]) -> bool:
    """``Content-Type``: whether it says JSON, or a kind of it such as ``application/problem+json``."""
    return _JSON.fullmatch(headers.get("content-type", "").partition(";")[0].strip().lower()) is not None


def total(headers: Mapping[str, str]) -> int | None:
    """``X-Total-Count``: how many there are in all."""
    text = headers.get("x-total-count", "").strip()
    return int(text) if _COUNT.fullmatch(text) else None


def served_at(headers: Mapping[str, str]) -> datetime | None:
    """``Date``: when it was answered, by the service's own clock."""
    return _http_date(headers.get("date", ""))


def retry_after(headers: Mapping[str, str], now: datetime) -> float | None:
    """``Retry-After`` as seconds. A date counts from the answer's own ``Date``, which is by the same clock."""
    text = headers.get("retry-after", "").strip()
    if _COUNT.fullmatch(text):
        return min(float(text), LONGEST_WAIT)
    until = _http_date(text)
    if until is None:
        return None
    return min(max((until - (served_at(headers) or now)).total_seconds(), 0.0), LONGEST_WAIT)


def _http_date(text: str) -> datetime | None:
    try:
        at = parsedate_to_datetime(text)
        return at.replace(tzinfo=at.tzinfo or UTC).astimezone(UTC)
    except (ValueError, OverflowError):
        return None
