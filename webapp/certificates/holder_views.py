"""For everybody: verifying a file by its hash; for whoever holds a certificate's link: its files."""

from __future__ import annotations

from typing import Final

import structlog
from flask import Blueprint, Response, current_app, make_response, render_template, request
from flask.typing import ResponseReturnValue
from werkzeug.datastructures import MultiDict

from webapp.certificates.away import store_away
from webapp.certificates.forms import FileForm, NumberForm
from webapp.certificates.public_bounds import MOST_BYTES, VERIFY_RATE
from webapp.certificates.queries.public import PublicCertificate, number_of_file, public_certificate
from webapp.clients.files import FileMissing
from webapp.clients.stores import store_of
from webapp.config import Settings
from webapp.core.errors import Invalid, NotFound
from webapp.db.work import read_only
from webapp.web.access import public
from webapp.web.hashed_uploads import hashes_upload
from webapp.web.limits import limiter

bp = Blueprint("verification", __name__, url_prefix="/verify")

log = structlog.get_logger(__name__)

CREDENTIAL_TYPE: Final = "application/ld+json"


@bp.after_request
def unlisted(response: Response) -> Response:
    """Search engines leave certificates alone."""
    response.headers["X-Robots-Tag"] = "noindex, nofollow"
    return response


@bp.route("/file", methods=["GET", "POST"])
@public
@limiter.limit(VERIFY_RATE, methods=["POST"])
@hashes_upload(most_bytes=MOST_BYTES)
def check_file() -> ResponseReturnValue:
    """Which certificate a file is, by its SHA-256; the file itself is kept nowhere."""
    form, of_number = FileForm(), NumberForm(MultiDict())
    if request.method == "POST" and form.validate_on_submit():
        try:
            return _told(form.to_sha256(), of_number)
        except Invalid as error:
            form.refuse(error)
    status = 422 if request.method == "POST" else 200
    return render_template("verify/index.html", form=form, number_form=of_number, file_form=form), status


def _told(sha256: str, of_number: NumberForm) -> ResponseReturnValue:
    with read_only() as db:
        number = number_of_file(db, sha256)
        certificate = public_certificate(db, number) if number is not None else None
    status = 200 if certificate is not None else 404
    page = render_template("verify/file.html", certificate=certificate, sha256=sha256, number_form=of_number)
    return page, status


@bp.get("/<number>/<token>/certificate.pdf")
@public
@limiter.limit(VERIFY_RATE)
def pdf(number: str, token: str) -> ResponseReturnValue:
    """The file, for whoever holds the link, while the certificate is valid."""
    certificate = _held(number, token)
    if not certificate.valid:
        raise NotFound("not-valid", "This certificate is not valid any more: its file is not given out.")
    return _file(certificate, certificate.pdf_sha256, "application/pdf", "certificate", "pdf")


@bp.get("/<number>/<token>/credential.json")
@public
@limiter.limit(VERIFY_RATE)
def credential(number: str, token: str) -> ResponseReturnValue:
    """The signed Open Badges credential, for whoever holds the link. It says itself where its status is found."""
    certificate = _held(number, token)
    if certificate.credential_sha256 is None:
        raise NotFound("no-credential", "This certificate was issued before there were credentials.")
    return _file(certificate, certificate.credential_sha256, CREDENTIAL_TYPE, "credential", "json")


def _held(number: str, token: str) -> PublicCertificate:
    """The certificate whose link this is. Raises ``NotFound``: a wrong token and an unknown number are the same."""
    with read_only() as db:
        certificate = public_certificate(db, number, token=token)
    if not certificate.held:
        raise NotFound()
    return certificate


def _file(certificate: PublicCertificate, sha256: str, media_type: str, name: str, ending: str) -> Response:
    settings: Settings = current_app.extensions["settings"]
    try:
        content = store_of(settings).get(sha256)
    except FileMissing as error:
        log.exception("certificate.file_missing", number=certificate.number)
        raise NotFound("file-missing", "The file is missing at our end. Ask whoever issued the certificate.") from error
    except OSError as error:
        raise store_away(error) from error
    response = make_response(content)
    response.headers["Content-Type"] = media_type
    response.headers["Content-Disposition"] = f'attachment; filename="{name}-{certificate.number}.{ending}"'
    response.headers["Cache-Control"] = "private, no-store"
    return response
