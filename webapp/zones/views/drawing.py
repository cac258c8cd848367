"""Drawing a zone, and changing one: what is drawn is told about at once, what a change does before it is saved."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, replace
from uuid import UUID

from flask import flash, request, url_for
from flask.typing import ResponseReturnValue
from sqlalchemy.orm import Session

from webapp.core import clock
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.core.words import msgid
from webapp.db.work import read_only, retrying
from webapp.operators.queries import OperatorRow, operator_seen_by, operators_index
from webapp.web.access import current_actor, requires
from webapp.web.errors import sentence_of, status_of
from webapp.web.htmx import redirect_after, render_page_or_fragment
from webapp.web.pagination import Page, page_args
from webapp.web.words import _
from webapp.zones import queries, service
from webapp.zones.effect import Moved
from webapp.zones.forms import TOLERANCES, ZoneForm, fingerprint
from webapp.zones.history import changed_since
from webapp.zones.preview import Preview, fewer_corners, preview_of
from webapp.zones.questions import BOOKINGS_IN, TRAINERS_IN
from webapp.zones.rules import Disputes, ZoneCommand, faults_of
from webapp.zones.views.blueprint import bp, disputes
from webapp.zones.weighing import Effect, box_around, moves_border, weigh


@dataclass(frozen=True, slots=True)
class EffectPage:
    """What a change does, a page of the bookings at a time."""

    effect: Effect
    bookings: Page[Moved]
    time_zone_changes: bool


@dataclass(frozen=True, slots=True)
class FormPage:
    """Whose zone it is, the zone when there is one already, and what is to be said of what stands in the form.

    ``offers`` are fewer corners: (metres, corners left). ``operator_name`` is empty while it is to be chosen.
    """

    action: str
    preview_url: str
    asking: Disputes
    exact: bool
    zone: queries.ZoneDetail | None = None
    operator_name: str = ""
    preview: Preview | None = None
    offers: tuple[tuple[int, int], ...] = ()
    effect: EffectPage | None = None


@bp.route("/new", methods=["GET", "POST"])
@requires(Permission.ZONE_WRITE)
def create() -> ResponseReturnValue:
    """Draw a zone; whoever sees every operator says whose."""
    actor = current_actor()
    with read_only() as db:
        form, page = _new_form(db, actor)
    if not form.is_submitted():
        return _render(page, form)
    command = _sent(form, _owner(form, actor))
    if command is None:
        return _answer(page, form, actor, status=422)
    reason, asking = form.reason.data or "", disputes()
    try:
        zone_id = retrying(
            lambda work: service.create(work, command, by=actor, now=clock.now(), reason=reason, asking=asking)
        )
    except (Invalid, Conflict) as error:
        form.refuse(error)
        return _answer(page, form, actor, status=status_of(error))
    flash(_("%(name)s is drawn.", name=command.name))
    return redirect_after(url_for("zones.show", zone_id=zone_id))


@bp.route("/<uuid:zone_id>/edit", methods=["GET", "POST"])
@requires(Permission.ZONE_WRITE)
def edit(zone_id: UUID) -> ResponseReturnValue:
    """Change a zone: a border that moves is looked at first, and saved with a second press."""
    actor = current_actor()
    form, page = _edit_form(zone_id, actor)
    if not form.is_submitted():
        return _render(page, form)
    zone = page.zone
    assert zone is not None
    command, seen = _sent(form, zone.operator_id), form.version.data or 0
    if command is None:
        return _answer(page, form, actor, status=422)
    if seen == zone.version and moves_border(zone.command, command):
        looked = fingerprint(command, seen)
        if request.form.get("do") != "save" or form.looked.data != looked:
            form.looked.data = looked
            return _answer(_weighed(page, command, actor), form, actor)
    reason, asking = form.reason.data or "", disputes()
    try:
        changed = retrying(
            lambda work: service.change(
                work, zone_id, command, by=actor, now=clock.now(), seen=seen, reason=reason, asking=asking
            )
        )
    except Invalid as error:
        form.refuse(error)
        return _answer(page, form, actor, status=422)
    except Conflict as error:
        return _overtaken(zone_id, form, error, seen)
    flash(_("Saved.") if changed else _("It was like that already; nothing was changed."))
    return redirect_after(url_for("zones.show", zone_id=zone_id))


@bp.post("/preview")
@requires(Permission.ZONE_WRITE)
def preview() -> ResponseReturnValue:
    """What is to be said of a shape being drawn (``?zone=`` for one that is changed): the panel, or the page."""
    actor, asked = current_actor(), request.args.get("zone")
    if asked:
        form, page = _edit_form(_id(asked), actor)
    else:
        with read_only() as db:
            form, page = _new_form(db, actor)
    form.validate()
    form.forget_the_rest()
    return _answer(page, form, actor, fragment="zones/_preview.html", status=422 if form.errors else 200)


def _id(text: str) -> UUID:
    with suppress(ValueError):
        return UUID(text)
    raise NotFound()


def _new_form(db: Session, actor: Actor) -> tuple[ZoneForm, FormPage]:
    owners, name = None, ""
    if actor.sees_everything:
        owners = [(owner.id, owner.name) for owner in operators_index(db, visible_to=actor)[0] if owner.active]
    elif actor.operator_id is not None:
        name = _active(operator_seen_by(db, actor.operator_id, visible_to=actor)).name
    form = ZoneForm(owners=owners)
    if owners is not None and not form.is_submitted():
        form.operator.data = actor.operator_id
    return form, FormPage(
        url_for("zones.create"), url_for("zones.preview"), disputes(), actor.sees_everything, operator_name=name
    )


def _active(owner: OperatorRow) -> OperatorRow:
    if not owner.active:
        raise NotFound()
    return owner


def _owner(form: ZoneForm, actor: Actor) -> UUID:
    chosen: UUID | None = form.operator.data if form.operator else actor.operator_id
    return chosen or COMPANY_ID


def _edit_form(zone_id: UUID, actor: Actor) -> tuple[ZoneForm, FormPage]:
    """Raises ``NotFound`` for a zone that is not there or not the actor's."""
    with read_only() as db:
        zone = queries.zone(db, zone_id, visible_to=actor)
    page = FormPage(
        url_for("zones.edit", zone_id=zone_id),
        url_for("zones.preview", zone=zone_id),
        disputes(),
        actor.sees_everything,
        zone,
        zone.operator_name,
    )
    return ZoneForm(known=zone.command, version=zone.version), page


def _sent(form: ZoneForm, operator_id: UUID) -> ZoneCommand | None:
    """The zone as it was sent; ``None`` when something is wrong with it, which the form says then."""
    if not form.validate():
        return None
    try:
        command = form.to_command(operator_id)
    except Invalid as error:
        form.refuse(error)
        return None
    faults = faults_of(command)
    for fault in faults:
        at_sea = fault.field == "time_zone" and not form.time_zone.data
        sentence = msgid("Choose a time zone: the place does not tell it.")
        form.refuse(Invalid(fault.code, sentence, field="time_zone") if at_sea else fault)
    return None if faults else command


def _weighed(page: FormPage, command: ZoneCommand, actor: Actor) -> FormPage:
    zone = page.zone
    assert zone is not None
    box = box_around(zone.command, command)
    with read_only() as db:
        bookings, trainers = BOOKINGS_IN(db, zone.id, box, actor), TRAINERS_IN(db, box, actor)
        effect = weigh(db, zone, command, bookings, trainers)
    args = page_args(request.form)
    shown = effect.bookings[args.offset : args.offset + args.limit]
    moves = command.time_zone != zone.time_zone
    return replace(page, effect=EffectPage(effect, args.page_of(shown, len(effect.bookings)), moves))


def _overtaken(zone_id: UUID, form: ZoneForm, error: Conflict, seen: int) -> ResponseReturnValue:
    """Somebody was faster, or trainers stand in the way: what was typed stays, with what the zone is now beside it."""
    actor = current_actor()
    with read_only() as db:
        zone = queries.zone(db, zone_id, visible_to=actor)
        changed = changed_since(db, zone_id, seen, visible_to=actor) if error.code == "zone-changed" else ()
    form.form_errors.append(sentence_of(error))
    if error.code == "zone-changed":
        form.overtaken(zone.command, changed)
        form.version.take(zone.version)
    _form, page = _edit_form(zone_id, actor)
    return _answer(page, form, actor, status=409)


def _answer(
    page: FormPage, form: ZoneForm, actor: Actor, *, status: int = 200, fragment: str = "zones/_form.html"
) -> ResponseReturnValue:
    """The page or a part of it, with what is to be said of the shape in the form as far as there is one."""
    zone = page.zone
    operator_id = zone.operator_id if zone else _owner(form, actor)
    drawn = form.drawn
    page = replace(page, offers=fewer_corners(drawn, TOLERANCES) if drawn else ())
    command = form.shape(operator_id)
    if command is not None:
        with read_only() as db:
            found = preview_of(
                db,
                command,
                operator_id=operator_id,
                drawn=len(drawn) if drawn else None,
                before=zone.command if zone else None,
                zone_id=zone.id if zone else None,
            )
        page = replace(page, preview=found)
    return _render(page, form, status=422 if form.errors and status == 200 else status, fragment=fragment)


def _render(
    page: FormPage, form: ZoneForm, *, status: int = 200, fragment: str = "zones/_form.html"
) -> ResponseReturnValue:
    return render_page_or_fragment("zones/form.html", fragment, status=status, page=page, form=form)
