"""The canonical form of a JSON-LD document: its RDF as sorted N-Quads (RDFC-1.0, which pyld calls URDNA2015).

pyld drops what the contexts do not define and what is no absolute address, and so would leave it unsigned. Here each of
these is refused, as are a few things that are legal but that libraries write differently or that cost without bound.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from pyld import ContextResolver
from pyld.jsonld import JsonLdError, JsonLdProcessor

from webapp.certificates.credentials.pinned import ContextRefused, PinnedLoader

MOST_UNNAMED: Final = 8
"""Objects without an ``id`` in one document. Telling alike ones apart takes factorial time; ours have at most five."""
DEEPEST: Final = 12

_ADDRESS: Final = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\x00-\x20<>\"{}|\\^`]+")
"""An absolute IRI as N-Quads can hold it, so that none can end its brackets early."""
_CONTROLS: Final = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f\ud800-\udfff]")
"""RDFC-1.0 writes these as escapes and common libraries do not; halves of surrogate pairs cannot be written at all."""


class NotCanonical(Exception):
    """A document says something that would not be signed, or not be signed everywhere alike."""


class Canonicaliser:
    """Makes canonical forms with one set of contexts. Threads may share it: pyld's caches are kept apart for each."""

    def __init__(self, loader: PinnedLoader | None = None) -> None:
        """Understand the contexts of ``loader``, by default the pinned ones."""
        self._loader = loader or PinnedLoader()
        self._kept = threading.local()

    def __call__(self, document: Mapping[str, Any]) -> str:
        """``document`` as sorted N-Quads, one a line.

        Raises ``ContextRefused`` for a context that is not pinned, ``NotCanonical`` for an undefined term, an address
        that is not absolute, a number, null, a list in a list, a keyword, a control character, or more than
        ``MOST_UNNAMED`` objects without an id.
        """
        self._check_contexts(document.get("@context"))
        _check_object(document, depth=0)
        _check_unnamed(document)
        options = {
            "algorithm": "URDNA2015",
            "format": "application/n-quads",
            "base": None,  # with an empty one pyld makes addresses under example.org of relative ones
            "documentLoader": self._loader,
            "contextResolver": ContextResolver(self._cache(), self._loader),
        }
        try:
            quads = _Strict(on_property_dropped=_refuse_dropped).normalize(dict(document), options)
        except JsonLdError as error:
            self._kept.cache = {}
            raise _cause(error) from error
        except BaseException:
            self._kept.cache = {}  # an exception from outside may have left it half written
            raise
        return str(quads)

    def _cache(self) -> dict[str, Any]:
        cache: dict[str, Any] | None = getattr(self._kept, "cache", None)
        if cache is None:
            cache = self._kept.cache = {}
        return cache

    def _check_contexts(self, contexts: object) -> None:
        for context in contexts if isinstance(contexts, list) else [contexts]:
            if not isinstance(context, Mapping) and not (isinstance(context, str) and context in self._loader):
                raise ContextRefused(f"{context!r} is not among the pinned contexts")


class _Strict(JsonLdProcessor):  # type: ignore[misc]  # pyld has no types
    """pyld's processor, which refuses what it would leave out of the RDF."""

    def expand(self, input_: Any, options: Any) -> list[Any]:
        """Expand a document, and refuse addresses that are not absolute. Raises ``NotCanonical``."""
        expanded: list[Any] = super().expand(input_, options)
        _check_expanded(expanded)
        return expanded


def _refuse_dropped(term: str | None) -> NoReturn:
    raise NotCanonical(f"the contexts do not define {term!r}")


def _cause(error: BaseException) -> Exception:
    """What lies behind pyld's nested errors, without the document they quote."""
    code, inner = None, error
    while True:
        if isinstance(inner, NotCanonical | ContextRefused):
            return inner
        code = getattr(inner, "code", None) or code
        if inner.__cause__ is None:
            return NotCanonical(f"not JSON-LD: {code}")
        inner = inner.__cause__


def _check_expanded(value: object) -> None:
    if isinstance(value, list):
        for item in value:
            _check_expanded(item)
    elif isinstance(value, dict):
        if not value:
            raise NotCanonical("an empty object says nothing")
        for name, inner in value.items():
            if name == "@value":
                continue
            if name in ("@id", "@type"):
                for address in inner if isinstance(inner, list) else [inner]:
                    if not _ADDRESS.fullmatch(address):
                        raise NotCanonical(f"{address!r} is neither a defined term nor an absolute address")
            else:
                _check_expanded(inner)


def _check_object(value: Mapping[str, Any], *, depth: int) -> None:
    if depth > DEEPEST:
        raise NotCanonical("nested too deeply")
    for name, inner in value.items():
        if name == "@context" and depth == 0:
            continue
        if not isinstance(name, str) or name.startswith("@"):
            raise NotCanonical(f"{name!r} is a keyword")
        if isinstance(inner, list):
            for item in inner:
                _check_one(item, depth=depth)
        else:
            _check_one(inner, depth=depth)


def _check_one(value: object, *, depth: int) -> None:
    if isinstance(value, str):
        if _CONTROLS.search(value) or value.startswith("_:"):
            raise NotCanonical("a text has a control character or is the name of a blank node")
    elif isinstance(value, Mapping):
        _check_object(value, depth=depth + 1)
    elif not isinstance(value, bool):
        raise NotCanonical(f"{type(value).__name__} has no place in a signed document")


def _check_unnamed(document: Mapping[str, Any]) -> None:
    unnamed, waiting = 0, [document]
    while waiting:
        current = waiting.pop()
        unnamed += "id" not in current
        for name, inner in current.items():
            if name != "@context":
                items = inner if isinstance(inner, list) else [inner]
                waiting.extend(item for item in items if isinstance(item, Mapping))
    if unnamed > MOST_UNNAMED:
        raise NotCanonical("too many objects without an id")
