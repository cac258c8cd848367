"""What can be set in the fonts of a certificate, known without Typst, so that a name is refused before it is drawn."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Final

FONTS: Final = Path(__file__).parent / "fonts"
COVERAGE: Final = FONTS / "coverage.txt"
"""Each font's file and the code points it has, written by ``scripts.font_coverage``."""
MOST_MARKS: Final = 4
"""Marks on one letter. The richest spelling of our scripts needs three; more only pile up over the lines around."""

_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Characters that show nothing though Unicode calls them letters, marks or symbols."""


class RenderFailed(Exception):
    """A certificate could not be drawn faultlessly. The same payload will fail again: trying again does not help.

    ``code`` is kept with the row and worded on its page; it never holds a name. The text does not either.
    """

    def __init__(self, message: str, code: str = "not-drawable") -> None:
        super().__init__(message)
        self.code = code


def printable_name(raw: str) -> str:
    """A name as it can be set in type: normalised to NFC, single spaces, no control or invisible characters.

    Direction overrides and isolates, zero-width spaces, private-use and unassigned characters go. The zero-width
    joiner and non-joiner stay after a letter or mark of the Arabic and Indic blocks, where they change the shape of
    the word, and go anywhere else.
    """
    return " ".join("".join(_visible(unicodedata.normalize("NFC", raw))).split())


def _visible(text: str) -> Iterator[str]:
    before = " "
    for character in text:
        if character in _JOINERS:
            if not "\u0600" <= before <= "\u0dff":
                continue
        elif character.isspace():
            character = " "
        elif unicodedata.category(character).startswith("C") or character in _INVISIBLE:
            continue
        before = character
        yield character


def direction(text: str) -> str:
    """``rtl`` when the first letter with a direction runs right to left (rule P2 of the Unicode bidi algorithm)."""
    first = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    return "ltr" if first == "L" else "rtl"


def unsettable(text: str) -> tuple[str, ...]:
    """What of a printable text no font can set, each once, in the order it stands there; nothing when all is well.

    A letter and its marks are shaped together, so one font must have them all; a mark is named that goes with none of
    its letter's fonts, that stands alone, or that is one too many.
    """
    found: dict[str, None] = {}
    for letter, marks in _clusters(text):
        fonts = [font for font in _fonts() if ord(letter) in font]
        if not fonts:
            found[letter] = None
        elif not any(all(ord(mark) in font for mark in marks) for font in fonts):
            odd = [mark for mark in marks if not any(ord(mark) in font for font in fonts)]
            found.update(dict.fromkeys(odd or marks[-1:]))
        if marks and letter == " ":
            found[marks[0]] = None
        if len(marks) > MOST_MARKS:
            found[marks[MOST_MARKS]] = None
    return tuple(found)


def _clusters(text: str) -> Iterator[tuple[str, str]]:
    """Each letter with the marks that stand on it; a mark that begins the text stands on a space."""
    letter, marks = "", ""
    for character in text:
        if character in _JOINERS:
            continue
        if unicodedata.category(character).startswith("M"):
            letter, marks = letter or " ", marks + character
            continue
        if letter:
            yield letter, marks
        letter, marks = character, ""
    if letter:
        yield letter, marks


@cache
def _fonts() -> tuple[frozenset[int], ...]:
    """The code points of each font."""
    found = []
    for line in COVERAGE.read_text("ascii").splitlines():
        _file, *ranges = line.split()
        points: set[int] = set()
        for first, _dash, last in (entry.partition("-") for entry in ranges):
            points.update(range(int(first, 16), int(last or first, 16) + 1))
        found.append(frozenset(points))
    return tuple(dict.fromkeys(found))
