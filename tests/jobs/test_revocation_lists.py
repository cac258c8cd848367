"""The public lists of void credentials: signed anew whenever the rows say otherwise, by whoever is first."""

from __future__ import annotations

import hashlib
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from threading import Barrier
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from tests.certificate_keys import with_keys
from tests.jobs.builders import (
    DONE,
    PUBLIC_URL,
    PlainKeys,
    PlainRenderer,
    Shelf,
    completed_booking,
    later,
    promise,
    revoke,
    rows,
    somebody,
)
from tests.jobs.conftest import OwnDesk
from tests.make import Make
from tests.web.client import Bell
from webapp.certificates import jobs, reissuing, upkeep
from webapp.certificates.credentials.issuer import Issuer
from webapp.certificates.credentials.proofs import ProofInvalid
from webapp.certificates.credentials.revocation import reason_revoked, verify_list
from webapp.certificates.queries import keys
from webapp.certificates.rules import KeyKind
from webapp.certificates.signing import keeping
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

COUNT = "SELECT year, count(*) FROM revocation_lists GROUP BY year ORDER BY year"
YEAR = DONE.year


@pytest.fixture
def ctx(db: Database, settings: Settings, tmp_path: Path) -> JobContext:
    """A context with keys of its own."""
    with_keys(db, tmp_path / "keys", now=DONE)
    return JobContext(settings.model_copy(update={"data_dir": tmp_path}), db, lambda: DONE)


def issued(
    make: Make, db: Database, ctx: JobContext, *students: str, operator_id: UUID | None = None
) -> tuple[UUID, ...]:
    ids = promise(db, completed_booking(make, db, *students, operator_id=operator_id))
    jobs.issue(ctx, store=Shelf(), renderer=PlainRenderer(), keys=PlainKeys())
    return ids


def newest(ctx: JobContext) -> tuple[dict[str, Any], Issuer, str]:
    with ctx.read_only() as db:
        found, issuer = keys.signed_list(db, YEAR), keys.issuer(db, ctx.settings.public_url)
    assert found is not None
    assert found.sha256 == hashlib.sha256(found.document.encode()).hexdigest()
    document: dict[str, Any] = json.loads(found.document)
    return document, issuer, found.document


def test_with_the_first_credential_of_a_year_there_is_a_list_and_it_is_empty(
    make: Make, db: Database, ctx: JobContext, bells: list[Bell]
) -> None:
    assert not upkeep.ring_sign_revocations(ctx)
    (certificate_id,) = issued(make, db, ctx, "Meena")
    bells.clear()
    assert upkeep.ring_sign_revocations(ctx)
    assert bells == [(JobName.SIGN_REVOCATIONS, {})]
    assert upkeep.sign_revocations(ctx) == 1
    document, issuer, _ = newest(ctx)
    assert reason_revoked(verify_list(document, issuer), certificate_id) is None
    assert document["id"] == f"{ctx.settings.public_url}/credentials/revoked/{YEAR}"
    assert not upkeep.ring_sign_revocations(ctx)
    assert upkeep.sign_revocations(ctx) == 0, "it says what the rows do"


def test_what_is_revoked_stands_on_the_next_list_without_a_word_about_anybody(
    make: Make, db: Database, ctx: JobContext
) -> None:
    franchise = make.franchise()
    void, valid = issued(make, db, ctx, "Meena", "Arun", operator_id=franchise)
    upkeep.sign_revocations(ctx)
    revoke(db, void, words="She never came.")
    assert upkeep.ring_sign_revocations(ctx)
    assert upkeep.sign_revocations(ctx) == 1
    document, issuer, written = newest(ctx)
    found = verify_list(document, issuer)
    assert reason_revoked(found, void) == "Revoked by the issuer."
    assert reason_revoked(found, valid) is None
    assert "She never came" not in written
    assert "Meena" not in written
    assert rows(db, COUNT) == [(YEAR, 2)], "the one before is kept"
    document["revokedCredential"] = document["revokedCredentials"] = []
    with pytest.raises(ProofInvalid):
        verify_list(document, issuer)


def test_what_is_replaced_stands_there_too_and_what_never_was_a_credential_does_not(
    make: Make, db: Database, ctx: JobContext
) -> None:
    booking = completed_booking(make, db, "Meena")
    (old,) = promise(db, booking)
    jobs.issue(ctx, store=Shelf(), renderer=PlainRenderer(), keys=PlainKeys())
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE students SET name = 'Meena R.'"))
        reissuing.reissue(work, old, "Meena R.", by=somebody(), now=DONE, public_url=PUBLIC_URL)
    jobs.issue(ctx, store=Shelf(), renderer=PlainRenderer(), keys=PlainKeys())
    (before,) = promise(db, completed_booking(make, db, "Ravi"))
    with db.unit_of_work() as work:
        change = (
            "UPDATE certificates SET state = 'issued', issued_at = :now, pdf_sha256 = repeat('a', 64) WHERE id = :id"
        )
        work.db.execute(text(change), {"now": DONE, "id": before})
    revoke(db, before)
    upkeep.sign_revocations(ctx)
    document, issuer, _ = newest(ctx)
    found = verify_list(document, issuer)
    assert reason_revoked(found, old) == "Replaced by a newer credential of the issuer."
    assert [one.id for one in found.revoked_credential] == [old.urn]


def test_each_year_has_a_list_of_its_own(make: Make, db: Database, ctx: JobContext) -> None:
    for year in (0, 2):
        at = DONE + timedelta(days=366 * year)
        (certificate_id,) = promise(db, completed_booking(make, db, f"Student {year}"), now=at)
        jobs.issue(
            later(ctx, at - DONE),
            store=Shelf(),
            renderer=PlainRenderer(),
            keys=PlainKeys(),
        )
    assert upkeep.sign_revocations(ctx) == 2
    revoke(db, certificate_id)
    assert upkeep.sign_revocations(ctx) == 1
    assert rows(db, COUNT) == [(YEAR, 1), (YEAR + 2, 2)]


def test_a_new_key_signs_the_lists_anew(make: Make, db: Database, ctx: JobContext, tmp_path: Path) -> None:
    issued(make, db, ctx, "Meena")
    upkeep.sign_revocations(ctx)
    _, before, _ = newest(ctx)
    with db.unit_of_work() as work:
        folder = with_keys(db, tmp_path / "keys", now=DONE)
        keeping.rotate(work, folder, COMPANY_ID, KeyKind.ED25519, by=SYSTEM, now=DONE)
    assert upkeep.ring_sign_revocations(ctx)
    assert upkeep.sign_revocations(ctx) == 1
    document, issuer, _ = newest(ctx)
    verify_list(document, issuer)
    with pytest.raises(ProofInvalid):
        verify_list(document, before)


def test_without_a_key_nothing_is_signed_and_nobody_is_rung_for(
    make: Make, db: Database, settings: Settings, tmp_path: Path
) -> None:
    bare = JobContext(settings.model_copy(update={"data_dir": tmp_path / "none"}), db, lambda: DONE)
    issued(make, db, bare, "Meena")
    assert not upkeep.ring_sign_revocations(bare)
    assert upkeep.sign_revocations(bare) == 0


@pytest.mark.parametrize("change", ["UPDATE revocation_lists SET document = ''", "DELETE FROM revocation_lists"])
def test_a_list_is_never_changed(make: Make, db: Database, ctx: JobContext, change: str) -> None:
    issued(make, db, ctx, "Meena")
    upkeep.sign_revocations(ctx)
    with pytest.raises(ProgrammingError, match="permission denied"), db.unit_of_work() as work:
        work.db.execute(text(change))


def test_many_who_sign_at_once_make_one_list(desk: OwnDesk) -> None:
    ctx = desk.ctx
    issued(desk.make, desk.database, ctx, "Meena", "Arun", "Ravi")
    together = Barrier(4)

    def sign(_number: int) -> int:
        together.wait(30)
        return upkeep.sign_revocations(ctx)

    with ThreadPoolExecutor(4) as crowd:
        assert sum(crowd.map(sign, range(4))) == 1
    assert rows(desk.database, COUNT) == [(YEAR, 1)]
