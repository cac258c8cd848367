"""Whether a booking on the waitlist is retried by itself."""

from __future__ import annotations

from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.assignments import waitlist
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.db.work import retrying
from webapp.desk.forms.fields import version_of
from webapp.desk.views.blueprint import _, bp
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after


@bp.post("/bookings/<uuid:booking_id>/retried")
@requires(Permission.BOOKING_WRITE)
def set_retried(booking_id: UUID) -> ResponseReturnValue:
    """Let freed capacity retry the booking (``on`` is 1), or keep it for somebody to decide on."""
    on, version = request.form.get("on") == "1", version_of(request.form.get("version"))
    actor, now = current_actor(), clock.now()
    retrying(lambda work: waitlist.set_retried(work, booking_id, on=on, version=version, by=actor, now=now))
    if on:
        flash(_("It is retried by itself when a trainer becomes free."))
    else:
        flash(_("It waits for you now."))
    return redirect_after(url_for("desk.booking", booking_id=booking_id))
