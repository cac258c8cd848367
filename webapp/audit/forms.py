"""What may be asked of the log, and the noted head of a verification."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from uuid import UUID
from zoneinfo import ZoneInfo

from flask_babel import lazy_gettext as _l
from wtforms.validators import ValidationError

from webapp.audit.rules import NotedHead
from webapp.web.forms import BaseForm, ChoiceSelectField, DayField, IdField, TextField, UuidSelectField

SYSTEM: Final = "system"
"""What to look for to see what the desk did by itself."""
UTC_ZONE: Final = "UTC"
FIELDS: Final = ("who", "what", "kind", "subject", "operator", "since", "until", "zone")
"""What may stand in the address, besides where the page begins."""
_YEARS: Final = (2000, 2200)
_HEAD: Final = 100


@dataclass(frozen=True, slots=True)
class Offered:
    """What the lists of the filter offer."""

    operators: Mapping[UUID, str]
    kinds: tuple[str, ...]
    time_zones: tuple[str, ...]


class LogFilterForm(BaseForm):
    """Read from the address."""

    class Meta:
        """A question changes nothing, so it carries no token."""

        csrf = False

    who = TextField(_l("Person"), max_length=120)
    what = TextField(_l("What happened"), max_length=64)
    kind = ChoiceSelectField(_l("Kind of thing"))
    subject = IdField(_l("Id of a thing or an entry"))
    operator = UuidSelectField(_l("Operator"))
    since = DayField(_l("From"))
    until = DayField(_l("Until"))
    zone = ChoiceSelectField(_l("Days and times in"))

    def offer(self, offered: Offered) -> None:
        """Fill the lists."""
        self.kind.choices = [("", _l("Any")), *((kind, kind) for kind in offered.kinds)]
        self.operator.choices = [("", _l("Any")), *offered.operators.items()]
        zones: Iterable[str] = dict.fromkeys([UTC_ZONE, *offered.time_zones])
        self.zone.choices = [(zone, zone) for zone in zones]
        self.zone.data = self.zone.data or UTC_ZONE

    def validate_since(self, field: DayField) -> None:
        """A day of a desk's life."""
        _sound(field.data)

    def validate_until(self, field: DayField) -> None:
        """A day that is not before the first."""
        _sound(field.data)
        if field.data and self.since.data and field.data < self.since.data:
            raise ValidationError(_l("This day is before the first one."))

    @property
    def time_zone(self) -> str:
        """The zone the days are meant in; UTC when the address names none that is offered."""
        return UTC_ZONE if self.zone.errors or not self.zone.data else str(self.zone.data)

    @property
    def asks_for_system(self) -> bool:
        """Whether the desk itself is looked for."""
        return (self.who.data or "").strip().casefold() == SYSTEM

    @property
    def person_id(self) -> UUID | None:
        """The person, when they are named by their id."""
        try:
            return UUID(self.who.data or "")
        except ValueError:
            return None

    @property
    def starts_at(self) -> datetime | None:
        """The first instant of the first day."""
        return self._midnight(self.since.data)

    @property
    def ends_at(self) -> datetime | None:
        """The first instant after the last day."""
        return self._midnight(self.until.data + timedelta(days=1)) if self.until.data else None

    def _midnight(self, on: date | None) -> datetime | None:
        return datetime.combine(on, time(), ZoneInfo(self.time_zone)).astimezone(UTC) if on else None


def _sound(on: date | None) -> None:
    if on is not None and not _YEARS[0] <= on.year < _YEARS[1]:
        raise ValidationError(_l("Give a year between 2000 and 2199."))


class VerifyForm(BaseForm):
    """How far the chain was looked at already, and a head that was noted down earlier."""

    head = TextField(_l("A head noted down earlier"), max_length=_HEAD)
    behind = TextField(max_length=18)

    def to_head(self) -> NotedHead | None:
        """The noted head, if one is given. Raises ``Invalid``."""
        return NotedHead.read(self.head.data) if self.head.data else None

    def to_behind(self) -> int:
        """The position that was reached; 0 for none and for rubbish: then it begins at the first."""
        text: Any = self.behind.data or ""
        return int(text) if text.isascii() and text.isdigit() else 0
