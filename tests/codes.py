"""What an authenticator app shows, worked out here once more from RFC 6238, so that it is an oracle and no echo."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import datetime, timedelta

from tests.make import Person
from webapp.core import clock

STEP = timedelta(seconds=30)


def code_at(key: str, instant: datetime) -> str:
    """The six digits of a base 32 key at an aware instant (RFC 4226, section 5.3, over RFC 6238, section 4)."""
    counter = int(instant.timestamp()) // int(STEP.total_seconds())
    digest = hmac.new(base64.b32decode(key), counter.to_bytes(8, "big"), hashlib.sha1).digest()
    offset = digest[-1] & 0x0F
    return f"{(int.from_bytes(digest[offset : offset + 4], 'big') & 0x7FFFFFFF) % 10**6:06d}"


def code_of(person: Person, *, steps: int = 0) -> str:
    """The code of somebody's app by the desk's clock, ``steps`` steps of thirty seconds later."""
    assert person.totp_key is not None, f"{person.name} has no authenticator app"
    return code_at(person.totp_key, clock.now() + steps * STEP)


def wrong_code(person: Person) -> str:
    """Six digits that are no code of somebody's app now, nor one step before or after."""
    right = {code_of(person, steps=steps) for steps in (-1, 0, 1)}
    return next(code for code in (f"{number:06d}" for number in range(4)) if code not in right)
