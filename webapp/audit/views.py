"""The audit log: searched, exported, and its chain computed again. For admins and auditors, who see all of it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.audit import exporting, words
from webapp.audit import service as audit
from webapp.audit.forms import FIELDS, LogFilterForm, Offered, VerifyForm
from webapp.audit.queries import log as queries
from webapp.audit.queries.log import LogFilter, Logged, Place
from webapp.audit.queries.seals import ChainHead, chain_head
from webapp.audit.rules import side_by_side
from webapp.audit.verifying import Verdict, verify
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Invalid
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import current_actor, requires
from webapp.web.beside import Question
from webapp.web.csv_export import csv_lines, download
from webapp.web.htmx import is_htmx, redirect_after, render_page_or_fragment

bp = Blueprint("audit", __name__, url_prefix="/audit")
for name in ("fault_words", "kept_look", "source_words", "actor_words", "subject_url", "value_words"):
    bp.add_app_template_global(getattr(words, name), name)
bp.add_app_template_global(side_by_side, "side_by_side")

PEOPLE_CALLED: Question[[Session, str, Actor], frozenset[UUID]] = Question("audit.people_called")
OPERATORS: Question[[Session, Actor], Mapping[UUID, str]] = Question("audit.operators")
TIME_ZONES: Question[[Session, Actor], tuple[str, ...]] = Question("audit.time_zones")

PAGE: Final = 25
STEP_SECONDS: Final = 5.0
"""How long one request computes the chain before it answers how far it came; the page then asks for the next step."""


def _url(endpoint: str, asked: Mapping[str, str], **more: Any) -> str:
    return url_for(endpoint, **{**more, **asked})


@dataclass(frozen=True, slots=True)
class LogPage:
    """One page of the log. ``older`` is where the next one begins, ``None`` on the last."""

    entries: tuple[Logged, ...]
    operators: Mapping[UUID, str]
    whats: tuple[str, ...]
    chain: ChainHead
    zone: str
    from_top: bool
    older: Place | None
    asked: Mapping[str, str]

    @property
    def older_url(self) -> str | None:
        """The address of the next page, its filters kept."""
        return _url("audit.index", self.asked, behind=str(self.older)) if self.older else None

    @property
    def newest_url(self) -> str:
        """The address of the first page, its filters kept."""
        return _url("audit.index", self.asked)

    @property
    def export_url(self) -> str:
        """The address of the export of what is asked for."""
        return _url("audit.export", self.asked)


@dataclass(frozen=True, slots=True)
class ExportPage:
    """How many entries the filter finds; ``too_many`` for one file."""

    count: int
    most: int
    asked: Mapping[str, str]

    @property
    def too_many(self) -> bool:
        """The filter finds more than one file may hold."""
        return self.count > self.most


@dataclass(frozen=True, slots=True)
class ChainCard:
    """Where the chain ends, or what was found when it was computed again."""

    chain: ChainHead
    verdict: Verdict | None = None


@bp.get("")
@requires(Permission.AUDIT_READ)
def index() -> ResponseReturnValue:
    """The log, newest first; the address keeps what is looked for and how far down one is."""
    actor, behind = current_actor(), Place.read(request.args.get("behind", ""))
    with read_only() as db:
        form, offered, whats = _filter(db, actor)
        sound = form.validate()
        wanted = _wanted(db, form, whats, actor) if sound else None
        found: tuple[Logged, ...] = ()
        if wanted is not None:
            found = queries.logged(db, wanted, visible_to=actor, limit=PAGE + 1, behind=behind)
        page = LogPage(
            entries=found[:PAGE],
            operators=offered.operators,
            whats=whats,
            chain=chain_head(db),
            zone=form.time_zone,
            from_top=behind is None,
            older=found[PAGE - 1].place if len(found) > PAGE else None,
            asked=_asked(),
        )
    card, verifying = ChainCard(page.chain), VerifyForm(formdata=None)
    return render_page_or_fragment(
        "audit/index.html",
        "audit/_list.html",
        status=200 if sound else 422,
        page=page,
        form=form,
        card=card,
        verifying=verifying,
    )


@bp.post("/verify")
@requires(Permission.AUDIT_VERIFY)
def verify_chain() -> ResponseReturnValue:
    """Compute the chain again and say what was found; a long one in steps."""
    form, actor = VerifyForm(), current_actor()
    try:
        head = form.to_head() if form.validate() else None
    except Invalid as error:
        form.refuse(error)
    if form.errors:
        with read_only() as db:
            return _chain(ChainCard(chain_head(db)), form, status=422)
    until = time.monotonic() + STEP_SECONDS
    with read_only() as db:
        verdict = verify(db, head=head, behind=form.to_behind(), enough=lambda: time.monotonic() > until)
    _note_verdict(verdict, actor)
    form.behind.data = str(verdict.last)
    if verdict.head_met:
        form.head.data = ""
    return _chain(ChainCard(ChainHead(verdict.last, verdict.head), verdict), form)


@bp.get("/export")
@requires(Permission.AUDIT_EXPORT)
def export() -> ResponseReturnValue:
    """How much would be exported, and as what."""
    with read_only() as db:
        form, page, _nothing = _export(db, current_actor())
    status = 422 if form.errors else 200
    return make_response(render_template("audit/export.html", page=page, form=form), status)


@bp.post("/export")
@requires(Permission.AUDIT_EXPORT)
def export_file() -> ResponseReturnValue:
    """The file, as CSV or (``as=jsonl``) as JSON lines; the export itself is an entry of the log."""
    actor, as_lines = current_actor(), request.form.get("as") == "jsonl"
    with read_only() as db:
        _form, page, wanted = _export(db, actor)
        operators = OPERATORS(db, actor)
    if wanted is None or page.too_many:
        return redirect_after(_url("audit.export", page.asked))
    ending = "jsonl" if as_lines else "csv"
    _note(actor, "audit.exported", {"as": ending, "count": page.count, "filter": page.asked})
    found = exporting.entries(wanted, actor=actor)
    name = f"audit-{clock.now():%Y-%m-%d-%H%M}.{ending}"
    if as_lines:
        return download(name, exporting.json_lines(found), mimetype="application/jsonl")
    return download(name, csv_lines(exporting.HEADING, exporting.csv_rows(found, operators)))


def _filter(db: Session, actor: Actor) -> tuple[LogFilterForm, Offered, tuple[str, ...]]:
    """The filter in the address with its lists filled, and everything that ever happened."""
    form = LogFilterForm(request.args)
    whats, kinds = queries.known_words(db)
    offered = Offered(OPERATORS(db, actor), kinds, TIME_ZONES(db, actor))
    form.offer(offered)
    return form, offered, whats


def _wanted(db: Session, form: LogFilterForm, whats: tuple[str, ...], actor: Actor) -> LogFilter:
    """What a sound filter asks for."""
    people: frozenset[UUID] | None = None
    if form.person_id is not None:
        people = frozenset({form.person_id})
    elif form.who.data and not form.asks_for_system:
        people = PEOPLE_CALLED(db, form.who.data, actor)
    begins = (form.what.data or "").lower()
    return LogFilter(
        people=people,
        system=form.asks_for_system,
        subject_id=form.subject.data,
        kind=form.kind.data,
        what=frozenset(what for what in whats if what.startswith(begins)) if begins else None,
        since=form.starts_at,
        until=form.ends_at,
        operator_id=form.operator.data,
    )


def _export(db: Session, actor: Actor) -> tuple[LogFilterForm, ExportPage, LogFilter | None]:
    """The filter, what it finds, and what to export: what is written from now on stays out of it."""
    form, _offered, whats = _filter(db, actor)
    wanted, count = None, 0
    if form.validate():
        wanted = _wanted(db, form, whats, actor).before(new_id())
        count = queries.how_many(db, wanted, visible_to=actor, most=exporting.MOST)
    return form, ExportPage(count, exporting.MOST, _asked()), wanted


def _asked() -> dict[str, str]:
    """What the address asks for, without where the page begins."""
    return {name: value for name, value in request.args.items() if name in FIELDS and value}


def _chain(card: ChainCard, form: VerifyForm, *, status: int = 200) -> ResponseReturnValue:
    template = "audit/_chain.html" if is_htmx() else "audit/chain.html"
    return make_response(render_template(template, card=card, verifying=form, form=form), status)


def _note_verdict(verdict: Verdict, actor: Actor) -> None:
    found: dict[str, Any] = {"first": verdict.first, "last": verdict.last, "whole": verdict.broken is None}
    if verdict.broken is not None:
        found |= {"fault": verdict.broken.fault, "position": verdict.broken.position, "entry": verdict.broken.entry_id}
    _note(actor, "audit.verified", found)


def _note(actor: Actor, what: str, after: dict[str, Any]) -> None:
    """Write what somebody did with the log into it; its subject is the company, whose log it is."""
    own = actor.operator_id or COMPANY_ID
    with unit_of_work() as work:
        audit.record(work, what, "audit", COMPANY_ID, operator_id=own, by=actor, after=after, at=clock.now())
