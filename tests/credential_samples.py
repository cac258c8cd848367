"""Certificates of many kinds and the credentials they become, the same in every run."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from webapp.certificates.credentials import building
from webapp.certificates.credentials.building import CredentialFacts
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.keys import SigningKey, public_multibase
from webapp.certificates.pdf import CertificatePayload

AWARDED = datetime(2027, 2, 2, 10, 40, tzinfo=UTC)
DESK = "https://desk.example"
LIST = f"{DESK}/credentials/revoked/2027"
ODD_NAMES = {
    "plain": "Ananya Lakshmi Raghunathan",
    "telugu": "కృష్ణవేణి శ్రీనివాస్",
    "hindi": "ऐश्वर्या लक्ष्मी शर्मा क्षत्रिय",
    "arabic": "عائشة بنت محمد",
    "mixed": "Zoë محمد शर्मा 渡辺",
    "right-to-left override": "Asha \u202eahsA\u202c \u2066x\u2069",
    "zero width": "A\u200bsh\u200da\ufeff",
    "control characters": "As\x00ha\x07 \x1b[31m\x7f\tR\r\nao",
    "emoji": "Asha 👩🏽‍🎓🎻",
    "five hundred letters": "క్ష" * 125 + "न" * 125,
    "quotes and brackets": 'O\'Neil "Al" <b>\\n</b> {"@id": "x"} ^^<y> .',
    "half a surrogate pair": "Asha\ud83d",
}
"""Names as families and mischief write them."""


def key_of(seed: int) -> Ed25519PrivateKey:
    """A key for tests: thirty-two times the same byte."""
    return Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)


KEY, EARLIER_KEY, FOREIGN_KEY = key_of(1), key_of(2), key_of(3)
ISSUER = Issuer(
    f"{DESK}/issuer", "Zonedesk Learning", f"{DESK}/", (public_multibase(KEY), public_multibase(EARLIER_KEY))
)
PAYLOAD = CertificatePayload(
    number="ZD-27-7K3QM-X94RT",
    student_name=ODD_NAMES["plain"],
    course_name="Carnatic Violin for Beginners",
    operator_name="Zonedesk Guntur",
    issued_by="Zonedesk Learning",
    total_sessions=30,
    awarded_on=date(2027, 2, 2),
    first_session_on=date(2027, 1, 4),
    last_session_on=date(2027, 2, 2),
    verify_url=f"{DESK}/verify/ZD-27-7K3QM-X94RT/k2Jx9aQeR7vT4mBzN1pWcw",
    locale="te",
)
FACTS = CredentialFacts(
    certificate_id=UUID("0199aaaa-0000-7000-8000-000000000001"),
    awarded_at=AWARDED,
    valid_from=AWARDED,
    salt="00112233445566778899aabbccddeeff",
    status_list=LIST,
    email="Asha.Rao@Example.org",
)


def signing(key: Ed25519PrivateKey, issuer: Issuer = ISSUER) -> SigningKey:
    """A key under the address the issuer gives it."""
    return SigningKey(issuer.key_address(public_multibase(key)), key)


def issued(
    payload: CertificatePayload = PAYLOAD, facts: CredentialFacts = FACTS, key: Ed25519PrivateKey = KEY
) -> dict[str, Any]:
    """A credential, signed at the moment of the award."""
    return building.issue(payload, facts, ISSUER, signing(key), created=AWARDED)


def many(count: int, seed: int = 7) -> Iterator[tuple[CertificatePayload, CredentialFacts, dict[str, Any]]]:
    """``count`` certificates with odd names, some of them from a franchise, without e-mail or by an earlier key."""
    lot = random.Random(seed)
    names = list(ODD_NAMES.values())
    for number in range(count):
        course = f"Violin {number} {names[number % len(names)]}"[:400]
        payload = replace(
            PAYLOAD,
            student_name=lot.choice(names) + lot.choice(names)[:20],
            course_name=course,
            operator_name=lot.choice([PAYLOAD.issued_by, "Franchise ఒంగోలు"]),
        )
        at = AWARDED + timedelta(minutes=number)
        facts = replace(
            FACTS,
            certificate_id=UUID(int=(0x0199 << 112) | number),
            awarded_at=at,
            valid_from=at + timedelta(days=lot.choice([0, 40])),
            salt=lot.randbytes(16).hex(),
            email=lot.choice([None, f"family{number}@example.org"]),
        )
        yield payload, facts, issued(payload, facts, lot.choice([KEY, KEY, EARLIER_KEY]))
