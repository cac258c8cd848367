"""Passwords that everybody tries first: those of twelve characters and more among the million found most often.

``hashes.bin`` holds the first eight bytes of the SHA-256 of each, sorted, so that nobody has to read them and a look-up
is a bisection over bytes. That another password shares eight bytes with one of them happens once in 10^14.
``VENDOR.txt`` says where they come from, ``scripts/common_passwords.py`` makes the file.
"""

from __future__ import annotations

import hashlib
import unicodedata
from bisect import bisect_left
from functools import lru_cache
from pathlib import Path
from typing import Final

WIDTH: Final = 8
"""Bytes of each hash."""
_FILE: Final = Path(__file__).with_name("hashes.bin")


def is_common(password: str) -> bool:
    """Whether a password is one of those found most often in breaches, however it is capitalised."""
    wanted = hash_of(password)
    kept = _hashes()
    places = range(len(kept) // WIDTH)
    at = bisect_left(places, wanted, key=lambda place: kept[place * WIDTH : (place + 1) * WIDTH])
    return kept[at * WIDTH : (at + 1) * WIDTH] == wanted


def hash_of(password: str) -> bytes:
    """What the list knows a password by."""
    plain = unicodedata.normalize("NFKC", password).casefold()
    return hashlib.sha256(plain.encode("utf-8", "surrogatepass")).digest()[:WIDTH]


@lru_cache(maxsize=1)
def _hashes() -> bytes:
    return _FILE.read_bytes()
