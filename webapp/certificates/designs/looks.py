"""A design together with its pictures, and everything a certificate in it says, as the strings Typst is given."""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from functools import lru_cache
from typing import Final, Protocol
from uuid import UUID

import segno
from babel.dates import format_date

from webapp.certificates.designs.built_in import BUILT_IN, TEMPLATES
from webapp.certificates.designs.rules import Design, Part, filled, lightened
from webapp.certificates.typeface import RenderFailed, direction, printable_name, unsettable

QUIET: Final = 0.85
"""How much of the ink small words have."""
_WATERMARK: Final = 0.16
_BRONZE: Final = "#94713a"
_PALE_BRONZE: Final = "#f1eadc"
_NAMES: Final = ("student_name", "course_name", "operator_name", "issued_by", "number")
_FIXED_QR: Final = "#1d2a44"
_MASK: Final = 2
"""The one data mask of ISO/IEC 18004 that codes get, whatever they say. Every reader takes any, and weighing all eight
was over a quarter of a page's drawing. For our addresses this one has the lowest penalty on average (1,715 points), and
its worst (1,963) is below the worst of every other."""


@dataclass(frozen=True, slots=True)
class Look:
    """A design and the PNG file of each picture it has."""

    design: Design
    pictures: Mapping[Part, bytes] = field(default_factory=dict, repr=False)


class Looks(Protocol):
    """Where a renderer finds the designs that payloads name."""

    def look(self, operator_id: UUID, number: int) -> Look:
        """Version ``number`` of an operator's design. Raises ``RenderFailed`` when there is none."""


class Said(Protocol):
    """The facts of a certificate; see ``pdf.CertificatePayload``."""

    @property
    def number(self) -> str: ...
    @property
    def student_name(self) -> str: ...
    @property
    def course_name(self) -> str: ...
    @property
    def operator_name(self) -> str: ...
    @property
    def issued_by(self) -> str: ...
    @property
    def total_sessions(self) -> int: ...
    @property
    def awarded_on(self) -> date: ...
    @property
    def first_session_on(self) -> date: ...
    @property
    def last_session_on(self) -> date: ...
    @property
    def verify_url(self) -> str: ...
    @property
    def locale(self) -> str: ...


def inputs(said: Said, look: Look) -> dict[str, str]:
    """Everything the page says, as strings: Typst prints them and never reads them as markup.

    Raises ``RenderFailed`` for a name that shows nothing or that no font can set.
    """
    design = look.design
    language = design.spoken(said.locale)
    words = design.wording[language]
    names = {name: _name(name, getattr(said, name)) for name in _NAMES}
    first, last, awarded = (
        format_date(day, "d MMMM y", locale=language)
        for day in (said.first_session_on, said.last_session_on, said.awarded_on)
    )
    own = names["operator_name"] == names["issued_by"]
    told = names | {
        "language": language,
        "title": words.title,
        "opening": words.opening,
        "achievement": words.achievement,
        "span": filled(words.span, sessions=str(said.total_sessions), first=first, last=last),
        "taught_by": "" if own else filled(words.taught_by, operator=names["operator_name"]),
        "student_name_dir": direction(names["student_name"]),
        # Spaced letters suit Latin capitals; in Indic and Arabic scripts they would tear words apart.
        "tracking": "0.12" if names["issued_by"].isascii() else "0",
        "number_label": words.number,
        "awarded_label": words.awarded,
        "awarded": awarded,
        "awarded_iso": said.awarded_on.isoformat(),
        "verify": words.verify,
        "verify_url": said.verify_url,
        "verify_text": said.verify_url,
        "signatory": words.signatory,
        "issuer": filled(words.issuer, issuer=names["issued_by"]),
        "qr_svg": _qr_svg(said.verify_url, _FIXED_QR if design.layout == BUILT_IN else design.colours.ink),
        "qr_alt": words.qr_alt,
    }
    return told if design.layout == BUILT_IN else told | _of_the_design(look)


def _of_the_design(look: Look) -> dict[str, str]:
    """What the built-in design has fixed and an operator's design chooses."""
    design, colours = look.design, look.design.colours
    return {
        "ink": colours.ink,
        "quiet": lightened(colours.ink, QUIET),
        "name_colour": colours.name,
        "ornament": colours.ornament,
        "signatory_name": design.signatory_name,
        "signatory_title": design.signatory_title,
        "rosette_svg": _recoloured("rosette.svg", _PALE_BRONZE, lightened(colours.ornament, _WATERMARK)),
        "seal_svg": _recoloured("seal.svg", _BRONZE, colours.ornament),
        **{f"{part}_svg": _picture_svg(look.pictures.get(part)) for part in Part},
    }


def _name(name: str, raw: str) -> str:
    printed = printable_name(raw)
    if not printed:
        raise RenderFailed(f"{name} has no visible character", code="name-empty")
    if unsettable(printed):
        raise RenderFailed(f"{name} has a character that could not be displayed in any font", code="name-no-font")
    return printed


@lru_cache(maxsize=8)
def _recoloured(file: str, drawn: str, wanted: str) -> str:
    return (TEMPLATES / file).read_text("utf-8").replace(drawn, wanted)


@lru_cache(maxsize=4)
def _picture_svg(png: bytes | None) -> str:
    """A PNG inside an SVG as large as it: Typst is handed text alone, and no path. Empty for no picture."""
    if png is None:
        return ""
    width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))  # IHDR, PNG specification 11.2.2
    data = base64.b64encode(png).decode("ascii")
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<image width="{width}" height="{height}" href="data:image/png;base64,{data}"/></svg>'
    )


def _qr_svg(address: str, dark: str) -> str:
    """The address as a QR code (error correction M, the quiet zone left to the page's white), as SVG text."""
    drawn = io.BytesIO()
    code = segno.make(address, error="m", micro=False, mask=_MASK)
    code.save(drawn, kind="svg", border=0, xmldecl=False, dark=dark)
    return drawn.getvalue().decode("ascii")
