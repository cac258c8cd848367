"""What a form showed when it was opened, in short: so that nobody writes over a change they have not seen."""

from __future__ import annotations

import hashlib

_DIGITS = 16


def fingerprint(*values: object) -> str:
    """Sixteen hexadecimal digits that differ when any of the values does. Keeps no secret, only tells of a change."""
    return hashlib.sha256(repr([str(value) for value in values]).encode()).hexdigest()[:_DIGITS]
