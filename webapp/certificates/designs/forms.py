"""The form of a design: colours, who signs, pictures, and the words of one language at a time."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Final

from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, FileField, HiddenField
from wtforms.validators import ValidationError
from wtforms.widgets import ColorInput

from webapp.certificates.designs.previewing import LONGEST_NAME, sample_name
from webapp.certificates.designs.queries import Draft
from webapp.certificates.designs.rules import (
    FALLBACK_LANGUAGE,
    LIMITS,
    LONGEST_SIGNATORY,
    WORDS,
    Colours,
    Design,
    Part,
    Wording,
    checked_colour,
    checked_text,
    checked_word,
)
from webapp.certificates.typeface import printable_name, unsettable
from webapp.core.errors import Invalid
from webapp.web.forms import BaseForm, TextField
from webapp.web.uploads import Picture, picture_from

FITS_INTO: Final = {Part.LOGO: (720, 400), Part.SIGNATURE: (960, 200)}
"""Pixels of the largest picture kept: 400 an inch in its place on the certificate."""


class _Ruled:
    """A validator that asks a rule and shows its refusal at the field."""

    def __init__(self, check: Callable[[str, str], object]) -> None:
        self._check = check

    def __call__(self, form: Any, field: Any) -> None:
        try:
            self._check(field.name, field.data or "")
        except Invalid as error:
            raise ValidationError(gettext(error.message, **error.params)) from error


def _signatory(name: str, text: str) -> str:
    return checked_text(name, text, limit=LONGEST_SIGNATORY)


class _ColourField(TextField):
    widget = ColorInput()


class _Word(TextField):
    """One part of the wording; an empty one is right where the whole language is empty."""

    def __init__(self, label: Any, part: str, **kwargs: Any) -> None:
        super().__init__(label, max_length=LIMITS[part], **kwargs)

    def pre_validate(self, form: Any) -> None:
        """Ask the rule of this part."""
        if not form.speaks_nothing:
            _Ruled(checked_word)(form, self)


class DesignForm(BaseForm):
    """A design as it is being made. ``seen`` is the version of the draft that the form showed, 0 for none."""

    seen = HiddenField()
    ink = _ColourField(_l("Words"), [_Ruled(checked_colour)])
    name = _ColourField(_l("Student’s name"), [_Ruled(checked_colour)])
    ornament = _ColourField(_l("Rules and ornaments"), [_Ruled(checked_colour)])
    signatory_name = TextField(_l("Who signs"), [_Ruled(_signatory)], max_length=LONGEST_SIGNATORY)
    signatory_title = TextField(_l("What they are"), [_Ruled(_signatory)], max_length=LONGEST_SIGNATORY)
    logo = FileField(_l("Logo"))
    remove_logo = BooleanField(_l("Leave the logo out"))
    signature = FileField(_l("Signature"))
    remove_signature = BooleanField(_l("Leave the signature out"))
    title = _Word(_l("Title"), "title")
    opening = _Word(_l("Before the name"), "opening")
    achievement = _Word(_l("After the name"), "achievement")
    span = _Word(_l("Sessions and dates"), "span")
    taught_by = _Word(_l("Who taught"), "taught_by")
    issuer = _Word(_l("On whose behalf"), "issuer")
    signatory = _Word(_l("Below the line, where nobody is named"), "signatory")
    awarded = _Word(_l("Above the date"), "awarded")
    number = _Word(_l("Above the number"), "number")
    verify = _Word(_l("Above the address"), "verify")
    qr_alt = _Word(_l("What the code is, read aloud"), "qr_alt")
    sample = TextField(_l("Name on the preview"), max_length=LONGEST_NAME)

    def __init__(self, draft: Draft | None, base: Design, language: str) -> None:
        """A form over ``base``, which is the draft's design where there is one, for one of its languages."""
        words = base.wording.get(language)
        shown = {
            "seen": str(draft.version if draft is not None else 0),
            "signatory_name": base.signatory_name,
            "signatory_title": base.signatory_title,
            "sample": sample_name(language),
            **asdict(base.colours),
            **(asdict(words) if words is not None else {}),
        }
        super().__init__(data=shown)
        self._base, self.language = base, language

    @property
    def speaks_nothing(self) -> bool:
        """Whether the language is to be left out: every word of it is empty. English never is."""
        return self.language != FALLBACK_LANGUAGE and not any((self[name].data or "").strip() for name in WORDS)

    @property
    def version(self) -> int:
        """The version of the draft that was seen; -1, which none has, when that cannot be read."""
        seen = self.seen.data or ""
        return int(seen) if seen.isascii() and seen.isdigit() and len(seen) < 9 else -1

    @property
    def words(self) -> list[Any]:
        """The fields of the wording, in the order they stand on the page."""
        return [self[name] for name in WORDS]

    def validate_sample(self, field: Any) -> None:
        """Refuse, before anything is drawn, a name that shows nothing or that no font can set."""
        printed = printable_name(field.data or "")
        if not printed:
            raise ValidationError(gettext("Give a name that shows something."))
        if odd := unsettable(printed):
            characters = " ".join(odd[:10])
            raise ValidationError(
                gettext("No font of the certificates can set this: %(characters)s", characters=characters)
            )

    def to_design(self) -> Design:
        """The design as it shall be; its pictures are those of before."""
        wording = dict(self._base.wording)
        if self.speaks_nothing:
            wording.pop(self.language, None)
        else:
            wording[self.language] = Wording(**{name: self[name].data or "" for name in WORDS})
        return replace(
            self._base,
            wording=wording,
            colours=Colours(self.ink.data or "", self.name.data or "", self.ornament.data or ""),
            signatory_name=self.signatory_name.data or "",
            signatory_title=self.signatory_title.data or "",
        )

    def pictures(self) -> dict[Part, Picture | None]:
        """What was uploaded, drawn anew; ``None`` for a picture that is to go. Raises ``Invalid`` for its field."""
        found: dict[Part, Picture | None] = {}
        for part in Part:
            sent = self[part].data
            if getattr(sent, "filename", ""):
                found[part] = picture_from(sent.stream, field=part, fit_into=FITS_INTO[part], for_print=True)
            elif self[f"remove_{part}"].data:
                found[part] = None
        return found
