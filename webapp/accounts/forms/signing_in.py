"""The sign-in form."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l
from wtforms import EmailField, HiddenField, PasswordField

from webapp.web.forms import BaseForm, needed


class SignInForm(BaseForm):
    """E-mail address and password; ``next`` is where to go afterwards."""

    email = EmailField(_l("E-mail address"), [needed(_l("Enter your e-mail address."))])
    password = PasswordField(_l("Password"), [needed(_l("Enter your password."))])
    next = HiddenField()
