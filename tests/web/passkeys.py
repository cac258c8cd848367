"""Talking to the desk as ``static/passkeys.js`` does, with an authenticator in software."""

from __future__ import annotations

from typing import Any

from sqlalchemy import select
from werkzeug.test import TestResponse

from tests.authenticator import Authenticator, Key
from tests.make import Person
from tests.web.client import NOW, DeskClient
from webapp.accounts import passkeys, queries
from webapp.accounts.authenticators import NewPasskey
from webapp.audit.models import AuditEntry
from webapp.db.tenancy import acting_as
from webapp.db.work import Database

SIGN_IN = "/sign-in/passkey"


def give(db: Database, person: Person, device: Authenticator) -> Key:
    """Put a registered passkey of a person on a device."""
    key = Key("localhost", person.id.bytes)
    device.keys.append(key)
    with acting_as(person.actor), db.unit_of_work() as work:
        account = queries.account(work.db, person.id)
        new = NewPasskey(key.id, key.cose(), key.sign_count, ("internal",), backed_up=False)
        passkeys.add(work, account, new, "Laptop", first=False, now=NOW)
    return key


def post(client: DeskClient, path: str, **body: Any) -> TestResponse:
    """Send JSON as ``static/passkeys.js`` does."""
    headers = {"Accept": "application/json", "X-CSRFToken": client.csrf_token()}
    return client.post(path, json=body, headers=headers)


def asked(client: DeskClient, path: str = SIGN_IN, **body: Any) -> dict[str, Any]:
    """The question the desk asks at ``path``."""
    response = post(client, f"{path}/options", **body)
    assert response.status_code == 200, response.text
    options: dict[str, Any] = response.get_json()["publicKey"]
    return options


def sign_in(client: DeskClient, device: Authenticator, **manner: Any) -> TestResponse:
    """Ask, let the device answer in some manner, and send what it says."""
    return post(client, SIGN_IN, credential=device.get(asked(client), **manner))


def is_signed_in(client: DeskClient) -> bool:
    """Whether the sign-in page sends the browser on instead of asking."""
    return client.get("/sign-in").status_code == 303


def refused(response: TestResponse, code: str | None = "passkey-refused", status: int = 422) -> bool:
    """Whether the desk said no, with this code and with a sentence for the person."""
    assert response.mimetype == "application/problem+json", response.text
    said = response.get_json()
    return (response.status_code, said.get("code")) == (status, code) and said["detail"].endswith((".", "again."))


def told(db: Database, what: str) -> list[dict[str, Any] | None]:
    """What the audit kept of one kind of event, oldest first."""
    with db.read_only() as session:
        return list(session.scalars(select(AuditEntry.after).where(AuditEntry.what == what).order_by(AuditEntry.id)))
