"""The form of an operator."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField

from webapp.core.names import MAX_NAME
from webapp.operators.queries import OperatorRow
from webapp.operators.rules import OperatorCommand
from webapp.operators.service import seen_of
from webapp.web.forms import BaseForm, TextField, needed


class OperatorForm(BaseForm):
    """An operator's name and how its proposals are approved. ``seen`` is what the form showed when it was opened."""

    name = TextField(_l("Name"), [needed(_l("Give the operator a name."))], max_length=MAX_NAME)
    auto_approve = BooleanField(_l("The desk approves its proposals by itself, at once"))
    four_eyes = BooleanField(_l("Nobody approves their own proposal"), default=True)
    seen = HiddenField()

    def __init__(self, operator: OperatorRow | None = None, **kwargs: Any) -> None:
        known = as_it_is(operator) if operator is not None else None
        if known is not None:
            kwargs["data"] = {
                "name": known.name,
                "auto_approve": known.auto_approve,
                "four_eyes": known.four_eyes,
                "seen": seen_of(known),
            }
        super().__init__(**kwargs)
        self._active = known.active if known is not None else True

    def to_command(self) -> OperatorCommand:
        """The operator as it shall be; whether it is active is asked on a page of its own."""
        return OperatorCommand(
            name=self.name.data or "",
            auto_approve=bool(self.auto_approve.data),
            four_eyes=bool(self.four_eyes.data),
            active=self._active,
        )


def as_it_is(operator: OperatorRow) -> OperatorCommand:
    """An operator as the command that would make it what it is."""
    return OperatorCommand(operator.name, operator.auto_approve, operator.four_eyes, operator.active)
