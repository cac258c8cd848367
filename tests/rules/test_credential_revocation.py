"""The list of revoked credentials: who is on it, and that nothing on it can be changed."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any
from uuid import UUID

import pytest

from tests.credential_samples import AWARDED, DESK, EARLIER_KEY, FOREIGN_KEY, ISSUER, KEY, LIST, ODD_NAMES, signing
from webapp.certificates.credentials import proofs, texts
from webapp.certificates.credentials.canonical import NotCanonical
from webapp.certificates.credentials.proofs import ProofInvalid
from webapp.certificates.credentials.revocation import Revocation, reason_revoked, signed_list, verify_list

VOID = [Revocation(UUID(int=3), "Issued to the wrong student."), Revocation(UUID(int=1), 'Name "corrected".')]


def a_list(revoked: list[Revocation] = VOID) -> dict[str, Any]:
    return signed_list(LIST, revoked, ISSUER, signing(KEY), created=AWARDED)


def test_a_list_tells_who_is_revoked_and_why() -> None:
    document = texts.read(texts.written(a_list()))
    assert document["id"] == LIST
    assert document["issuer"] == ISSUER.address
    assert document["revokedCredential"] == [
        {"id": UUID(int=1).urn, "revoked": True, "revocationReason": 'Name "corrected".'},
        {"id": UUID(int=3).urn, "revoked": True, "revocationReason": "Issued to the wrong student."},
    ]
    assert document["revokedCredentials"] == document["revokedCredential"], "both names validators ask for"
    found = verify_list(document, ISSUER)
    assert reason_revoked(found, UUID(int=3)) == "Issued to the wrong student."
    assert reason_revoked(found, UUID(int=2)) is None


def test_an_empty_list_is_signed_too() -> None:
    assert reason_revoked(verify_list(a_list([]), ISSUER), UUID(int=1)) is None


def test_the_order_it_was_asked_for_in_does_not_matter() -> None:
    assert a_list() == a_list(VOID[::-1])


@pytest.mark.parametrize("reason", ODD_NAMES.values(), ids=ODD_NAMES)
def test_any_reason_is_signed_or_refused(reason: str) -> None:
    try:
        document = a_list([Revocation(UUID(int=1), reason)])
    except NotCanonical:
        assert not reason.isprintable()
    else:
        assert reason_revoked(verify_list(document, ISSUER), UUID(int=1)) == reason


def _entry(document: dict[str, Any], **changes: Any) -> None:
    for name in ("revokedCredential", "revokedCredentials"):
        document[name] = [document[name][0] | changes, *document[name][1:]]


@pytest.mark.parametrize(
    "change",
    [
        lambda document: document.update(id=f"{DESK}/credentials/revoked/2028"),
        lambda document: document.update(issuer=f"{DESK}/other"),
        lambda document: document.update(revokedCredential=[], revokedCredentials=[]),
        lambda document: document.update(revokedCredential=[]),
        lambda document: document.pop("revokedCredentials"),
        lambda document: document["revokedCredentials"].pop(),
        lambda document: _entry(document, id=UUID(int=9).urn),
        lambda document: _entry(document, revocationReason="Another."),
        lambda document: _entry(document, revoked=False),
        lambda document: _entry(document, revoked="true"),
        lambda document: _entry(document, name="more"),
        lambda document: document.update(more="more"),
        lambda document: document["@context"][1].update(revoked=f"{LIST}#pardoned"),
        lambda document: document["@context"].pop(),
        lambda document: document["proof"].update(created="2027-02-03T10:40:00Z"),
        lambda document: document["proof"].update(verificationMethod=ISSUER.key_address(ISSUER.keys[1])),
        lambda document: document["proof"].update(verificationMethod=f"{DESK}/key"),
        lambda document: document.pop("proof"),
    ],
)
def test_nothing_on_a_signed_list_can_be_changed(change: Callable[[dict[str, Any]], object]) -> None:
    document = copy.deepcopy(a_list())
    change(document)
    with pytest.raises(ProofInvalid):
        verify_list(document, ISSUER)


def test_the_signature_alone_holds_both_lists() -> None:
    """Each under a name of its own meaning, so that neither can be shortened behind the other's back."""
    for name in ("revokedCredential", "revokedCredentials"):
        document = a_list()
        with pytest.raises(ProofInvalid, match="signature"):
            proofs.check(document | {name: document[name][:1]}, KEY.public_key().public_bytes_raw())


def test_an_earlier_key_s_list_holds_and_a_stranger_s_does_not() -> None:
    verify_list(signed_list(LIST, VOID, ISSUER, signing(EARLIER_KEY), created=AWARDED), ISSUER)
    other = replace(ISSUER, address=f"{DESK}/other")
    theirs = signed_list(LIST, VOID, other, signing(FOREIGN_KEY, other), created=AWARDED)
    with pytest.raises(ProofInvalid, match="another issuer"):
        verify_list(theirs, ISSUER)
