"""Credentials as the text of a file, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NoReturn

from webapp.certificates.credentials.proofs import ProofInvalid

LARGEST: Final = 64 * 1024
"""Bytes of a credential's file; one with the longest names has about 6,000."""


def written(document: Mapping[str, Any]) -> bytes:
    """A document as the bytes of its file: JSON in UTF-8, indented, for people who look inside."""
    return (json.dumps(document, ensure_ascii=False, indent=2) + "\n").encode("utf-8")


def read(content: bytes) -> dict[str, Any]:
    """The JSON object in a file. Raises ``ProofInvalid``, also for a member that is said twice or a file too large."""
    if len(content) > LARGEST:
        raise ProofInvalid("the file is too large for a credential")
    try:
        found = json.loads(content.decode("utf-8"), object_pairs_hook=_members, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise ProofInvalid("the file is not JSON in UTF-8") from error
    if not isinstance(found, dict):
        raise ProofInvalid("the file is no JSON object")
    return found


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError("a member is said twice")
    return members


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")
