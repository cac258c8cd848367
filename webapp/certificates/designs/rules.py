"""What a design is, and what it may say: languages, wording with its places, colours that can be read.

A design says how a certificate looks and what stands around its facts. Versions are never changed, so whatever is read
back from one here must go on meaning the same.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from enum import StrEnum
from typing import Any, Final

from webapp.certificates.typeface import printable_name, unsettable
from webapp.core.errors import Invalid

FALLBACK_LANGUAGE: Final = "en"
LANGUAGES: Final = ("en", "hi", "te", "ta", "kn", "mr", "bn", "gu", "pa", "ml", "or", "ur", "ar", "es")
"""ISO 639-1 codes of the languages a design may speak: those whose letters the fonts of the certificates have."""
LAYOUT: Final = 2
"""The arrangement that new designs are drawn in; 1 is the built-in design's own."""

PLACES: Final[Mapping[str, frozenset[str]]] = {
    "span": frozenset({"sessions", "first", "last"}),
    "taught_by": frozenset({"operator"}),
    "issuer": frozenset({"issuer"}),
}
"""Which facts each wording leaves places for, written ``{first}``; each of them exactly once."""
LIMITS: Final[Mapping[str, int]] = {
    "title": 60,
    "opening": 100,
    "achievement": 100,
    "span": 120,
    "taught_by": 60,
    "issuer": 60,
    "signatory": 50,
    "awarded": 40,
    "number": 40,
    "verify": 40,
    "qr_alt": 200,
}
"""Most characters of each wording: so many fit whatever the letters are."""
LONGEST_SIGNATORY: Final = 80
TEXT_CONTRAST: Final = 4.5
"""WCAG 2.2, 1.4.3: least contrast of the student's name, which is large, with paper."""
INK_CONTRAST: Final = 7.0
"""Of all other words: small ones are printed in a lighter shade of it, and the code must be read by phones."""
ORNAMENT_CONTRAST: Final = 3.0
"""WCAG 2.2, 1.4.11: of rules and ornaments."""
_CONTRASTS: Final = {"ink": INK_CONTRAST, "name": TEXT_CONTRAST, "ornament": ORNAMENT_CONTRAST}
_COLOUR: Final = re.compile(r"#[0-9a-f]{6}")
_BRACES: Final = re.compile(r"\{[^{}]*\}|[{}]")


class Part(StrEnum):
    """The pictures a design may have."""

    LOGO = "logo"
    SIGNATURE = "signature"


@dataclass(frozen=True, slots=True)
class Wording:
    """What stands on a certificate in one language, around its facts. ``PLACES`` says where those go."""

    title: str
    opening: str
    achievement: str
    span: str
    taught_by: str
    issuer: str
    signatory: str
    awarded: str
    number: str
    verify: str
    qr_alt: str


WORDS: Final = tuple(one.name for one in fields(Wording))
"""The parts of a wording, in the order they stand on the page."""


@dataclass(frozen=True, slots=True)
class Colours:
    """Colours on white paper, as ``#rrggbb``: of words, of the student's name, of rules and ornaments."""

    ink: str = "#1d2a44"
    name: str = "#604a25"
    ornament: str = "#94713a"


@dataclass(frozen=True, slots=True)
class Design:
    """How certificates look. ``logo`` and ``signature`` are the SHA-256 of PNG files in the certificate store.

    ``signatory_name`` and ``signatory_title`` say who signs; without a title the wording's own stands there.
    """

    wording: Mapping[str, Wording]
    colours: Colours = field(default_factory=Colours)
    signatory_name: str = ""
    signatory_title: str = ""
    logo: str | None = None
    signature: str | None = None
    layout: int = LAYOUT

    def spoken(self, locale: str) -> str:
        """The language a family of a locale such as ``te_IN`` reads: its own, or English."""
        language = locale.replace("_", "-").split("-")[0].lower()
        return language if language in self.wording else FALLBACK_LANGUAGE

    def pictures(self) -> dict[Part, str]:
        """The hash of each picture it has."""
        found = {Part.LOGO: self.logo, Part.SIGNATURE: self.signature}
        return {part: sha256 for part, sha256 in found.items() if sha256 is not None}

    def to_json(self) -> dict[str, Any]:
        """Everything but the pictures, as plain JSON values."""
        return {
            "layout": self.layout,
            "colours": asdict(self.colours),
            "signatory_name": self.signatory_name,
            "signatory_title": self.signatory_title,
            "wording": {language: asdict(words) for language, words in self.wording.items()},
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any], *, logo: str | None, signature: str | None) -> Design:
        """Read a stored design back. Raises ``TypeError`` or ``KeyError`` when it is not one."""
        return cls(
            wording={language: Wording(**words) for language, words in stored["wording"].items()},
            colours=Colours(**stored["colours"]),
            signatory_name=stored["signatory_name"],
            signatory_title=stored["signatory_title"],
            logo=logo,
            signature=signature,
            layout=stored["layout"],
        )

    def checked(self) -> Design:
        """The same with clean texts. Raises ``Invalid`` for the field that breaks a rule."""
        if FALLBACK_LANGUAGE not in self.wording:
            raise Invalid("design-no-english", "A design needs English words: they stand in for every other language.")
        return replace(
            self,
            wording={language: checked_wording(words) for language, words in self.wording.items()},
            colours=checked_colours(self.colours),
            signatory_name=checked_text("signatory_name", self.signatory_name, limit=LONGEST_SIGNATORY),
            signatory_title=checked_text("signatory_title", self.signatory_title, limit=LONGEST_SIGNATORY),
        )


def checked_text(name: str, text: str, *, limit: int) -> str:
    """A text as it is printed. Raises ``Invalid`` for field ``name``: too long, or no font can set it."""
    printed = printable_name(text)
    if len(printed) > limit:
        raise Invalid("wording-too-long", "Use at most %(limit)s characters.", field=name, limit=limit)
    if odd := unsettable(printed):
        raise Invalid(
            "wording-no-font",
            "No font of the certificates can set this: %(characters)s",
            field=name,
            characters=" ".join(odd[:10]),
        )
    return printed


def checked_wording(words: Wording) -> Wording:
    """The wording as it is printed. Raises ``Invalid`` for a part that is empty, too long, or has wrong places."""
    return Wording(**{name: checked_word(name, getattr(words, name)) for name in WORDS})


def checked_word(name: str, text: str) -> str:
    """One part of a wording as it is printed. Raises ``Invalid`` for field ``name``."""
    clean = checked_text(name, text, limit=LIMITS[name])
    if not clean:
        raise Invalid("wording-missing", "Fill this in, or leave the whole language empty.", field=name)
    _check_places(name, clean)
    return clean


def _check_places(name: str, text: str) -> None:
    """Exactly the facts that belong here, each once, and no other brace."""
    wanted = sorted(f"{{{place}}}" for place in PLACES.get(name, ()))
    if sorted(_BRACES.findall(text)) == wanted:
        return
    if wanted:
        raise Invalid(
            "wording-places", "Write each of these exactly once: %(places)s", field=name, places=" ".join(wanted)
        )
    raise Invalid("wording-braces", "Leave out the braces { and }: no fact is put in here.", field=name)


def filled(text: str, **facts: str) -> str:
    """A wording with its facts in their places. A fact that looks like a place stays as it is."""
    return re.sub(r"\{(\w+)\}", lambda place: facts[place[1]], text)


def checked_colours(colours: Colours) -> Colours:
    """The colours in lower case. Raises ``Invalid`` for one that is none or too pale for white paper."""
    return Colours(**{name: checked_colour(name, colour) for name, colour in asdict(colours).items()})


def checked_colour(name: str, text: str) -> str:
    """One of ``Colours`` in lower case. Raises ``Invalid`` for field ``name``."""
    colour, least = text.strip().lower(), _CONTRASTS[name]
    if not _COLOUR.fullmatch(colour):
        raise Invalid("colour-shape", "Give a colour as #rrggbb, like #1d2a44.", field=name)
    if (found := contrast(colour)) < least:
        raise Invalid(
            "colour-pale",
            "Too pale on white paper: its contrast is %(found)s to 1, at least %(least)s is needed.",
            field=name,
            # Cut and not rounded, so that it never reads as what is needed.
            found=int(found * 10) / 10,
            least=least,
        )
    return colour


def contrast(colour: str) -> float:
    """The contrast ratio of a colour ``#rrggbb`` with white, 1 to 21 (WCAG 2.2, "contrast ratio")."""
    shares = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4 for share in shares)
    return 1.05 / (0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05)


def lightened(colour: str, share: float) -> str:
    """So much of a colour ``#rrggbb`` (0 to 1) on white paper."""
    parts = (int(colour[at : at + 2], 16) for at in (1, 3, 5))
    return "#" + "".join(f"{round(255 - (255 - part) * share):02x}" for part in parts)
