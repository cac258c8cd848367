"""Names that people type: cleaned for storing and folded for comparing."""

from __future__ import annotations

import unicodedata

from webapp.core.errors import Invalid

MAX_NAME = 120
"""Longest name, in characters."""

ERASED = "\u2421"
"""What stands where a family's name or words stood until they were erased; pages say it in the reader's language."""

_JOINERS = "\u200c\u200d"
"""Zero-width (non-)joiners: invisible, but Devanagari and Telugu spelling needs them."""


def _without_invisible(text: str, *, keep: str = "") -> str:
    """White space as single spaces; control, format, surrogate and unassigned characters gone, but those to keep."""
    spaced = " ".join(text.split())
    return "".join(c for c in spaced if c in keep or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Cn"))


def name_key(text: str, *, field: str = "name") -> str:
    """What two names are compared by (rule Z1): case, width, spacing and invisible characters do not count.

    NFKC rather than NFC, before and after ``casefold``: it makes the same of everything NFC makes the same, and makes
    "Central" in full-width letters equal to "central" as well. Twice over, so that a key's key is itself.
    Raises ``Invalid`` for ``field`` when nothing visible remains.
    """
    key = text
    for _ in range(2):
        key = unicodedata.normalize("NFKC", _without_invisible(unicodedata.normalize("NFKC", key)).casefold())
    key = " ".join(key.split())
    if not key:
        raise Invalid("name-empty", "Enter a name.", field=field)
    return key


def clean_name(text: str, *, field: str = "name") -> str:
    """A name as it is stored and shown: NFC, single spaces, no control characters (PostgreSQL takes no NUL).

    Raises ``Invalid`` for ``field`` when it is empty or longer than ``MAX_NAME`` characters.
    """
    name = " ".join(unicodedata.normalize("NFC", _without_invisible(text, keep=_JOINERS)).split())
    # A few ligatures fold to as many as 18 letters, and keys have room for twice the longest name.
    if len(name_key(name, field=field)) > 2 * MAX_NAME or len(name) > MAX_NAME:
        raise Invalid("name-too-long", "Use at most %(limit)s characters.", field=field, limit=MAX_NAME)
    return name


def clean_lines(text: str, *, limit: int, field: str) -> str:
    """Several lines as they are stored and shown: NFC, no control characters but line ends and tabs, no space around.

    Raises ``Invalid`` for ``field`` when that is longer than ``limit`` characters.
    """
    kept = (c for c in text.replace("\r\n", "\n") if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cs"))
    lines = unicodedata.normalize("NFC", "".join(kept)).strip()
    if len(lines) > limit:
        raise Invalid("text-too-long", "Use at most %(limit)s characters.", field=field, limit=limit)
    return lines


def search_words(text: str) -> str:
    """What somebody looks for: single spaces, nothing invisible (PostgreSQL takes no NUL), ``MAX_NAME`` at most."""
    return _without_invisible(text)[:MAX_NAME]
