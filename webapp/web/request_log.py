"""One log line per request, ``http.request``: who, where, how long, how many statements and bytes; never a body."""

from __future__ import annotations

import re
import time
from typing import Final

import structlog
from flask import Response, g, request

from webapp.core.ids import new_id
from webapp.db.work import start_counting, statement_count

log = structlog.get_logger("http")

_SENT_ID: Final = re.compile(r"[A-Za-z0-9_-]{8,64}\Z")


def begin() -> None:
    """Start the clock and name the request; a sound ``X-Request-ID`` of a proxy in front is kept."""
    sent = request.headers.get("X-Request-ID", "")
    g.request_id = sent if _SENT_ID.match(sent) else new_id().hex
    g.request_started = time.perf_counter()
    start_counting()
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def finish(response: Response) -> Response:
    """Write the line and send the request's id back. Routes are logged by rule, so no ids or searches leak."""
    started: float | None = g.get("request_started")
    if started is None:
        return response
    response.headers["X-Request-ID"] = g.request_id
    if request.endpoint == "static":
        return response
    actor = g.get("actor")
    log.info(
        "http.request",
        request_id=g.request_id,
        user_id=str(actor.viewer or actor.id) if actor else None,
        viewing_as=str(actor.id) if actor and actor.viewer else None,
        operator_id=str(actor.operator_id) if actor else None,
        route=request.url_rule.rule if request.url_rule else None,
        method=request.method,
        status=response.status_code,
        duration_ms=round((time.perf_counter() - started) * 1000, 1),
        sql_count=statement_count(),
        bytes_in=request.content_length or 0,
        bytes_out=response.calculate_content_length() or 0,
        htmx=request.headers.get("HX-Request") == "true",
    )
    return response
