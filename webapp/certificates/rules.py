"""Certificates: who gets one, its life, and its number (rules C1 to C4)."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final
from uuid import UUID

from webapp.core import moves
from webapp.core.actor import Actor, Permission
from webapp.core.errors import Forbidden, Invalid
from webapp.core.names import clean_lines

CERTIFIED_TOTAL = 30
"""Only courses of this many sessions end with certificates (rule C1)."""

MAX_ABSENCES = 6
"""Default of the setting for rule C1: a student absent more often gets none."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that a number can be read aloud and typed from paper."""

RANDOM_SYMBOLS = 9
"""45 random bits: nobody guesses a number, and it tells nothing about how many there are."""
TOKEN_BYTES: Final = 24

_PREFIX = "ZD"
_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}
_FIELD = 0b100101
"""x⁵ + x² + 1, primitive over GF(2)."""

_MEANT = str.maketrans("OIL", "011")
_IGNORED = str.maketrans("", "", " -\t\u00a0\u2010\u2011\u2012\u2013\u2014\u2212")
_LONGEST_INPUT = 64
_NO_LETTER = re.compile(r"[\s.,;:!?()\"'’“”/-]+")
_TELLING = 4
"""Fewer letters, as in an initial, occur in any sentence."""


class CertificateState(StrEnum):
    """The life of a certificate."""

    PENDING = "pending"
    ISSUED = "issued"
    FAILED = "failed"
    REVOKED = "revoked"
    REPLACED = "replaced"


class KeyKind(StrEnum):
    """What a key signs with: credentials with Ed25519, PDFs with EC P-256 under an X.509 certificate."""

    ED25519 = "ed25519"
    X509 = "x509"


class BatchKind(StrEnum):
    """What is made of many certificates at once."""

    PDF = "pdf"
    """One file to print, with the pages of all of them. It carries no valid signature."""
    ZIP = "zip"
    """The signed files themselves."""


class BatchState(StrEnum):
    """The life of a batch: its file is there for a day."""

    PENDING = "pending"
    READY = "ready"
    FAILED = "failed"
    GONE = "gone"


class LeftOut(StrEnum):
    """Why a chosen certificate is not in a batch."""

    NOT_ISSUED = "not-issued"
    ERASED = "erased"
    MISSING = "missing"
    UNREADABLE = "unreadable"


_C = CertificateState

MOVES: dict[CertificateState, frozenset[CertificateState]] = {
    _C.PENDING: frozenset({_C.ISSUED, _C.FAILED}),
    _C.FAILED: frozenset({_C.PENDING}),
    _C.ISSUED: frozenset({_C.REVOKED, _C.REPLACED}),
    _C.REVOKED: frozenset(),
    _C.REPLACED: frozenset(),
}


def moved(is_: CertificateState, to: CertificateState) -> CertificateState:
    """``to``, when a certificate may go there. Raises ``Conflict`` ``certificate-move``."""
    return moves.moved(
        MOVES, is_, to, code="certificate-move", sentence="This certificate is %(is_)s and cannot become %(to)s."
    )


def entitled(
    total_sessions: int, absences: int, *, max_absences: int = MAX_ABSENCES, closed_short: bool = False
) -> bool:
    """Whether a student of a completed booking gets a certificate (rule C1).

    ``absences`` counts sessions marked absent, excused ones aside; a booking closed short gives none.
    """
    return total_sessions == CERTIFIED_TOTAL and not closed_short and absences <= max_absences


def check_symbol(symbols: str) -> str:
    """The symbol that makes a row of symbols of ``ALPHABET`` checkable: Damm's algorithm over GF(2⁵).

    The quasigroup is a ∘ b = x·(a + b) modulo x⁵ + x² + 1 (H. M. Damm, "Totally anti-symmetric quasigroups", 2004). It
    tells every single wrong symbol and every swap of neighbours. Raises ``KeyError`` for any other character.
    """
    interim = 0
    for symbol in symbols:
        interim = (interim ^ _VALUE[symbol]) << 1
        if interim > 31:
            interim ^= _FIELD
    return ALPHABET[interim]


def _written(symbols: str) -> str:
    return f"{_PREFIX}-{symbols[:2]}-{symbols[2:7]}-{symbols[7:]}"


def draw_number(year: int, choose: Callable[[str], str] = secrets.choice) -> str:
    """A new number ``ZD-26-XXXXX-XXXXC`` for a certificate awarded in ``year`` (rule C3).

    Two digits of the year of the local date it is awarded on, nine symbols of the system's randomness, and a
    check symbol over year and symbols. Unique only in the database: draw again on a collision.
    """
    symbols = f"{year % 100:02d}" + "".join(choose(ALPHABET) for _ in range(RANDOM_SYMBOLS))
    return _written(symbols + check_symbol(symbols))


def draw_token() -> str:
    """A new secret for the link of a certificate: 192 random bits in 32 letters that an address may hold."""
    return secrets.token_urlsafe(TOKEN_BYTES)


def normalised_number(text: str) -> str | None:
    """The number somebody typed, as ``draw_number`` writes it; ``None`` when it cannot be one.

    Case, spaces and hyphens do not count, O means 0, I and L mean 1, and ``ZD`` may be left out. Letters and digits of
    other scripts are refused, and so is a number whose check symbol is wrong.
    """
    if len(text) > _LONGEST_INPUT:
        return None
    symbols = text.strip().translate(_IGNORED)
    if not symbols.isascii():
        return None
    symbols = symbols.upper()
    if len(symbols) == len(_PREFIX) + 2 + RANDOM_SYMBOLS + 1:
        symbols = symbols.removeprefix(_PREFIX)
    symbols = symbols.translate(_MEANT)
    if len(symbols) != 2 + RANDOM_SYMBOLS + 1 or not all(symbol in _VALUE for symbol in symbols):
        return None
    if not symbols[:2].isdigit() or check_symbol(symbols[:-1]) != symbols[-1]:
        return None
    return _written(symbols)


class RequestKind(StrEnum):
    """What is done to a certificate only when two people agree."""

    REVOKE = "revoke"
    REISSUE = "reissue"
    """Making one anew in the place of one that was revoked."""


class RequestReason(StrEnum):
    """Why. The public page and the audit tell it, so it is chosen, never written."""

    BY_MISTAKE = "by_mistake"
    NOT_EARNED = "not_earned"
    MISUSED = "misused"
    HOLDER_ASKED = "holder_asked"
    WRONGLY_REVOKED = "wrongly_revoked"
    SETTLED = "settled"


_R = RequestReason

REASONS: Final[dict[RequestKind, tuple[RequestReason, ...]]] = {
    RequestKind.REVOKE: (_R.BY_MISTAKE, _R.NOT_EARNED, _R.MISUSED, _R.HOLDER_ASKED),
    RequestKind.REISSUE: (_R.WRONGLY_REVOKED, _R.SETTLED),
}
"""The reasons there are for each kind."""


class RequestState(StrEnum):
    """The life of a request."""

    OPEN = "open"
    CONFIRMED = "confirmed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    LAPSED = "lapsed"
    """The family was erased before anybody decided."""


_S = RequestState

REQUEST_MOVES: Final[dict[RequestState, frozenset[RequestState]]] = {
    _S.OPEN: frozenset({_S.CONFIRMED, _S.REFUSED, _S.WITHDRAWN, _S.LAPSED}),
    _S.CONFIRMED: frozenset(),
    _S.REFUSED: frozenset(),
    _S.WITHDRAWN: frozenset(),
    _S.LAPSED: frozenset(),
}

LONGEST_WORDS: Final = 400
"""Longest public words of a revocation, in characters."""


@dataclass(frozen=True, slots=True)
class RequestCommand:
    """What somebody asks a second person to confirm; ``words`` are what everybody reads of a revocation."""

    kind: RequestKind
    reason: RequestReason
    words: str = ""

    def checked(self, *, holder: str) -> RequestCommand:
        """The same, cleaned. Raises ``Invalid`` for ``reason`` and ``words``.

        The words of a revocation are needed, and may not name the ``holder``: anybody reads them who has the number.
        """
        if self.reason not in REASONS[self.kind]:
            raise Invalid("reason-unknown", "Choose a reason.", field="reason")
        if self.kind is RequestKind.REISSUE:
            return RequestCommand(self.kind, self.reason)
        words = " ".join(clean_lines(self.words, limit=LONGEST_WORDS, field="words").split())
        if not words:
            raise Invalid("words-missing", "Say in a sentence why, for everybody who looks.", field="words")
        if set(_parts(holder)) & set(_parts(words)):
            raise Invalid(
                "words-name-holder",
                "Do not name the student: everybody who has the number reads this.",
                field="words",
            )
        return RequestCommand(self.kind, self.reason, words)


def _parts(text: str) -> list[str]:
    """The words of a text that are long enough to be told apart from any other, without case."""
    return [part for part in _NO_LETTER.split(text.casefold()) if len(part) >= _TELLING]


def may_decide(asked_by: UUID, by: Actor) -> None:
    """Whether somebody may confirm or refuse what another asked for. Raises ``Forbidden``."""
    if not by.may(Permission.CERTIFICATE_REVOKE):
        raise Forbidden("not-allowed", "Only an admin decides on this.")
    if by.id is None or by.id == asked_by:
        raise Forbidden("own-request", "You asked for this yourself. Somebody else has to confirm it.")
