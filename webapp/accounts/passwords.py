"""Hashing passwords: Argon2id by Flask-Security, two at a time, and as costly for nobody as for somebody."""

from __future__ import annotations

import secrets
import threading
import unicodedata
from typing import Final

import flask_security
from flask import current_app

from webapp.accounts.rules import MAX_PASSWORD

_HASHES_AT_ONCE: Final = 2
"""Each hash takes 19 MiB and a core for a while: a flood of sign-ins may not take them all."""
_hashing = threading.BoundedSemaphore(_HASHES_AT_ONCE)
_dummies: dict[int, str] = {}


def hash_password(password: str) -> str:
    """The argon2id hash of a password. Needs the application's context."""
    with _hashing:
        hashed: str = flask_security.hash_password(_normal(password))
    return hashed


def is_right(password: str, hashed: str | None) -> bool:
    """Whether a password is the one of a hash. ``None`` (no such account) takes as long and is never right."""
    dummy = _dummy()
    if len(password) > MAX_PASSWORD:
        return False
    with _hashing:
        right = bool(flask_security.verify_password(_normal(password), hashed or dummy))
    return right and hashed is not None


def is_outdated(hashed: str) -> bool:
    """Whether a hash was made with weaker parameters than today's."""
    return bool(current_app.extensions["security"].pwd_context.needs_update(hashed))


def _dummy() -> str:
    """A hash nobody's password has, as costly as the app's others: unknown accounts take as long as known ones."""
    key = id(current_app.extensions["security"])
    if key not in _dummies:
        _dummies[key] = hash_password(secrets.token_urlsafe(32))
    return _dummies[key]


def _normal(password: str) -> str:
    """NFKC, so that a password typed on another keyboard is the same password (RFC 8265, section 4.2)."""
    return unicodedata.normalize("NFKC", password)
