"""Which sessions need another trainer, or have none yet."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import groupby
from uuid import UUID

from flask import render_template, request
from flask.typing import ResponseReturnValue

from webapp.assignments.queries.cover import UncoveredSession, needs_cover
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.db.work import read_only
from webapp.desk.views.blueprint import bp
from webapp.web.access import current_actor, requires
from webapp.web.pagination import Page, page_args


@dataclass(frozen=True, slots=True)
class CoverPage:
    """The sessions that need cover, earliest first."""

    page: Page[UncoveredSession]

    @property
    def runs(self) -> dict[UUID, tuple[UUID, ...]]:
        """Neighbouring sessions of one booking and trainer that nobody is proposed for, by the first of each run."""
        waiting = groupby(self.page.items, key=lambda s: (s.booking_id, s.trainer_id, s.proposed_id))
        runs = [tuple(session.session_id for session in run) for key, run in waiting if key[2] is None]
        return {run[0]: run for run in runs}


@bp.get("/cover")
@requires(Permission.SESSION_READ)
def cover() -> ResponseReturnValue:
    """Sessions whose trainer is away or has left, whatever was booked before, and those nobody has."""
    args = page_args(request.args)
    with read_only() as db:
        rows, total = needs_cover(db, now=clock.now(), limit=args.limit, offset=args.offset, visible_to=current_actor())
    return render_template("desk/cover.html", cover=CoverPage(args.page_of(rows, total)))
