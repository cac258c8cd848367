"""Pages on which a certificate is revoked by two people, or made anew under the right name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Flask, current_app, flash, render_template, request, url_for
from flask.blueprints import BlueprintSetupState
from flask.typing import ResponseReturnValue

from webapp.audit import reading
from webapp.certificates import reissuing, revoking, words
from webapp.certificates.changing_forms import AnewForm, NameSeenForm, RevokeForm
from webapp.certificates.queries import pages
from webapp.certificates.queries.requests import RequestRow, open_requests, request_page, requests_of, waiting_count
from webapp.certificates.rules import CertificateState
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Forbidden, Invalid
from webapp.db.work import Work, read_only, retrying
from webapp.web import nav
from webapp.web.access import current_actor, requires
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _

bp = Blueprint("certificate_changes", __name__, url_prefix="/certificates")
bp.add_app_template_global(words.reason_word, "certificate_reason_word")
bp.add_app_template_global(words.kind_word, "certificate_request_word")


@dataclass(frozen=True, slots=True)
class WaitingPage:
    """What waits for a second person, and who looks."""

    page: Page[RequestRow]
    actor: Actor


@dataclass(frozen=True, slots=True)
class ChangePage:
    """A certificate, what its student is called now, and what was asked about it."""

    certificate: pages.CertificateFacts
    requests: tuple[RequestRow, ...]
    actor: Actor

    @property
    def asked(self) -> RequestRow | None:
        """What waits for a second person."""
        return next((one for one in self.requests if one.is_open), None)

    @property
    def same_name(self) -> bool:
        """Whether the certificate bears the name the student has now."""
        return self.certificate.student_name == self.certificate.name_now

    @property
    def failed(self) -> bool:
        """Whether it was never out, and so is corrected in place."""
        return self.certificate.state is CertificateState.FAILED


@dataclass(frozen=True, slots=True)
class RequestPage:
    """One request and who looks."""

    request: RequestRow
    actor: Actor

    @property
    def own(self) -> bool:
        """Whether the reader asked for it."""
        return self.request.asked_by == self.actor.id


@bp.record_once
def _count_in_navigation(state: BlueprintSetupState) -> None:
    assert isinstance(state.app, Flask)
    nav.count_with(state.app, "certificates.index", waiting_count)


@bp.get("/confirmations")
@requires(Permission.CERTIFICATE_READ)
def index() -> ResponseReturnValue:
    """What waits for a second person, oldest first."""
    args, actor = page_args(request.args), current_actor()
    with read_only() as db:
        rows, total = open_requests(db, visible_to=actor, limit=args.limit, offset=args.offset)
    waiting = WaitingPage(args.page_of(rows, total), actor)
    return render_template("certificates/confirmations.html", waiting=waiting)


@bp.route("/<uuid:certificate_id>/revoke", methods=["GET", "POST"])
@requires(Permission.CERTIFICATE_REVOKE)
def revoke(certificate_id: UUID) -> ResponseReturnValue:
    """Ask a second person to confirm that a certificate is revoked."""
    form = RevokeForm()
    if request.method == "POST" and form.validate_on_submit():
        return _ask(certificate_id, form, "revoke")
    return _render_change(certificate_id, form, "revoke", status=_status(form))


@bp.route("/<uuid:certificate_id>/revoked-anew", methods=["GET", "POST"])
@requires(Permission.CERTIFICATE_REVOKE)
def anew(certificate_id: UUID) -> ResponseReturnValue:
    """Ask a second person to confirm that a revoked certificate is made anew."""
    form = AnewForm()
    if request.method == "POST" and form.validate_on_submit():
        return _ask(certificate_id, form, "anew")
    return _render_change(certificate_id, form, "anew", status=_status(form))


@bp.route("/<uuid:certificate_id>/reissue", methods=["GET", "POST"])
@requires(Permission.CERTIFICATE_REISSUE)
def reissue(certificate_id: UUID) -> ResponseReturnValue:
    """Make a certificate anew under the student's present name, old and new side by side."""
    form, actor, url = NameSeenForm(), current_actor(), _public_url()
    if request.method != "POST" or not form.validate_on_submit():
        return _render_change(certificate_id, form, "reissue", status=_status(form))
    name = form.name.data or ""

    def task(work: Work) -> UUID:
        return reissuing.reissue(work, certificate_id, name, by=actor, now=clock.now(), public_url=url)

    try:
        made = retrying(task)
    except Conflict as error:
        form.refuse(error)
        return _render_change(certificate_id, form, "reissue", status=409)
    flash(_("The certificate is being made under the new name."))
    return redirect_after(url_for("certificates.show", certificate_id=made))


@bp.get("/requests/<uuid:request_id>")
@requires(Permission.CERTIFICATE_REVOKE)
def show(request_id: UUID) -> ResponseReturnValue:
    """One request with all that a second person has to know."""
    return _render_request(request_id, NameSeenForm(formdata=None))


@bp.post("/requests/<uuid:request_id>/confirm")
@requires(Permission.CERTIFICATE_REVOKE)
def confirm(request_id: UUID) -> ResponseReturnValue:
    """Do what somebody else asked for."""
    form, actor, url = NameSeenForm(), current_actor(), _public_url()
    name = form.name.data or ""

    def task(work: Work) -> None:
        revoking.confirm(work, request_id, by=actor, now=clock.now(), public_url=url, name=name)

    return _decide(request_id, form, task, _("Confirmed and done."))


@bp.post("/requests/<uuid:request_id>/refuse")
@requires(Permission.CERTIFICATE_REVOKE)
def refuse(request_id: UUID) -> ResponseReturnValue:
    """Let it come to nothing."""
    actor = current_actor()
    task = lambda work: revoking.refuse(work, request_id, by=actor, now=clock.now())  # noqa: E731 - as in its siblings
    return _decide(request_id, NameSeenForm(), task, _("Refused: the certificate stays as it is."))


@bp.post("/requests/<uuid:request_id>/withdraw")
@requires(Permission.CERTIFICATE_REVOKE)
def withdraw(request_id: UUID) -> ResponseReturnValue:
    """Take one's own request back."""
    actor = current_actor()
    task = lambda work: revoking.withdraw(work, request_id, by=actor, now=clock.now())  # noqa: E731 - as above
    return _decide(request_id, NameSeenForm(), task, _("Withdrawn: the certificate stays as it is."))


def _status(form: RevokeForm | AnewForm | NameSeenForm) -> int:
    return 422 if form.errors else 200


def _public_url() -> str:
    settings: Settings = current_app.extensions["settings"]
    return settings.public_url


def _ask(certificate_id: UUID, form: RevokeForm | AnewForm, page: str) -> ResponseReturnValue:
    command, actor = form.to_command(), current_actor()
    try:
        request_id = retrying(lambda work: revoking.ask(work, certificate_id, command, by=actor, now=clock.now()))
    except (Invalid, Conflict) as error:
        form.refuse(error)
        return _render_change(certificate_id, form, page, status=422 if isinstance(error, Invalid) else 409)
    flash(_("Asked for. Nothing happens to the certificate before somebody else confirms it."))
    return redirect_after(url_for("certificate_changes.show", request_id=request_id))


def _decide(request_id: UUID, form: NameSeenForm, task: Callable[[Work], None], done: str) -> ResponseReturnValue:
    """Decide, or show why not: somebody who was faster is named with the moment."""
    with read_only() as db:
        certificate_id = request_page(db, request_id, visible_to=current_actor()).certificate_id
    try:
        retrying(task)
    except (Conflict, Forbidden) as error:
        form.refuse(error)
        return _render_request(request_id, form, status=409 if isinstance(error, Conflict) else 403)
    flash(done)
    return redirect_after(url_for("certificates.show", certificate_id=certificate_id))


def _render_change(
    certificate_id: UUID, form: RevokeForm | AnewForm | NameSeenForm, page: str, *, status: int = 200
) -> ResponseReturnValue:
    """Raises ``NotFound`` for a certificate that is not there or not theirs."""
    actor = current_actor()
    with read_only() as db:
        certificate = pages.certificate_facts(db, certificate_id, visible_to=actor)
        shown = ChangePage(certificate, requests_of(db, certificate_id, visible_to=actor), actor)
    on = f"certificate_changes.{page}"
    reading.household_read(certificate.household_id, certificate.operator_id, by=actor, on=on)
    return render_page_or_fragment(
        f"certificates/{page}.html", f"certificates/_{page}_form.html", status=status, page=shown, form=form
    )


def _render_request(request_id: UUID, form: NameSeenForm, *, status: int = 200) -> ResponseReturnValue:
    actor = current_actor()
    with read_only() as db:
        found = request_page(db, request_id, visible_to=actor)
    reading.household_read(found.household_id, found.operator_id, by=actor, on="certificate_changes.show")
    shown = RequestPage(found, actor)
    return render_page_or_fragment(
        "certificates/request.html", "certificates/_request.html", status=status, page=shown, form=form
    )
