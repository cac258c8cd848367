"""Refusals and failures as pages, as toasts for htmx, or as problems for a program that speaks JSON.

The one place where a domain error meets HTTP. A toast answers with its true status and moves itself into the live
region (``HX-Retarget``), so the page and what was typed in it stay as they are. A problem is RFC 9457's, with the
error's code as ``code``.
"""

from __future__ import annotations

from typing import Final

import structlog
from flask import Flask, Response, g, json, make_response, render_template, request
from flask_babel import force_locale, get_locale
from flask_wtf.csrf import CSRFError
from werkzeug.exceptions import HTTPException, InternalServerError

from webapp.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, Unavailable
from webapp.web.access import actor_or_none
from webapp.web.htmx import is_htmx
from webapp.web.words import _

log = structlog.get_logger(__name__)

STATUS_OF: Final[tuple[tuple[type[DomainError], int], ...]] = (
    (NotFound, 404),
    (Forbidden, 403),
    (Conflict, 409),
    (Invalid, 422),
    (Unavailable, 503),
)


PROBLEM: Final = "application/problem+json"


def status_of(error: DomainError) -> int:
    """The HTTP status of a domain error; 400 for a kind this table does not know."""
    return next((status for kind, status in STATUS_OF if isinstance(error, kind)), 400)


def sentence_of(error: DomainError) -> str:
    """The error's sentence in the reader's language, its places filled in."""
    return _(error.message, **error.params)


def _titles() -> dict[int, tuple[str, str]]:
    return {
        400: (
            _("That request was not understood"),
            _("Go back, reload the page and try again."),
        ),
        403: (
            _("Not allowed"),
            _("Your role does not allow this. Ask a manager or an admin to do it."),
        ),
        404: (
            _("Page not found"),
            _("The address is wrong, or what was here belongs to somebody else or is gone."),
        ),
        405: (
            _("That does not work here"),
            _("Go back and use the buttons of the page."),
        ),
        409: (_("Somebody was faster"), _("Go back, reload the page and try again.")),
        413: (
            _("Too large"),
            _("What you sent is larger than the desk accepts. Send a smaller file."),
        ),
        422: (
            _("Something needs correcting"),
            _("Go back and check what you entered."),
        ),
        429: (_("Too many tries"), _("Wait a minute and try again.")),
        500: (
            _("Something went wrong at our end"),
            _("Nothing was changed. Try again; if it fails again, tell us."),
        ),
        503: (_("The desk is not available right now"), _("Try again in a minute.")),
    }


def wants_json() -> bool:
    """Whether a program asks: under ``/api/``, or one that prefers JSON to a page."""
    if request.path.startswith("/api/"):
        return True
    best = request.accept_mimetypes.best_match(("text/html", PROBLEM, "application/json"), "text/html")
    return best != "text/html" and not is_htmx()


def answer(
    status: int, sentence: str | None = None, *, reference: str | None = None, code: str | None = None
) -> Response:
    """A refusal or failure as a page, a toast for htmx, or ``application/problem+json`` (RFC 9457) for a program.

    ``code`` is the domain error's, for programs; ``sentence`` is translated already.
    """
    titles = _titles()
    title, text = titles.get(status, titles[500] if status >= 500 else titles[400])
    words = sentence or text
    if wants_json():
        problem = {"title": title, "status": status, "detail": words, "code": code, "instance": reference}
        told = {key: value for key, value in problem.items() if value is not None}
        return Response(json.dumps(told), status, content_type=PROBLEM)
    if is_htmx():
        response = make_response(
            render_template("errors/_toast.html", sentence=words, reference=reference),
            status,
        )
        response.headers["HX-Retarget"] = "#toasts"
        response.headers["HX-Reswap"] = "beforeend"
        return response
    # After a bug the page asks nothing of the database, which may be what failed: it does not even ask who is here.
    layout = "_layout/base.html" if status < 500 and actor_or_none() else "_layout/public.html"
    page = render_template(
        "errors/page.html",
        layout=layout,
        title=title,
        sentence=words,
        reference=reference,
        status=status,
    )
    return make_response(page, status)


def refused(error: DomainError) -> Response:
    """Answer a domain error: 403, 404, 409 or 422 with its sentence."""
    return answer(status_of(error), sentence_of(error), code=error.code)


def csrf_failed(_error: CSRFError) -> Response:
    """Answer a form whose CSRF token is missing, wrong or too old: 400, and what to do about it."""
    return answer(400, _("This page was open for too long. Reload it and send the form again."))


def http_failed(error: HTTPException) -> Response:
    """Answer an HTTP error of the framework with a page of ours; keeps headers such as Allow and Retry-After."""
    if error.response is not None or error.code is None or error.code < 400:
        return make_response(error.get_response())
    response = answer(error.code)
    for name, value in error.get_headers():
        if name.lower() in ("allow", "retry-after"):
            response.headers[name] = value
    return response


def broken(_error: InternalServerError) -> Response:
    """Answer a bug: 500 with a reference that finds the log line; nothing of the error itself is shown.

    Registered for ``InternalServerError``, not for ``Exception``: so Flask logs the traceback and signals it once.
    """
    reference = g.get("request_id", "")
    log.error(
        "http.failed",
        request_id=reference,
        route=request.url_rule.rule if request.url_rule else None,
    )
    try:
        get_locale()
    except Exception:
        # The reader's language stands in the database, which may be what failed.
        with force_locale("en"):
            return answer(500, reference=reference)
    return answer(500, reference=reference)


def register(app: Flask) -> None:
    """Put the error pages in place."""
    app.register_error_handler(DomainError, refused)
    app.register_error_handler(CSRFError, csrf_failed)
    app.register_error_handler(HTTPException, http_failed)
    app.register_error_handler(InternalServerError, broken)
