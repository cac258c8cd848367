"""Authenticator keys of the demo's people: the same for everybody who tries the demo, and so no secrets at all."""

from __future__ import annotations

import base64
import hashlib


def key_of(email: str) -> str:
    """The base 32 key of a demo account, for an authenticator app."""
    return base64.b32encode(hashlib.sha256(f"the demo's {email}".encode()).digest()[:20]).decode()
