"""The list of bookings and the list of enquiries. A booking's own page reads higher rooms and lives at the desk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit import reading
from webapp.bookings import queries, words
from webapp.bookings.enquiries import close_enquiry as close
from webapp.bookings.forms import booking_filter, enquiry_status
from webapp.bookings.queries import BookingFilter, BookingRow, EnquiryRow
from webapp.bookings.rules import BookingStatus, EnquiryStatus
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.courses.queries import CourseRow, active_courses
from webapp.db.work import read_only, unit_of_work
from webapp.households.words import language_name
from webapp.web.access import current_actor, requires
from webapp.web.forms import BaseForm
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _
from webapp.zones.queries import ZoneChoice, zone_choices

bp = Blueprint("bookings", __name__)
bp.add_app_template_global(words.class_type_word, "class_type_word")
bp.add_app_template_global(words.delivery_mode_word, "delivery_mode_word")
bp.add_app_template_global(language_name, "language_name")
bp.add_app_template_global(words.wish_words, "wish_words")


@dataclass(frozen=True, slots=True)
class BookingsPage:
    """One page of the list, the filter that made it and what may be filtered by."""

    page: Page[BookingRow]
    filter: BookingFilter
    zones: tuple[ZoneChoice, ...]
    courses: tuple[CourseRow, ...]
    several_operators: bool

    @property
    def statuses(self) -> tuple[tuple[BookingStatus, object], ...]:
        """Every status and its word."""
        return tuple(words.STATUSES.items())

    @property
    def zone_options(self) -> tuple[tuple[UUID, str], ...]:
        """Every zone to choose."""
        return tuple((zone.id, zone.title) for zone in self.zones)

    @property
    def course_options(self) -> tuple[tuple[UUID, str], ...]:
        """Every course to choose."""
        return tuple((course.id, course.name) for course in self.courses)


@dataclass(frozen=True, slots=True)
class EnquiriesPage:
    """One page of enquiries. ``mine`` is the operator whose enquiries may be closed; ``None`` means any."""

    page: Page[EnquiryRow]
    status: EnquiryStatus | None
    everything: bool
    mine: UUID | None
    several_operators: bool
    today: date
    now: datetime

    @property
    def statuses(self) -> tuple[tuple[EnquiryStatus, object], ...]:
        """Every status and its word."""
        return tuple(words.ENQUIRY_STATUSES.items())


@bp.get("/bookings")
@requires(Permission.BOOKING_READ)
def index() -> ResponseReturnValue:
    """Bookings, filtered by what the address says."""
    args, wanted, actor = page_args(request.args), booking_filter(request.args), current_actor()
    with read_only() as db:
        rows, total = queries.bookings_index(db, wanted, limit=args.limit, offset=args.offset, visible_to=actor)
        page = BookingsPage(
            page=args.page_of(rows, total),
            filter=wanted,
            zones=zone_choices(db, visible_to=actor),
            courses=active_courses(db),
            several_operators=actor.sees_everything,
        )
    return render_page_or_fragment("bookings/index.html", "bookings/_list.html", page=page)


@bp.get("/enquiries")
@requires(Permission.BOOKING_READ)
def enquiries() -> ResponseReturnValue:
    """Enquiries: the open ones unless the address asks for others."""
    args, actor, now = page_args(request.args), current_actor(), clock.now()
    status, everything = enquiry_status(request.args)
    with read_only() as db:
        rows, total = queries.enquiries_index(
            db,
            status=status,
            everything=everything,
            limit=args.limit,
            offset=args.offset,
            visible_to=actor,
        )
    named = [row.id for row in rows if row.phone or row.guardian_name]
    reading.listed("enquiry.listed", named, by=actor, about={"page": args.number})
    page = EnquiriesPage(
        page=args.page_of(rows, total),
        status=status,
        everything=everything,
        mine=None if actor.sees_everything else actor.operator_id,
        several_operators=actor.sees_all_enquiries,
        today=now.date(),
        now=now,
    )
    return render_page_or_fragment("bookings/enquiries.html", "bookings/_enquiries.html", page=page)


@bp.post("/enquiries/<uuid:enquiry_id>/close")
@requires(Permission.BOOKING_WRITE)
def close_enquiry(enquiry_id: UUID) -> ResponseReturnValue:
    """Close an enquiry nobody will book."""
    BaseForm().validate()
    with unit_of_work() as work:
        close(work, enquiry_id, by=current_actor(), now=clock.now())
    flash(_("The enquiry is closed."))
    return redirect_after(url_for(".enquiries"))
