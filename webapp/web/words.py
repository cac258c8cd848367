"""Sentences in the reader's language, typed: ``_("Text with %(place)s.", place=…)``."""

from __future__ import annotations

from flask_babel import gettext
from flask_babel import ngettext as translated


def _(sentence: str, **places: object) -> str:
    """The sentence translated for the reader of this request, its places filled in."""
    return str(gettext(sentence, **places))


def ngettext(one: str, many: str, num: int, **places: object) -> str:
    """The sentence for this number, translated for the reader of this request."""
    return str(translated(one, many, num, **places))
