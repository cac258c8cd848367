"""Pages of files: taking zones out, and bringing them in by way of a report on every row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

from flask import Blueprint, Response, abort, flash, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.audit import service as audit
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict
from webapp.core.ids import COMPANY_ID
from webapp.core.names import search_words
from webapp.db.tenancy import leaving_a_trace
from webapp.db.work import read_only, retrying, unit_of_work
from webapp.operators import queries as operators
from webapp.web.access import current_actor, requires
from webapp.web.bodies import takes_up_to
from webapp.web.csv_export import csv_lines, download
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _
from webapp.zones import file_words, queries
from webapp.zones.exporting import exported
from webapp.zones.file_forms import ImportForm, WriteForm
from webapp.zones.files.said import MAX_BYTES, MAX_ROWS, BadFile, FileFormat
from webapp.zones.files.writing import HEADING, csv_cells, geojson_pieces
from webapp.zones.forms import ZoneFilter
from webapp.zones.imports import promising, reading
from webapp.zones.judging import Verdict

bp = Blueprint("zone_files", __name__, url_prefix="/zones")
for function in file_words.IN_TEMPLATES:
    bp.add_app_template_global(function, f"zone_file_{function.__name__}")

RECENT: Final = 5
"""Imports that the page for sending a file lists."""
ORDER: Final = (Verdict.BAD, Verdict.NEW, Verdict.CHANGED, Verdict.SAME)


@dataclass(frozen=True, slots=True)
class SendPage:
    """Where a file is sent, with the latest imports."""

    recent: tuple[reading.ImportLine, ...]
    total: int
    several_operators: bool
    most_rows: int = MAX_ROWS
    most_megabytes: int = MAX_BYTES // 1024**2


@dataclass(frozen=True, slots=True)
class ImportPage:
    """One import and its report. ``verdict`` narrows the rows."""

    line: reading.ImportLine
    rows: Page[reading.RowLine]
    verdict: Verdict | None

    @property
    def verdicts(self) -> tuple[tuple[Verdict, int], ...]:
        """The verdicts that rows came to, with their numbers, the bad ones first."""
        return tuple((verdict, self.line.count(verdict)) for verdict in ORDER if self.line.count(verdict))

    @property
    def is_csv(self) -> bool:
        """Its rows are lines, not features."""
        return self.line.format is FileFormat.CSV


@bp.get("/import")
@requires(Permission.ZONE_WRITE)
def new() -> ResponseReturnValue:
    """Where a file is sent, and what it may hold."""
    form = ImportForm(formdata=None)
    _offer(form)
    return _send_page(form)


@bp.post("/import")
@requires(Permission.ZONE_WRITE)
@takes_up_to(MAX_BYTES)
def send() -> ResponseReturnValue:
    """Take a file and have it looked at; no zone changes yet."""
    actor, form = current_actor(), ImportForm()
    _offer(form)
    if not form.validate_on_submit():
        return _send_page(form, status=422)
    owner = form.operator.data if form.operator is not None else actor.operator_id
    if owner is None:
        form.operator.errors = [_("Choose whose zones these are.")]
        return _send_page(form, status=422)
    try:
        content, kind = form.to_file()
        with unit_of_work() as work:
            import_id = promising.take_file(work, content, kind, operator_id=owner, by=actor, now=clock.now())
    except BadFile as bad:
        form.refuse_file(bad)
        return _send_page(form, status=422)
    except Conflict as busy:
        form.refuse(busy)
        return _send_page(form, status=409)
    return redirect_after(url_for(".show", import_id=import_id))


@bp.get("/imports")
@requires(Permission.ZONE_WRITE)
def index() -> ResponseReturnValue:
    """The imports, newest first."""
    actor, args = current_actor(), page_args(request.args)
    with read_only() as db:
        found, total = reading.imports_index(db, visible_to=actor, limit=args.limit, offset=args.offset)
    page = args.page_of(found, total)
    return render_template("zones/files/index.html", page=page, several_operators=actor.sees_everything)


@bp.get("/imports/<uuid:import_id>")
@requires(Permission.ZONE_WRITE)
def show(import_id: UUID) -> ResponseReturnValue:
    """How far an import is, or its report (``?verdict=bad`` narrows it); asks for itself again while it is open."""
    return _import_page(import_id)


@bp.post("/imports/<uuid:import_id>/write")
@requires(Permission.ZONE_WRITE)
def write(import_id: UUID) -> ResponseReturnValue:
    """Have it written: the whole file, or only its good rows."""
    form, actor = WriteForm(), current_actor()
    if not form.validate_on_submit():
        abort(400)
    mode = form.mode.data
    retrying(lambda work: promising.ask_to_write(work, import_id, mode, by=actor, now=clock.now()))
    flash(_("Asked for: a worker begins within seconds."))
    return redirect_after(url_for(".show", import_id=import_id))


@bp.get("/export.csv")
@requires(Permission.ZONE_EXPORT)
def export_csv() -> ResponseReturnValue:
    """The zones of the list, all its pages, for a spreadsheet; the audit says that they were taken."""
    return _export(FileFormat.CSV)


@bp.get("/export.geojson")
@requires(Permission.ZONE_EXPORT)
def export_geojson() -> ResponseReturnValue:
    """The zones of the list, all its pages, for a map; the audit says that they were taken."""
    return _export(FileFormat.GEOJSON)


def _export(kind: FileFormat) -> Response:
    actor, now = current_actor(), clock.now()
    form = ZoneFilter(request.args, meta={"csrf": False})
    with read_only() as db:
        owners, _total = operators.operators_index(db, visible_to=actor)
        form.operator.choices = [("", ""), *((owner.id, owner.name) for owner in owners)]
        if not form.validate():
            return redirect_after(
                url_for("zones.index", q=request.args.get("q"), operator=request.args.get("operator"))
            )
        search, operator_id = search_words(form.q.data or ""), form.operator.data
        count = queries.zone_count(db, visible_to=actor, search=search, operator_id=operator_id)
    with leaving_a_trace(), unit_of_work() as work:
        audit.record(
            work,
            "zones.exported",
            "operator",
            operator_id or actor.operator_id or COMPANY_ID,
            operator_id=operator_id or actor.operator_id or COMPANY_ID,
            by=actor,
            # What was searched for may be a name.
            after={"as": kind, "count": count, "searched": bool(search), "one_operator": operator_id is not None},
            at=now,
        )
    zones = exported(actor=actor, search=search, operator_id=operator_id)
    name = f"zones-{now:%Y-%m-%d-%H%M}.{kind.value}"
    if kind is FileFormat.CSV:
        return download(name, csv_lines(HEADING, csv_cells(zones)))
    return download(name, geojson_pieces(zones), mimetype="application/geo+json")


def _offer(form: ImportForm) -> None:
    """Admins choose whose zones they import; for everybody else there is nothing to choose."""
    actor = current_actor()
    if not actor.sees_everything:
        del form.operator
        return
    with read_only() as db:
        owners, _total = operators.operators_index(db, visible_to=actor)
    form.operator.choices = [("", _("Choose…")), *((owner.id, owner.name) for owner in owners)]


def _send_page(form: ImportForm, *, status: int = 200) -> Response:
    actor = current_actor()
    with read_only() as db:
        recent, total = reading.imports_index(db, visible_to=actor, limit=RECENT)
    page = SendPage(recent, total, actor.sees_everything)
    return render_page_or_fragment(
        "zones/files/new.html", "zones/files/_form.html", status=status, page=page, form=form
    )


def _import_page(import_id: UUID) -> Response:
    actor, args = current_actor(), page_args(request.args)
    asked = request.args.get("verdict", "")
    verdict = Verdict(asked) if asked in set(Verdict) else None
    rows: tuple[reading.RowLine, ...] = ()
    with read_only() as db:
        line = reading.import_line(db, import_id, visible_to=actor)
        if line.has_report:
            rows = reading.report_rows(
                db, import_id, verdict=verdict, limit=args.limit, offset=args.offset, visible_to=actor
            )
    total = 0
    if line.has_report:
        total = line.count(verdict) if verdict is not None else sum(line.count(one) for one in Verdict)
    page = ImportPage(line, args.page_of(rows, total), verdict)
    return render_page_or_fragment("zones/files/show.html", "zones/files/_import.html", page=page)
