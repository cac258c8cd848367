"""Pages of the synchronisation with the trainer service: how it goes, who is in quarantine, what names mean here."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final
from uuid import UUID

from flask import Blueprint, Flask, Response, current_app, flash, make_response, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue
from sqlalchemy import Select

from webapp.clients.trainer_service.http import INTERACTIVE, trainer_service_from
from webapp.clients.trainer_service.said import LegacyPage, ServiceFailed
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.db.work import Work, read_only, retrying
from webapp.trainers import sync_refusals as refusals
from webapp.trainers import sync_words as words
from webapp.trainers.sync_forms import LinkForm, StartForm, WhichNameForm
from webapp.trainers.sync_naming import link_page, targets
from webapp.trainers.sync_pages import LinkPage, ProgressPage, QuarantinePage, RunPage, ServiceCard, ServicePage
from webapp.trainers.sync_rules import Contract, LinkKind, RunCause, RunKind
from webapp.trainers.syncing import linking, names, reading, runs
from webapp.web import nav
from webapp.web.access import current_actor, requires
from webapp.web.forms import BaseForm
from webapp.web.htmx import is_htmx, redirect_after, render_page_or_fragment
from webapp.web.pagination import page_args
from webapp.web.words import _

bp = Blueprint("trainer_service", __name__, url_prefix="/trainers/service")
for name in words.IN_TEMPLATES:
    bp.add_app_template_global(getattr(words, name), f"sync_{name}")
for name in refusals.IN_TEMPLATES:
    bp.add_app_template_global(getattr(refusals, name), f"sync_{name}")

EVERYTHING: Final = "all"
"""``?runs=`` that shows every run."""


@bp.record_once
def _count_in_navigation(state: BlueprintSetupState) -> None:
    assert isinstance(state.app, Flask)
    nav.count_with(state.app, "trainer_service.index", _waiting)


def _waiting(actor: Actor) -> Select[int] | None:
    """How many trainers are in quarantine, for whoever may know and where there is a service."""
    wanted = actor.may(Permission.TRAINER_SYNC_READ) and _settings().trainer_service_url
    return reading.quarantined_count() if wanted else None


def _settings() -> Settings:
    settings: Settings = current_app.extensions["settings"]
    return settings


@bp.get("")
@requires(Permission.TRAINER_SYNC_READ)
def index() -> ResponseReturnValue:
    """How the synchronisation goes; while a run is open the page asks for its progress again (``?part=progress``)."""
    if is_htmx() and request.args.get("part") == "progress":
        return _progress()
    return _overview(StartForm(formdata=None))


@bp.post("/runs")
@requires(Permission.TRAINER_SYNC_RUN)
def start() -> ResponseReturnValue:
    """Ask for a run, unless one is open already."""
    actor, form = current_actor(), StartForm()
    if _settings().trainer_service_url is None:
        raise Conflict("no-trainer-service", "No trainer service is set up, so there is nobody to ask.")
    if not form.validate_on_submit():
        return _overview(form, status=422)
    kind, shrink = form.kind.data, bool(form.accept_shrink.data) and form.kind.data is RunKind.FULL

    def ask(work: Work) -> bool:
        one_is_open = reading.open_run(work.db) is not None
        runs.request(work, kind, RunCause.PERSON, by=actor, now=clock.now(), accept_shrink=shrink)
        return one_is_open

    if retrying(ask):
        flash(_("A synchronisation was under way already; it does what you asked for as well."))
    else:
        flash(_("Asked for: a worker begins within seconds."))
    return redirect_after(url_for(".index"))


@bp.post("/check")
@requires(Permission.TRAINER_SYNC_RUN)
def check() -> ResponseReturnValue:
    """Ask the service one small question, with the patience of a page, and say what came of it. Changes nothing."""
    settings = _settings()
    if settings.trainer_service_url is None:
        raise Conflict("no-trainer-service", "No trainer service is set up, so there is nobody to ask.")
    began = time.monotonic()
    try:
        answer = trainer_service_from(settings, profile=INTERACTIVE).first_page(since=clock.now(), etag=None)
    except ServiceFailed as failed:
        problem = failed.fault.value
        flash(f"{words.problem_words(problem)}. {words.remedy_words(problem)}", "error")
    else:
        contract = words.contract_word(Contract.LEGACY if isinstance(answer, LegacyPage) else Contract.BULK)
        took = words.took_words(timedelta(seconds=time.monotonic() - began))
        flash(_("It answers, within %(took)s. %(contract)s.", took=took, contract=contract))
    return redirect_after(url_for(".index"))


@bp.get("/runs/<uuid:run_id>")
@requires(Permission.TRAINER_SYNC_READ)
def run(run_id: UUID) -> ResponseReturnValue:
    """One run: what it cost, what went wrong, and what it changed trainer by trainer."""
    args = page_args(request.args)
    with read_only() as db:
        found = reading.run_page(db, run_id)
        changes, total = reading.changes_of(db, run_id, limit=args.limit, offset=args.offset)
        named = names.names_of(db, refusals.ids_in([change.facts for change in changes]))
    page = RunPage(found, args.page_of(changes, total), named)
    return render_page_or_fragment("trainers/service/run.html", "trainers/service/_run.html", page=page)


@bp.get("/quarantine")
@requires(Permission.TRAINER_SYNC_READ)
def quarantine() -> ResponseReturnValue:
    """Who is in quarantine, why, and what settles it; ``?reason=`` narrows the list."""
    args, code = page_args(request.args), request.args.get("reason")
    with read_only() as db:
        by_code = reading.quarantine_by_code(db)
        code = code if code in by_code else None
        rows = reading.quarantine(db, limit=args.limit, offset=args.offset, code=code)
        named = names.names_of(db, refusals.ids_in([row.facts for row in rows]))
    total = by_code[code] if code else sum(by_code.values())
    page = QuarantinePage(args.page_of(rows, total), by_code, code, named)
    return render_template("trainers/service/quarantine.html", page=page)


@bp.get("/names")
@requires(Permission.TRAINER_SYNC_READ)
def unlinked() -> ResponseReturnValue:
    """The names of the service that nobody has said the meaning of."""
    args = page_args(request.args)
    with read_only() as db:
        rows, total = names.unlinked(db, limit=args.limit, offset=args.offset)
    return render_template("trainers/service/names.html", page=args.page_of(rows, total))


@bp.get("/links")
@requires(Permission.TRAINER_SYNC_READ)
def links() -> ResponseReturnValue:
    """The names of the service that have a meaning here."""
    args = page_args(request.args)
    with read_only() as db:
        rows, total = names.links_index(db, limit=args.limit, offset=args.offset)
    return render_template("trainers/service/links.html", page=args.page_of(rows, total))


@bp.route("/links/new", methods=["GET", "POST"])
@requires(Permission.TRAINER_SYNC_RUN)
def link() -> ResponseReturnValue:
    """Say what a name of the service means here: which name stands in the address, its meaning in the form."""
    actor, which = current_actor(), WhichNameForm(request.args)
    if not which.validate():
        asked = bool(request.args)
        which = which if asked else WhichNameForm(formdata=None)
        return make_response(render_template("trainers/service/which.html", form=which), 422 if asked else 200)
    kind, name = which.kind.data, which.name.data or ""
    with read_only() as db:
        page = link_page(db, kind, name)
        form = LinkForm(kind, targets(db, kind, page.known, visible_to=actor))
    if not form.validate_on_submit():
        return _link(page, form, status=422 if form.is_submitted() else 200)
    target, moves = form.target.data, bool(form.moves.data)
    try:
        retrying(lambda work: linking.link(work, kind, name, target, moves=moves, by=actor, now=clock.now()))
    except (Conflict, Invalid) as error:
        form.refuse(error)
        with read_only() as db:  # perhaps somebody else was first: what the page shows is to be as it is now
            page = link_page(db, kind, name)
        return _link(page, form, status=422 if isinstance(error, Invalid) else 409)
    flash(_("Saved. Trainers who waited for this are on the roster now, unless something else is in their way."))
    return redirect_after(url_for(".unlinked" if kind is LinkKind.COURSE else ".quarantine"))


@bp.route("/links/<uuid:link_id>/remove", methods=["GET", "POST"])
@requires(Permission.TRAINER_SYNC_RUN)
def unlink(link_id: UUID) -> ResponseReturnValue:
    """Say what taking a meaning back means, and do it."""
    actor, form = current_actor(), BaseForm()
    if form.validate_on_submit():
        try:
            retrying(lambda work: linking.unlink(work, link_id, by=actor, now=clock.now()))
        except NotFound:  # pressed twice, or by two people
            flash(_("Taken back already."))
        else:
            flash(_("Taken back."))
        return redirect_after(url_for(".links"))
    with read_only() as db:
        known = names.link_page(db, link_id)
    return render_template("trainers/service/unlink.html", link=known, form=form)


def _progress() -> Response:
    """How far the run is that a page shows, which costs next to nothing; the whole overview once that says more."""
    with read_only() as db:
        run = reading.open_run(db)
    if run is not None and run.stage == request.args.get("stage"):
        page = ProgressPage(run, _everything(), page_args(request.args).number)
        return make_response(render_template("trainers/service/_watched.html", page=page))
    response = _overview(StartForm(formdata=None))
    response.headers["HX-Retarget"], response.headers["HX-Reswap"] = "#sync-state", "outerMorph"
    return response


def _everything() -> bool:
    return request.args.get("runs") == EVERYTHING


def _overview(form: StartForm, *, status: int = 200) -> Response:
    args, everything = page_args(request.args), _everything()
    with read_only() as db:
        service = ServiceCard(reading.service_state(db), _settings(), clock.now())
        rows, total = reading.runs_index(db, limit=args.limit, offset=args.offset, notable=not everything)
        page = ServicePage(
            service=service,
            run=reading.open_run(db),
            full=reading.last_full(db),
            page=args.page_of(rows, total),
            everything=everything,
            in_quarantine=db.scalar(reading.quarantined_count()) or 0,
            unlinked=names.unlinked_total(db),
            linked=names.links_total(db),
        )
    return render_page_or_fragment(
        "trainers/service/index.html", "trainers/service/_state.html", status=status, page=page, form=form
    )


def _link(page: LinkPage, form: LinkForm, *, status: int = 200) -> ResponseReturnValue:
    return render_page_or_fragment(
        "trainers/service/link.html", "trainers/service/_link_form.html", status=status, page=page, form=form
    )
