"""Domain errors: what a room raises when it refuses. Only the edge knows HTTP.

Each error carries a stable ``code`` for programs and a sentence for people. The sentence is an English message id
with ``%(name)s`` places; the edge translates it and fills in ``params``.
"""

from __future__ import annotations

from collections.abc import Mapping


class DomainError(Exception):
    """A refusal that a person can act on. Never raised for a bug."""

    def __init__(self, code: str, message: str, **params: object) -> None:
        """Refuse with a kebab-case ``code`` and a sentence; ``params`` fill the sentence's places."""
        super().__init__(code)
        self.code = code
        self.message = message
        self.params: Mapping[str, object] = params

    def __str__(self) -> str:
        return self.message % self.params if self.params else self.message


class NotFound(DomainError):
    """The thing does not exist, or the actor may not know that it does: the two are indistinguishable."""

    def __init__(self, code: str = "not-found", message: str = "There is nothing here.", **params: object) -> None:
        super().__init__(code, message, **params)


class Forbidden(DomainError):
    """The actor is known but lacks the right, whatever the row."""


class Conflict(DomainError):
    """The request was sound, but somebody or something else came first."""


class Invalid(DomainError):
    """The input breaks a rule. ``field`` names the form field it belongs to, when there is one."""

    def __init__(self, code: str, message: str, *, field: str | None = None, **params: object) -> None:
        super().__init__(code, message, **params)
        self.field = field


class Unavailable(DomainError):
    """Another system that is needed for this does not answer; the same request may succeed in a minute."""


class RuleBroken(Exception):
    """An invariant of the domain does not hold: a bug of ours, never the user's (rule B9). Leads to a 500."""
