"""Whom a trainer shall be kept apart from, and why (rule T10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField

from webapp.core.errors import DomainError, Invalid
from webapp.households.queries import HouseholdRow
from webapp.trainers.mentions import KeptApart
from webapp.web.filters import instant, people, person
from webapp.web.forms import BaseForm, ChoiceRadioField, TextField, needed


class FamilySearch(BaseForm):
    """What a family is looked for by; read from the address."""

    q = TextField(_l("Guardian, phone or student"), max_length=120)


class FamilyApartForm(BaseForm):
    """One of the families that were found, and the reason. ``q`` is what was looked for.

    ``kept`` are families who may be chosen although they are kept apart already.
    """

    q = HiddenField(id="searched")
    household = ChoiceRadioField(_l("Family"), [needed(_l("Choose a family."))], coerce=UUID)
    reason = TextField(_l("Reason"), [needed(_l("Give a reason."))], max_length=120)

    def __init__(self, families: Sequence[HouseholdRow], kept: Sequence[KeptApart] = (), **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.household.choices = [
            *((family.id, _title(family.guardian_name, family.students)) for family in families),
            *((family.household_id, _title(family.guardian, family.students)) for family in kept),
        ]

    def refuse(self, error: DomainError) -> None:
        """Show a refusal; one about the trainer is one about the family here, and its moment is said as pages do."""
        if isinstance(error, Invalid) and error.code == "already-apart":
            since: Any = error.params["since"]
            error = Invalid(error.code, error.message, field="household", since=instant(since, "UTC"))
        super().refuse(error)


def _title(guardian: str, students: tuple[str, ...]) -> str:
    """What tells families apart: "Sita Devi · Arun, Meena"."""
    return " · ".join(word for word in (person(guardian), people(students)) if word)
