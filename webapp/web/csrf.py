"""The CSRF check of every changing request: one extension, shared so that the API can exempt its blueprint."""

from __future__ import annotations

from flask_wtf.csrf import CSRFProtect

csrf = CSRFProtect()
