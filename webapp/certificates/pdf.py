"""Turn a certificate's frozen payload into a PDF.

Only a work-horse (the child process RQ forks for one job) may render: once a process has compiled with Typst, a child
forked from it hangs for ever on its own compile. The web and the worker's parent therefore never create a
:class:`CertificateRenderer`, and importing this module does not import typst.

The same payload gives the same bytes with the same version of Typst: the document carries the date of the award, not
the time of rendering, and nothing random.
"""

from __future__ import annotations

import io
import json
import unicodedata
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Final

import segno
from babel.dates import format_date

_HERE: Final = Path(__file__).parent
FONTS: Final = _HERE / "fonts"
TEMPLATES: Final = _HERE / "typst"
DESIGNS: Final[Mapping[int, str]] = {1: "certificate.typ"}
"""Each design's Typst file. A certificate is drawn again in the design it was issued in, so none is ever changed."""

FALLBACK_LANGUAGE: Final = "en"
_DATE_FIELDS: Final = ("awarded_on", "first_session_on", "last_session_on")
_JOINERS: Final = "\u200c\u200d"
_INVISIBLE: Final = frozenset(
    "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0" + "".join(map(chr, range(0xFE00, 0xFE10)))
)
"""Characters that show nothing though Unicode calls them letters, marks or symbols."""


class RenderFailed(Exception):
    """A certificate could not be drawn faultlessly. The same payload will fail again: trying again does not help."""


@dataclass(frozen=True, slots=True)
class CertificatePayload:
    """What a certificate says, fixed on the day it is earned and kept as JSON beside its row.

    Dates are calendar dates in the time zone of the booking's zone. ``verify_url`` is the full link with its token;
    ``locale`` chooses the wording (``en``, ``hi``, ``te``; anything else reads English).
    """

    number: str
    student_name: str
    course_name: str
    operator_name: str
    issued_by: str
    total_sessions: int
    awarded_on: date
    first_session_on: date
    last_session_on: date
    verify_url: str
    locale: str
    design_version: int = 1

    def to_json(self) -> dict[str, str | int]:
        """The payload as plain JSON values; dates as ``YYYY-MM-DD``."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> CertificatePayload:
        """Read a stored payload back. Raises ValueError when a field is missing, unknown or of the wrong type."""
        known = {field.name: field.type for field in fields(cls)}
        if stored.keys() != known.keys():
            odd = ", ".join(sorted(stored.keys() ^ known.keys()))
            raise ValueError(f"certificate payload: missing or unknown fields: {odd}")
        values: dict[str, object] = {}
        for name, value in stored.items():
            wanted = int if known[name] == "int" else str
            if not isinstance(value, wanted) or isinstance(value, bool):
                raise ValueError(f"certificate payload: {name} must be {wanted.__name__}")
            values[name] = date.fromisoformat(str(value)) if name in _DATE_FIELDS else value
        return cls(**values)  # type: ignore[arg-type]  # each value was checked against its field just above


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


class CertificateRenderer:
    """Draws certificates with one Typst compiler. One per work-horse; not to be shared by threads.

    Fonts come from the project alone: neither the machine's fonts nor the ones inside Typst are used.
    """

    def __init__(self, fonts: Path = FONTS) -> None:
        """Load the fonts in ``fonts`` (TrueType) and the wording. Call it in a work-horse only (see the module)."""
        import typst  # here, not above: the web process must never load it

        self._failure = typst.TypstError
        self._compiler = typst.Compiler(
            root=TEMPLATES,
            font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]),
            ignore_system_fonts=True,
        )
        self._wording: Mapping[str, Mapping[str, str]] = json.loads((TEMPLATES / "wording.json").read_text("utf-8"))

    def render(self, payload: CertificatePayload) -> bytes:
        """One page of A4 landscape, written with Typst's PDF/A-2a switch.

        Raises RenderFailed on any error or warning: an unknown font, a character no font has, an unknown design,
        a name without a visible character or too long for its place (200 characters fit).
        """
        design = DESIGNS.get(payload.design_version)
        if design is None:
            raise RenderFailed(f"there is no certificate design {payload.design_version}")
        try:
            content, warnings = self._compiler.compile_with_warnings(
                TEMPLATES / design,
                format="pdf",
                sys_inputs=self._inputs(payload),
                pdf_standards=["a-2a"],
                timestamp=datetime.combine(payload.awarded_on, time(), UTC),
            )
        except self._failure as error:
            raise RenderFailed(error.message) from error
        if warnings:
            raise RenderFailed("; ".join(warning.message for warning in warnings))
        if not isinstance(content, bytes):
            raise RenderFailed("Typst gave no single document")
        return content

    def _inputs(self, payload: CertificatePayload) -> dict[str, str]:
        """Everything the page says, as strings: Typst prints them and never reads them as markup."""
        language = payload.locale.replace("_", "-").split("-")[0].lower()
        if language not in self._wording:
            language = FALLBACK_LANGUAGE
        words = self._wording[language]
        names = {
            field: printable_name(getattr(payload, field))
            for field in ("student_name", "course_name", "operator_name", "issued_by", "number")
        }
        for field, name in names.items():
            if not name:
                raise RenderFailed(f"{field} has no visible character")
        first, last, awarded = (
            format_date(day, "d MMMM y", locale=language)
            for day in (payload.first_session_on, payload.last_session_on, payload.awarded_on)
        )
        own = names["operator_name"] == names["issued_by"]
        return names | {
            "language": language,
            "title": words["title"],
            "opening": words["opening"],
            "achievement": words["achievement"],
            "span": words["span"].format(sessions=payload.total_sessions, first=first, last=last),
            "taught_by": "" if own else words["taught_by"].format(operator=names["operator_name"]),
            "student_name_dir": _direction(names["student_name"]),
            # Spaced letters suit Latin capitals; in Indic and Arabic scripts they would tear words apart.
            "tracking": "0.12" if names["issued_by"].isascii() else "0",
            "number_label": words["number"],
            "awarded_label": words["awarded"],
            "awarded": awarded,
            "awarded_iso": payload.awarded_on.isoformat(),
            "verify": words["verify"],
            "verify_url": payload.verify_url,
            "verify_text": payload.verify_url,
            "signatory": words["signatory"],
            "issuer": words["issuer"].format(issuer=names["issued_by"]),
            "qr_svg": _qr_svg(payload.verify_url),
            "qr_alt": words["qr_alt"],
        }


def _direction(text: str) -> str:
    """``rtl`` when the first letter with a direction runs right to left (rule P2 of the Unicode bidi algorithm)."""
    first = next((kind for kind in map(unicodedata.bidirectional, text) if kind in ("L", "R", "AL")), "L")
    return "ltr" if first == "L" else "rtl"


def _qr_svg(address: str) -> str:
    """The address as a QR code (error correction M, the quiet zone left to the page's white), as SVG text."""
    drawn = io.BytesIO()
    segno.make(address, error="m", micro=False).save(drawn, kind="svg", border=0, xmldecl=False, dark="#1d2a44")
    return drawn.getvalue().decode("ascii")
