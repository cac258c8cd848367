"""Erasing a family: why, and the name typed once more."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import lazy_gettext as _l
from wtforms.validators import ValidationError

from webapp.core.errors import Invalid
from webapp.core.names import name_key
from webapp.households.rules import ErasureReason
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField

REASONS: Final = (
    (ErasureReason.ASKED_FOR, _l("The family asked for it")),
    (ErasureReason.NO_LONGER_NEEDED, _l("It is no longer needed")),
    (ErasureReason.AUTHORITY, _l("An authority or a court demands it")),
    (ErasureReason.MISTAKE, _l("It should never have been entered")),
)


class EraseForm(BaseForm):
    """What cannot be undone wants the family's name typed; ``family`` is that name."""

    reason = ChoiceSelectField(_l("Reason"), coerce=ErasureReason, choices=[("", _l("Choose a reason")), *REASONS])
    confirmation = TextField(_l("Name of the first guardian"), max_length=200)

    def __init__(self, *args: Any, family: str, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._family = family

    def validate_reason(self, field: Any) -> None:
        """One of the list."""
        if not field.data:
            raise ValidationError(_l("Choose a reason."))

    def validate_confirmation(self, field: Any) -> None:
        """The name as it is written on the page; case and spaces do not count."""
        try:
            same = name_key(field.data or "") == name_key(self._family)
        except Invalid:
            same = False
        if not same:
            raise ValidationError(_l("Type the name exactly as it is shown."))
