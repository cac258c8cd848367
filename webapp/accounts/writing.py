"""What letters say: templates under ``templates/letters``, in the language of whoever gets them."""

from __future__ import annotations

import gettext
import textwrap
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Final

from babel.dates import format_datetime
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from webapp.accounts.rules import LOCALES

_ROOT: Final = Path(__file__).resolve().parents[2]
_WIDTH: Final = 72
"""Columns of a paragraph (RFC 5322 asks for lines of 78 at most); what has no space in it, as a link, is never cut."""


@dataclass(frozen=True, slots=True)
class Written:
    """A subject of one line, and the text below it."""

    subject: str
    text: str


def write(template: str, locale: str, **facts: object) -> Written:
    """The letter ``template`` in a language, English where the desk does not speak it.

    The first line of a template is the subject; paragraphs are set anew, so a template may break lines anywhere.
    Raises ``jinja2.UndefinedError`` for a fact the template names and nobody gave.
    """
    language = locale if locale in LOCALES else "en"
    text = _environment(language).get_template(f"letters/{template}.txt").render(facts)
    subject, _rule, body = text.strip().partition("\n")
    paragraphs = (" ".join(paragraph.split()) for paragraph in body.strip().split("\n\n"))
    return Written(" ".join(subject.split()), "\n\n".join(_set(paragraph) for paragraph in paragraphs) + "\n")


def instant(at: datetime, locale: str) -> str:
    """An instant in a letter, in UTC and saying so: nobody knows where the reader is."""
    return format_datetime(at, "d MMMM y, HH:mm 'UTC'", locale=locale if locale in LOCALES else "en")


def _set(paragraph: str) -> str:
    return textwrap.fill(paragraph, _WIDTH, break_long_words=False, break_on_hyphens=False)


@lru_cache(maxsize=len(LOCALES))
def _environment(language: str) -> Environment:
    """Jinja for plain text. Not the app's, for two reasons: jobs know no Flask, and its environment escapes HTML.

    Here nothing may be escaped, or Siân O'Brien would read ``O&#39;Brien``; nothing made here is ever shown as HTML.
    """
    environment = Environment(
        loader=FileSystemLoader(_ROOT / "templates"),
        autoescape=False,  # noqa: S701 - plain text, as said above
        undefined=StrictUndefined,
        extensions=["jinja2.ext.i18n"],
    )
    words = gettext.translation("messages", str(_ROOT / "translations"), languages=[language], fallback=True)
    environment.install_gettext_translations(words, newstyle=True)  # type: ignore[attr-defined]  # of the extension
    environment.filters["instant"] = lambda at: instant(at, language)
    return environment
