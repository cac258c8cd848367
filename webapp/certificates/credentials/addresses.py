"""Where everybody finds what a credential refers to, and its own name.

They stand in files that are kept for decades: never change one.
"""

from __future__ import annotations

from uuid import UUID


def issuer_address(public_url: str) -> str:
    """The profile of the issuer; each key's document lies below it (``Issuer.key_address``)."""
    return f"{public_url.rstrip('/')}/issuer"


def list_address(public_url: str, year: int) -> str:
    """The list of void credentials among those awarded in ``year``."""
    return f"{public_url.rstrip('/')}/credentials/revoked/{year}"


def credential_id(certificate_id: UUID) -> str:
    """A credential's id. Neither number nor link: revoked ids are published."""
    return certificate_id.urn
