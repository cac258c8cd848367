"""Whatever can be done to a JSON document: each leaf flipped or removed, and things added everywhere."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every scalar of a document and where it stands."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path, value


def containers(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Every object and list of a document and where it stands."""
    if isinstance(value, dict | list):
        yield path, value
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from containers(inner, (*path, key))


def replaced(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    """A copy with another value at ``path``."""
    new = copy.deepcopy(document)
    _at(new, path[:-1])[path[-1]] = value
    return new


def removed(document: dict[str, Any], path: Path) -> dict[str, Any]:
    """A copy without what is at ``path``."""
    new = copy.deepcopy(document)
    del _at(new, path[:-1])[path[-1]]
    return new


def _at(document: Any, path: Path) -> Any:
    for step in path:
        document = document[step]
    return document


def flipped(value: Any, lot: random.Random) -> Any:
    """The value with one letter another, or the other truth."""
    if isinstance(value, bool):
        return not value
    at = lot.randrange(len(value))
    letter = lot.choice([other for other in "aZ7z" if other != value[at]])
    return value[:at] + letter + value[at + 1 :]


def tampered(document: dict[str, Any], lot: random.Random) -> Iterator[tuple[str, dict[str, Any]]]:
    """Each leaf flipped and removed, each object and list removed, and to each something added."""
    for path, value in leaves(document):
        yield f"flip {path}", replaced(document, path, flipped(value, lot))
        yield f"remove {path}", removed(document, path)
    for path, value in containers(document):
        if path:
            yield f"remove {path}", removed(document, path)
        if isinstance(value, list):
            for more in ("x", {"name": "x"}):
                yield f"add to {path}", replaced(document, path, [*value, more])
        else:
            for name in ("unheardOf", "description", "image", "validUntil"):
                if name not in value:
                    yield f"add to {path}", replaced(document, (*path, name), "https://x.example/y")
