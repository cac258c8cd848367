"""A trainer to enter or to change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final
from uuid import UUID

from flask import request
from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField
from wtforms.validators import ValidationError

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.names import MAX_NAME
from webapp.courses.queries import CourseRow
from webapp.households.rules import Gender, Language
from webapp.households.words import languages
from webapp.trainers.forms.fields import HoursField, KeyField
from webapp.trainers.queries import TrainerDetail
from webapp.trainers.questions import FIND_TOWN
from webapp.trainers.rules import MAX_NOTES, TrainerCommand, WorkingHours, check_courses, shared_time_zone
from webapp.trainers.service import changed_since, seen_of
from webapp.trainers.sync_rules import OWNED_FACTS, Owned
from webapp.trainers.words import GENDERS, OWNED, WEEKDAYS
from webapp.web.errors import sentence_of
from webapp.web.fields import ParsedField
from webapp.web.forms import (
    BaseForm,
    ChoiceManyField,
    ChoiceSelectField,
    LocationField,
    LongTextField,
    TextField,
    UuidManyField,
    needed,
)
from webapp.zones.queries import ZoneOffer

HOURS: Final = tuple(f"hours_{weekday}" for weekday in range(7))
FIELDS_OF: Final[Mapping[Owned, Sequence[str]]] = {
    Owned.NAME: ("name",),
    Owned.ACTIVE: ("active",),
    Owned.BASE: ("base",),
    Owned.COURSES: ("courses",),
    Owned.ZONES: ("zones",),
    Owned.HOURS: HOURS,
    Owned.TIME_OFF: (),
}
"""The fields of the form by what the trainer service may own."""
FIELDS_OF_FACT: Final[Mapping[str, Sequence[str]]] = {
    **{fact: FIELDS_OF[owned] for owned, fact in OWNED_FACTS.items()},
    **{name: (name,) for name in ("gender", "languages", "notes")},
}
"""The fields of the form by what a command calls them."""


@dataclass(frozen=True, slots=True)
class Offer:
    """What may be ticked, and how many courses."""

    courses: tuple[CourseRow, ...]
    zones: tuple[ZoneOffer, ...]
    max_courses: int

    @property
    def several_time_zones(self) -> bool:
        """Whether the zones have to be told apart by their time zone."""
        return len({zone.time_zone for zone in self.zones}) > 1


class TrainerForm(BaseForm):
    """A trainer of one operator. What the trainer service owns has no field here, and sending one is refused.

    Without a service (``served``) it owns nothing.
    ``key`` is the id a new trainer will have, ``seen`` what the form showed of a known one when it was opened.
    """

    key = KeyField()
    seen = HiddenField()
    name = TextField(OWNED[Owned.NAME], [needed(_l("Give the trainer’s name."))], max_length=MAX_NAME)
    gender = ChoiceSelectField(_l("Gender"), coerce=Gender, choices=[("", _l("Not said")), *GENDERS.items()])
    languages = ChoiceManyField(_l("Languages"), coerce=Language)
    courses = UuidManyField(OWNED[Owned.COURSES])
    zones = UuidManyField(OWNED[Owned.ZONES])
    base = LocationField(OWNED[Owned.BASE], find_town=lambda town: FIND_TOWN(town))
    hours_0 = HoursField(WEEKDAYS[0], weekday=0)
    hours_1 = HoursField(WEEKDAYS[1], weekday=1)
    hours_2 = HoursField(WEEKDAYS[2], weekday=2)
    hours_3 = HoursField(WEEKDAYS[3], weekday=3)
    hours_4 = HoursField(WEEKDAYS[4], weekday=4)
    hours_5 = HoursField(WEEKDAYS[5], weekday=5)
    hours_6 = HoursField(WEEKDAYS[6], weekday=6)
    notes = LongTextField(_l("Notes"), max_length=MAX_NOTES)
    active = BooleanField(OWNED[Owned.ACTIVE], default=True)

    def __init__(
        self, offer: Offer, known: TrainerDetail | None = None, *, served: bool = False, **kwargs: Any
    ) -> None:
        self._offer = offer
        self._known = known.as_command() if known is not None else None
        self._owned = _kept_by_service(known) if known is not None and served else frozenset()
        if self._known is not None:
            kwargs["data"] = _as_typed(self._known)
        super().__init__(**kwargs)
        self.languages.choices = languages()
        self.courses.choices = [(course.id, course.name) for course in offer.courses]
        self.zones.choices = [(zone.id, self._zone_word(zone)) for zone in offer.zones]
        for owned in self._owned:
            for name in FIELDS_OF[owned]:
                del self[name]

    @property
    def hours(self) -> list[Any]:
        """The fields of the weekdays; none where the trainer service says the hours."""
        return [self[name] for name in HOURS if name in self]

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether what was sent is sound; a field of the trainer service must not have been sent at all."""
        sound = super().validate(extra_validators)
        forged = [owned for owned in Owned if owned in self._owned and set(FIELDS_OF[owned]) & set(request.form)]
        for owned in forged:
            sentence = _("“%(field)s” is kept by the trainer service: it cannot be changed here.", field=OWNED[owned])
            self.form_errors.append(sentence)
        return sound and not forged

    def overtaken(self) -> None:
        """Tell what somebody changed since the form was opened; sent once more, what stands in it is meant.

        The form was made of the trainer as they are now. What was typed stays.
        """
        assert self._known is not None
        changed = changed_since(self.seen.data or "", self._known)
        now = _as_typed(self._known)
        for name in (name for fact in changed for name in FIELDS_OF_FACT[fact] if name in self):
            field = self[name]
            if _told(field, field.data) != (present := _told(field, now[name])):
                sentence = _("Somebody changed this meanwhile. Now it is: %(present)s", present=present or _("nothing"))
                field.errors = [*field.errors, sentence]
        labels = [label for fact, label in self._labels() if fact in changed]
        self.form_errors.append(
            _(
                "Somebody changed this trainer a moment ago. Changed: %(fields)s. Nothing of yours is saved yet: save"
                " again to put what stands here in its place.",
                fields=", ".join(labels),
            )
        )
        self.seen.data = now["seen"]

    def _labels(self) -> list[tuple[str, str]]:
        """What a command calls the facts, and what people do; in the order of the form."""
        own = [(name, str(self[name].label.text)) for name in ("gender", "languages", "notes")]
        return [*((fact, str(OWNED[owned])) for owned, fact in OWNED_FACTS.items()), *own]

    def validate_courses(self, field: Any) -> None:
        """Not more than a trainer may have (rule T3); what is there already stays."""
        if set(field.data or ()) != set(self._known.course_ids if self._known else ()):
            _heeding(lambda: check_courses(field.data or (), max_courses=self._offer.max_courses))

    def validate_zones(self, field: Any) -> None:
        """All of one time zone; what is there already stays."""
        chosen = set(field.data or ())
        if not field.errors and (self._known is None or chosen != set(self._known.zone_ids)):
            _heeding(lambda: shared_time_zone([zone.time_zone for zone in self._offer.zones if zone.id in chosen]))

    def to_command(self, operator_id: UUID) -> TrainerCommand:
        """The trainer as they shall be; what has no field here stays as it is."""
        known = self._known or TrainerCommand(operator_id, "", None, None, (), (), (), ())
        values: dict[str, Any] = {
            "gender": self.gender.data,
            "languages": tuple(self.languages.data or ()),
            "notes": self.notes.data or "",
        }
        if "name" in self:
            values["name"] = self.name.data or ""
        if "courses" in self:
            values["course_ids"] = tuple(self.courses.data or ())
        if "zones" in self:
            values["zone_ids"] = tuple(self.zones.data or ())
        if "base" in self:
            values["base"] = known.base if _shown_alike(known.base, self.base.data) else self.base.data
        if self.hours:
            values["hours"] = tuple(period for field in self.hours for period in field.data or ())
        if "active" in self:
            values["active"] = bool(self.active.data)
        return replace(known, **values)

    def _zone_word(self, zone: ZoneOffer) -> str:
        word = f"{zone.name} · {zone.label}" if zone.label else zone.name
        if self._offer.several_time_zones:
            word = f"{word} ({zone.time_zone})"
        return word if zone.active else _("%(zone)s, switched off", zone=word)


def _kept_by_service(known: TrainerDetail) -> frozenset[Owned]:
    """What is not changed here; nor is one whom the service names no longer made active here."""
    return known.owned | {Owned.ACTIVE} if known.from_service and known.left_at is not None else known.owned


def _as_typed(known: TrainerCommand) -> dict[str, Any]:
    """A trainer as the form's fields hold them."""
    by_weekday: dict[int, list[WorkingHours]] = {weekday: [] for weekday in range(7)}
    for period in known.hours:
        by_weekday[period.weekday].append(period)
    return {
        "name": known.name,
        "gender": known.gender,
        "languages": known.languages,
        "courses": known.course_ids,
        "zones": known.zone_ids,
        "base": known.base,
        "notes": known.notes,
        "active": known.active,
        "seen": seen_of(known),
        **{HOURS[weekday]: tuple(periods) for weekday, periods in by_weekday.items()},
    }


def _told(field: Any, value: Any) -> str:
    """The value of a field in words: what stands at the ticks and choices, else what would be typed."""
    if isinstance(field, BooleanField):
        return str(_("Yes") if value else _("No"))
    if hasattr(field, "choices"):
        chosen = {str(one) for one in (value or ())} if isinstance(field, ChoiceManyField) else {str(value or "")}
        return ", ".join(str(one.label) for one in field.choices if str(one.value) and str(one.value) in chosen)
    if isinstance(field, ParsedField):
        return "" if value is None else str(field.show(value))
    return str(value or "")


def _shown_alike(known: Location | None, typed: Location | None) -> bool:
    """Whether a place was left as the form shows it, which is shorter than it may be stored."""
    if known is None or typed is None:
        return known is typed
    return (round(known.lat, 6), round(known.lng, 6)) == (round(typed.lat, 6), round(typed.lng, 6))


def _heeding(rule: Any) -> None:
    """Ask a rule; what it refuses is the field's error."""
    try:
        rule()
    except Invalid as error:
        raise ValidationError(sentence_of(error)) from error
