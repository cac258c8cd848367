"""The page of something that cannot be done now: why, and where to go on."""

from __future__ import annotations

from flask import render_template
from flask.typing import ResponseReturnValue

from webapp.core.errors import Conflict
from webapp.course_sessions.queries import SessionRow
from webapp.desk.forms.changes import VersionedForm
from webapp.desk.queries.booking import BookingDetail
from webapp.desk.views.blueprint import in_words


def refusal_page(
    error: Conflict, heading: str, booking: BookingDetail, session: SessionRow | None = None
) -> ResponseReturnValue:
    """The refusal in words with the ways on: to the booking, and to where a ``session`` was moved."""
    form = VersionedForm(formdata=None)
    form.refuse(in_words(error))
    return render_template("desk/refused.html", heading=heading, booking=booking, session=session, form=form), 409
