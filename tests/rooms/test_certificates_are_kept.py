"""Of a certificate that is out nothing changes but its state and, once, whose it is: the database itself refuses.

Every column in every state, every move of the state, and every way of erasing too much or too little.
"""

from __future__ import annotations

from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.jobs.builders import Completed, completed_booking, promise, rows
from tests.make import Make
from webapp.certificates.models import Certificate
from webapp.core.ids import new_id
from webapp.core.names import ERASED
from webapp.db.base import constraint_of
from webapp.db.work import Database

OUT: Final = "issued_at = clock_timestamp(), pdf_sha256 = repeat('a', 64), credential_sha256 = repeat('c', 64)"
WHEN: Final = "2027-03-05T10:00:00Z"
"""When two people decided on the row."""
REVOKE: Final = f"state = 'revoked', revoked_at = '{WHEN}', revoked_reason = 'Why'"
SUCCEED: Final = "name a successor, and issue it"
INTO: Final = {
    "pending": (),
    "failed": ("state = 'failed'",),
    "issued": (f"state = 'issued', {OUT}",),
    "followed": (f"state = 'issued', {OUT}", SUCCEED),
    "revoked": (f"state = 'issued', {OUT}", REVOKE),
    "replaced": (f"state = 'issued', {OUT}", SUCCEED, "state = 'replaced'"),
}
"""How a pending row gets into each state; one that is followed is issued, and so is its successor."""
ERASE: Final = (
    f"erased_at = clock_timestamp(), token = 'new', salt = NULL, revoked_reason = NULL, payload = payload ||"
    f" jsonb_build_object('student_name', '{ERASED}', 'verify_url', 'http://desk.example/verify/' || number)"
)
STATES: Final = (*INTO, *(f"erased {state}" for state in INTO if state != "pending"))

CHANGED: Final = {
    "id": "id = gen_random_uuid()",
    "operator_id": "operator_id = gen_random_uuid()",
    "booking_id": "booking_id = gen_random_uuid()",
    "student_id": "student_id = :student",
    "number": "number = 'ZD-27-00000-00000'",
    "token": "token = 'another'",
    "state": "state = state",  # the moves have a test of their own
    "payload": "payload = payload || jsonb_build_object('student_name', 'Somebody')",
    "salt": "salt = repeat('1', 32)",
    "awarded_on": "awarded_on = awarded_on - 1",
    "awarded_at": "awarded_at = awarded_at - interval '1 day'",
    "valid_from": "valid_from = valid_from + interval '1 day'",
    "created_at": "created_at = created_at - interval '1 day'",
    "issued_at": "issued_at = '2020-01-01T00:00:00Z'",
    "pdf_sha256": "pdf_sha256 = repeat('b', 64)",
    "credential_sha256": "pdf_sha256 = coalesce(pdf_sha256, repeat('a', 64)), credential_sha256 = repeat('d', 64)",
    "attempts": "attempts = attempts + 1",
    "next_at": "next_at = next_at + interval '1 day'",
    "lease": "lease = gen_random_uuid(), lease_until = clock_timestamp()",
    "lease_until": "lease = gen_random_uuid(), lease_until = clock_timestamp()",
    "last_error": "last_error = 'not-stored'",
    "revoked_at": "revoked_at = '2020-01-01T00:00:00Z'",
    "revoked_reason": "revoked_reason = 'Another'",
    "replaced_by_id": "replaced_by_id = gen_random_uuid()",
    "erased_at": "erased_at = '2020-01-01T00:00:00Z'",
    "file_erased_at": "file_erased_at = clock_timestamp()",
}
"""Each column with another value, the rest as it is."""
WORK: Final = {"state", "attempts", "next_at", "lease", "lease_until", "last_error"}
"""What goes on behind a certificate may change at any time."""
NOT_OUT: Final = WORK | {"payload", "token", "issued_at", "pdf_sha256", "credential_sha256"}
FREE: Final = {
    "pending": NOT_OUT,
    "failed": NOT_OUT,
    **dict.fromkeys(("issued", "revoked"), WORK | {"replaced_by_id"}),
    **dict.fromkeys(("followed", "replaced"), WORK),
    "erased failed": WORK | {"issued_at", "pdf_sha256", "credential_sha256", "file_erased_at"},
    **{f"erased {state}": WORK | {"file_erased_at"} for state in ("issued", "followed", "revoked", "replaced")},
}
"""What may change in each state, by itself."""

MOVES: Final = {
    ("pending", "issued"),
    ("pending", "failed"),
    ("failed", "pending"),
    ("issued", "revoked"),
    ("followed", "replaced"),
    ("erased issued", "revoked"),
}
TO: Final = {
    "pending": "state = 'pending', revoked_at = NULL, revoked_reason = NULL",
    "failed": "state = 'failed', revoked_at = NULL, revoked_reason = NULL",
    "issued": "state = 'issued', issued_at = coalesce(issued_at, clock_timestamp()),"
    " pdf_sha256 = coalesce(pdf_sha256, repeat('a', 64)), revoked_at = NULL, revoked_reason = NULL",
    "revoked": f"{REVOKE}, issued_at = coalesce(issued_at, clock_timestamp()),"
    " pdf_sha256 = coalesce(pdf_sha256, repeat('a', 64))",
    "replaced": "state = 'replaced', replaced_by_id = coalesce(replaced_by_id, :other), revoked_at = NULL,"
    " revoked_reason = NULL, issued_at = coalesce(issued_at, clock_timestamp()),"
    " pdf_sha256 = coalesce(pdf_sha256, repeat('a', 64))",
}
DECIDED: Final = """
    INSERT INTO certificate_requests (id, operator_id, certificate_id, kind, reason, words, state, asked_by,
        asked_by_name, asked_at, decided_by, decided_by_name, decided_at)
    SELECT gen_random_uuid(), operator_id, id, :kind, 'by_mistake', :words, :state, gen_random_uuid(), 'One',
        CAST(:at AS timestamptz) - interval '1 hour', gen_random_uuid(), 'Other', CAST(:at AS timestamptz)
    FROM certificates WHERE id = :id
"""
SUCCESSOR: Final = """
    INSERT INTO certificates SELECT (jsonb_populate_record(c, jsonb_build_object('id', CAST(:successor AS uuid),
        'number', 'ZD-27-11111-11111', 'token', 'of the successor', 'state', 'pending', 'replaced_by_id', NULL,
        'issued_at', NULL, 'pdf_sha256', NULL, 'credential_sha256', NULL))).*
    FROM certificates c WHERE c.id = :id
"""


class Row:
    """One certificate, brought into a state, and others to point at."""

    def __init__(
        self, db: Database, booking: Completed, ids: tuple[UUID, ...], state: str, *, decided: bool = True
    ) -> None:
        """``decided`` says that two people have confirmed whatever wants two."""
        self.db = db
        self.id, other, third = ids
        self.values = {"other": other, "third": third, "student": booking.student_ids[1]}
        for kind in ("revoke", "reissue") if decided else ():
            self.decided(kind)
        for change in INTO[state.removeprefix("erased ")]:
            if change == SUCCEED:
                self.succeed()
            else:
                self.change(change)
        if state.startswith("erased "):
            self.change(ERASE)

    def decided(self, kind: str, *, state: str = "confirmed", words: str = "Why", at: str = WHEN) -> None:
        """What two people agreed on, or not."""
        with self.db.unit_of_work() as work:
            values = {"id": self.id, "kind": kind, "state": state, "words": words, "at": at}
            work.db.execute(text(DECIDED), values)

    def succeed(self) -> None:
        """Give the row a successor that is issued."""
        successor = new_id()
        self.change(f"replaced_by_id = '{successor}'")
        with self.db.unit_of_work() as work:
            work.db.execute(text(SUCCESSOR), {"id": self.id, "successor": successor})
            work.db.execute(
                text(f"UPDATE certificates SET state = 'issued', {OUT} WHERE id = :successor"), {"successor": successor}
            )

    def change(self, assignments: str) -> None:
        """Update the row, past every rule of ours."""
        used = {name: value for name, value in self.values.items() if f":{name}" in assignments}
        with self.db.unit_of_work() as work:
            work.db.execute(
                text(f"UPDATE certificates SET {assignments} WHERE id = :id"),
                used | {"id": self.id},
            )

    def refuses(self, assignments: str, *, keep: bool = False) -> str | None:
        """The constraint that refuses the change, ``None`` when none does; the row stays as it is unless kept."""
        try:
            if keep:
                self.change(assignments)
            else:
                with self.db.unit_of_work() as work:
                    work.db.begin_nested()
                    used = {name: value for name, value in self.values.items() if f":{name}" in assignments}
                    statement = text(f"UPDATE certificates SET {assignments} WHERE id = :id")
                    work.db.execute(statement, used | {"id": self.id})
                    raise _NeverMind
        except IntegrityError as error:
            return constraint_of(error) or "unnamed"
        except _NeverMind:
            return None
        return None


class _NeverMind(Exception):
    """Takes an allowed change back."""


@pytest.fixture
def row(make: Make, db: Database, request: pytest.FixtureRequest) -> Row:
    """A certificate in the state the test names."""
    booking = completed_booking(make, db, "Arun", "Meena", "Ravi")
    return Row(db, booking, promise(db, booking), request.param)


def test_every_column_is_tried() -> None:
    assert CHANGED.keys() == {column.name for column in Certificate.__table__.columns}


@pytest.mark.parametrize("row", STATES, indirect=True, ids=STATES)
def test_a_column_changes_only_where_it_may(row: Row, request: pytest.FixtureRequest) -> None:
    state = request.node.callspec.params["row"]
    allowed = {column for column, change in CHANGED.items() if row.refuses(change) is None}
    assert allowed == FREE[state]


@pytest.mark.parametrize("row", STATES, indirect=True, ids=STATES)
def test_a_state_follows_only_the_one_it_may(row: Row, request: pytest.FixtureRequest) -> None:
    state = request.node.callspec.params["row"]
    same = state.removeprefix("erased ").replace("followed", "issued")
    allowed = {(state, to) for to, change in TO.items() if to != same and row.refuses(change) is None}
    assert allowed == {move for move in MOVES if move[0] == state}


@pytest.mark.parametrize("row", [state for state in INTO if state != "pending"], indirect=True)
def test_erasing_is_the_one_change_there_is_and_only_once(row: Row, db: Database) -> None:
    assert row.refuses(ERASE, keep=True) is None
    assert row.refuses(ERASE) == "certificates_are_kept"
    said = "SELECT payload ->> 'student_name', token, revoked_reason FROM certificates WHERE id = :id"
    assert rows(db, said, id=row.id) == [(ERASED, "new", None)]


@pytest.mark.parametrize("row", ["pending"], indirect=True)
def test_a_certificate_that_is_being_made_cannot_be_erased(row: Row) -> None:
    assert row.refuses(ERASE) is not None


WRONG: Final = [
    "erased_at = clock_timestamp()",
    ERASE.replace("token = 'new', ", ""),
    ERASE.replace("salt = NULL, ", ""),
    ERASE.replace("salt = NULL", "salt = repeat('1', 32)"),
    ERASE.replace(f"'{ERASED}'", "'Somebody else'"),
    ERASE.replace("|| number", "|| number || '/' || token"),
    ERASE + ", number = 'ZD-27-00000-00000'",
    ERASE + ", file_erased_at = clock_timestamp()",
    ERASE + ", state = 'pending'",
    ERASE + ", awarded_on = awarded_on + 1",
    ERASE.replace("jsonb_build_object(", "jsonb_build_object('course_name', 'Another', "),
    ERASE.replace("payload || ", "payload - 'course_name' || "),
    ERASE.replace("revoked_reason = NULL", "revoked_reason = 'They cheated'"),
]
"""Erasing too much, or too little."""


@pytest.mark.parametrize("row", ["issued", "followed", "revoked", "replaced", "failed"], indirect=True)
def test_erasing_takes_all_that_tells_and_nothing_else(row: Row) -> None:
    assert row.refuses(ERASE) is None
    assert [change for change in WRONG if row.refuses(change) is None] == []


@pytest.mark.parametrize("row", ["erased issued"], indirect=True)
def test_a_file_goes_once_and_only_after_the_name(row: Row) -> None:
    assert row.refuses("file_erased_at = clock_timestamp()", keep=True) is None
    assert row.refuses("file_erased_at = NULL") == "certificates_are_kept"
    assert row.refuses("file_erased_at = '2030-01-01T00:00:00Z'") == "certificates_are_kept"


# -- two people ----------------------------------------------------------------------------------------------------

OTHERWISE: Final = [
    {"state": "refused"},
    {"state": "lapsed"},
    {"words": "Other words"},
    {"at": "2027-03-05T10:00:01Z"},
]
"""Decisions that allow no revocation of the row at ``WHEN`` for ``Why``."""


@pytest.fixture
def undecided(make: Make, db: Database) -> Row:
    """An issued certificate nobody has asked anything about."""
    booking = completed_booking(make, db, "Arun", "Meena", "Ravi")
    return Row(db, booking, promise(db, booking), "issued", decided=False)


def test_nothing_is_revoked_unless_two_people_agreed_on_that_very_revocation(undecided: Row) -> None:
    assert undecided.refuses(REVOKE) == "certificates_are_kept"
    undecided.decided("reissue")
    for otherwise in OTHERWISE:
        undecided.decided("revoke", **otherwise)
        assert undecided.refuses(REVOKE) == "certificates_are_kept", otherwise
    undecided.decided("revoke")
    assert undecided.refuses(REVOKE) is None


def test_a_revoked_one_gets_a_successor_only_when_two_people_agreed(undecided: Row) -> None:
    undecided.decided("revoke")
    undecided.change(REVOKE)
    assert undecided.refuses("replaced_by_id = gen_random_uuid()") == "certificates_are_kept"
    undecided.decided("reissue")
    assert undecided.refuses("replaced_by_id = gen_random_uuid()") is None


@pytest.mark.parametrize("row", ["issued"], indirect=True)
def test_a_successor_is_named_before_it_is_there_so_no_two_point_at_each_other(row: Row) -> None:
    for name in ("other", "third"):
        assert row.refuses(f"replaced_by_id = :{name}") == "certificates_are_kept"
    assert row.refuses(f"replaced_by_id = '{row.id}'") == "certificates_are_kept"


@pytest.mark.parametrize("row", ["issued"], indirect=True)
def test_a_successor_is_of_the_same_student_and_there_in_the_end(row: Row) -> None:
    row.change("replaced_by_id = gen_random_uuid()")
    with row.db.unit_of_work() as work, pytest.raises(IntegrityError) as refused, work.db.begin_nested():
        work.db.execute(text("SET CONSTRAINTS ALL IMMEDIATE"))
    assert constraint_of(refused.value) == "fk_certificates_successor"


KEPT: Final = {
    "reason = 'misused'": "certificate_requests_are_kept",
    "kind = 'reissue'": "certificate_requests_are_kept",
    "asked_by = gen_random_uuid()": "certificate_requests_are_kept",
    "asked_by_name = 'Somebody'": "certificate_requests_are_kept",
    "asked_at = now()": "certificate_requests_are_kept",
    "words = 'Other words'": "certificate_requests_are_kept",
    "certificate_id = :other": "certificate_requests_are_kept",
    "state = 'open', decided_at = NULL": "certificate_requests_are_kept",
    "state = 'refused'": "certificate_requests_are_kept",
    "decided_by = gen_random_uuid()": "certificate_requests_are_kept",
    "words = NULL": None,
}


@pytest.mark.parametrize("row", ["issued"], indirect=True)
def test_what_was_asked_and_decided_is_never_rewritten(row: Row) -> None:
    for change, refused_by in KEPT.items():
        found = None
        try:
            with row.db.unit_of_work() as work:
                used = {name: value for name, value in row.values.items() if f":{name}" in change}
                statement = f"UPDATE certificate_requests SET {change} WHERE certificate_id = :id AND kind = 'revoke'"
                work.db.execute(text(statement), used | {"id": row.id})
        except IntegrityError as error:
            found = constraint_of(error)
        assert found == refused_by, change


def test_nobody_confirms_what_they_asked_for_whoever_writes_it(undecided: Row) -> None:
    by_oneself = DECIDED.replace("gen_random_uuid(), 'Other'", "asker, 'One'").replace(
        "FROM certificates", "FROM certificates, gen_random_uuid() asker"
    )
    by_oneself = by_oneself.replace(":state, gen_random_uuid(), 'One'", ":state, asker, 'One'")
    for state, refused_by in (("confirmed", "two_people"), ("refused", "two_people"), ("withdrawn", None)):
        found = None
        try:
            with undecided.db.unit_of_work() as work:
                values = {"id": undecided.id, "kind": "revoke", "state": state, "words": "Why", "at": WHEN}
                work.db.execute(text(by_oneself), values)
        except IntegrityError as error:
            found = constraint_of(error)
        assert found == (refused_by and f"ck_certificate_requests_{refused_by}"), state
