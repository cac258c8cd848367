"""Private keys: made, written to a file that only its owner may read, and loaded from one.

Ed25519 signs credentials; EC P-256, the strongest that every reader of PDFs knows, signs files.

PEM, PKCS #8, without a passphrase: what guards it is who may read the file. No message here quotes a file's contents.
"""

from __future__ import annotations

import os
import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, EllipticCurvePrivateKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, load_pem_private_key

from webapp.certificates.credentials import multikey

_LARGEST: Final = 4096
"""Bytes of a key file; a real one has 119 or 241."""
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


class KeyUnusable(Exception):
    """A key file is missing, open to others, or holds no key of the kind wanted."""


@dataclass(frozen=True, slots=True)
class SigningKey:
    """A private key and its address, under which everybody finds the public one."""

    address: str
    private: Ed25519PrivateKey = field(repr=False)

    @property
    def public_multibase(self) -> str:
        """The public key as Multikey writes it."""
        return public_multibase(self.private)


def make_key() -> Ed25519PrivateKey:
    """A new key of the operating system's randomness."""
    return Ed25519PrivateKey.generate()


def public_multibase(private: Ed25519PrivateKey) -> str:
    """The public half as Multikey writes it, ``z6Mk…``."""
    return multikey.encode(private.public_key().public_bytes_raw())


def write_key(path: Path, private: Ed25519PrivateKey | EllipticCurvePrivateKey) -> None:
    """Write a key to a new file that only its owner may read. Raises ``FileExistsError`` rather than overwrite one."""
    content = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def load_key(path: Path) -> Ed25519PrivateKey:
    """The key in a file. Raises ``KeyUnusable``, also when group or others may do anything with the file."""
    key = _load(path)
    if not isinstance(key, Ed25519PrivateKey):
        raise KeyUnusable(f"{path} holds another kind of key than Ed25519")
    return key


def load_ec_key(path: Path) -> EllipticCurvePrivateKey:
    """The EC P-256 key in a file. Raises ``KeyUnusable`` as ``load_key`` does, and for any other curve."""
    key = _load(path)
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP256R1):
        raise KeyUnusable(f"{path} holds another kind of key than EC P-256")
    return key


def _load(path: Path) -> PrivateKeyTypes:
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())  # of the opened file: the path may mean another one by now
            if not stat.S_ISREG(about.st_mode):
                raise KeyUnusable(f"{path} is not a file")
            if about.st_mode & _OTHERS:
                raise KeyUnusable(f"{path} is open to others: chmod 600 it")
            if about.st_uid not in (0, os.geteuid()):
                raise KeyUnusable(f"{path} belongs to somebody else")
            content = file.read(_LARGEST + 1)
    except OSError as error:
        raise KeyUnusable(f"{path} cannot be read: {error.strerror}") from error
    try:
        return load_pem_private_key(content[:_LARGEST], password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise KeyUnusable(f"{path} holds no private key in PEM without a passphrase") from None
