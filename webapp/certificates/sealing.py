"""What signing certificates takes, as those see it who do not sign themselves. Imports nothing that holds a key."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from webapp.certificates.pdf import CertificatePayload
from webapp.certificates.service import Claim

NO_CREDENTIAL_KEY: Final = "keys-no-issuer"
NO_PDF_KEY: Final = "keys-no-operator"
UNUSABLE: Final = "keys-unusable"
"""What a certificate waits with (``last_error``): the database counts what begins with ``keys-``."""


class KeysMissing(Exception):
    """Nothing can be signed now; somebody has to see to the keys. ``problem`` is the code that certificates wait with.

    The message says where and why, and nothing of a key.
    """

    def __init__(self, problem: str, message: str) -> None:
        super().__init__(message)
        self.problem = problem


class CannotBeSigned(Exception):
    """What a certificate says cannot be made into a credential. The same payload will fail again."""

    code: Final = "not-signable"
    """Why, as the row keeps it."""


class Seal(Protocol):
    """Signs what one operator issues."""

    def pdf(self, content: bytes, *, at: datetime) -> bytes:
        """A drawn certificate with its signature, which names the instant ``at``."""

    def credential(self, payload: CertificatePayload, claim: Claim) -> bytes:
        """The file of the credential. Raises ``CannotBeSigned``."""


class Keys(Protocol):
    """What a job signs with."""

    def seal(self, operator_id: UUID) -> Seal:
        """The seal of an operator. Raises ``KeysMissing``."""
