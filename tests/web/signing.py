"""What tests of signing in share: typing the steps, and seeing whether anybody is in."""

from __future__ import annotations

from sqlalchemy import func, select
from werkzeug.test import TestResponse

from tests.codes import code_of
from tests.make import Person
from tests.web.client import DeskClient
from webapp.accounts.models import SignInSession
from webapp.accounts.rules import SignInStage
from webapp.audit.models import AuditEntry
from webapp.db.work import Database


def type_password(client: DeskClient, person: Person, **more: str) -> TestResponse:
    """Type address and password into the first page."""
    return client.post("/sign-in", data={"email": person.email, "password": person.password, **more})


def type_code(client: DeskClient, code: str, **more: str) -> TestResponse:
    """Type a code into the second page."""
    return client.post("/sign-in/second", data={"code": code, **more})


def type_both(client: DeskClient, person: Person) -> TestResponse:
    """Password, then the code the app shows."""
    type_password(client, person)
    return type_code(client, code_of(person))


def is_signed_in(client: DeskClient) -> bool:
    """Whether the own account page opens."""
    return client.get("/account").status_code == 200


def sessions(db: Database, stage: SignInStage = SignInStage.OPEN) -> int:
    """How many browsers have come as far as ``stage``."""
    with db.read_only() as session:
        return session.scalar(select(func.count()).where(SignInSession.stage == stage)) or 0


def told(db: Database) -> list[str]:
    """What the audit says about accounts after they were made."""
    with db.read_only() as session:
        found = session.scalars(
            select(AuditEntry.what).where(AuditEntry.what.like("account.%"), AuditEntry.actor_name != "system")
        )
        return sorted(found)
