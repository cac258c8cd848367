"""Whom a family shall be kept apart from, and why (rule T10)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l

from webapp.web.forms import BaseForm, TextField, UuidSelectField, needed


class ApartForm(BaseForm):
    """One of the operator's trainers, and the reason."""

    trainer = UuidSelectField(_l("Trainer"), [needed(_l("Choose a trainer."))])
    reason = TextField(_l("Reason"), [needed(_l("Give a reason."))], max_length=120)

    def __init__(self, *args: Any, trainers: Sequence[tuple[UUID, str]] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.offer(trainers)

    def offer(self, trainers: Sequence[tuple[UUID, str]]) -> None:
        """Show these to choose from; an answer is read by those the form was made with."""
        self.trainer.choices = [("", _l("Choose a trainer")), *trainers]
