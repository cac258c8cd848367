"""The filter of the truth table."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.accounts.words import ROLES
from webapp.core.actor import Role
from webapp.web.forms import BaseForm, ChoiceSelectField


class RoleFilter(BaseForm):
    """Read from the address."""

    role = ChoiceSelectField(_l("Role"), coerce=Role, choices=[("", _l("All roles")), *ROLES.items()])
