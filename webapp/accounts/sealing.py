"""Small secrets at rest: AES-256-GCM under a key that the database does not have, bound to what they are about.

A sealed secret reads ``v1.<key>.<nonce and ciphertext>``; ``<key>`` names the key without telling it, so that several
can be in use while one is replaced.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

_VERSION: Final = "v1"
_NONCE: Final = 12
"""Bytes. Drawn anew for each secret; some thousand secrets under a key are far from a collision (NIST SP 800-38D)."""


class Unreadable(Exception):
    """Sealed under a key that is not here, about something else, or tampered with."""


class SecretBox:
    """Seals with the first of several keys and opens with any; ``purpose`` keeps uses of one key apart."""

    def __init__(self, keys: Sequence[str], purpose: str) -> None:
        self._keys: dict[str, AESGCM] = {}
        for key in keys:
            # HKDF (RFC 5869): what is configured is long and random, so one cheap derivation is enough.
            derived = HKDF(hashes.SHA256(), 32, salt=None, info=f"zonedesk {purpose} v1".encode()).derive(key.encode())
            self._keys.setdefault(hashlib.sha256(b"name of key " + derived).hexdigest()[:8], AESGCM(derived))
        self._current = next(iter(self._keys))

    def seal(self, plain: bytes, *, about: bytes) -> str:
        """Encrypt ``plain``; it opens only together with the same ``about``."""
        nonce = secrets.token_bytes(_NONCE)
        sealed = nonce + self._keys[self._current].encrypt(nonce, plain, about)
        return f"{_VERSION}.{self._current}.{base64.urlsafe_b64encode(sealed).decode()}"

    def open(self, sealed: str, *, about: bytes) -> bytes:
        """What was sealed about this very thing. Raises ``Unreadable``."""
        version, _dot, rest = sealed.partition(".")
        name, _dot, body = rest.partition(".")
        key = self._keys.get(name)
        if version != _VERSION or key is None:
            raise Unreadable(f"sealed as {version} under a key called {name}, which is not here")
        try:
            raw = base64.b64decode(body, altchars=b"-_", validate=True)
            return key.decrypt(raw[:_NONCE], raw[_NONCE:], about)
        except (InvalidTag, binascii.Error, ValueError) as error:
            raise Unreadable("not what was sealed, or about something else") from error

    def is_current(self, sealed: str) -> bool:
        """Whether it is sealed under the key in use; an earlier key's secrets should be sealed anew."""
        return sealed.startswith(f"{_VERSION}.{self._current}.")
