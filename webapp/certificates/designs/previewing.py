"""The life of a preview, and the sample that it shows."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from webapp.certificates.designs.rules import FALLBACK_LANGUAGE
from webapp.certificates.pdf import CertificatePayload

MAX_ATTEMPTS: Final = 3
"""Tries, crashed ones included, before a preview is given up: somebody sits there and presses again."""
KEPT_FOR: Final = timedelta(hours=1)
"""How long a preview and its files are kept."""
LONGEST_NAME: Final = 500

SAMPLE_NAMES: Final = {
    "en": "Ananya Lakshmi Raghunathan",
    "hi": "ऐश्वर्या लक्ष्मी शर्मा",
    "mr": "ऐश्वर्या लक्ष्मी शर्मा",
    "te": "శ్రీనివాస రామకృష్ణ",
    "ta": "தமிழ்ச்செல்வி முருகன்",
    "kn": "ಲಕ್ಷ್ಮೀ ನಾರಾಯಣ",
    "bn": "রবীন্দ্রনাথ ঠাকুর",
    "gu": "લક્ષ્મી નારાયણ",
    "pa": "ਹਰਪ੍ਰੀਤ ਕੌਰ",
    "ml": "ലക്ഷ്മി നാരായണൻ",
    "or": "ଲକ୍ଷ୍ମୀ ନାରାୟଣ",
    "ur": "محمد عبد الرحمٰن",
    "ar": "محمد عبد الرحمن",
    "es": "María José Núñez",
}
"""Nobody's names: what a sample shows unless somebody types another."""
_NUMBER: Final = "ZD-00-SAMPLE"
_FIRST, _LAST, _AWARDED = date(2026, 5, 4), date(2026, 6, 12), date(2026, 6, 13)


class PreviewState(StrEnum):
    """A preview waits for a work-horse, then it is drawn or it failed; a newer one of the same person overtakes it."""

    WAITING = "waiting"
    DRAWN = "drawn"
    FAILED = "failed"
    OVERTAKEN = "overtaken"


@dataclass(frozen=True, slots=True)
class Sample:
    """What stands on a preview besides the design. ``id`` is the preview's own."""

    id: UUID
    language: str
    student_name: str
    operator_name: str
    company_name: str

    def payload(self, public_url: str) -> CertificatePayload:
        """The sample as a certificate would say it. Its number can be no certificate's, so its link leads nowhere.

        The preview's id stands in the link, which makes each preview's files its own: they can go with it.
        """
        return CertificatePayload(
            number=_NUMBER,
            student_name=self.student_name,
            course_name="Carnatic Violin",
            operator_name=self.operator_name,
            issued_by=self.company_name,
            total_sessions=30,
            awarded_on=_AWARDED,
            first_session_on=_FIRST,
            last_session_on=_LAST,
            verify_url=f"{public_url.rstrip('/')}/verify/{_NUMBER}/{self.id.hex}",
            locale=self.language,
        )


def sample_name(language: str) -> str:
    """The made-up name of a language."""
    return SAMPLE_NAMES.get(language, SAMPLE_NAMES[FALLBACK_LANGUAGE])
