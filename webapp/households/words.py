"""What the languages of families and trainers are called, in the reader's own."""

from __future__ import annotations

from flask_babel import get_locale

from webapp.households.rules import Language


def language_name(code: str | None) -> str:
    """A language by its ISO 639-1 code, as the reader calls it: "Telugu"; nothing for nothing."""
    if not code:
        return ""
    locale = get_locale()
    return str(locale.languages.get(code, code)) if locale else code


def languages() -> list[tuple[str, str]]:
    """The languages families are spoken to in, as (code, word), for a list to choose from."""
    return [(language.value, language_name(language.value)) for language in Language]
