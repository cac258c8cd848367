"""The small forms of a booking's pages: whom to propose, why it ends, what is paid."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, StringField
from wtforms.validators import ValidationError

from webapp.bookings.rules import PaymentStatus
from webapp.bookings.words import PAYMENTS
from webapp.desk.forms.fields import AUTOMATIC, trainer_id, version_of
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField


class ProposeForm(BaseForm):
    """Whom to propose for a booking that waits."""

    trainer = StringField(_l("Trainer"))

    def validate_trainer(self, field: Any) -> None:
        """A trainer's id, or the automatic choice."""
        if field.data != AUTOMATIC and self.trainer_id is None:
            raise ValidationError(_l("Choose one from the list."))

    @property
    def trainer_id(self) -> UUID | None:
        """The trainer named, ``None`` for the automatic choice."""
        return trainer_id(self.trainer.data)


class ReasonForm(BaseForm):
    """A reason for something that ends a booking; ``version`` is the one the page showed."""

    version = HiddenField()
    reason = TextField(_l("Reason"), max_length=400)

    def validate_reason(self, field: Any) -> None:
        """Something must be said."""
        if not field.data:
            raise ValidationError(_l("Give a reason."))

    @property
    def version_seen(self) -> int:
        """The version the page showed; 0, which no booking has, for rubbish."""
        return version_of(self.version.data)


class PaymentForm(BaseForm):
    """What is known of the payment."""

    version = HiddenField()
    payment_status = ChoiceSelectField(_l("Payment"), coerce=PaymentStatus)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.payment_status.choices = [(status.value, word) for status, word in PAYMENTS.items()]

    def validate_payment_status(self, field: Any) -> None:
        """One of the list."""
        if field.data is None:
            raise ValidationError(_l("Choose one from the list."))

    @property
    def version_seen(self) -> int:
        """The version the page showed; 0, which no booking has, for rubbish."""
        return version_of(self.version.data)
