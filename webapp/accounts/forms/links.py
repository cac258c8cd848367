"""Forms of forgotten passwords and of invitations."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import EmailField, PasswordField

from webapp.accounts.invitations import JoinCommand
from webapp.accounts.rules import LOCALES
from webapp.core.names import MAX_NAME
from webapp.web.forms import BaseForm, ChoiceSelectField, TextField, needed


class ForgottenForm(BaseForm):
    """Where to send the letter."""

    email = EmailField(_l("E-mail address"), [needed(_l("Enter your e-mail address."))])


class NewPasswordForm(BaseForm):
    """The new password alone: whose it is stands in the link."""

    password = PasswordField(_l("New password"), [needed(_l("Enter a new password."))])


class JoinForm(BaseForm):
    """What somebody who was invited says about themselves; the rest stands in the invitation."""

    name = TextField(_l("Your name"), [needed(_l("Enter your name."))], max_length=MAX_NAME)
    locale = ChoiceSelectField(_l("Language"), [needed(_l("Choose a language."))], choices=tuple(LOCALES.items()))
    password = PasswordField(_l("Password"), [needed(_l("Choose a password."))])

    def to_command(self) -> JoinCommand:
        """Name and language."""
        return JoinCommand(name=self.name.data or "", locale=self.locale.data or "")
