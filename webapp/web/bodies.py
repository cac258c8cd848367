"""How large a request may be. Every view takes as much as the app's setting says, unless it declares more::

    @bp.post("/import")
    @requires(Permission.ZONE_WRITE)
    @takes_up_to(MAX_BYTES)
    def upload() -> ResponseReturnValue: ...

What is larger is answered with a 413 before anything of it is read. More is let in for somebody signed in only: the
body is read for the form's token before the guard is asked. Files go to disk, not into memory, as they are read.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from flask import current_app, request

from webapp.web.access import actor_or_none

_ATTRIBUTE: Final = "__zonedesk_body__"
_FIELDS: Final = 64 * 1024
"""Room for the other fields of the form, in bytes."""
View = TypeVar("View", bound=Callable[..., Any])


def takes_up_to(size: int) -> Callable[[View], View]:
    """Let the view be sent a file of so many bytes."""

    def mark(view: View) -> View:
        setattr(view, _ATTRIBUTE, size + _FIELDS)
        return view

    return mark


def let_in() -> None:
    """Before a request's body is read: allow what its view takes."""
    view = current_app.view_functions.get(request.endpoint or "")
    size: int | None = getattr(view, _ATTRIBUTE, None)
    if size is not None and request.method == "POST" and actor_or_none() is not None:
        request.max_content_length = size
