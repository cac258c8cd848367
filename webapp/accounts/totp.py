"""Codes of authenticator apps (TOTP, RFC 6238): six digits, thirty seconds, SHA-1, which is what every app can do.

Flask-Security's ``Totp`` over passlib does the arithmetic. Ours are the clock, the window of one step each way, the
encryption at rest, and that no code is good twice: the step of the last accepted code stands in the user's row and only
ever grows, by a compare-and-set that two requests cannot both win.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import segno
import structlog
from flask import current_app
from flask_security.totp import Totp
from passlib.exc import UsedTokenError
from passlib.totp import TOTP, TotpMatch
from sqlalchemy.orm import Session

from webapp.accounts import queries, second_factors
from webapp.accounts.sealing import SecretBox, Unreadable
from webapp.core import clock
from webapp.db.work import Work

ISSUER: Final = "Zonedesk"
STEP: Final = 30
"""Seconds a code lasts; the code of the step before and of the step after are good too (RFC 6238, section 5.2)."""
_SECRET_BYTES: Final = 20
"""160 bits: the length of SHA-1, as RFC 4226, section 4, recommends."""
_CODE: Final = re.compile(r"[0-9]{6}\Z")
_EXTENSION: Final = "zonedesk_totp"

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class _Holder:
    """Whose code is looked at, and in which transaction."""

    db: Session
    user_id: UUID
    last_counter: int | None


class DeskTotp(Totp):
    """Makes, shows and checks TOTP secrets. A secret leaves it sealed, bound to the user it was made for."""

    def __init__(self, keys: Sequence[str]) -> None:
        super().__init__({"1": keys[0]}, ISSUER)
        self._totp: Any = TOTP.using(issuer=ISSUER, period=STEP, digits=6, now=lambda: clock.now().timestamp())
        self._box = SecretBox(keys, "totp")

    def new_secret(self, user_id: UUID) -> str:
        """A fresh secret for a user, sealed."""
        return self.seal(self._totp.new(size=_SECRET_BYTES).base32_key, user_id)

    def seal(self, base32: str, user_id: UUID) -> str:
        """A known secret, sealed for a user."""
        return self._box.seal(base64.b32decode(base32 + "=" * (-len(base32) % 8)), about=user_id.bytes)

    def reads(self, sealed: str, user_id: UUID) -> bool:
        """Whether a sealed secret is this user's and its key is here."""
        try:
            self._open(sealed, user_id)
        except Unreadable:
            return False
        return True

    def code_of_key(self, base32: str) -> str:
        """The code that an authenticator app with a known key shows at this moment."""
        return self.generate_totp_password(self._totp(key=base32))

    def key(self, sealed: str, user_id: UUID) -> str:
        """The secret for typing into an app: base 32 in groups of four."""
        base32 = self.get_totp_b32_key(self._open(sealed, user_id))
        return " ".join(base32[at : at + 4] for at in range(0, len(base32), 4))

    def uri(self, sealed: str, user_id: UUID, email: str) -> str:
        """The ``otpauth://`` address that apps read from a QR code; it names the desk and the account."""
        return self.get_totp_uri(email, self._open(sealed, user_id))

    def picture(self, sealed: str, user_id: UUID, email: str) -> str:
        """The QR code of ``uri`` as a ``data:`` address for an ``<img>``, black on white on dark pages too."""
        code = segno.make(self.uri(sealed, user_id, email), error="m", micro=False)
        return code.svg_data_uri(scale=4, border=4, dark="#000", light="#fff")

    def counter_of(self, sealed: str, user_id: UUID, typed: str) -> int | None:
        """The time step of a code that fits a secret nobody uses yet; ``None`` when it does not fit."""
        code = _plain(typed)
        if code is None:
            return None
        holder: Any = _Unused()
        return holder.counter if self.verify_totp(code, self._open(sealed, user_id), holder, STEP) else None

    def is_right(self, work: Work, user_id: UUID, typed: str) -> bool:
        """Whether a code is right for a user and was not used before; it is used up by that.

        A secret sealed under an earlier key is sealed anew. When its key is gone, no code is right, as the log says.
        """
        held = queries.totp_of(work.db, user_id)
        code = _plain(typed)
        if held is None or code is None:
            return False
        try:
            secret = self._open(held.sealed, user_id)
        except Unreadable:
            log.error("totp.unreadable", user_id=str(user_id))
            return False
        holder: Any = _Holder(work.db, user_id, held.counter)
        if not self.verify_totp(code, secret, holder, STEP):
            return False
        if not self._box.is_current(held.sealed):
            second_factors.seal_anew(work, user_id, held.sealed, self.seal(secret.base32_key, user_id))
        return True

    def seal_all_anew(self, work: Work) -> tuple[int, int]:
        """Seal every secret under the key in use: how many that changed, and how many cannot be read."""
        done = lost = 0
        for user_id, sealed in queries.sealed_totps(work.db):
            if self._box.is_current(sealed):
                continue
            try:
                secret = self._open(sealed, user_id)
            except Unreadable:
                lost += 1
                continue
            second_factors.seal_anew(work, user_id, sealed, self.seal(secret.base32_key, user_id))
            done += 1
        return done, lost

    def get_last_counter(self, user: Any) -> int | None:
        """The step of the last code of this user that was accepted."""
        return user.last_counter if isinstance(user, _Holder) else None

    def set_last_counter(self, user: Any, tmatch: TotpMatch) -> None:
        """Use a code up. Raises ``UsedTokenError`` when another request was faster: it is then wrong like any other."""
        if isinstance(user, _Unused):
            user.counter = tmatch.counter
        elif not second_factors.use_counter(user.db, user.user_id, tmatch.counter):
            raise UsedTokenError()

    def _open(self, sealed: str, user_id: UUID) -> Any:
        return self._totp(key=self._box.open(sealed, about=user_id.bytes), format="raw")


class _Unused:
    """Stands in for a user whose secret is only being set up."""

    counter: int | None = None


def totp() -> DeskTotp:
    """The running application's; made at the first call."""
    made: DeskTotp | None = current_app.extensions.get(_EXTENSION)
    if made is None:
        made = current_app.extensions[_EXTENSION] = DeskTotp(current_app.extensions["settings"].totp_keys)
    return made


def _plain(typed: str) -> str | None:
    """Six digits, however they were grouped; ``None`` for anything else."""
    code = re.sub(r"[\s-]", "", typed)
    return code if _CODE.match(code) else None
