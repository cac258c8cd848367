"""Filters of the list of families, and a child's name."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.core.names import MAX_NAME
from webapp.households.rules import StudentCommand
from webapp.web.forms import BaseForm, TextField, needed


class HouseholdFilter(BaseForm):
    """Read from the address."""

    q = TextField(_l("Guardian, phone or student"), max_length=120)


class StudentNameForm(BaseForm):
    """How a child's name is written."""

    student_name = TextField(_l("Name"), [needed(_l("Enter a name."))], max_length=MAX_NAME)

    def to_command(self) -> StudentCommand:
        """The name, to be cleaned."""
        return StudentCommand(self.student_name.data or "")
