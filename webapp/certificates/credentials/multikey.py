"""Public Ed25519 keys as Multikey (W3C "Controlled Identifiers", section on Multikey): multicodec, then base58btc."""

from __future__ import annotations

from typing import Final

from webapp.certificates.credentials import base58

_ED25519_PUB: Final = b"\xed\x01"
"""The multicodec ``ed25519-pub`` (0xed) as a varint."""
_KEY_BYTES: Final = 32
_BASE58BTC: Final = "z"


def encode(public_key: bytes) -> str:
    """The 32 bytes of a public key as ``z6Mk…``. Raises ``ValueError`` for any other length."""
    if len(public_key) != _KEY_BYTES:
        raise ValueError("an Ed25519 public key has 32 bytes")
    return _BASE58BTC + base58.encode(_ED25519_PUB + public_key)


def decode(text: str) -> bytes:
    """The 32 bytes of a public key. Raises ``ValueError`` for what is no Ed25519 key in base58btc."""
    if not text.startswith(_BASE58BTC):
        raise ValueError("not base58btc")
    content = base58.decode(text[1:])
    if not content.startswith(_ED25519_PUB) or len(content) != len(_ED25519_PUB) + _KEY_BYTES:
        raise ValueError("not an Ed25519 public key")
    return content[len(_ED25519_PUB) :]
