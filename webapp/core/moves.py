"""One way to move a status: through its room's table of allowed moves."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar

from webapp.core.errors import Conflict

Status = TypeVar("Status", bound=StrEnum)


def moved(moves: Mapping[Status, frozenset[Status]], is_: Status, to: Status, *, code: str, sentence: str) -> Status:
    """``to``, when the table allows to go there from ``is_``.

    Raises ``Conflict`` with ``code`` and ``sentence`` (its places: ``%(is_)s`` and ``%(to)s``) otherwise: somebody
    else moved it first, or the page was old.
    """
    if to not in moves[is_]:
        raise Conflict(code, sentence, is_=is_.value, to=to.value)
    return to
