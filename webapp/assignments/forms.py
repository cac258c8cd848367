"""Decisions on a proposal as forms: each carries the version of the page it was pressed on."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField

from webapp.web.forms import BaseForm, LongTextField, needed


class DecisionForm(BaseForm):
    """Approve or withdraw: one button."""

    version = HiddenField()

    def to_version(self) -> int:
        """The version that was looked at; 0, which no proposal has, for rubbish."""
        text = str(self.version.data or "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


class RejectForm(DecisionForm):
    """Reject, saying why: whoever proposed reads it."""

    reason = LongTextField(
        _l("Reason for rejecting"), [needed(_l("Say why, so that the next proposal is better."))], max_length=400
    )
