"""An approval made on too old a roster is marked in the statement that writes it, whichever way it comes about."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.rooms.test_replacing import Taught, rows, taught_by
from tests.web.client import NOW
from webapp.assignments import service, waitlist
from webapp.assignments.limits import Limits
from webapp.db.work import counting_statements, unit_of_work

LIMIT = timedelta(minutes=15)
STRICT = Limits(recheck_after=LIMIT)
OLD = NOW - timedelta(hours=2)


@pytest.fixture(autouse=True)
def _strict(monkeypatch: pytest.MonkeyPatch) -> None:
    """Requests of this module are made by a desk with a trainer service."""
    monkeypatch.setattr("tests.rooms.test_replacing.LIMITS", STRICT)


def do(sql: str, **places: object) -> None:
    """Write past the services, as the synchronisation does."""
    with unit_of_work() as work:
        work.db.execute(text(sql), places)


def fresh_at(at: datetime | None) -> None:
    """As of when the roster is what the service says."""
    do("UPDATE trainer_service_state SET fresh_at = :at", at=at)


def of_service(*trainer_ids: UUID) -> None:
    """The service says who they are."""
    for id_ in trainer_ids:
        do("UPDATE trainers SET service_id = :name WHERE id = :id", id=id_, name=f"T-{id_}")


def marks(desk: Taught) -> dict[str, datetime | None]:
    """Since when each approval is to be looked at again, by the kind of assignment."""
    found = "SELECT kind, recheck_since FROM assignments WHERE booking_id = :id AND status = 'approved'"
    return dict(rows(found, id=desk.booking.id))


def approvals_told(desk: Taught) -> list[dict[str, Any]]:
    """What the audit keeps of approvals."""
    return [after for _before, after in desk.told("assignment.approved")]


def proposed(make: Make, *, auto_approve: bool = False) -> tuple[Taught, UUID]:
    """A booking that waits, and a trainer of the service who could take it; nothing is decided."""
    operator_id = make.franchise(auto_approve=auto_approve)
    staff, manager = make.staff(operator_id).actor, make.manager(operator_id).actor
    zone_id, course_id = make.zone(operator_id=operator_id), make.course()
    trainer_id = make.trainer((zone_id,), (course_id,), operator_id=operator_id)
    of_service(trainer_id)
    booking = make.booking(zone_id=zone_id, course_id=course_id, operator_id=operator_id)
    return Taught(make, operator_id, staff, manager, zone_id, course_id, trainer_id, booking), trainer_id


def propose(desk: Taught, *, limits: Limits = STRICT) -> service.Proposed:
    """Staff propose whoever is best."""
    with unit_of_work() as work:
        return service.propose(work, desk.booking.id, trainer_id=None, by=desk.staff, now=NOW, limits=limits)


def test_an_approval_on_an_old_roster_is_marked_with_its_age_and_the_audit_says_so(make: Make) -> None:
    desk, _trainer = proposed(make)
    fresh_at(OLD)
    made = propose(desk)
    assert rows("SELECT recheck_since FROM assignments") == [(None,)], "nothing is decided yet"
    desk.approve(made)
    assert marks(desk) == {"course": OLD}
    assert approvals_told(desk) == [{"status": "approved", "recheck_since": OLD.isoformat()}]


@pytest.mark.parametrize(
    ("age", "marked"), [(timedelta(), False), (LIMIT, False), (LIMIT + timedelta(microseconds=1), True)]
)
def test_the_limit_is_the_same_as_that_of_the_badge(make: Make, age: timedelta, marked: bool) -> None:
    desk, _trainer = proposed(make)
    fresh_at(NOW - age)
    desk.approve(propose(desk))
    assert marks(desk) == {"course": NOW - age if marked else None}
    assert ("recheck_since" in approvals_told(desk)[0]) is marked


def test_on_a_roster_that_was_never_loaded_it_is_marked_with_the_moment(make: Make) -> None:
    desk, _trainer = proposed(make)
    desk.approve(propose(desk))
    assert marks(desk) == {"course": NOW}


def test_a_trainer_of_the_desk_s_own_is_as_the_desk_says(make: Make) -> None:
    desk = taught_by(make)
    assert marks(desk) == {"course": None}


def test_without_a_trainer_service_nothing_is_marked(make: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tests.rooms.test_replacing.LIMITS", Limits())
    desk, _trainer = proposed(make)
    fresh_at(OLD)
    desk.approve(propose(desk, limits=Limits()))
    assert marks(desk) == {"course": None}


def test_what_the_desk_approves_by_itself_is_marked_without_a_statement_more(make: Make) -> None:
    taken = []
    for at in (NOW, OLD):
        desk, _trainer = proposed(make, auto_approve=True)
        fresh_at(at)
        with unit_of_work() as work, counting_statements() as statements:
            service.propose(work, desk.booking.id, trainer_id=None, by=desk.staff, now=NOW, limits=STRICT)
            taken.append(statements())
        assert marks(desk) == {"course": None if at == NOW else OLD}
    assert taken[0] == taken[1] <= 6
    assert approvals_told(desk)[-1] == {"status": "approved", "recheck_since": OLD.isoformat()}


def test_an_approval_takes_no_statement_more(make: Make) -> None:
    taken = []
    for at in (NOW, OLD):
        desk, _trainer = proposed(make)
        fresh_at(at)
        made = propose(desk)
        assert made.assignment_id is not None
        with unit_of_work() as work, counting_statements() as statements:
            service.approve(work, made.assignment_id, version=1, by=desk.manager, now=NOW, limits=STRICT)
            work.db.flush()
            taken.append(statements())
    assert taken[0] == taken[1]


def test_the_waitlist_that_retries_itself_marks_what_it_approves(make: Make) -> None:
    desk, _trainer = proposed(make, auto_approve=True)
    fresh_at(OLD)
    with unit_of_work() as work:
        assert waitlist.retry(work, desk.booking.id, now=NOW, limits=STRICT) is not None
    assert marks(desk) == {"course": OLD}


Change = Callable[[Taught, UUID], service.Proposed]
CHANGES: dict[str, Change] = {
    "replacement": lambda desk, other: desk.replace(other),
    "substitute": lambda desk, other: desk.substitute(desk.ids(3, 5), other),
}


@pytest.mark.parametrize("auto_approve", [False, True])
@pytest.mark.parametrize("kind", CHANGES)
def test_a_change_of_trainer_is_an_approval_like_any_other(make: Make, kind: str, auto_approve: bool) -> None:
    desk = taught_by(make, auto_approve=auto_approve)
    other = desk.trainer("Bela")
    of_service(other)
    fresh_at(OLD)
    made = CHANGES[kind](desk, other)
    if not auto_approve:
        desk.approve(made)
    assert marks(desk)[kind] == OLD
    assert marks(desk).get("course") is None, "the first trainer is the desk's own"
    assert approvals_told(desk)[-1]["recheck_since"] == OLD.isoformat()


def test_whoever_is_replaced_need_not_be_looked_at_any_more(make: Make) -> None:
    desk, _trainer = proposed(make)
    fresh_at(OLD)
    desk.approve(propose(desk))
    desk.approve(desk.replace(desk.trainer("Bela")))
    found = rows("SELECT status, recheck_since FROM assignments WHERE booking_id = :id ORDER BY id", id=desk.booking.id)
    assert found == [("replaced", None), ("approved", None)]


def test_what_was_found_stays_with_whoever_is_replaced(make: Make) -> None:
    desk, _trainer = proposed(make)
    fresh_at(OLD)
    desk.approve(propose(desk))
    do("UPDATE assignments SET recheck_outcome = 'not_in_zone', rechecked_at = :now", now=NOW)
    desk.approve(desk.replace(desk.trainer("Bela")))
    found = rows("SELECT status, recheck_since, recheck_outcome FROM assignments ORDER BY id")
    assert found == [("replaced", OLD, "not_in_zone"), ("approved", None, None)]


def test_rejecting_marks_nothing(make: Make) -> None:
    desk, _trainer = proposed(make)
    fresh_at(OLD)
    desk.reject(propose(desk))
    assert rows("SELECT status, recheck_since FROM assignments") == [("rejected", None)]
