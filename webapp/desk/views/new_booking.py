"""New booking: one page, re-drawn piece by piece while somebody is on the phone, whole without JavaScript."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask import flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.assignments.rules import Verdict
from webapp.audit import reading
from webapp.bookings.enquiries import record_enquiry
from webapp.bookings.queries import EnquiryRow, enquiry
from webapp.bookings.rules import EnquiryStatus
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.names import search_words
from webapp.courses.queries import active_courses
from webapp.db.work import read_only, retrying, unit_of_work
from webapp.desk import service
from webapp.desk.forms import AUTOMATIC, BookingForm
from webapp.desk.places import cities
from webapp.desk.queries.booking import BookingDetail
from webapp.desk.queries.plan import Plan, plan_of
from webapp.desk.views.blueprint import _, bp, in_words, limits
from webapp.households.queries import HouseholdDetail, HouseholdRow, household, households_index
from webapp.web.access import current_actor, requires
from webapp.web.htmx import is_htmx, redirect_after, render_page_or_fragment
from webapp.zones.queries import ZoneAt
from webapp.zones.remembered import serving_zones

_FOUND = 6


class Do(StrEnum):
    """What the pressed button asks for."""

    CHECK = "check"
    FIND = "find"
    PROPOSE = "propose"
    WAIT = "wait"
    DRAFT = "draft"
    ENQUIRY = "enquiry"


@dataclass(frozen=True, slots=True)
class NewBookingPage:
    """What the page shows beside the form.

    ``found`` are families that match what was looked for, ``None`` when nothing was. ``booking`` is set where one is
    being corrected, ``enquiry`` where one becomes a booking. ``checked``: somebody asked for an answer.
    """

    plan: Plan
    family: HouseholdDetail | None
    found: tuple[HouseholdRow, ...] | None
    action: str
    preview: str
    booking: BookingDetail | None = None
    enquiry: EnquiryRow | None = None
    chosen: Verdict | None = None
    automatic: bool = False
    city: str | None = None

    @property
    def can_book(self) -> bool:
        """Whether the place is one this person may book in."""
        return self.plan.zone is not None


@bp.get("/bookings/new")
@requires(Permission.BOOKING_WRITE)
def new_booking() -> ResponseReturnValue:
    """An empty form, or one that starts from a family (``?household=``) or an enquiry (``?enquiry=``)."""
    actor = current_actor()
    with read_only() as db:
        known = _asked_for(db, actor)
        form = BookingForm(formdata=None, courses=active_courses(db), **known)
    around = _around(form)
    with read_only() as db:
        page = _page(db, form, actor, around)
    _shown(page, actor)
    return render_template("desk/new_booking.html", page=page, form=form)


@bp.post("/bookings/new/preview")
@requires(Permission.BOOKING_WRITE)
def preview() -> ResponseReturnValue:
    """What follows from a form half filled: a fragment of the page, or without htmx the whole page.

    ``?part=family`` answers with the family group, otherwise it is the panel.
    """
    return answer_preview(None)


@bp.post("/bookings/new")
@requires(Permission.BOOKING_WRITE)
def create_booking() -> ResponseReturnValue:
    """Book, keep an enquiry, or only check, as the button says."""
    actor = current_actor()
    do, form = pressed(), sent_form(actor)
    sound = form.validate()
    if do in (Do.DRAFT, Do.ENQUIRY):
        return _keep_enquiry(form, do, actor, sound=sound)
    if do not in (Do.PROPOSE, Do.WAIT):
        return show_form(form, actor, do=do)
    demanded = form.demand(form.missing_for_proposal() if do is Do.PROPOSE else form.missing_for_booking())
    if not (sound and demanded):
        return show_form(form, actor, do=do, status=422)
    command, ask, now = form.to_command(), form.to_ask(propose=do is Do.PROPOSE), clock.now()
    try:
        booked = retrying(lambda work: service.book(work, command, ask, by=actor, now=now, limits=limits()))
    except Conflict as error:
        if error.code == "booking-placed":
            return _placed_already(command.id, actor)
        return refuse(form, error, actor, do)
    except (Invalid, NotFound) as error:
        return refuse(form, error, actor, do)
    return tell(booked, asked=ask.propose)


def _placed_already(booking_id: UUID, actor: Actor) -> ResponseReturnValue:
    """The form was sent twice at once and the other one won: go to what it made.

    Raises ``NotFound`` for a stranger's booking.
    """
    with unit_of_work() as work:
        booked = service.placed_before(work, booking_id, by=actor)
    if booked is None:
        raise NotFound()
    return tell(booked, asked=False)


def tell(booked: service.Booked, *, asked: bool) -> ResponseReturnValue:
    """Go to the booking's page and say there what became of it."""
    proposed = booked.proposed
    if booked.again:
        flash(_("This booking is already placed: %(reference)s.", reference=booked.reference))
    elif proposed is not None and proposed.assignment_id is not None:
        places = {"trainer": proposed.trainer_name, "reference": booked.reference}
        flash(_("%(trainer)s is proposed for %(reference)s.", **places))
    elif asked:
        flash(_("Nobody is free any more: %(reference)s is on the waitlist.", reference=booked.reference))
    else:
        flash(_("%(reference)s is on the waitlist.", reference=booked.reference))
    return redirect_after(url_for("desk.booking", booking_id=booked.booking_id))


def refuse(
    form: BookingForm, error: Conflict | Invalid | NotFound, actor: Actor, do: Do, booking: BookingDetail | None = None
) -> ResponseReturnValue:
    """The form again with everything kept, a fresh list of trainers, and above it why it did not happen."""
    if isinstance(error, NotFound):
        error = Conflict("gone", "Something you chose is gone meanwhile. Check family, students and course.")
    form.refuse(in_words(error))
    status = 422 if isinstance(error, Invalid) else 409
    return show_form(form, actor, do=do, status=status, booking=booking)


def answer_preview(booking: BookingDetail | None) -> ResponseReturnValue:
    """The fragment asked for, drawn from the form as it stands; the whole page without htmx."""
    actor = current_actor()
    do, form = pressed(), sent_form(actor, booking)
    form.validate()
    if not is_htmx():
        return show_form(form, actor, do=do, booking=booking)
    family_only = request.args.get("part") == "family"
    around = _around(form)
    with read_only() as db:
        page = _page(db, form, actor, around, do=do, booking=booking, trainers=not family_only)
    if family_only:
        _shown(page, actor)
    name = "desk/_family.html" if family_only else "desk/_plan.html"
    return make_response(render_template(name, page=page, form=form, bare=True))


def show_form(
    form: BookingForm,
    actor: Actor,
    *,
    do: Do = Do.CHECK,
    status: int = 200,
    booking: BookingDetail | None = None,
) -> ResponseReturnValue:
    """The page, or the form alone for htmx."""
    around = _around(form)
    with read_only() as db:
        page = _page(db, form, actor, around, do=do, booking=booking)
    _shown(page, actor)
    return render_page_or_fragment(
        "desk/new_booking.html", "desk/_booking_form.html", status=status, page=page, form=form
    )


def _shown(page: NewBookingPage, actor: Actor) -> None:
    """Note whose contacts the page shows: the chosen family's, and those of the families found."""
    on = "desk.edit" if page.booking else "desk.new_booking"
    if page.family is not None:
        reading.household_read(page.family.id, page.family.operator_id, by=actor, on=on)
    reading.listed("household.listed", [row.id for row in page.found or ()], by=actor, about={"searched": True})


def sent_form(actor: Actor, booking: BookingDetail | None = None) -> BookingForm:
    """The form as it was sent, with the family it names if the actor may see it."""
    with read_only() as db:
        form = BookingForm(courses=active_courses(db))
        chosen = booking.household_id if booking else form.household.data
        form.with_family(_family(db, chosen, actor))
    form.apply(request.form.get("fix"))
    return form


def _family(db: Session, household_id: UUID | None, actor: Actor) -> HouseholdDetail | None:
    """A family, ``None`` for one that is not there or not the actor's: the field then says "choose from the list"."""
    if household_id is None:
        return None
    try:
        return household(db, household_id, visible_to=actor)
    except NotFound:
        return None


def pressed() -> Do:
    """What the pressed button asks for; a check when it says nothing known."""
    try:
        return Do(request.form.get("do", ""))
    except ValueError:
        return Do.CHECK


def _asked_for(db: Session, actor: Actor) -> dict[str, Any]:
    """What the address says to start from. Raises ``NotFound`` for a family or enquiry that is not the actor's."""
    if household_id := request.args.get("household"):
        found = household(db, _uuid(household_id), visible_to=actor)
        only = tuple(student.id for student in found.students) if len(found.students) == 1 else ()
        return {"household": found.id, "student_ids": only}
    if enquiry_id := request.args.get("enquiry"):
        kept = enquiry(db, _uuid(enquiry_id), visible_to=actor)
        return {
            "enquiry": kept.id,
            "guardian_name": kept.guardian_name,
            "phone": kept.phone or None,
            "address": kept.address,
            "location": kept.place,
            "course": kept.course_id,
        }
    return {}


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError as error:
        raise NotFound() from error


def _around(form: BookingForm) -> tuple[ZoneAt, ...]:
    """The zones around the form's place, mostly remembered; asked for before the page opens its transaction."""
    return serving_zones(form.place) if form.place is not None else ()


def _page(
    db: Session,
    form: BookingForm,
    actor: Actor,
    around: tuple[ZoneAt, ...],
    *,
    do: Do = Do.CHECK,
    booking: BookingDetail | None = None,
    trainers: bool = True,
) -> NewBookingPage:
    """Look everything up that the page shows: at most nine statements."""
    if form.family is None and not form.is_submitted():
        form.with_family(_family(db, form.household.data, actor))
    found = None
    if do is Do.FIND or (not trainers and form.find.data):
        search = search_words(form.find.data or "") if not form.find.errors else ""
        found = households_index(db, visible_to=actor, search=search, limit=_FOUND)[0] if search else ()
    plan = plan_of(
        db,
        form.to_wish(booking_id=booking.id if booking else None),
        visible_to=actor,
        now=clock.now(),
        limits=limits(),
        trainers=trainers and do is not Do.FIND,
        by_free=request.form.get("grid") == "free",
        around=around,
    )
    if plan.zone is None or form.zone_id.data not in {zone.id for zone in plan.zones[1:]}:
        form.zone_id.data = None
    automatic = form.trainer.data == AUTOMATIC
    chosen = None
    if plan.trainers is not None and not automatic:
        chosen = plan.trainers.named(form.trainer_id) or plan.trainers.best
    city = cities().get(form.city.data or "")
    return NewBookingPage(
        plan=plan,
        family=form.family,
        found=found,
        action=url_for("desk.edit", booking_id=booking.id) if booking else url_for("desk.create_booking"),
        preview=url_for("desk.edit_preview", booking_id=booking.id) if booking else url_for("desk.preview"),
        booking=booking,
        enquiry=enquiry(db, form.enquiry.data, visible_to=actor) if form.enquiry.data else None,
        chosen=chosen,
        automatic=automatic,
        city=city.title if city and form.by_city else None,
    )


def _keep_enquiry(form: BookingForm, do: Do, actor: Actor, *, sound: bool) -> ResponseReturnValue:
    """Keep what fits: an interrupted call as a draft, or demand that this desk cannot serve."""
    if not (sound and form.demand(form.missing_for_enquiry())):
        return show_form(form, actor, do=do, status=422)
    now = clock.now()
    with read_only() as db:
        wish = form.to_wish()
        plan = plan_of(db, wish, visible_to=actor, now=now, limits=limits(), trainers=False)
    status = EnquiryStatus.DRAFT
    if do is Do.ENQUIRY and plan.elsewhere is not None:
        status = EnquiryStatus.OTHER_OPERATOR
    elif do is Do.ENQUIRY and plan.outside:
        status = EnquiryStatus.SERVICE_NOT_AVAILABLE
    with unit_of_work() as work:
        record_enquiry(work, form.to_enquiry(status, plan.elsewhere), by=actor, now=now)
    if status is EnquiryStatus.DRAFT:
        flash(_("Saved as a draft. It is kept for 14 days under Enquiries."))
    else:
        flash(_("The enquiry is recorded."))
    return redirect_after(url_for("bookings.enquiries"))
