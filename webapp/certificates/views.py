"""Certificates for staff, and their verification for everybody."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

import structlog
from flask import Blueprint, Response, current_app, flash, make_response, render_template, request, url_for
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.audit import reading
from webapp.certificates import service
from webapp.certificates.away import store_away
from webapp.certificates.forms import BatchForm, CertificateFilter, FileForm, NumberForm, Which, filter_from
from webapp.certificates.public_bounds import VERIFY_RATE
from webapp.certificates.queries import letters, pages
from webapp.certificates.queries.public import public_certificate
from webapp.certificates.queries.requests import requests_of
from webapp.clients.files import FileMissing
from webapp.clients.stores import store_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import new_id
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import current_actor, public, requires
from webapp.web.htmx import is_htmx, redirect_after, render_page_or_fragment
from webapp.web.limits import limiter
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

bp = Blueprint("certificates", __name__)

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ListPage:
    """The list, whether filters narrow it, its address with them, and how many letters to families were given up."""

    page: Page[pages.CertificateRow]
    filtered: bool
    at: str
    letters_given_up: int


@bp.after_request
def unlisted(response: Response) -> Response:
    """Search engines leave certificates alone."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@bp.get("/certificates")
@requires(Permission.CERTIFICATE_READ)
def index() -> ResponseReturnValue:
    """Certificates, newest award first; ``?state=`` and ``?q=`` narrow the list."""
    found, filters = list_page(request.args)
    status = 422 if filters.errors else 200
    return render_list(found, filters, BatchForm(formdata=None, which=Which.TICKED, key=new_id()), status=status)


def list_page(asked: MultiDict[str, str]) -> tuple[ListPage, CertificateFilter]:
    """What the list shows for filters and a page number, and the filters themselves, checked."""
    form, args = filter_from(asked), page_args(asked)
    rows: tuple[pages.CertificateRow, ...] = ()
    total = given_up = 0
    if form.validate():
        with read_only() as db:
            given_up = letters.given_up(db, visible_to=current_actor())
            rows, total = pages.certificates_index(
                db,
                visible_to=current_actor(),
                state=form.state.data,
                search=form.q.data or "",
                limit=args.limit,
                offset=args.offset,
            )
    filtered = bool(form.state.data or form.q.data)
    # A form that is refused is answered at another address: the list's pages are still the list's.
    at = url_for("certificates.index", state=form.state.data or None, q=form.q.data or None)
    return ListPage(args.page_of(rows, total), filtered, at, given_up), form


def render_list(found: ListPage, filters: CertificateFilter, batch: BatchForm, *, status: int) -> Response:
    """The list with its filters and the form that makes a batch of it."""
    page, fragment = "certificates/index.html", "certificates/_list.html"
    refused = filters if filters.errors else batch  # the page's title says when a form is
    return render_page_or_fragment(
        page, fragment, status=status, found=found, filters=filters, batch=batch, form=refused
    )


@bp.get("/certificates/<uuid:certificate_id>")
@requires(Permission.CERTIFICATE_READ)
def show(certificate_id: UUID) -> ResponseReturnValue:
    """One certificate; while it is being made its state asks for itself again."""
    with read_only() as db:
        certificate = pages.certificate_facts(db, certificate_id, visible_to=current_actor())
        asked = () if is_htmx() else requests_of(db, certificate_id, visible_to=current_actor())
        post = letters.certificate_post(db, certificate_id, visible_to=current_actor())
    if not is_htmx():  # the fragment, which asks for itself again, names nobody
        household_id, on = certificate.household_id, "certificates.show"
        reading.household_read(household_id, certificate.operator_id, by=current_actor(), on=on)
    return render_page_or_fragment(
        "certificates/show.html", "certificates/_state.html", certificate=certificate, requests=asked, post=post
    )


@bp.get("/certificates/<uuid:certificate_id>/pdf")
@requires(Permission.CERTIFICATE_READ)
def pdf(certificate_id: UUID) -> ResponseReturnValue:
    """The file, to be kept or printed; 404 until it is issued, and once the family's data was erased."""
    certificate = _readable(certificate_id)
    if certificate.pdf_sha256 is None:
        raise NotFound()
    return _file(certificate, certificate.pdf_sha256, "application/pdf", f"certificate-{certificate.number}.pdf")


@bp.get("/certificates/<uuid:certificate_id>/credential")
@requires(Permission.CERTIFICATE_READ)
def credential(certificate_id: UUID) -> ResponseReturnValue:
    """The signed credential; 404 as for the PDF, and for certificates issued before there were credentials."""
    certificate = _readable(certificate_id)
    if certificate.credential_sha256 is None:
        raise NotFound("no-credential", "This certificate was issued before there were credentials.")
    name = f"certificate-{certificate.number}.json"
    return _file(certificate, certificate.credential_sha256, "application/ld+json", name)


def _readable(certificate_id: UUID) -> pages.CertificateFacts:
    """A certificate whose files there are. Raises ``NotFound``."""
    with read_only() as db:
        certificate = pages.certificate_facts(db, certificate_id, visible_to=current_actor())
    if certificate.erased_at is not None:
        raise NotFound("certificate-erased", "The family's data was erased, and the file of this certificate with it.")
    return certificate


def _file(certificate: pages.CertificateFacts, sha256: str, media_type: str, name: str) -> Response:
    """A file to keep, with a trace of who took it. Raises ``NotFound`` when the store has lost it."""
    settings: Settings = current_app.extensions["settings"]
    try:
        content = store_of(settings).get(sha256)
    except FileMissing as error:
        log.exception("certificate.file_missing", certificate_id=str(certificate.id))
        raise NotFound("file-missing", "The file of this certificate is missing. Tell an admin.") from error
    except OSError as error:
        raise store_away(error) from error
    about = {"household": certificate.household_id}
    reading.downloaded("certificate", certificate.id, certificate.operator_id, by=current_actor(), **about)
    response = make_response(content)
    response.headers["Content-Type"] = media_type
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response


@bp.post("/certificates/<uuid:certificate_id>/retry")
@requires(Permission.CERTIFICATE_RETRY)
def retry(certificate_id: UUID) -> ResponseReturnValue:
    """Have a failed certificate made after all."""
    with unit_of_work() as work:
        service.retry(work, certificate_id, by=current_actor(), now=clock.now())
    flash(_("The certificate is being made again."))
    return redirect_after(url_for("certificates.show", certificate_id=certificate_id))


@bp.get("/verify")
@public
def verify() -> ResponseReturnValue:
    """Ask for a number or a file; with ``?number=`` go on to what is known of it."""
    form, of_file = NumberForm(request.args), FileForm(formdata=None)
    if "number" not in request.args:
        return render_template("verify/index.html", form=form, number_form=form, file_form=of_file)
    if form.validate():
        try:
            number, token = form.to_number()
            return redirect_after(url_for("certificates.verified", number=number, token=token))
        except Invalid as error:
            form.refuse(error)
    return render_template("verify/index.html", form=form, number_form=form, file_form=of_file), 422


@bp.get("/verify/<number>")
@bp.get("/verify/<number>/<token>")
@public
@limiter.limit(VERIFY_RATE)
def verified(number: str, token: str | None = None) -> ResponseReturnValue:
    """What anybody may know of a number; with the link's token, also whose certificate it is."""
    with read_only() as db:
        try:
            certificate = public_certificate(db, number, token=token)
        except NotFound:
            return render_template("verify/unknown.html", number_form=NumberForm(MultiDict())), 404
    return render_template("verify/show.html", certificate=certificate, token=token if certificate.held else None)
