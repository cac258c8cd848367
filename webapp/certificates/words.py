"""What a certificate's reasons are called: on the public page, and where two people decide."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import lazy_gettext as _l

from webapp.certificates.rules import REASONS, RequestKind, RequestReason

_R = RequestReason
_REASONS: Final[dict[RequestReason, Any]] = {
    _R.BY_MISTAKE: _l("It was issued by mistake"),
    _R.NOT_EARNED: _l("What it certifies was not earned"),
    _R.MISUSED: _l("It was misused"),
    _R.HOLDER_ASKED: _l("Its holder asked for it"),
    _R.WRONGLY_REVOKED: _l("It was revoked by mistake"),
    _R.SETTLED: _l("What it was revoked for is settled"),
}
_KINDS: Final[dict[RequestKind, Any]] = {
    RequestKind.REVOKE: _l("Revoke"),
    RequestKind.REISSUE: _l("Make a revoked one anew"),
}


def reason_word(reason: RequestReason | str) -> str:
    """A reason in a sentence. A Jinja global."""
    return str(_REASONS[RequestReason(reason)])


def kind_word(kind: RequestKind) -> str:
    """What is asked for. A Jinja global."""
    return str(_KINDS[kind])


def reason_choices(kind: RequestKind) -> list[tuple[RequestReason | str, Any]]:
    """The reasons to choose from."""
    return [("", _l("Choose a reason")), *((reason, _REASONS[reason]) for reason in REASONS[kind])]
