"""Sending certificates to families: the letters of one, and those that were given up."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, flash, request, url_for
from flask.typing import ResponseReturnValue

from webapp.certificates import posting
from webapp.certificates.forms import SendForm
from webapp.certificates.queries import letters, pages
from webapp.core import clock
from webapp.core.actor import Permission
from webapp.core.errors import Conflict
from webapp.db.work import read_only, unit_of_work
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import page_args
from webapp.web.words import _, ngettext

bp = Blueprint("certificate_letters", __name__, url_prefix="/certificates")


@bp.get("/letters")
@requires(Permission.CERTIFICATE_READ)
def index() -> ResponseReturnValue:
    """Letters that were given up, newest first, each with a button to try it again."""
    args = page_args(request.args)
    with read_only() as db:
        rows, total = letters.letters_given_up(db, visible_to=current_actor(), limit=args.limit, offset=args.offset)
    return render_page_or_fragment(
        "certificates/letters.html", "certificates/_letters_given_up.html", page=args.page_of(rows, total)
    )


@bp.get("/<uuid:certificate_id>/letters")
@requires(Permission.CERTIFICATE_READ)
def show(certificate_id: UUID) -> ResponseReturnValue:
    """The letters of one certificate; while one is being sent they ask for themselves again."""
    return _render(certificate_id)


@bp.post("/<uuid:certificate_id>/letters")
@requires(Permission.CERTIFICATE_SEND)
def send(certificate_id: UUID) -> ResponseReturnValue:
    """Send the certificate to the guardians who agreed to messages."""
    form = SendForm()
    if not form.validate_on_submit() or form.round.data is None:
        raise Conflict("letter-round", "This page is too old. Reload it and try again.")
    with unit_of_work() as work:
        promised = posting.send_again(work, certificate_id, round=form.round.data, by=current_actor(), now=clock.now())
    if promised:
        flash(ngettext("%(num)s letter is on its way.", "%(num)s letters are on their way.", promised))
    else:
        flash(_("It was sent a moment ago."))
    return redirect_after(url_for("certificates.show", certificate_id=certificate_id))


@bp.post("/letters/<uuid:letter_id>/again")
@requires(Permission.CERTIFICATE_SEND)
def again(letter_id: UUID) -> ResponseReturnValue:
    """Try a letter again that was given up."""
    with unit_of_work() as work:
        certificate_id = posting.try_again(work, letter_id, by=current_actor(), now=clock.now())
    flash(_("The letter is tried again."))
    return redirect_after(url_for("certificates.show", certificate_id=certificate_id))


def _render(certificate_id: UUID) -> ResponseReturnValue:
    with read_only() as db:
        post = letters.certificate_post(db, certificate_id, visible_to=current_actor())
        certificate = pages.certificate_facts(db, certificate_id, visible_to=current_actor())
    return render_page_or_fragment(
        "certificates/show.html", "certificates/_letters.html", certificate=certificate, post=post
    )
