"""Hypothesis without deadlines and without a clock or memory of its own: the same examples on every machine."""

from __future__ import annotations

from hypothesis import settings

settings.register_profile("rules", deadline=None, derandomize=True, database=None, max_examples=150)
settings.load_profile("rules")
