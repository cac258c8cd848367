"""The base of every form: shape is checked here, meaning in the rooms' rules.

class GuardianForm(BaseForm):
    name = TextField(_l("Name"), [needed(_l("Give the guardian's name."))])
    phone = PhoneField(_l("Phone"), [needed(_l("Give a phone number."))])

    def to_command(self) -> AddGuardian: ...

form = GuardianForm()
if form.validate_on_submit():
    try: service.add(...); return redirect_after(url)
    except Invalid as error: form.refuse(error)
return render_template("households/_guardian_form.html", form=form), 422
"""

from __future__ import annotations

from typing import Any

from flask import request
from flask_babel import gettext, lazy_gettext
from flask_wtf import FlaskForm
from werkzeug.datastructures import MultiDict
from wtforms.validators import InputRequired, Optional

from webapp.core.errors import DomainError, Invalid
from webapp.web.fields import (
    ChoiceManyField,
    ChoiceRadioField,
    ChoiceSelectField,
    DayField,
    IdField,
    LatitudeField,
    LocationField,
    LongitudeField,
    LongTextField,
    PhoneField,
    TextField,
    TimeslotField,
    UuidManyField,
    UuidSelectField,
)

__all__ = [
    "BaseForm",
    "ChoiceManyField",
    "ChoiceRadioField",
    "ChoiceSelectField",
    "DayField",
    "IdField",
    "LatitudeField",
    "LocationField",
    "LongTextField",
    "LongitudeField",
    "PhoneField",
    "TextField",
    "TimeslotField",
    "UuidManyField",
    "UuidSelectField",
    "form_problems",
    "needed",
    "optional",
]


class BaseForm(FlaskForm):
    """A form with a CSRF token, an error summary and room for a rule's refusal."""

    class Meta(FlaskForm.Meta):
        """How the form reads what was sent."""

        def wrap_formdata(self, form: Any, formdata: Any) -> Any:
            """What was sent as a form, and only that.

            Flask-WTF would take a JSON body for one. Its values need not be text, which no field expects, and the rate
            limiter, which counts the account named in the form, would see none and count all such tries as one.
            """
            if formdata is not None and not isinstance(formdata, MultiDict) and request.is_json:
                return None
            return super().wrap_formdata(form, formdata)

    def refuse(self, error: DomainError) -> None:
        """Show a domain error in the form: at its field when it names one of ours, else above all fields."""
        sentence = gettext(error.message, **error.params)
        name = error.field if isinstance(error, Invalid) else None
        if name is not None and name in self._fields:
            field = self._fields[name]
            field.errors = [*field.errors, sentence]
        else:
            self.form_errors.append(sentence)


class _Needed(InputRequired):
    """``InputRequired`` that also refuses text of nothing but space, and what could be read as nothing."""

    def __call__(self, form: Any, field: Any) -> None:
        if field.raw_data and isinstance(field.raw_data[0], str) and not field.raw_data[0].strip():
            field.raw_data = []
        super().__call__(form, field)


def needed(sentence: Any = None) -> InputRequired:
    """The validator of a field that must be filled; the sentence says what to give."""
    return _Needed(sentence or lazy_gettext("Fill this in."))


def optional() -> Optional:
    """The validator of a field that may stay empty; the rest of its validators then rest."""
    return Optional()


def _flat(errors: Any) -> list[str]:
    if isinstance(errors, dict):
        return [sentence for nested in errors.values() for sentence in _flat(nested)]
    if isinstance(errors, (list, tuple)):
        return [sentence for nested in errors for sentence in _flat(nested)]
    return [str(errors)]


def _problems(fields: Any) -> list[tuple[str | None, str]]:
    found: list[tuple[str | None, str]] = []
    for field in fields:
        inner = getattr(field, "entries", None) or (list(field.form) if hasattr(field, "form") else None)
        if inner:
            found += _problems(inner)
            continue
        found += [(field.id, sentence) for sentence in _flat(field.errors)]
    return found


def form_problems(form: Any) -> list[tuple[str | None, str]]:
    """What is wrong with a form, as (id of the field or ``None``, sentence), in the order of the page. A Jinja global.

    Nothing for a form that was not sent, and for no form at all.
    """
    if not form or not getattr(form, "errors", None):
        return []
    found: list[tuple[str | None, str]] = [(None, str(sentence)) for sentence in getattr(form, "form_errors", [])]
    for field_id, sentence in _problems(form):
        # The token has no field to go to: say what to do instead of what it is called.
        if field_id is not None and field_id.endswith("csrf_token"):
            found.append((None, gettext("This page was open for too long. Send the form again.")))
        else:
            found.append((field_id, sentence))
    return found
