"""Under which name the desk has passkeys, and from which pages they may answer."""

from __future__ import annotations

import pytest

from webapp.accounts.relying_party import relying_party
from webapp.config import Settings, load_settings


def settings(public_url: str, environment: str = "production") -> Settings:
    """Sound settings of a desk at an address."""
    return load_settings(
        ZONEDESK_ENV=environment,
        public_url=public_url,
        database_url="postgresql+psycopg://app@db/zonedesk?sslmode=verify-full",
        redis_url="rediss://queue/0",
        secret_key="our-own-key-0123456789-our-own-key",
        totp_key="another-key-9876543210-another-key",
        mail_url="smtp://mail.example:587",
        mail_from="Zonedesk <desk@example.org>",
    )


@pytest.mark.parametrize(
    ("public_url", "id_", "origin"),
    [
        ("https://desk.example.org", "desk.example.org", "https://desk.example.org"),
        ("https://Desk.Example.org/", "desk.example.org", "https://desk.example.org"),
        ("https://desk.example.org:443/", "desk.example.org", "https://desk.example.org"),
        ("https://desk.example.org:8443", "desk.example.org", "https://desk.example.org:8443"),
        ("https://bücher.example", "xn--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
    ],
)
def test_the_public_address_decides(public_url: str, id_: str, origin: str) -> None:
    party = relying_party(settings(public_url))
    assert party is not None
    assert (party.id, party.origins) == (id_, (origin,))


@pytest.mark.parametrize(
    "public_url",
    [
        "https://192.0.2.7",
        "http://desk.example.org",
        "http://127.0.0.1:8000",
        "https://" + "a" * 64 + ".example",
    ],
)
def test_where_browsers_make_no_passkeys_there_are_none(public_url: str) -> None:
    assert relying_party(settings(public_url)) is None


@pytest.mark.parametrize("public_url", ["http://127.0.0.1:8000", "http://desk:8000"])
def test_a_desk_for_trying_out_has_them_under_localhost(public_url: str) -> None:
    party = relying_party(settings(public_url, "development"))
    assert party is not None
    assert (party.id, party.origins) == ("localhost", ("http://localhost:8000",))
