"""The form of a passkey: what it is called."""

from __future__ import annotations

from flask_babel import lazy_gettext as _l

from webapp.web.forms import BaseForm, TextField, needed


class PasskeyForm(BaseForm):
    """A passkey's name, which its person knows it by."""

    name = TextField(_l("Name"), [needed(_l("Give the passkey a name."))])
