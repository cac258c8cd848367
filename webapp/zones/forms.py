"""Forms of the zones room: the filter of the list, and drawing a zone."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from hashlib import blake2b
from typing import Any, Final
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField

from webapp.core.errors import DomainError, Invalid
from webapp.core.geo import Location
from webapp.core.names import MAX_NAME
from webapp.operators.rules import franchise_of
from webapp.web.fields import ParsedField
from webapp.web.forms import (
    BaseForm,
    ChoiceRadioField,
    ChoiceSelectField,
    LatitudeField,
    LongitudeField,
    TextField,
    UuidSelectField,
    needed,
)
from webapp.web.words import _, ngettext
from webapp.zones.fields import (
    BorderField,
    BorderFileField,
    LengthField,
    MinutesField,
    NumberSeenField,
    time_zone_names,
)
from webapp.zones.hints import time_zone_at
from webapp.zones.rules import ZoneCommand, ZoneKind, faults_of
from webapp.zones.service import MAX_REASON
from webapp.zones.shapes import clean_ring


class ZoneFilter(BaseForm):
    """Filters of the list, read from the address."""

    q = TextField(_l("Name or label"), max_length=120)
    operator = UuidSelectField(_l("Operator"))


class HolesFilter(BaseForm):
    """Whose zones to look between, read from the address."""

    operator = UuidSelectField(_l("Operator"))


KINDS: Final = {ZoneKind.CIRCLE: _l("A circle"), ZoneKind.POLYGON: _l("A polygon")}
TOLERANCES: Final = (1, 5, 10, 25, 50, 100, 250)
"""By how many metres a border may be moved to have fewer corners."""
_OF_KIND: Final = {
    ZoneKind.CIRCLE: ("center_lat", "center_lng", "radius_km"),
    ZoneKind.POLYGON: ("corners", "geojson", "max_travel_km", "simplify_m"),
}
SHAPE: Final = ("kind", *(name for names in _OF_KIND.values() for name in names))
"""The fields of a shape."""
_FIELDS_OF_FACT: Final = {"center": ("center_lat", "center_lng"), "ring": ("corners",)}
"""The fields of the form for what the audit and the versions tell of a zone."""
_FIELD_OF: Final = {"center": "center_lat", "ring": "corners", "franchise_id": "operator"}
"""The field of the form for what the rules call otherwise."""


class ZoneForm(BaseForm):
    """A zone to draw or to change. What is typed for the other kind of shape is kept in its fields, and not looked at.

    ``known`` is the zone as it is. ``operator`` is asked only of whoever sees every operator and draws a new one.
    """

    name = TextField(_l("Name"), [needed(_l("Give the zone a name."))], max_length=MAX_NAME)
    label = TextField(_l("Label"), max_length=MAX_NAME)
    operator = UuidSelectField(_l("Operator"), [needed(_l("Choose whose zone it is."))])
    kind = ChoiceRadioField(_l("Shape"), coerce=ZoneKind, choices=[*KINDS.items()], default=ZoneKind.CIRCLE)
    center_lat = LatitudeField(_l("Centre: latitude"))
    center_lng = LongitudeField(_l("Centre: longitude"))
    radius_km = LengthField(_l("Radius in km"))
    corners = BorderField(_l("Corners"))
    geojson = BorderFileField(_l("GeoJSON file"))
    simplify_m = ChoiceSelectField(
        _l("Simplify"),
        coerce=int,
        choices=[
            ("", _l("As drawn")),
            *((m, _l("Move the border by %(metres)s m at most", metres=m)) for m in TOLERANCES),
        ],
    )
    max_travel_km = LengthField(_l("Trainers come from at most (km)"))
    time_zone = ChoiceSelectField(_l("Time zone"))
    travel_buffer_minutes = MinutesField(_l("Travel buffer in minutes"), default=0)
    active = BooleanField(_l("Active"), default=True)
    reason = TextField(_l("Reason"), max_length=MAX_REASON)
    version = NumberSeenField()
    looked = HiddenField()

    def __init__(
        self, *, known: ZoneCommand | None = None, version: int = 0, owners: Any = None, **kwargs: Any
    ) -> None:
        self._known = known
        if known is not None:
            kwargs["data"] = _as_typed(known) | {"version": version}
        super().__init__(**kwargs)
        names = time_zone_names()
        if known is not None and known.time_zone not in names:
            names = (known.time_zone, *names)
        self.time_zone.choices = [("", _l("As the place has it")), *names]
        if owners is None:
            del self.operator
        else:
            self.operator.choices = [("", _l("Choose")), *owners]
        if self.geojson.ring is not None:
            self.corners.take(self.geojson.ring)

    def validate(self, extra_validators: Any = None) -> bool:
        """Whether what was sent is sound; what belongs to the other kind of shape is read past."""
        for kind, names in _OF_KIND.items():
            if kind is not self.kind.data:
                for name in names:
                    self[name].process_errors = []
        return bool(super().validate(extra_validators))

    def refuse(self, error: DomainError) -> None:
        """Show a rule's refusal at the field it is about."""
        if isinstance(error, Invalid) and error.field in _FIELD_OF:
            field = _FIELD_OF[error.field]
            error = Invalid(error.code, error.message, field=field, **error.params)
        super().refuse(error)

    def forget_the_rest(self) -> None:
        """Leave out what is wrong beside the shape: it is looked at while the rest is still to be filled in."""
        for field in self:
            if field.name not in SHAPE:
                field.errors = []

    def shape(self, operator_id: UUID) -> ZoneCommand | None:
        """The zone if its shape is sound; what is wrong with a shape that is all there stands in the form then."""
        shown = _OF_KIND.get(self.kind.data, ())
        if not shown or any(self[name].errors for name in shown if name != "max_travel_km"):
            return None
        if self.drawn is None and (self.center is None or self.radius_km.data is None):
            return None
        try:
            command = self.to_command(operator_id)
        except Invalid as error:
            self.refuse(error)
            return None
        faults = [fault for fault in faults_of(command) if fault.field in ("ring", "radius_km")]
        for fault in faults:
            self.refuse(fault)
        return None if faults else command

    def overtaken(self, present: ZoneCommand, changed: Collection[str]) -> None:
        """Tell what somebody changed since the form was opened. What was typed stays, to be sent again."""
        now = _as_typed(present)
        for name in (name for fact in changed for name in _FIELDS_OF_FACT.get(fact, (fact,)) if name in now):
            field = self[name]
            if field.data == now[name]:
                continue
            told = _told(field, now[name])
            sentence = _("Somebody changed this meanwhile. Now it is: %(present)s", present=told or _("nothing"))
            field.errors = [*field.errors, sentence]

    @property
    def drawn(self) -> tuple[Location, ...] | None:
        """The corners as they were drawn, of a polygon."""
        return self.corners.data if self.kind.data is ZoneKind.POLYGON else None

    @property
    def center(self) -> Location | None:
        """The centre that was given, of a circle."""
        if self.center_lat.data is None or self.center_lng.data is None or self.kind.data is not ZoneKind.CIRCLE:
            return None
        return Location(self.center_lat.data, self.center_lng.data)

    def to_command(self, operator_id: UUID) -> ZoneCommand:
        """The zone as it shall be, of a form that is sound; rules check the rest.

        Raises ``Invalid`` for a ring that cannot be simplified. Without a time zone it is the place's own.
        """
        polygon = self.kind.data is ZoneKind.POLYGON
        command = ZoneCommand(
            name=self.name.data or "",
            franchise_id=franchise_of(operator_id),
            time_zone=self.time_zone.data or "",
            center=self.center,
            radius_km=None if polygon else self.radius_km.data,
            ring=self._ring() if polygon else None,
            max_travel_km=self.max_travel_km.data if polygon else None,
            travel_buffer_minutes=self.travel_buffer_minutes.data or 0,
            label=self.label.data or "",
            active=bool(self.active.data),
        )
        if not command.time_zone and (command.ring or command.center):
            command = replace(command, time_zone=time_zone_at(command.measured_center) or "")
        return command

    def _ring(self) -> tuple[Location, ...]:
        ring: tuple[Location, ...] = self.corners.data or ()
        if self._known is not None and ring == self._known.ring and not self.simplify_m.data:
            return ring
        return clean_ring(ring, tolerance_m=float(self.simplify_m.data or 0))


def _as_typed(known: ZoneCommand) -> dict[str, Any]:
    """A zone as the form's fields hold it."""
    return {
        "name": known.name,
        "label": known.label,
        "kind": known.kind,
        "center_lat": known.center.lat if known.center else None,
        "center_lng": known.center.lng if known.center else None,
        "radius_km": known.radius_km,
        "corners": known.ring,
        "max_travel_km": known.max_travel_km,
        "time_zone": known.time_zone,
        "travel_buffer_minutes": known.travel_buffer_minutes,
        "active": known.active,
    }


def _told(field: Any, value: Any) -> str:
    """The value of a field in words."""
    if value is None:
        return ""
    if isinstance(field, BooleanField):
        return _("Yes") if value else _("No")
    if isinstance(value, tuple):
        return ngettext("%(num)s corner", "%(num)s corners", len(value))
    return str(KINDS.get(value, field.show(value) if isinstance(field, ParsedField) else value))


def fingerprint(command: ZoneCommand, version: int) -> str:
    """Tells whether what is saved is what was looked at."""
    return blake2b(repr((command, version)).encode(), digest_size=16).hexdigest()
