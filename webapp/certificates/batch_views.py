"""Many certificates in one file: asked for from the list, watched, and taken home by whoever asked."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from flask import Blueprint, current_app, request, send_file, url_for
from flask.typing import ResponseReturnValue

from webapp.audit import reading
from webapp.certificates import batches
from webapp.certificates.away import store_away
from webapp.certificates.forms import BatchForm, Which
from webapp.certificates.queries import batches as queries
from webapp.certificates.queries import pages
from webapp.certificates.views import list_page, render_list
from webapp.clients.files import FileMissing
from webapp.clients.stores import BATCHES, store_of
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment

bp = Blueprint("certificate_batches", __name__, url_prefix="/certificates/batches")
_LISTED = 20

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class BatchesPage:
    """One's last batches, and what time it is."""

    batches: tuple[queries.BatchRow, ...]
    now: datetime


@bp.get("")
@requires(Permission.CERTIFICATE_READ)
def index() -> ResponseReturnValue:
    """The reader's last batches."""
    with read_only() as db:
        found = queries.own_batches(db, visible_to=current_actor(), limit=_LISTED)
    page = BatchesPage(found, clock.now())
    return render_page_or_fragment("certificates/batches.html", "certificates/_batches.html", page=page)


@bp.post("")
@requires(Permission.CERTIFICATE_BATCH)
def ask() -> ResponseReturnValue:
    """Have the ticked certificates, or all that the filters find, put into one file."""
    found, filters = list_page(request.form)
    form = BatchForm()
    if filters.errors or not form.validate_on_submit():
        return render_list(found, filters, form, status=422)
    actor = current_actor()
    with read_only() as db:
        chosen = (
            pages.all_found(
                db,
                visible_to=actor,
                state=filters.state.data,
                search=filters.q.data or "",
                limit=batches.MOST + 1,
            )
            if form.which.data is Which.ALL
            else queries.chosen_by_id(db, form.ids.data[: batches.MOST + 1], visible_to=actor)
        )
    try:
        with unit_of_work() as work:
            batch_id = batches.ask(work, form.kind.data, chosen, batch_id=form.key.data, by=actor, now=clock.now())
    except (Invalid, Conflict) as error:
        form.refuse(error)
        return render_list(found, filters, form, status=422 if isinstance(error, Invalid) else 409)
    return redirect_after(url_for(".show", batch_id=batch_id))


@bp.get("/<uuid:batch_id>")
@requires(Permission.CERTIFICATE_READ)
def show(batch_id: UUID) -> ResponseReturnValue:
    """How far a batch is, what is not in it, and its file; while it is being made it asks for itself again."""
    with read_only() as db:
        batch = queries.batch_facts(db, batch_id, visible_to=current_actor(), now=clock.now())
    return render_page_or_fragment("certificates/batch.html", "certificates/_batch.html", batch=batch)


@bp.get("/<uuid:batch_id>/file")
@requires(Permission.CERTIFICATE_READ)
def file(batch_id: UUID) -> ResponseReturnValue:
    """The file, for whoever asked for it and as long as it is there; the audit says what was in it."""
    actor = current_actor()
    with read_only() as db:
        batch = queries.batch_facts(db, batch_id, visible_to=actor, now=clock.now())
        inside = queries.chosen_in(db, batch_id, visible_to=actor)
    if not batch.there or batch.file_sha256 is None:
        raise NotFound("batch-gone", "This file is not there any more. Ask for it again.")
    settings: Settings = current_app.extensions["settings"]
    kept = tempfile.TemporaryFile(prefix="zonedesk-")  # noqa: SIM115 - closed when the answer is sent
    try:
        store_of(settings, area=BATCHES).fetch(batch.file_sha256, kept)
    except FileMissing as error:
        kept.close()
        log.exception("certificate_batch.file_missing", batch_id=str(batch_id))
        raise NotFound("batch-gone", "This file is not there any more. Ask for it again.") from error
    except OSError as error:
        kept.close()
        raise store_away(error) from error
    reading.downloaded("certificate_batch", batch_id, batch.operator_id, by=actor, shown=sorted(inside))
    kept.seek(0)
    mimetype = f"application/{batch.kind}"
    response = send_file(kept, mimetype=mimetype, as_attachment=True, download_name=batch.file_name, etag=False)
    response.headers["Cache-Control"] = "private, no-store"
    return response
