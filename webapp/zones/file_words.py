"""The words of imports: what is wrong with a row, why an import failed, and what was meant to be written."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from flask_babel import format_decimal
from flask_babel import lazy_gettext as _l

from webapp.web.words import _
from webapp.zones.import_rules import ImportMode
from webapp.zones.imports.checking import BAD_FILE
from webapp.zones.imports.writing import CHANGED_SINCE
from webapp.zones.judging import Verdict
from webapp.zones.rules import said_km2

_PROBLEMS: Final[dict[str, Any]] = {
    BAD_FILE: _l("The file cannot be read. Nothing was imported: correct it and send it again."),
    CHANGED_SINCE: _l("Zones changed after the file was looked at, so nothing was written. This is the new report."),
    "no-answer": _l("It was begun several times and never came to an end. Nothing was imported: send it again."),
}
_ROWS: Final[dict[Verdict, Any]] = {
    Verdict.BAD: _l("Bad"),
    Verdict.NEW: _l("New"),
    Verdict.CHANGED: _l("Changed"),
    Verdict.SAME: _l("As it is"),
}
_MODES: Final[dict[ImportMode, Any]] = {
    ImportMode.ALL: _l("The whole file"),
    ImportMode.GOOD: _l("Only the good rows"),
}


def fault_words(field: str, sentence: str, params: Mapping[str, Any]) -> str:
    """What is wrong, with the column it is about."""
    said = _(sentence, **params)
    return _("%(column)s: %(said)s", column=field, said=said) if field else said


def problem_words(code: str) -> str:
    """Why an import failed or was looked at again. A Jinja global."""
    return str(_PROBLEMS.get(code, _l("Something went wrong at our end. Nothing was imported: send the file again.")))


def verdict_words(verdict: Verdict) -> str:
    """What comes of some rows. A Jinja global."""
    return str(_ROWS[verdict])


def mode_words(mode: ImportMode) -> str:
    """What of a file was meant to be written. A Jinja global."""
    return str(_MODES[mode])


def size_words(size: int) -> str:
    """How large a file is. A Jinja global."""
    if size < 1024 * 1024:
        return _("%(size)s kB", size=format_decimal(max(1, round(size / 1024))))
    return _("%(size)s MB", size=format_decimal(round(size / 1024**2, 1)))


def area_words(km2: float) -> str:
    """Square kilometres as people say them. A Jinja global."""
    return said_km2(km2)


def sentence_words(sentence: str, params: Mapping[str, Any]) -> str:
    """A sentence of the report in the reader's language. A Jinja global."""
    return _(sentence, **params)


IN_TEMPLATES: Final = (problem_words, verdict_words, mode_words, size_words, area_words, sentence_words)
