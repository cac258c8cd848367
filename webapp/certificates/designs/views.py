"""Pages of designs, below ``/certificates/designs``: admins design, managers and auditors look."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace
from typing import Final
from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue

from webapp.certificates.away import store_away
from webapp.certificates.designs import previews, queries, service, words
from webapp.certificates.designs.built_in import first_draft
from webapp.certificates.designs.forms import DesignForm
from webapp.certificates.designs.pages import EditPage, IndexPage, PreviewPage, ShowPage, VersionPage
from webapp.certificates.designs.rules import FALLBACK_LANGUAGE, LANGUAGES, Design
from webapp.clients.files import FileMissing, FileStore
from webapp.clients.stores import store_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.db.work import Work, read_only, retrying
from webapp.households.words import language_name
from webapp.web.access import current_actor, requires
from webapp.web.htmx import is_htmx, redirect_after, render_page_or_fragment
from webapp.web.pagination import page_args
from webapp.web.words import _

bp = Blueprint("certificate_designs", __name__, url_prefix="/certificates/designs")
bp.add_app_template_global(words.preview_problem, "preview_problem")
bp.add_app_template_global(language_name, "design_language")

log = structlog.get_logger(__name__)

_KINDS: Final = {"png": "image/png", "pdf": "application/pdf"}


def _store() -> FileStore:
    settings: Settings = current_app.extensions["settings"]
    return store_of(settings)


@bp.get("")
@requires(Permission.CERTIFICATE_DESIGN_READ)
def index() -> ResponseReturnValue:
    """Which design each operator uses."""
    actor, args = current_actor(), page_args(request.args)
    with read_only() as db:
        rows, total = queries.designs_index(db, visible_to=actor, limit=args.limit, offset=args.offset)
        page = IndexPage(args.page_of(rows, total), queries.in_use(db, COMPANY_ID))
    return render_template("certificates/designs/index.html", page=page)


@bp.get("/<uuid:operator_id>")
@requires(Permission.CERTIFICATE_DESIGN_READ)
def show(operator_id: UUID) -> ResponseReturnValue:
    """One operator's designs: in use, draft, history."""
    actor, args = current_actor(), page_args(request.args)
    with read_only() as db:
        of = queries.designed(db, operator_id, visible_to=actor)
        rows, total = queries.versions(db, operator_id, visible_to=actor, limit=args.limit, offset=args.offset)
    return render_template("certificates/designs/show.html", page=ShowPage(of, args.page_of(rows, total)))


@bp.get("/<uuid:operator_id>/versions/<int(min=1, max=2147483647):number>")
@requires(Permission.CERTIFICATE_DESIGN_READ)
def version(operator_id: UUID, number: int) -> ResponseReturnValue:
    """What one published version says."""
    actor = current_actor()
    with read_only() as db:
        of = queries.designed(db, operator_id, visible_to=actor)
        page = VersionPage(of, queries.version(db, operator_id, number, visible_to=actor))
    return render_template("certificates/designs/version.html", page=page)


@bp.get("/<uuid:operator_id>/pictures/<sha256>")
@requires(Permission.CERTIFICATE_DESIGN_READ)
def picture(operator_id: UUID, sha256: str) -> ResponseReturnValue:
    """A logo or a signature of an operator's draft or versions."""
    with read_only() as db:
        if not queries.has_picture(db, operator_id, sha256, visible_to=current_actor()):
            raise NotFound()
    return _file(sha256, "png")


@bp.route("/<uuid:operator_id>/edit", methods=["GET", "POST"])
@requires(Permission.CERTIFICATE_DESIGN)
def edit(operator_id: UUID) -> ResponseReturnValue:
    """Design: the draft is saved and drawn as a preview. ``?language=`` chooses whose words are in the form."""
    actor, page = current_actor(), _edit_page(operator_id)
    form = DesignForm(page.draft, page.base, page.language)
    status = 422 if form.is_submitted() else 200
    if form.validate_on_submit():
        try:
            design, seen = _with_pictures(form), form.version

            def save(work: Work) -> None:
                service.save_draft(work, operator_id, design, by=actor, now=clock.now(), seen=seen)
                _promise(work, operator_id, design.checked(), form)

            retrying(save)
        except (Conflict, Invalid) as error:
            form.refuse(error)
            status = 422 if isinstance(error, Invalid) else 409
        else:
            flash(_("Saved as a draft. Certificates change when you publish it."))
            return redirect_after(url_for(".edit", operator_id=operator_id, language=page.language))
    return render_page_or_fragment(
        "certificates/designs/edit.html", "certificates/designs/_form.html", status=status, page=page, form=form
    )


@bp.post("/<uuid:operator_id>/preview")
@requires(Permission.CERTIFICATE_DESIGN)
def draw(operator_id: UUID) -> ResponseReturnValue:
    """Have what stands in the form drawn without saving it."""
    page = _edit_page(operator_id)
    form = DesignForm(page.draft, page.base, page.language)
    if not form.validate_on_submit():
        if is_htmx():
            return _preview(replace(page.shown, unsound=True), status=422)
        return make_response(render_template("certificates/designs/edit.html", page=page, form=form), 422)
    design, seen, actor = form.to_design().checked(), form.version, current_actor()

    def ask(work: Work) -> None:
        service.hold_draft(work, operator_id, by=actor, seen=seen)
        _promise(work, operator_id, design, form)

    # Else the form's last change, drawn late, would take the place of what was saved meanwhile.
    with suppress(Conflict):
        retrying(ask)
    if not is_htmx():
        return redirect_after(url_for(".preview", operator_id=operator_id))
    return _preview(_preview_page(operator_id))


@bp.get("/<uuid:operator_id>/preview")
@requires(Permission.CERTIFICATE_DESIGN)
def preview(operator_id: UUID) -> ResponseReturnValue:
    """The preview one asked for last; while it is being drawn it asks for itself again."""
    return _preview(_preview_page(operator_id))


@bp.get("/previews/<uuid:preview_id>/<any(png, pdf):kind>")
@requires(Permission.CERTIFICATE_DESIGN)
def preview_file(preview_id: UUID, kind: str) -> ResponseReturnValue:
    """A preview's picture or PDF, for whoever asked for it."""
    with read_only() as db:
        found = previews.preview(db, preview_id, by=current_actor())
    sha256 = found.png_sha256 if kind == "png" else found.pdf_sha256
    if sha256 is None:
        raise NotFound()
    return _file(sha256, kind)


@bp.post("/<uuid:operator_id>/publish")
@requires(Permission.CERTIFICATE_DESIGN)
def publish(operator_id: UUID) -> ResponseReturnValue:
    """Make the draft that was seen the next version, in use from now on."""
    actor, seen = current_actor(), request.form.get("seen", type=int, default=-1)
    number = retrying(lambda work: service.publish(work, operator_id, by=actor, now=clock.now(), seen=seen))
    flash(_("Version %(number)s is in use from now on. Certificates of before keep theirs.", number=number))
    return redirect_after(url_for(".show", operator_id=operator_id))


@bp.post("/<uuid:operator_id>/discard")
@requires(Permission.CERTIFICATE_DESIGN)
def discard(operator_id: UUID) -> ResponseReturnValue:
    """Throw the draft away."""
    actor = current_actor()
    retrying(lambda work: service.discard_draft(work, operator_id, by=actor, now=clock.now()))
    flash(_("The draft is gone."))
    return redirect_after(url_for(".show", operator_id=operator_id))


@bp.post("/<uuid:operator_id>/versions/<int(min=1, max=2147483647):number>/use")
@requires(Permission.CERTIFICATE_DESIGN)
def go_back(operator_id: UUID, number: int) -> ResponseReturnValue:
    """Go back to an older version, as a new one."""
    actor = current_actor()
    made = retrying(lambda work: service.go_back(work, operator_id, number, by=actor, now=clock.now()))
    flash(_("Version %(made)s is in use from now on. It says what version %(number)s said.", made=made, number=number))
    return redirect_after(url_for(".show", operator_id=operator_id))


@bp.post("/<uuid:operator_id>/stop")
@requires(Permission.CERTIFICATE_DESIGN)
def stop(operator_id: UUID) -> ResponseReturnValue:
    """Use none of the operator's own designs any more."""
    actor = current_actor()
    retrying(lambda work: service.stop_using(work, operator_id, by=actor, now=clock.now()))
    flash(_("No design of its own is in use any more. Certificates of before keep theirs."))
    return redirect_after(url_for(".show", operator_id=operator_id))


def _edit_page(operator_id: UUID) -> EditPage:
    """The draft, else what certificates of the operator are drawn in today."""
    language = request.args.get("language", "")
    with read_only() as db:
        of = queries.designed(db, operator_id, visible_to=current_actor())
        owner, base = operator_id, of.draft.design if of.draft is not None else None
        if base is None and of.in_use is not None:
            owner, base = of.in_use.operator_id, queries.drawn(db, of.in_use.operator_id, of.in_use.number)
        shown = PreviewPage(operator_id, of.operator_name, previews.newest(db, operator_id, by=current_actor()))
    language = language if language in LANGUAGES else FALLBACK_LANGUAGE
    return EditPage(of, base or first_draft(), owner, language, shown)


def _preview_page(operator_id: UUID) -> PreviewPage:
    with read_only() as db:
        of = queries.designed(db, operator_id, visible_to=current_actor())
        return PreviewPage(operator_id, of.operator_name, previews.newest(db, operator_id, by=current_actor()))


def _preview(shown: PreviewPage, *, status: int = 200) -> Response:
    return render_page_or_fragment(
        "certificates/designs/preview.html", "certificates/designs/_preview.html", status=status, shown=shown
    )


def _promise(work: Work, operator_id: UUID, design: Design, form: DesignForm) -> None:
    previews.request(
        work,
        operator_id,
        design,
        language=form.language,
        student_name=form.sample.data or "",
        by=current_actor(),
        now=clock.now(),
    )


def _with_pictures(form: DesignForm) -> Design:
    """The form's design with what was uploaded, which is kept first: a draft never names a file that is not there.

    Raises ``Invalid`` for a bad picture, ``Conflict`` when the store cannot keep one.
    """
    kept: dict[str, str | None] = {}
    for part, uploaded in form.pictures().items():
        try:
            kept[part.value] = _store().put(uploaded.content, media_type="image/png") if uploaded is not None else None
        except OSError as error:
            log.exception("certificate_design.picture_not_stored")
            raise Conflict(
                "picture-not-stored", "The picture could not be kept. Check the disk space and the file store."
            ) from error
    design = form.to_design()
    return replace(design, logo=kept.get("logo", design.logo), signature=kept.get("signature", design.signature))


def _file(sha256: str, kind: str) -> Response:
    try:
        content = _store().get(sha256)
    except FileMissing as error:
        raise NotFound("file-missing", "This file is missing from the file store. Tell an admin.") from error
    except OSError as error:
        raise store_away(error) from error
    response = make_response(content)
    response.headers["Content-Type"] = _KINDS[kind]
    if kind == "pdf":
        response.headers["Content-Disposition"] = 'attachment; filename="certificate-preview.pdf"'
    return response
