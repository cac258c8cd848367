"""Answering htmx 4 and a browser without JavaScript from one view.

htmx asks with ``HX-Request: true``; every answer therefore varies by that header (set in ``web.headers``).
"""

from __future__ import annotations

import json

from flask import Response, make_response, redirect, render_template, request


def is_htmx() -> bool:
    """Whether htmx asked and wants a fragment. A page restored from the history is asked for whole."""
    wanted = request.headers.get("HX-Request") == "true"
    return wanted and request.headers.get("HX-History-Restore-Request") != "true"


POLLING = frozenset(
    {
        "queue",
        "certificates",
        "certificate-state",
        "certificate-letters",
        "certificate-batch",
        "design-preview",
        "sync-progress",
        "sync-run",
        "zone-import",
    }
)
"""Ids of the elements that ask again by themselves; nothing that a person presses is asked from one of them."""


def is_poll() -> bool:
    """Whether a page asked by itself, so that nobody need be sitting there (``HX-Source`` is ``div#queue``)."""
    return is_htmx() and request.headers.get("HX-Source", "").partition("#")[2] in POLLING


def render_page_or_fragment(page: str, fragment: str, /, *, status: int = 200, **context: object) -> Response:
    """Render the fragment for htmx and the page, which includes that same fragment, for everybody else.

    Both get the same context: one page dataclass and at most a form. Invalid input is ``status=422``.
    """
    return make_response(render_template(fragment if is_htmx() else page, **context), status)


def redirect_after(url: str) -> Response:
    """Go on to ``url`` (made by ``url_for``) after a change that succeeded: post, redirect, get.

    A browser gets a 303. htmx gets ``HX-Redirect`` and loads the page whole, so that flashed messages, title, address
    and focus are those of a new page; a 303 would be followed unseen and its page swapped into the form.
    """
    if is_htmx():
        return Response(status=200, headers={"HX-Redirect": url})
    answer = redirect(url, 303)
    assert isinstance(answer, Response)
    return answer


def announce(response: Response, sentence: str, tone: str = "done") -> Response:
    """Let the page's live region say a translated sentence once a fragment is swapped in.

    ``tone`` is one of the status words: ``done``, ``failed``, ``waiting``.
    """
    response.headers["HX-Trigger"] = json.dumps({"zd:toast": {"text": sentence, "tone": tone}})
    return response
