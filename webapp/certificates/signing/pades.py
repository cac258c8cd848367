"""PDFs signed as PAdES baseline B-B (ETSI EN 319 142-1): detached CAdES in an invisible field, added at the end.

Without a time stamp of a third party and without revocation data, which both need a network: the time is the desk's
own word. The signature certifies the file and allows no change at all.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from asn1crypto import tsp, x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import load_pem_x509_certificate
from pyhanko.pdf_utils.incremental_writer import IncrementalPdfFileWriter
from pyhanko.sign import PdfSignatureMetadata, PdfSigner
from pyhanko.sign.attributes import CMSAttributeProvider, SignedAttributeProviderSpec
from pyhanko.sign.fields import MDPPerm, SigFieldSpec, SigSeedSubFilter
from pyhanko.sign.general import as_signing_certificate_v2
from pyhanko.sign.signers.pdf_cms import PdfCMSSignedAttributes, Signer

from webapp.certificates.credentials.keys import KeyUnusable

FIELD: Final = "Zonedesk"
REASON: Final = (
    "Issued as it is. The certificate of this signature was made by the issuer itself: it shows that the file was not"
    " changed; whose it is can be checked at the address in the file."
)
"""Readers of PDFs show it beside the signature."""
_DIGEST: Final = "sha256"
_ENVELOPE: Final = 1024
"""Bytes of a signature beside its certificate, whose names it repeats."""


class PdfSeal:
    """Signs PDFs with one key, loaded once. One per work-horse and operator, in one thread."""

    def __init__(self, certificate_pem: str, private: EllipticCurvePrivateKey) -> None:
        """Raises ``KeyUnusable`` when certificate and key are not a pair."""
        certificate = load_pem_x509_certificate(certificate_pem.encode("ascii"))
        if certificate.public_key() != private.public_key():
            raise KeyUnusable("a private key is not that of its certificate")
        der = certificate.public_bytes(Encoding.DER)
        self._signer = _Loaded(der, private)
        self._since = certificate.not_valid_before_utc
        # Measured out once: left to itself, pyHanko signs each file twice to learn how much room a signature takes.
        self._room = 2 * (2 * len(der) + _ENVELOPE)  # counted in hexadecimal digits

    def sign(self, pdf: bytes, *, at: datetime) -> bytes:
        """``pdf`` with a signature appended that says it was made at ``at`` (aware), or when the key began if later.

        All that is signed is the same at every try but the file's second identifier, which pyHanko draws. Raises what
        pyHanko does for a file it cannot read.
        """
        about = PdfSignatureMetadata(
            field_name=FIELD,
            md_algorithm=_DIGEST,
            subfilter=SigSeedSubFilter.PADES,
            reason=REASON,
            certify=True,
            docmdp_permissions=MDPPerm.NO_CHANGES,
        )
        writer = IncrementalPdfFileWriter(io.BytesIO(pdf))
        session = PdfSigner(about, self._signer, new_field_spec=SigFieldSpec(FIELD)).init_signing_session(writer)
        session.system_time = max(at, self._since)
        prepared = session.prepare_tbs_document(validation_info=None, bytes_reserved=self._room)
        signed = io.BytesIO()
        digest, _ = prepared.digest_tbs_document(output=signed)
        asyncio.run(prepared.perform_signature(digest.document_digest, PdfCMSSignedAttributes()))
        return signed.getvalue()


class _Loaded(Signer):
    """Signs with a key that was read once, and names its certificate in words that were put together once.

    pyHanko's own signer reads and checks the key anew for each signature, and builds that name, which takes most of the
    time of all.
    """

    def __init__(self, der: bytes, private: EllipticCurvePrivateKey) -> None:
        certificate = x509.Certificate.load(der)
        super().__init__(signing_cert=certificate)
        self.signed_attr_prov_spec = _Attributes(certificate)
        self._private = private

    async def async_sign_raw(self, data: bytes, digest_algorithm: str, dry_run: bool = False) -> bytes:
        """The signature of ``data`` by P-256 over SHA-256, in DER. Deterministic (RFC 6979): it needs no luck."""
        return self._private.sign(data, ECDSA(hashes.SHA256(), deterministic_signing=True))


class _Attributes(SignedAttributeProviderSpec):
    """What is signed beside the file's digest: which certificate it is (ESS signing-certificate-v2), nothing else."""

    def __init__(self, certificate: x509.Certificate) -> None:
        self._provider = _Named(as_signing_certificate_v2(certificate).dump())

    def signed_attr_providers(self, data_digest: bytes, digest_algorithm: str) -> Iterable[CMSAttributeProvider]:
        """The same for every file."""
        return (self._provider,)


class _Named(CMSAttributeProvider):
    """The certificate's name in DER."""

    attribute_type = "signing_certificate_v2"

    def __init__(self, der: bytes) -> None:
        self._der = der

    async def build_attr_value(self, dry_run: bool = False) -> tsp.SigningCertificateV2:
        """A fresh object each time, because pyHanko puts it into a tree."""
        return tsp.SigningCertificateV2.load(self._der)
