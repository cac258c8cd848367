"""Asking for a revocation, deciding on one, and making a certificate anew."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField
from wtforms.validators import ValidationError

from webapp.certificates.rules import LONGEST_WORDS, RequestCommand, RequestKind, RequestReason
from webapp.certificates.words import reason_choices
from webapp.web.forms import BaseForm, ChoiceSelectField, LongTextField, needed


class _AskForm(BaseForm):
    """A reason of the list."""

    kind: RequestKind
    reason = ChoiceSelectField(_l("Reason"), coerce=RequestReason, choices=[])

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.reason.choices = reason_choices(self.kind)

    def validate_reason(self, field: Any) -> None:
        """One of the list."""
        if not field.data:
            raise ValidationError(_l("Choose a reason."))

    def to_command(self) -> RequestCommand:
        """What is asked for."""
        return RequestCommand(self.kind, self.reason.data)


class RevokeForm(_AskForm):
    """Why, for the desk and for everybody who looks."""

    kind = RequestKind.REVOKE
    words = LongTextField(
        _l("In words, for everybody who looks"),
        [needed(_l("Say in a sentence why, for everybody who looks."))],
        max_length=LONGEST_WORDS,
    )

    def to_command(self) -> RequestCommand:
        """What is asked for."""
        return RequestCommand(self.kind, self.reason.data, self.words.data or "")


class AnewForm(_AskForm):
    """Why a revoked certificate is made anew."""

    kind = RequestKind.REISSUE


class NameSeenForm(BaseForm):
    """A button, and the name that stood beside it: what is done, is done with what was seen."""

    name = HiddenField()
