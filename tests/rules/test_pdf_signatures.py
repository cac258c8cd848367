"""PDFs signed as PAdES B-B, judged by pyHanko's own validator and by poppler."""

from __future__ import annotations

import io
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.x509.oid import NameOID
from pyhanko.pdf_utils.reader import PdfFileReader
from pypdf import PdfReader, PdfWriter

from tests.certificate_keys import Verdict, judged, poppler_says, small_pdf
from webapp.certificates.credentials.keys import KeyUnusable
from webapp.certificates.signing.certificate import LASTS, self_made
from webapp.certificates.signing.pades import FIELD, REASON, PdfSeal

MADE = datetime(2026, 5, 1, tzinfo=UTC)
AT = datetime(2026, 6, 13, 10, 40, tzinfo=UTC)
KEY = generate_private_key(SECP256R1())
PEM = self_made(KEY, "Zonedesk గుంటూరు", "Zonedesk Learning", now=MADE)


@pytest.fixture(scope="module")
def seal() -> PdfSeal:
    return PdfSeal(PEM, KEY)


@pytest.fixture(scope="module")
def signed(seal: PdfSeal) -> bytes:
    return seal.sign(small_pdf(), at=AT)


def test_both_programs_accept_it(signed: bytes, tmp_path: Path) -> None:
    assert judged(signed, PEM, at=AT) == Verdict(sound=True, whole=True, at=AT, trusted=True)
    said = poppler_says(signed, tmp_path)
    assert "Signature is Valid" in said
    assert "Total document signed" in said
    assert "ETSI.CAdES.detached" in said
    assert "SHA-256" in said


def test_what_was_drawn_stays_as_it_is_and_the_signature_comes_behind_it(signed: bytes) -> None:
    assert signed.startswith(small_pdf())


def test_it_is_a_certification_that_allows_nothing_in_a_field_nobody_sees(signed: bytes) -> None:
    (signature,) = PdfFileReader(io.BytesIO(signed)).embedded_regular_signatures
    assert signature.field_name == FIELD
    assert signature.docmdp_level.name == "NO_CHANGES"
    assert [float(number) for number in signature.sig_field["/Rect"]] == [0, 0, 0, 0]
    assert str(signature.sig_object["/Reason"]) == REASON
    names = {attribute["type"].native for attribute in signature.signer_info["signed_attrs"]}
    assert names == {"content_type", "message_digest", "signing_certificate_v2"}, "PAdES B-B: no time among them"


def test_any_flipped_byte_is_found(signed: bytes, tmp_path: Path) -> None:
    end = len(small_pdf())
    for at in (20, end // 2, end - 40):
        changed = bytearray(signed)
        changed[at] ^= 1
        with_pyhanko = _sound(bytes(changed))
        assert not with_pyhanko, at
        assert "Signature is Valid" not in poppler_says(bytes(changed), tmp_path)


def _sound(content: bytes) -> bool:
    try:
        return judged(content, PEM, at=AT).sound
    except Exception:  # a file so broken that it cannot be read is refused as well
        return False


def test_an_appended_page_is_found(signed: bytes, tmp_path: Path) -> None:
    """The signed bytes stay as they are, and whoever only looks at them would be satisfied."""
    writer = PdfWriter(io.BytesIO(signed), incremental=True)
    writer.add_blank_page(200, 100)
    more = io.BytesIO()
    writer.write(more)
    content = more.getvalue()
    assert content.startswith(signed)
    assert len(PdfReader(io.BytesIO(content)).pages) == 2
    verdict = judged(content, PEM, at=AT)
    assert (verdict.sound, verdict.whole) == (True, False)
    assert "Total document signed" not in poppler_says(content, tmp_path)


def test_every_try_signs_the_same(seal: PdfSeal) -> None:
    """But for the identifier that pyHanko draws for each version of a file; the signature itself draws nothing."""
    one, other = (seal.sign(small_pdf(), at=AT) for _ in range(2))
    assert len(one) == len(other)
    assert judged(other, PEM, at=AT).at == judged(one, PEM, at=AT).at == AT


def test_it_never_claims_to_be_older_than_its_key(seal: PdfSeal) -> None:
    """A certificate may have waited for its key."""
    early = seal.sign(small_pdf(), at=MADE - timedelta(days=300))
    verdict = judged(early, PEM, at=AT)
    assert verdict.at == MADE - timedelta(days=1), "when the key's certificate begins"
    assert verdict.trusted


def test_a_key_of_another_certificate_is_refused() -> None:
    with pytest.raises(KeyUnusable, match="not that of its certificate"):
        PdfSeal(PEM, generate_private_key(SECP256R1()))


def test_the_certificate_says_in_words_that_it_is_self_made_and_can_vouch_for_no_other() -> None:
    made = x509.load_pem_x509_certificate(PEM.encode())
    (name,) = made.subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert name.value == "Zonedesk గుంటూరు (self-made)"
    assert made.issuer == made.subject
    made.verify_directly_issued_by(made)
    assert made.extensions.get_extension_for_class(x509.BasicConstraints).value.ca is False
    usage = made.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert (usage.value.digital_signature, usage.value.content_commitment, usage.value.key_cert_sign) == (
        True,
        True,
        False,
    )
    assert made.not_valid_after_utc - made.not_valid_before_utc == LASTS + timedelta(days=1)


def test_names_longer_than_a_certificate_takes_are_cut_and_the_signature_still_fits() -> None:
    long = self_made(KEY, "క్ష" * 100, "న" * 300, now=MADE)
    (name,) = x509.load_pem_x509_certificate(long.encode()).subject.get_attributes_for_oid(NameOID.COMMON_NAME)
    assert isinstance(name.value, str)
    assert len(name.value.encode()) <= 64
    assert name.value.startswith("క్షక్ష")
    assert name.value.endswith(" (self-made)")
    assert judged(PdfSeal(long, KEY).sign(small_pdf(), at=AT), long, at=AT).trusted
