"""The issuer as others look it up: its profile, and a document for each of its keys.

A proof names its key by an address of its own, without a fragment: some verifiers want the bare key behind it, others
follow its ``controller`` to the profile and look whether that lists the key. Both find what they want.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from webapp.certificates.credentials import multikey
from webapp.certificates.credentials.pinned import DID, MULTIKEY, OPEN_BADGES


@dataclass(frozen=True, slots=True)
class Issuer:
    """Who issues, and with which keys.

    ``address`` is where the profile is found; ``keys`` are public keys as Multikey, the current one first. Earlier keys
    stay for as long as anything they signed is to be verified; a key that got into wrong hands goes.
    """

    address: str
    name: str
    url: str
    keys: tuple[str, ...]

    def __post_init__(self) -> None:
        for key in self.keys:
            multikey.decode(key)  # raises ValueError: nothing else may be published as a key

    def key_address(self, key: str) -> str:
        """Where the document of a key is found."""
        return f"{self.address}/keys/{key}"

    def public_keys(self) -> Mapping[str, bytes]:
        """The 32 bytes of each key by its address."""
        return {self.key_address(key): multikey.decode(key) for key in self.keys}

    def profile(self) -> dict[str, Any]:
        """The profile (Open Badges 3.0, Profile), which is also the controller document of the keys.

        The DID context is the one that defines ``assertionMethod`` for controllers of any kind of address.
        """
        return {
            "@context": [DID, OPEN_BADGES, MULTIKEY],
            "id": self.address,
            "type": ["Profile"],
            "name": self.name,
            "url": self.url,
            "assertionMethod": [self._method(key) for key in self.keys],
        }

    def key_document(self, key: str) -> dict[str, Any]:
        """The document behind a key's address (Multikey). Raises ``KeyError`` for a key that is not the issuer's."""
        if key not in self.keys:
            raise KeyError(key)
        return {"@context": MULTIKEY, **self._method(key)}

    def _method(self, key: str) -> dict[str, Any]:
        return {
            "id": self.key_address(key),
            "type": "Multikey",
            "controller": self.address,
            "publicKeyMultibase": key,
        }
