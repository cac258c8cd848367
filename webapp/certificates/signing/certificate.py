"""The X.509 certificate of an operator, made by the desk itself.

It shows that a file was not changed since it was signed, and by which key; who that is, nobody but the desk vouches
for. So its name says that it is self-made, and readers of PDFs show it as not trusted.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import NameOID

from webapp.certificates.pdf import printable_name

LASTS: Final = timedelta(days=3653)
"""Ten years. What it signed before stays verifiable: a reader is told when that was."""
SELF_MADE: Final = " (self-made)"
_LONGEST: Final = 64
"""Bytes of a name in a certificate. RFC 5280 counts letters (ub-common-name); libraries count bytes."""


def self_made(private: EllipticCurvePrivateKey, operator: str, company: str, *, now: datetime) -> str:
    """A certificate for an operator's key in PEM, signed by that very key, valid from a day before ``now`` (aware)."""
    operator, company = printable_name(operator), printable_name(company)
    name = x509.Name(
        [
            x509.NameAttribute(NameOID.ORGANIZATION_NAME, _cut(company, _LONGEST)),
            x509.NameAttribute(NameOID.COMMON_NAME, _cut(operator, _LONGEST - len(SELF_MADE)) + SELF_MADE),
        ]
    )
    public = private.public_key()
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))  # clocks differ
        .not_valid_after(now + LASTS)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(public), critical=False)
        .sign(private, hashes.SHA256())
    )
    return made.public_bytes(Encoding.PEM).decode("ascii")


def _cut(name: str, most: int) -> str:
    """The beginning of a name that takes ``most`` bytes at most."""
    return name.encode()[:most].decode(errors="ignore").rstrip()


def _usage() -> x509.KeyUsage:
    """To sign, and to stand by it; nothing else. No extended use: poppler takes that of RFC 9336 for corrupted data."""
    others = ("key_encipherment", "data_encipherment", "key_agreement", "key_cert_sign", "crl_sign")
    return x509.KeyUsage(
        digital_signature=True,
        content_commitment=True,
        encipher_only=False,
        decipher_only=False,
        **dict.fromkeys(others, False),
    )
