"""Demand: places asked for and not served, and keeping one."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from flask import Blueprint, abort, flash, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import lazy_gettext as _l

from webapp.bookings.demand import DemandRow, demand_by_place, keep_demand
from webapp.bookings.rules import EnquiryStatus
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import current_actor, requires
from webapp.web.forms import BaseForm, ChoiceSelectField, IdField, LocationField, TextField, needed
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

bp = Blueprint("demand", __name__, url_prefix="/enquiries/demand")

SPANS: Final[dict[int, Any]] = {30: _l("30 days"), 90: _l("90 days"), 365: _l("Twelve months"), 0: _l("All times")}
"""How far back one looks, in days; 0 for ever."""
USUAL: Final = 365


class DemandFilter(BaseForm):
    """How far back, read from the address."""

    days = ChoiceSelectField(_l("Asked within"), coerce=int, default=USUAL, choices=tuple(SPANS.items()))


class KeepForm(BaseForm):
    """A place to keep, as the page that answered about it sends it."""

    key = IdField(validators=[needed()])
    place = LocationField(_l("Place"), [needed()])
    address = TextField(_l("Address"), max_length=400)


@dataclass(frozen=True, slots=True)
class DemandPage:
    """One page of places; ``several_operators`` where the enquiries of more than one are counted."""

    page: Page[DemandRow]
    filtered: bool
    several_operators: bool


@bp.get("")
@requires(Permission.BOOKING_READ)
def index() -> ResponseReturnValue:
    """Where people asked for lessons that nobody gives there; the company counts everybody's enquiries (rule Z4)."""
    args, actor = page_args(request.args), current_actor()
    form = DemandFilter(request.args if "days" in request.args else None, meta={"csrf": False})
    valid = "days" not in request.args or form.validate()
    days = form.days.data if valid and form.days.data is not None else USUAL
    since = clock.now() - timedelta(days=days) if days else None
    with read_only() as db:
        rows, total = demand_by_place(db, since=since, limit=args.limit, offset=args.offset, visible_to=actor)
    page = DemandPage(args.page_of(rows, total), filtered=bool(days), several_operators=actor.sees_all_enquiries)
    return render_page_or_fragment(
        "bookings/demand.html", "bookings/_demand.html", status=200 if valid else 422, page=page, form=form
    )


@bp.post("")
@requires(Permission.BOOKING_WRITE)
def keep() -> ResponseReturnValue:
    """Keep a place that somebody asked for, with what is known of it."""
    form = KeepForm()
    if not form.validate():
        abort(400)  # nobody typed this: the page that answered wrote all of it
    with unit_of_work() as work:
        status = keep_demand(
            work,
            form.place.data,
            address=form.address.data or "",
            key=form.key.data,
            by=current_actor(),
            now=clock.now(),
        )
    if status is EnquiryStatus.OTHER_OPERATOR:
        flash(_("The enquiry is recorded."))
        return redirect_after(url_for("bookings.enquiries"))
    flash(_("Kept as demand."))
    return redirect_after(url_for(".index"))
