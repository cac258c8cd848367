"""Certificates: who gets one, its life, and its number (rules C1 to C4)."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from enum import StrEnum

from webapp.core import moves

CERTIFIED_TOTAL = 30
"""Only courses of this many sessions end with certificates (rule C1)."""

MAX_ABSENCES = 6
"""Default of the setting for rule C1: a student absent more often gets none."""

ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Crockford's base 32: no I, L, O or U, so that a number can be read aloud and typed from paper."""

RANDOM_SYMBOLS = 9
"""45 random bits: nobody guesses a number, and it tells nothing about how many there are."""

_PREFIX = "ZD"
_VALUE = {symbol: value for value, symbol in enumerate(ALPHABET)}
_FIELD = 0b100101
"""x⁵ + x² + 1, primitive over GF(2)."""

_MEANT = str.maketrans("OIL", "011")
_IGNORED = str.maketrans("", "", " -\t\u00a0\u2010\u2011\u2012\u2013\u2014\u2212")
_LONGEST_INPUT = 64


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
