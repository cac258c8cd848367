"""The day's sessions and their attendance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from uuid import UUID

from flask import Blueprint, current_app, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue
from flask_babel import gettext as _

from webapp.audit import reading
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Invalid
from webapp.course_sessions import queries, service
from webapp.course_sessions.forms import AttendanceForm, attendance_form
from webapp.db.work import Work, read_only, retrying
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args

bp = Blueprint("course_sessions", __name__, url_prefix="/sessions")


@dataclass(frozen=True, slots=True)
class DayPage:
    """A day's sessions, or with ``waiting`` all that wait for attendance; ``on`` None is today in every zone."""

    page: Page[queries.SessionRow]
    on: date | None
    waiting: bool
    waiting_total: int
    today: date
    now: datetime

    @property
    def shown_on(self) -> date:
        """The day in the title."""
        return self.on or self.today

    @property
    def before(self) -> date:
        """The day before the one shown."""
        return self.shown_on - timedelta(days=1)

    @property
    def after(self) -> date:
        """The day after the one shown."""
        return self.shown_on + timedelta(days=1)


@dataclass(frozen=True, slots=True)
class SessionPage:
    """One session and whether its attendance can be marked now."""

    session: queries.SessionRow
    now: datetime

    @property
    def open(self) -> bool:
        """Whether the form is shown."""
        return self.session.open_at(self.now)

    @property
    def ahead(self) -> bool:
        """Whether it can still be changed."""
        return self.session.ahead_at(self.now)


def _day(text: str) -> date | None:
    """The day an address asks for; ``None`` for rubbish and for years nobody teaches in."""
    try:
        on = date.fromisoformat(text)
    except ValueError:
        return None
    return on if 2000 <= on.year < 2200 else None


@bp.get("")
@requires(Permission.SESSION_READ)
def index() -> ResponseReturnValue:
    """The sessions of a day (``?on=2027-01-04``), or those waiting for attendance (``?view=waiting``)."""
    now, args, actor = clock.now(), page_args(request.args), current_actor()
    on, waiting = _day(request.args.get("on", "")), request.args.get("view") == "waiting"
    with read_only() as db:
        limits = {"limit": args.limit, "offset": args.offset}
        if waiting:
            rows, total = queries.waiting_for_attendance(db, now=now, visible_to=actor, **limits)
            waiting_total = total
        else:
            rows, total = queries.sessions_on(db, on, now=now, visible_to=actor, **limits)
            _none, waiting_total = queries.waiting_for_attendance(db, now=now, limit=1, visible_to=actor)
    day = DayPage(args.page_of(rows, total), on, waiting, waiting_total, now.date(), now)
    return render_template("course_sessions/index.html", day=day)


@bp.get("/<uuid:session_id>")
@requires(Permission.SESSION_READ)
def show(session_id: UUID) -> ResponseReturnValue:
    """One session with its attendance."""
    with read_only() as db:
        session = queries.session_row(db, session_id, visible_to=current_actor())
    on = "course_sessions.show"
    reading.household_read(session.household_id, session.operator_id, by=current_actor(), on=on)
    return _render(session, attendance_form(session))


@bp.post("/<uuid:session_id>/attendance")
@requires(Permission.SESSION_ATTEND)
def mark(session_id: UUID) -> ResponseReturnValue:
    """Record what became of a session and who was there; then the next one that waits."""
    actor = current_actor()
    with read_only() as db:
        session = queries.session_row(db, session_id, visible_to=actor)
    form = attendance_form(session)
    if not form.validate_on_submit():
        return _render(session, form, status=422)
    outcome, marks = form.to_outcome(), form.to_marks(session)

    def task(work: Work) -> None:
        service.mark(
            work,
            session_id,
            outcome,
            marks,
            by=actor,
            now=clock.now(),
            on_completed=current_app.extensions["on_booking_completed"],
        )

    try:
        retrying(task)
    except Invalid as error:
        form.refuse(error)
        return _render(session, form, status=422)
    flash(_("Session %(number)s of %(reference)s is recorded.", number=session.number, reference=session.reference))
    return redirect_after(url_for(".index", on=session.date.isoformat()))


def _render(session: queries.SessionRow, form: AttendanceForm, *, status: int = 200) -> ResponseReturnValue:
    page = SessionPage(session, clock.now())
    return render_page_or_fragment(
        "course_sessions/show.html", "course_sessions/_attendance.html", status=status, page=page, form=form
    )
