"""Forms of second factors: giving one, and setting up an authenticator app."""

from __future__ import annotations

from typing import Any

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import HiddenField, PasswordField, StringField

from webapp.web.forms import BaseForm, needed


class SecondFactorForm(BaseForm):
    """The code of the app or, opened below it, a recovery code; ``next`` is where to go afterwards."""

    code = StringField(_l("Code"))
    recovery_code = StringField(_l("Recovery code"))
    next = HiddenField()

    def validate(self, extra_validators: Any = None) -> bool:
        """One of the two is needed."""
        sound: bool = super().validate(extra_validators)
        if not (self.code.data or "").strip() and not (self.recovery_code.data or "").strip():
            self.code.errors = [*self.code.errors, gettext("Enter the six digits, or a recovery code.")]
            return False
        return sound


class EnrolForm(BaseForm):
    """The code that confirms an authenticator app just set up."""

    code = StringField(_l("Code"), [needed(_l("Enter the six digits that the app shows."))])
    next = HiddenField()


class FirstFactorForm(EnrolForm):
    """The same for somebody signed in who has no second factor yet: the password speaks for them."""

    password = PasswordField(_l("Your password"), [needed(_l("Enter your password."))])
