"""Pages of the operators: the company and its franchises."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, render_template, request
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.core.actor import Actor, Permission
from webapp.db.work import read_only
from webapp.operators import queries
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question
from webapp.web.pagination import Page, page_args

bp = Blueprint("operators", __name__, url_prefix="/operators")

Counts = Mapping[UUID, int]
ZONES_BY: Question[[Session, Actor], Counts] = Question("operators.zones_by")
TRAINERS_BY: Question[[Session, Actor], Counts] = Question("operators.trainers_by")
STAFF_BY: Question[[Session, Actor], Counts] = Question("operators.staff_by")
BOOKINGS_BY: Question[[Session, Actor], Counts] = Question("operators.bookings_by")


@dataclass(frozen=True, slots=True)
class OperatorCounts:
    """How many active zones, trainers and accounts, and live bookings, by operator."""

    zones: Counts
    trainers: Counts
    staff: Counts
    bookings: Counts


@dataclass(frozen=True, slots=True)
class OperatorsPage:
    """The list."""

    page: Page[queries.OperatorRow]
    counts: OperatorCounts


@dataclass(frozen=True, slots=True)
class OperatorPage:
    """One operator."""

    operator: queries.OperatorRow
    counts: OperatorCounts


def _counts(db: Session, actor: Actor) -> OperatorCounts:
    return OperatorCounts(ZONES_BY(db, actor), TRAINERS_BY(db, actor), STAFF_BY(db, actor), BOOKINGS_BY(db, actor))


@bp.get("")
@requires(Permission.OPERATOR_READ)
def index() -> ResponseReturnValue:
    """The operators the actor may see."""
    actor, args = current_actor(), page_args(request.args)
    with read_only() as db:
        rows, total = queries.operators_index(db, visible_to=actor, limit=args.limit, offset=args.offset)
        page = OperatorsPage(args.page_of(rows, total), _counts(db, actor))
    return render_template("operators/index.html", page=page)


@bp.get("/<uuid:operator_id>")
@requires(Permission.OPERATOR_READ)
def show(operator_id: UUID) -> ResponseReturnValue:
    """One operator."""
    actor = current_actor()
    with read_only() as db:
        page = OperatorPage(queries.operator_seen_by(db, operator_id, visible_to=actor), _counts(db, actor))
    return render_template("operators/show.html", page=page)
