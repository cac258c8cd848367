"""The forms of what changes after a trainer is approved: who teaches, when, and a pause (rules A7, S1 and B8)."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from datetime import date, time
from enum import StrEnum
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField
from wtforms.validators import ValidationError

from webapp.bookings.rules import DAY
from webapp.core.errors import DomainError
from webapp.desk.forms.fields import UuidsField, fill, version_of
from webapp.desk.forms.small import ProposeForm
from webapp.web.forms import BaseForm, DayField, LongTextField, TimeslotField, needed


class Step(StrEnum):
    """What a button asks for: the answer first, the change itself, or the change without the booking's own trainer."""

    ASK = "ask"
    DO = "do"
    WITHOUT = "without"


class VersionedForm(BaseForm):
    """A form that carries the version of the booking its page showed."""

    version = HiddenField()
    proposal_id: UUID | None = None
    """The open proposal that stands in the way, where a refusal names one."""

    @property
    def version_seen(self) -> int:
        """The version the page showed; 0, which no booking has, for rubbish."""
        return version_of(self.version.data)

    def refuse(self, error: DomainError) -> None:
        """Show a refusal, and remember the proposal it speaks of."""
        super().refuse(error)
        found = error.params.get("assignment_id")
        self.proposal_id = found if isinstance(found, UUID) else self.proposal_id


class ReplaceForm(ProposeForm, VersionedForm):
    """Who takes the remaining sessions over, and why."""

    purpose = LongTextField(_l("Why"), [needed(_l("Say why the trainer changes."))], max_length=400)


class SubstituteForm(ReplaceForm):
    """Which sessions somebody else teaches, who, and why."""

    session = UuidsField(_l("Sessions"), default=())

    def validate_session(self, field: Any) -> None:
        """At least one."""
        if not field.data and not field.errors:
            raise ValidationError(_l("Choose at least one session."))

    def choose(self, texts: Iterable[str]) -> None:
        """Choose the sessions an address names; rubbish chooses nothing."""
        chosen: list[UUID] = []
        for text in texts:
            with suppress(ValueError):
                chosen.append(UUID(text))
        self.session.data = tuple(dict.fromkeys(chosen))

    def keep(self, session_ids: Iterable[UUID]) -> None:
        """Forget chosen sessions that can no longer be chosen."""
        still = set(session_ids)
        self.session.data = tuple(chosen for chosen in self.session.data or () if chosen in still)


class MoveForm(VersionedForm):
    """The day and the time a session moves to."""

    to_date = DayField(_l("Day"), [needed(_l("Give the day."))])
    timeslot = TimeslotField(_l("Time"), [needed(_l("Give the time."))])

    def apply(self, text: str | None) -> None:
        """Take a free time that was pressed. Rubbish changes nothing."""
        with suppress(ValueError):
            at = time.fromisoformat(text or "")
            fill(self.timeslot, at.replace(second=0, microsecond=0, tzinfo=None))


class PauseForm(VersionedForm):
    """The first and the last day of a pause, both without sessions."""

    from_date = DayField(_l("First day without a session"), [needed(_l("Give the first day."))])
    to_date = DayField(_l("Last day without a session"), [needed(_l("Give the last day."))])

    def apply(self, text: str | None) -> None:
        """Pause until the day before one that was pressed. Rubbish changes nothing."""
        with suppress(ValueError, OverflowError):
            fill(self.to_date, date.fromisoformat(text or "") - DAY)


def step_of(text: str | None) -> Step:
    """What the pressed button asks for; the answer when it says nothing known."""
    with suppress(ValueError):
        return Step(text or "")
    return Step.ASK
