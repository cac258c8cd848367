"""Base58 in Bitcoin's alphabet, as multibase ``z`` writes keys and signatures. For a few dozen bytes at a time.

The packages that do this have had no release for years, and it is one division.
"""

from __future__ import annotations

from typing import Final

ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_VALUE: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_LONGEST: Final = 200


def encode(content: bytes) -> str:
    """``content`` as base58; each leading zero byte is a ``1``."""
    number = int.from_bytes(content, "big")
    symbols = ""
    while number:
        number, rest = divmod(number, 58)
        symbols = ALPHABET[rest] + symbols
    return "1" * (len(content) - len(content.lstrip(b"\0"))) + symbols


def decode(text: str) -> bytes:
    """The bytes behind ``text``. Raises ``ValueError`` for a foreign symbol or more than 200 of them."""
    if len(text) > _LONGEST:
        raise ValueError("base58: too long")
    number = 0
    for symbol in text:
        if symbol not in _VALUE:
            raise ValueError("base58: a symbol outside the alphabet")
        number = number * 58 + _VALUE[symbol]
    return b"\0" * (len(text) - len(text.lstrip("1"))) + number.to_bytes((number.bit_length() + 7) // 8, "big")
