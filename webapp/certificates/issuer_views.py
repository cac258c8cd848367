"""What anybody needs to check a certificate without us: the issuer, its public keys, the lists of void credentials.

The addresses stand in files that are kept for decades (``credentials.addresses``): they never change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final
from uuid import UUID

from flask import Blueprint, Response, current_app
from flask.typing import ResponseReturnValue

from webapp.certificates.queries import keys
from webapp.config import Settings
from webapp.core.errors import NotFound
from webapp.db.work import read_only
from webapp.web.access import public
from webapp.web.limits import limiter

bp = Blueprint("issuer", __name__)

RATE: Final = "120 per minute"
"""Per address: programs check many credentials at once, and ask for the same few documents."""
KEPT_SECONDS: Final = 60
LIST_KEPT_SECONDS: Final = 20
"""A list is signed within half a minute of a revocation: with this, everybody knows within a minute."""
_YEARS: Final = range(1900, 10_000)


@bp.get("/issuer")
@public
@limiter.limit(RATE)
def profile() -> ResponseReturnValue:
    """Who issues, and with which keys (Open Badges 3.0, Profile)."""
    settings: Settings = current_app.extensions["settings"]
    with read_only() as db:
        issuer = keys.issuer(db, settings.public_url)
    return _document(issuer.profile())


@bp.get("/issuer/keys/<key>")
@public
@limiter.limit(RATE)
def key(key: str) -> ResponseReturnValue:
    """One public key (Multikey), in use or retired; 404 for any other, and for one that was withdrawn."""
    settings: Settings = current_app.extensions["settings"]
    with read_only() as db:
        issuer = keys.issuer(db, settings.public_url)
    if key not in issuer.keys:
        raise NotFound()
    return _document(issuer.key_document(key))


@bp.get("/issuer/certificates/<uuid:key_id>")
@public
@limiter.limit(RATE)
def certificate(key_id: UUID) -> ResponseReturnValue:
    """The certificate an operator's PDFs are signed with, in PEM, for whoever wants to compare it or to trust it."""
    with read_only() as db:
        pem = keys.certificate(db, key_id)
    if pem is None:
        raise NotFound()
    return _answer(pem, "application/x-pem-file", KEPT_SECONDS)


@bp.get("/credentials/revoked/<int:year>")
@public
@limiter.limit(RATE)
def revoked(year: int) -> ResponseReturnValue:
    """The signed list of credentials awarded in a year that are void; 404 where there is none."""
    found = None
    if year in _YEARS:
        with read_only() as db:
            found = keys.signed_list(db, year)
    if found is None:
        raise NotFound()
    response = _answer(found.document, "application/ld+json", LIST_KEPT_SECONDS)
    response.set_etag(found.sha256)
    return response


def _document(document: Mapping[str, Any]) -> Response:
    return _answer(json.dumps(document, ensure_ascii=False, indent=2) + "\n", "application/ld+json", KEPT_SECONDS)


def _answer(content: str, media_type: str, seconds: int) -> Response:
    response = Response(content, content_type=media_type)
    response.headers["Cache-Control"] = f"public, max-age={seconds}"
    response.headers["Access-Control-Allow-Origin"] = "*"  # verifiers in a browser; it is the same for everybody
    return response
