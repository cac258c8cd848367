"""Credentials: what is in one, whose it is, and whose keys count."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import replace
from typing import Any

import pytest

from tests.credential_samples import (
    AWARDED,
    DESK,
    EARLIER_KEY,
    FACTS,
    FOREIGN_KEY,
    ISSUER,
    LIST,
    ODD_NAMES,
    PAYLOAD,
    issued,
    signing,
)
from webapp.certificates.credentials import building, proofs, texts, verifying
from webapp.certificates.credentials.building import CredentialImpossible
from webapp.certificates.credentials.canonical import Canonicaliser
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.keys import public_multibase
from webapp.certificates.credentials.proofs import ProofInvalid


def test_what_a_credential_says() -> None:
    credential = issued()
    subject = credential["credentialSubject"]
    assert credential["@context"] == [
        "https://www.w3.org/ns/credentials/v2",
        "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json",
        "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json",
    ]
    assert credential["type"] == ["VerifiableCredential", "OpenBadgeCredential"]
    assert credential["id"] == f"urn:uuid:{FACTS.certificate_id}"
    assert credential["issuer"] == {
        "id": f"{DESK}/issuer",
        "type": ["Profile"],
        "name": "Zonedesk Learning",
        "url": f"{DESK}/",
    }
    assert credential["validFrom"] == credential["awardedDate"] == "2027-02-02T10:40:00Z"
    assert credential["credentialStatus"] == {"id": LIST, "type": "1EdTechRevocationList"}
    assert subject["licenseNumber"] == PAYLOAD.number
    assert subject["narrative"] == "30 sessions, from 2027-01-04 to 2027-02-02."
    assert subject["achievement"]["name"] == credential["name"] == "Carnatic Violin for Beginners"
    assert "taught by Zonedesk Guntur" in subject["achievement"]["description"]
    assert credential["proof"]["cryptosuite"] == "eddsa-rdfc-2022"
    assert credential["proof"]["created"] == "2027-02-02T10:40:00Z"
    assert verifying.verify(credential, ISSUER).credential_subject.license_number == PAYLOAD.number


def test_neither_the_name_nor_the_link_stands_in_it() -> None:
    text = texts.written(issued()).decode()
    assert "Ananya" not in text
    assert "example.org" not in text
    assert PAYLOAD.verify_url.rpartition("/")[2] not in text


def test_the_hash_is_the_one_1edtech_prints() -> None:
    """Open Badges 3.0 implementation guide: the address, then the salt."""
    found = building.identity("emailAddress", " JJefferson18@Example.com", "FleurDeSel")
    assert found["identityHash"] == "sha256$658625b25ab3d75d613ca97d9a5a77f70e2192feca5557f4ad09a4d4f121f5fc"


@pytest.mark.parametrize("kind", ODD_NAMES)
def test_any_name_is_signed_and_known_again(kind: str) -> None:
    payload = replace(PAYLOAD, student_name=ODD_NAMES[kind], course_name=ODD_NAMES[kind])
    text = texts.written(issued(payload))
    assert b"\xe2\x80\xae" not in text, "a right-to-left override"
    found = verifying.verify(texts.read(text), ISSUER)
    assert verifying.belongs_to(found, ODD_NAMES[kind])
    assert not verifying.belongs_to(found, ODD_NAMES[kind] + "x")
    assert not verifying.belongs_to(found, "")


def test_whose_it_is_depends_on_the_salt() -> None:
    hashes = {
        issued(facts=replace(FACTS, salt=f"{salt:032x}"))["credentialSubject"]["identifier"][0]["identityHash"]
        for salt in range(3)
    }
    assert len(hashes) == 3


def test_without_an_address_only_the_name_is_hashed() -> None:
    identities = issued(facts=replace(FACTS, email=None))["credentialSubject"]["identifier"]
    assert [one["identityType"] for one in identities] == ["name"]


def test_an_own_course_is_not_taught_by_somebody_else() -> None:
    own = issued(replace(PAYLOAD, operator_name=PAYLOAD.issued_by))
    assert "taught by" not in own["credentialSubject"]["achievement"]["description"]


def test_the_same_course_is_the_same_achievement() -> None:
    def achievement(**changes: Any) -> str:
        return str(issued(replace(PAYLOAD, **changes))["credentialSubject"]["achievement"]["id"])

    assert achievement() == achievement(student_name="Ravi", number="ZD-27-AAAAA-AAAA0")
    assert len({achievement(), achievement(course_name="Veena"), achievement(total_sessions=10)}) == 3


def test_a_newer_version_keeps_id_and_day_of_award() -> None:
    newer = issued(facts=replace(FACTS, valid_from=AWARDED.replace(month=3)))
    assert (newer["id"], newer["awardedDate"]) == (issued()["id"], issued()["awardedDate"])
    assert newer["validFrom"] == "2027-03-02T10:40:00Z"


def test_the_same_facts_give_the_same_bytes() -> None:
    assert texts.written(issued()) == texts.written(issued())
    assert len(texts.written(issued())) < 4_000


@pytest.mark.parametrize("field", ["student_name", "course_name", "operator_name", "issued_by"])
@pytest.mark.parametrize("name", ["", "  ", "\u200b\u202e", "\ud800"])
def test_a_name_that_shows_nothing_makes_no_credential(field: str, name: str) -> None:
    named: dict[str, Any] = {field: name}
    with pytest.raises(CredentialImpossible, match=field):
        issued(replace(PAYLOAD, **named))


@pytest.mark.parametrize(
    "facts",
    [
        replace(FACTS, salt="short"),
        replace(FACTS, salt="ZZ112233445566778899aabbccddeeff"),
        replace(FACTS, status_list="/credentials/revoked"),
        replace(FACTS, status_list="ftp://desk.example/list"),
    ],
)
def test_facts_that_could_not_be_verified_are_not_signed(facts: building.CredentialFacts) -> None:
    with pytest.raises(Exception, match=r"salt|absolute|Status") as raised:
        issued(facts=facts)
    assert type(raised.value).__name__ in ("CredentialImpossible", "NotCanonical")


def test_a_name_too_long_for_anybody_makes_no_credential() -> None:
    with pytest.raises(CredentialImpossible):
        issued(replace(PAYLOAD, course_name="x" * 2_001))


def test_only_a_published_key_signs() -> None:
    with pytest.raises(ValueError, match="publishes"):
        issued(key=FOREIGN_KEY)


def test_what_an_earlier_key_signed_stays_valid_and_a_stranger_s_never_is() -> None:
    earlier = issued(key=EARLIER_KEY)
    verifying.verify(earlier, ISSUER)
    with pytest.raises(ProofInvalid, match="key is not the issuer's"):
        verifying.verify(earlier, replace(ISSUER, keys=ISSUER.keys[:1]))
    document = building.build(PAYLOAD, FACTS, ISSUER)
    forged = proofs.signed(document, signing(FOREIGN_KEY), created=AWARDED)
    with pytest.raises(ProofInvalid, match="key is not the issuer's"):
        verifying.verify(forged, ISSUER)
    forged["proof"]["verificationMethod"] = ISSUER.key_address(ISSUER.keys[0])
    with pytest.raises(ProofInvalid, match="signature"):
        verifying.verify(forged, ISSUER)


def test_another_issuer_s_credential_is_not_ours() -> None:
    other = Issuer(f"{DESK}/other", "Other", f"{DESK}/", (public_multibase(FOREIGN_KEY),))
    theirs = building.issue(PAYLOAD, FACTS, other, signing(FOREIGN_KEY, other), created=AWARDED)
    verifying.verify(theirs, other)
    with pytest.raises(ProofInvalid, match="another issuer"):
        verifying.verify(theirs, ISSUER)


def test_members_in_another_order_are_the_same_credential() -> None:
    credential = issued()
    verifying.verify(dict(sorted(credential.items(), reverse=True)), ISSUER)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"not json",
        b"[]",
        b"7",
        b'{"id": 1, "id": 2}',
        b'{"a": {"id": 1, "id": 2}}',
        b'{"a": NaN}',
        b"[" * 50_000,
        b'{"a": ' * 9_000 + b"1" + b"}" * 9_000,
        b" " * (texts.LARGEST + 1),
        b"\xef\xbb\xbf{}",
    ],
)
def test_a_file_that_is_no_json_object_is_refused(content: bytes) -> None:
    with pytest.raises(ProofInvalid):
        texts.read(content)


@pytest.mark.parametrize("document", [{}, {"@context": []}, {"proof": {}}, {"x" * 5_000: 1}, {"credentialSubject": 7}])
def test_strangers_documents_are_refused_in_a_few_words(document: dict[str, Any]) -> None:
    with pytest.raises(ProofInvalid) as refused:
        verifying.verify(document, ISSUER)
    assert len(str(refused.value)) < 200


def test_the_profile_lists_every_key_and_each_key_has_a_document() -> None:
    profile = ISSUER.profile()
    assert profile["id"] == ISSUER.address
    assert [key["publicKeyMultibase"] for key in profile["assertionMethod"]] == list(ISSUER.keys)
    for key in ISSUER.keys:
        document = ISSUER.key_document(key)
        assert document["controller"] == ISSUER.address
        assert document["id"] in {listed["id"] for listed in profile["assertionMethod"]}
        assert ISSUER.public_keys()[document["id"]]
        assert f"<{document['id']}>" in Canonicaliser()(document)
    quads = Canonicaliser()(profile)
    assert quads.count("<https://w3id.org/security#assertionMethod>") == len(ISSUER.keys)
    with pytest.raises(KeyError):
        ISSUER.key_document(public_multibase(FOREIGN_KEY))


def test_whoever_shows_the_issuer_does_not_load_pyld() -> None:
    """27 MB in every web process, for documents that are plain JSON."""
    script = "import sys; import webapp.certificates.credentials.issuer; sys.exit('pyld' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0


def test_what_is_no_public_key_is_not_published() -> None:
    with pytest.raises(ValueError, match="base58btc"):
        replace(ISSUER, keys=("MC4CAQAwBQYDK2VwBCIEIA",))


def test_the_salt_and_the_hash_are_of_sha_256() -> None:
    found = issued()["credentialSubject"]["identifier"][0]
    wanted = hashlib.sha256(f"{PAYLOAD.student_name}{FACTS.salt}".encode()).hexdigest()
    assert found["identityHash"] == f"sha256${wanted}"
    assert json.loads(texts.written(issued())) == issued()
