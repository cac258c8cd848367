"""Sentences in the reader's language, typed: ``_("Text with %(place)s.", place=…)``."""

from __future__ import annotations

from flask_babel import gettext


def _(sentence: str, **places: object) -> str:
    """The sentence translated for the reader of this request, its places filled in."""
    return str(gettext(sentence, **places))
