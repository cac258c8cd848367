"""Migration 0015 on certificates of before: each gets what a credential needs, the issued ones stay as they are."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID, uuid4

from alembic import command
from sqlalchemy import text

from tests.arch.test_migrations import alembic, connected, told
from tests.arch.test_zone_migration import seeing_all
from tests.services import Servers

ADD = text("""
    INSERT INTO certificates (id, operator_id, booking_id, student_id, number, token, state, payload, awarded_on,
                              created_at, issued_at, pdf_sha256, attempts, next_at, erased_at)
    VALUES (:id, :id, :id, :id, :number, :number, :state, '{}', '2027-02-02', '2027-02-02T10:40:00Z',
            CAST(:issued AS timestamptz), :sha256, 0, now(), CAST(:erased AS timestamptz))
""")
SAID = "id, number, state, payload::text, awarded_on, created_at, issued_at, pdf_sha256, erased_at"
OUT = {"state": "issued", "issued": "2027-02-03", "sha256": "a" * 64}


def test_rows_of_before_are_filled_and_what_is_out_stays(new_database: Callable[[], Servers]) -> None:
    url = new_database().owner_url
    command.upgrade(alembic(url), "0012")
    kinds: list[dict[str, str | None]] = [
        {"state": "pending", "issued": None, "sha256": None, "erased": None},
        {"state": "failed", "issued": None, "sha256": None, "erased": None},
        {**OUT, "erased": None},
        {**OUT, "erased": "2027-02-04"},
    ]
    ids: list[UUID] = []
    with seeing_all(url) as connection:
        for key in told(
            connection, "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'certificates'::regclass"
        ):
            connection.execute(text(f"ALTER TABLE certificates DROP CONSTRAINT {key[0]}"))
        for n, kind in enumerate(kinds):
            ids.append(uuid4())
            connection.execute(ADD, kind | {"id": ids[-1], "number": f"ZD-27-00000-0000{n}"})
        connection.commit()
        before = told(connection, f"SELECT {SAID} FROM certificates")
    command.upgrade(alembic(url), "0015")
    with seeing_all(url) as connection:
        assert told(connection, f"SELECT {SAID} FROM certificates") == before
        filled = told(
            connection,
            "SELECT DISTINCT awarded_at = created_at, valid_from = created_at, credential_sha256 FROM certificates",
        )
        assert filled == {(True, True, None)}
        salts = [row[0] for row in connection.execute(text("SELECT salt FROM certificates ORDER BY number"))]
    assert salts[3] is None, "of an erased one nothing is to be found out any more"
    assert len(set(salts)) == 4
    for salt in salts[:3]:
        assert len(bytes.fromhex(salt)) == 16
    command.downgrade(alembic(url), "0012")
    with connected(url) as connection:
        guard = told(connection, "SELECT prosrc FROM pg_proc WHERE proname = 'keep_certificate'")
    with seeing_all(url) as connection:
        assert told(connection, f"SELECT {SAID} FROM certificates") == before
    command.downgrade(alembic(url), "0008")
    with connected(url) as connection:
        assert told(connection, "SELECT prosrc FROM pg_proc WHERE proname = 'keep_certificate'") == guard
