"""Families: their guardians, who alone are messaged, and their students, who are children."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum

from webapp.accounts.rules import normalised_email
from webapp.core.errors import Invalid
from webapp.core.names import clean_name


class Language(StrEnum):
    """Languages families are spoken to in and prefer in a trainer; ISO 639-1."""

    ENGLISH = "en"
    HINDI = "hi"
    TELUGU = "te"
    TAMIL = "ta"
    KANNADA = "kn"
    MARATHI = "mr"
    URDU = "ur"
    SPANISH = "es"


class Gender(StrEnum):
    """What a family may prefer in a trainer (rule T10) and a trainer may state."""

    FEMALE = "female"
    MALE = "male"
    OTHER = "other"


class ErasureReason(StrEnum):
    """Why a family's data is erased. The audit keeps the word, so a reason is chosen, never written."""

    ASKED_FOR = "asked_for"
    NO_LONGER_NEEDED = "no_longer_needed"
    AUTHORITY = "authority"
    MISTAKE = "mistake"
    RESTORED = "restored"
    """It was erased before, and a backup that was restored brought it back."""


_E164 = re.compile(r"\+[1-9][0-9]{6,14}")


def check_phone(text: str, *, field: str = "phone") -> str:
    """A telephone number in E.164: ``+``, country code, 7 to 15 digits in all, nothing else.

    Forms turn what people type into this form first. Raises ``Invalid`` for ``field``.
    """
    if not _E164.fullmatch(text):
        raise Invalid("phone-shape", "Enter the number with its country code, like +91 98480 12345.", field=field)
    return text


@dataclass(frozen=True, slots=True)
class GuardianCommand:
    """An adult of the family. ``consents`` says that messages may be sent to them."""

    name: str
    phone: str
    email: str | None
    language: Language
    consents: bool

    def checked(self, *, prefix: str = "guardian") -> GuardianCommand:
        """The same, cleaned. Raises ``Invalid`` for the fields ``<prefix>_name``, ``_phone`` and ``_email``."""
        return GuardianCommand(
            name=clean_name(self.name, field=f"{prefix}_name"),
            phone=check_phone(self.phone, field=f"{prefix}_phone"),
            email=normalised_email(self.email, field=f"{prefix}_email") if self.email else None,
            language=self.language,
            consents=self.consents,
        )


@dataclass(frozen=True, slots=True)
class StudentCommand:
    """A child who is taught. The name is what a certificate will show; nothing more is asked."""

    name: str

    def checked(self, *, field: str = "student_name") -> StudentCommand:
        """The same, cleaned. Raises ``Invalid`` for ``field``."""
        return StudentCommand(clean_name(self.name, field=field))


@dataclass(frozen=True, slots=True)
class HouseholdCommand:
    """A family: at least one guardian, and its students."""

    guardians: tuple[GuardianCommand, ...]
    students: tuple[StudentCommand, ...]

    def checked(self) -> HouseholdCommand:
        """The same, cleaned. Raises ``Invalid`` for numbered fields: ``guardian-0_name``, ``student-1_name``."""
        if not self.guardians:
            raise Invalid("no-guardian", "A family needs at least one guardian.", field="guardians")
        return HouseholdCommand(
            guardians=tuple(g.checked(prefix=f"guardian-{n}") for n, g in enumerate(self.guardians)),
            students=tuple(s.checked(field=f"student-{n}_name") for n, s in enumerate(self.students)),
        )
