"""Turn a certificate's frozen payload into a PDF.

Only a work-horse (the child process RQ forks for one job) may render: once a process has compiled with Typst, a child
forked from it hangs for ever on its own compile. The web and the worker's parent therefore never create a
:class:`CertificateRenderer`, and importing this module does not import typst.

The same payload gives the same bytes with the same version of Typst: the document carries the date of the award, not
the time of rendering, and nothing random.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any, Final, Literal
from uuid import UUID

from webapp.certificates.designs.built_in import BUILT_IN, TEMPLATES, built_in_design
from webapp.certificates.designs.looks import Look, Looks, inputs
from webapp.certificates.designs.rules import LAYOUT
from webapp.certificates.typeface import FONTS, RenderFailed, printable_name

__all__ = ["FONTS", "TEMPLATES", "CertificatePayload", "CertificateRenderer", "RenderFailed", "printable_name"]

LAYOUTS: Final[Mapping[int, str]] = {BUILT_IN: "certificate.typ", LAYOUT: "designed.typ"}
"""Each layout's Typst file. A certificate is drawn again in the layout it was issued in, so none is ever changed."""
PREVIEW_PPI: Final = 110
"""Pixels an inch of a preview's picture: A4 landscape in 1286 by 909."""

_TOO_LONG: Final = "too long for its place"
"""What the layouts say when a name fits at no size."""
_DATE_FIELDS: Final = ("awarded_on", "first_session_on", "last_session_on")


@dataclass(frozen=True, slots=True)
class CertificatePayload:
    """What a certificate says, fixed on the day it is earned and kept as JSON beside its row.

    Dates are calendar dates in the time zone of the booking's zone. ``verify_url`` is the full link with its token;
    ``locale`` chooses the wording (one of the design's languages; anything else reads English). The design is version
    ``design_version`` of the operator ``design_operator_id`` (a UUID as text); the built-in ones have no operator.
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
    design_version: int = BUILT_IN
    design_operator_id: str = ""

    def to_json(self) -> dict[str, str | int]:
        """The payload as plain JSON values; dates as ``YYYY-MM-DD``."""
        return {name: value.isoformat() if isinstance(value, date) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, stored: Mapping[str, object]) -> CertificatePayload:
        """Read a stored payload back. Raises ValueError when a field is missing, unknown or of the wrong type.

        Payloads of before operators had designs say nothing of one: they are of the built-in one.
        """
        known = {field.name: field.type for field in fields(cls)}
        stored = {"design_operator_id": ""} | dict(stored)
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


class CertificateRenderer:
    """Draws certificates with one Typst compiler. One per work-horse; not to be shared by threads.

    Fonts come from the project alone: neither the machine's fonts nor the ones inside Typst are used.
    """

    def __init__(self, fonts: Path = FONTS, *, looks: Looks | None = None) -> None:
        """Load the fonts in ``fonts`` (TrueType). Call it in a work-horse only (see the module).

        ``looks`` finds the designs of operators; without it only the built-in one is known.
        """
        import typst  # here, not above: the web process must never load it

        self._failure = typst.TypstError
        self._compiler = typst.Compiler(
            root=TEMPLATES,
            font_paths=typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[fonts]),
            ignore_system_fonts=True,
        )
        self._looks = looks

    def render(self, payload: CertificatePayload) -> bytes:
        """One page of A4 landscape, written with Typst's PDF/A-2a switch.

        Raises RenderFailed on any error or warning: an unknown font, a character no font has, an unknown design,
        a name without a visible character or too long for its place (200 characters fit).
        """
        return self.render_in(self._look(payload), payload)

    def render_in(self, look: Look, payload: CertificatePayload) -> bytes:
        """The same in a given design, whatever the payload names: for previews."""
        return self._compiled(look, payload, "pdf")

    def picture_in(self, look: Look, payload: CertificatePayload) -> bytes:
        """The page as a PNG of ``PREVIEW_PPI``, to be looked at on a screen. Raises as ``render``."""
        return self._compiled(look, payload, "png")

    def _look(self, payload: CertificatePayload) -> Look:
        if not payload.design_operator_id and payload.design_version == BUILT_IN:
            return Look(built_in_design())
        if self._looks is None or not payload.design_operator_id:
            raise RenderFailed(f"there is no certificate design {payload.design_version}", code="no-design")
        return self._looks.look(UUID(payload.design_operator_id), payload.design_version)

    def _compiled(self, look: Look, payload: CertificatePayload, kind: Literal["pdf", "png"]) -> bytes:
        file = LAYOUTS.get(look.design.layout)
        if file is None:
            raise RenderFailed(f"there is no layout {look.design.layout}", code="no-design")
        awarded = datetime.combine(payload.awarded_on, time(), UTC)
        form: dict[str, Any] = {"ppi": PREVIEW_PPI} if kind == "png" else {"pdf_standards": ["a-2a"]}
        told = inputs(payload, look)
        try:
            content, warnings = self._compiler.compile_with_warnings(
                TEMPLATES / file, format=kind, sys_inputs=told, timestamp=awarded, **form
            )
        except self._failure as error:
            code = "name-too-long" if _TOO_LONG in error.message else "not-drawable"
            raise RenderFailed(error.message, code=code) from error
        if warnings:
            raise RenderFailed("; ".join(warning.message for warning in warnings))
        if not isinstance(content, bytes):
            raise RenderFailed("Typst gave no single document")
        return content
