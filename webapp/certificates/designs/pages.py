"""What the pages of designs show: one frozen dataclass each."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from webapp.certificates.designs.previews import Preview
from webapp.certificates.designs.queries import Designed, Draft, InUse, OperatorDesign, Version
from webapp.certificates.designs.rules import FALLBACK_LANGUAGE, LANGUAGES, Design
from webapp.web.pagination import Page


@dataclass(frozen=True, slots=True)
class IndexPage:
    """The operators, and which design those without their own use; ``None`` is the built-in one."""

    page: Page[OperatorDesign]
    of_company: InUse | None


@dataclass(frozen=True, slots=True)
class ShowPage:
    """One operator: what is in use, the draft, and the history."""

    of: Designed
    versions: Page[Version]


@dataclass(frozen=True, slots=True)
class VersionPage:
    """One published version."""

    of: Designed
    version: Version


@dataclass(frozen=True, slots=True)
class PreviewPage:
    """The preview of an operator's design that somebody asked for last; ``unsound`` when the form has to be mended."""

    operator_id: UUID
    operator_name: str
    preview: Preview | None
    unsound: bool = False


@dataclass(frozen=True, slots=True)
class EditPage:
    """The draft under work. ``base`` is what its form is filled with, ``pictures_of`` whose pictures those are."""

    of: Designed
    base: Design
    pictures_of: UUID
    language: str
    shown: PreviewPage

    @property
    def draft(self) -> Draft | None:
        """The draft, when there is one already."""
        return self.of.draft

    @property
    def languages(self) -> list[tuple[str, bool]]:
        """Every language a design may speak, and whether this one does."""
        return [(language, language in self.base.wording) for language in LANGUAGES]

    @property
    def is_fallback(self) -> bool:
        """Whether this is the language that stands in for others."""
        return self.language == FALLBACK_LANGUAGE
