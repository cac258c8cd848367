"""Who read a family's data leaves a trace: once for each person, family and quarter of an hour, and never a name."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.web.client import NOW, DeskClient
from webapp.audit import reading
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import EnquiryStatus
from webapp.core.actor import Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database, counting_statements

At = Callable[[datetime], None]


def traces(db: Database, what: str = "household.read") -> list[dict[str, Any]]:
    """The traces of a kind, in the order they were left."""
    with db.read_only() as session:
        rows = session.execute(text("SELECT * FROM audit_entries WHERE what = :what ORDER BY id"), {"what": what})
        return [dict(row) for row in rows.mappings()]


def test_reading_a_family_again_leaves_one_trace_until_a_quarter_of_an_hour_is_over(
    db: Database, make: Make, at: At
) -> None:
    family, asha, ravi = new_id(), make.staff().actor, make.staff().actor

    def read(by: Any = asha, household: UUID = family) -> int:
        reading.household_read(household, COMPANY_ID, by=by, on="households.show")
        return len(traces(db))

    assert read() == 1
    assert read() == 1, "again"
    assert read(by=ravi) == 2, "somebody else"
    assert read(household=new_id()) == 3, "another family"
    at(NOW + reading.QUIET - timedelta(seconds=1))
    assert read() == 3
    at(NOW + reading.QUIET)
    assert read() == 4
    assert read() == 4


def test_a_trace_costs_one_statement_whether_it_is_written_or_not(db: Database, make: Make) -> None:
    family, asha = new_id(), make.staff().actor
    for _ in range(2):
        with counting_statements() as taken:
            reading.household_read(family, COMPANY_ID, by=asha, on="households.show")
        assert taken() == 1


def test_a_list_is_told_by_the_ids_it_showed_each_different_page_once(db: Database, make: Make) -> None:
    asha, first, second = make.staff().actor, [new_id(), new_id()], [new_id()]
    for shown in (first, second, list(reversed(first)), []):
        reading.listed("household.listed", shown, by=asha, about={"page": 1})
    found = traces(db, "household.listed")
    assert [trace["after"]["shown"] for trace in found] == [sorted(map(str, first)), [str(second[0])]]


def test_a_trace_is_an_entry_like_any_other(db: Database, make: Make) -> None:
    manager = make.manager()
    family = make.household("Arun", operator_id=manager.operator_id)
    reading.household_read(family.household_id, manager.operator_id, by=manager.actor, on="desk.booking")
    (trace,) = traces(db)
    assert trace["subject_id"] == family.household_id
    assert trace["subject_kind"] == "household"
    assert (trace["operator_id"], trace["actor_id"], trace["actor_name"]) == (
        manager.operator_id,
        manager.id,
        manager.name,
    )
    assert (trace["before"], trace["after"]) == (None, {"on": "desk.booking"})


# The pages.


class Pages:
    """One family with a booking, a session, a proposal, a certificate: everything that names it."""

    def __init__(self, make: Make, db: Database) -> None:
        self.franchise = make.franchise()
        zone, course = make.zone(operator_id=self.franchise), make.course()
        trainer = make.trainer((zone,), (course,), operator_id=self.franchise)
        self.family = make.household("Arun", "Meena", operator_id=self.franchise, guardian="Lakshmi Devi")
        self.waiting = make.booking(operator_id=self.franchise, zone_id=zone, course_id=course, household=self.family)
        proposed = make.proposal(
            make.booking(
                operator_id=self.franchise,
                zone_id=zone,
                course_id=course,
                household=self.family,
                start_date=date(2027, 2, 1),
            ),
            trainer,
        )
        self.assignment = proposed.assignment_id
        self.running = proposed.booking_id
        with db.read_only() as session:
            self.session = session.scalar(
                text("SELECT id FROM course_sessions WHERE booking_id = :id AND number = 3"), {"id": self.running}
            )

    def addresses(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Every page that shows the family's contacts or its children's names."""
        yield "households.show", {"household_id": self.family.household_id}
        yield "desk.booking", {"booking_id": self.waiting.id}
        yield "desk.edit", {"booking_id": self.waiting.id}
        yield "desk.propose", {"booking_id": self.waiting.id}
        yield "desk.replace", {"booking_id": self.running}
        yield "desk.substitute", {"booking_id": self.running}
        yield "desk.pause", {"booking_id": self.running}
        yield "desk.move", {"session_id": self.session}
        yield "desk.cancel_session_page", {"session_id": self.session}
        yield "course_sessions.show", {"session_id": self.session}
        yield "assignments.show", {"assignment_id": self.assignment}
        yield "desk.new_booking", {"household": self.family.household_id}


@pytest.fixture
def pages(make: Make, db: Database) -> Pages:
    """The family."""
    return Pages(make, db)


def test_every_page_that_shows_the_family_leaves_a_trace_on_it(
    client: DeskClient, make: Make, db: Database, pages: Pages, at: At
) -> None:
    person = client.sign_in(make.manager(pages.franchise))
    for visit, (endpoint, values) in enumerate(pages.addresses(), 1):
        at(NOW + visit * reading.QUIET)
        answer = client.get(endpoint, **values)
        assert answer.status_code in (200, 409), endpoint
        assert "Arun" in answer.text, endpoint
        found = traces(db)
        assert len(found) == visit, f"{endpoint} left no trace"
        assert found[-1]["subject_id"] == pages.family.household_id
        assert found[-1]["operator_id"] == pages.franchise
        assert found[-1]["actor_id"] == person.id
        assert found[-1]["after"] == {"on": endpoint}
        assert found[-1]["source"] == "web"
        assert found[-1]["request_id"]


def test_who_is_refused_leaves_no_trace_of_a_family_that_was_not_shown(
    client: DeskClient, make: Make, db: Database, pages: Pages
) -> None:
    client.sign_in(make.manager())
    for endpoint, values in pages.addresses():
        assert client.get(endpoint, **values).status_code == 404
    assert traces(db) == []


def test_lists_that_give_telephone_numbers_leave_a_trace_without_what_was_searched_for(
    client: DeskClient, make: Make, db: Database
) -> None:
    person = client.sign_in(make.staff())
    family = make.household("Arun", guardian="Lakshmi Devi")
    with db.unit_of_work() as work:
        asked = EnquiryCommand(
            status=EnquiryStatus.DRAFT, guardian_name="Meena Rao", phone="+919848022339", address="Kakinada",
            place=None, note="", callback_on=None,
        )  # fmt: skip
        enquiries.record_enquiry(work, asked, by=person.actor, now=NOW)
    client.get("households.index", q="lakshmi")
    client.get("households.index", q="lakshmi", htmx=True)
    (found,) = traces(db, "household.listed")
    assert found["after"] == {"page": 1, "searched": True, "shown": [str(family.household_id)]}
    client.get("bookings.enquiries")
    (found,) = traces(db, "enquiry.listed")
    assert len(found["after"]["shown"]) == 1
    client.post("desk.preview", query_string={"part": "family"}, data={"do": "find", "find": "lakshmi"}, htmx=True)
    assert len(traces(db, "household.listed")) == 2


def test_no_trace_holds_a_name_a_number_or_an_address(
    client: DeskClient, make: Make, db: Database, pages: Pages
) -> None:
    """An entry is never erased: what a family may ask to have erased must not stand in it."""
    client.sign_in(make.manager(pages.franchise))
    for endpoint, values in pages.addresses():
        client.get(endpoint, **values)
    client.get("households.index", q="Lakshmi Devi")
    written = json.dumps([*traces(db), *traces(db, "household.listed")], default=str)
    for private in ("Lakshmi", "Arun", "Meena", "98765"):
        assert private not in written


def test_an_auditor_s_reading_is_told_too(client: DeskClient, make: Make, db: Database, pages: Pages) -> None:
    auditor = client.sign_in(make.user(Role.AUDITOR))
    client.get("households.show", household_id=pages.family.household_id)
    (trace,) = traces(db)
    assert (trace["actor_id"], trace["operator_id"]) == (auditor.id, pages.franchise)
