"""The form that changes one's own password."""

from __future__ import annotations

from typing import Any

from flask_babel import lazy_gettext as _l
from wtforms import PasswordField, ValidationError

from webapp.web.forms import BaseForm, needed


class OwnPasswordForm(BaseForm):
    """The password now, and the new one twice: a slip of the finger would lock its owner out."""

    current = PasswordField(_l("Password now"), [needed(_l("Enter the password you have now."))])
    new = PasswordField(_l("New password"), [needed(_l("Enter a new password."))])
    again = PasswordField(_l("New password again"), [needed(_l("Enter the new password once more."))])

    def validate_again(self, field: Any) -> None:
        """Both must be the same."""
        if self.new.data and field.data != self.new.data:
            raise ValidationError(_l("This is not the same as the new password above."))
