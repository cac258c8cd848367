"""Recovery codes: what gets somebody in whose second factor is lost. Pure: drawing, reading and hashing them.

Each is 24 of Crockford's 32 letters, 120 random bits: no number of guesses finds one, so a plain SHA-256 keeps it
(ASVS 5.0, 6.5.2 asks for a slow hash only under 112 bits).
"""

from __future__ import annotations

import hashlib
import secrets
from typing import Final

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O, U."""
CODES: Final = 10
LETTERS: Final = 24
_GROUP: Final = 4
_READ_AS: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "-": None, " ": None, "\t": None, "\u00a0": None})


def draw_codes() -> tuple[str, ...]:
    """Ten fresh codes, in groups of four letters."""
    return tuple(_draw() for _ in range(CODES))


def plain(typed: str) -> str:
    """A code as it is hashed: capitals without signs, I and L read as 1, O as 0."""
    return typed.strip().upper().translate(_READ_AS)


def hash_of_code(typed: str) -> bytes:
    """What the database keeps of a code, however it was typed."""
    return hashlib.sha256(plain(typed).encode()).digest()


def _draw() -> str:
    letters = "".join(secrets.choice(ALPHABET) for _ in range(LETTERS))
    return "-".join(letters[at : at + _GROUP] for at in range(0, LETTERS, _GROUP))
