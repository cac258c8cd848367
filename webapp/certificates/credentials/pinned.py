"""The JSON-LD contexts credentials are written in, kept beside this file and pinned by hash. Nothing is ever fetched.

What a term means decides what a signature covers. A context from the network could be swapped under old signatures, and
an address out of a document would make the desk ask wherever the document says.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONTEXTS: Final = Path(__file__).parent / "contexts"

CREDENTIALS_V2: Final = "https://www.w3.org/ns/credentials/v2"
OPEN_BADGES: Final = "https://purl.imsglobal.org/spec/ob/v3p0/context-3.0.3.json"
OPEN_BADGES_EXTENSIONS: Final = "https://purl.imsglobal.org/spec/ob/v3p0/extensions.json"
DATA_INTEGRITY: Final = "https://w3id.org/security/data-integrity/v2"
MULTIKEY: Final = "https://w3id.org/security/multikey/v1"
DID: Final = "https://www.w3.org/ns/did/v1"


class ContextRefused(Exception):
    """A context is not one of ours, or its file is not the one that was pinned."""


@dataclass(frozen=True, slots=True)
class Pin:
    """A file of the folder, and the SHA-256 of its bytes in hexadecimal."""

    file: str
    sha256: str


PINS: Final[Mapping[str, Pin]] = {
    CREDENTIALS_V2: Pin("credentials-v2.jsonld", "59955ced6697d61e03f2b2556febe5308ab16842846f5b586d7f1f7adec92734"),
    OPEN_BADGES: Pin(
        "ob-v3p0-context-3.0.3.jsonld", "3d34f4d4ef1bce691106e63798beb5e7b862ba841423f5ee1e53ab7ddf3bca84"
    ),
    OPEN_BADGES_EXTENSIONS: Pin(
        "ob-v3p0-extensions.jsonld", "87c06c81bc2317663bf288d740d94fddd2818c4342b186270ff6371dfaa63f93"
    ),
    DATA_INTEGRITY: Pin("data-integrity-v2.jsonld", "67f21e6e33a6c14e5ccfd2fc7865f7474fb71a04af7e94136cb399dfac8ae8f4"),
    MULTIKEY: Pin("multikey-v1.jsonld", "ba2c182de2d92f7e47184bcca8fcf0beaee6d3986c527bf664c195bbc7c58597"),
    DID: Pin("did-v1.jsonld", "62c1054bf404d6dd3a4b26b64f830fd72095f6a26edc4469908c94351352ce5f"),
}
"""By their exact address: another case, a slash more or ``http`` is another address. Sources in contexts/VENDOR.txt."""


class PinnedLoader:
    """The document loader handed to pyld. It knows its pins and refuses everything else."""

    def __init__(self, folder: Path = CONTEXTS, pins: Mapping[str, Pin] = PINS) -> None:
        """Serve the files of ``folder`` that ``pins`` names."""
        self._folder = folder
        self._pins = pins

    def __contains__(self, address: object) -> bool:
        return address in self._pins

    def __call__(self, address: str, options: Mapping[str, Any]) -> dict[str, Any]:
        """The context behind ``address`` in the form pyld wants it, read and checked anew.

        Raises ``ContextRefused`` for an address without a pin and for a file with other bytes than were pinned.
        """
        pin = self._pins.get(address)
        if pin is None:
            raise ContextRefused(f"{address!r} is not among the pinned contexts")
        content = (self._folder / pin.file).read_bytes()
        if hashlib.sha256(content).hexdigest() != pin.sha256:
            raise ContextRefused(f"{pin.file} does not have the bytes that were pinned for {address}")
        return {
            "contentType": "application/ld+json",
            "contextUrl": None,
            "documentUrl": address,
            "document": json.loads(content),
            "tag": "static",  # pyld may keep what it made of it
        }
