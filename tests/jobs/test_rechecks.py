"""Approvals made on an old roster are looked at again once the trainer service has been heard."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import rows
from tests.make import Make
from tests.rooms.test_replacing import Taught, taught_by
from tests.web.client import NOW
from webapp import jobs
from webapp.assignments.queries.cover import CoverReason, needs_cover
from webapp.assignments.queries.rechecks import looked_at
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_as
from webapp.db.work import Database, counting_statements, read_only, unit_of_work

SECOND, HOUR = timedelta(seconds=1), timedelta(hours=1)
OLD = NOW - 2 * HOUR
LATER = NOW + HOUR
"""When the service is heard again, an hour after the approval."""


class Desk:
    """Courses whose trainers were approved at ``NOW`` on a roster two hours old, and what the roster becomes."""

    def __init__(self, make: Make, db: Database, settings: Settings) -> None:
        self.make, self.db = make, db
        self.settings = settings.model_copy(update={"trainer_service_url": "https://trainers.example.org"})

    def course(self) -> Taught:
        """A booking whose trainer was approved then."""
        taught = taught_by(self.make)
        self.do(
            "UPDATE trainers SET service_id = CAST(:id AS text), active = true WHERE id = :id", id=taught.trainer_id
        )
        self.do("UPDATE assignments SET recheck_since = :old WHERE booking_id = :id", old=OLD, id=taught.booking.id)
        return taught

    def do(self, sql: str, **places: object) -> None:
        """Write past the services, as the synchronisation does."""
        with self.db.unit_of_work() as work:
            work.db.execute(text(sql), places)

    def heard(self, at: datetime | None = LATER) -> None:
        """The last run that was done began then."""
        self.do("UPDATE trainer_service_state SET fresh_at = :at", at=at)

    def full_run(self, at: datetime) -> UUID:
        """A full run that began then."""
        run_id = new_id()
        self.do(
            "INSERT INTO trainer_sync_runs (id, kind, cause, requested_by_name, requested_at, accept_shrink, state,"
            " started_at, finished_at, next_at, attempts, pages, requests, retries, received, seen, added, changed,"
            " unchanged, refused, gone, errors) VALUES (:id, 'full', 'schedule', 'system', :at, false, 'done', :at,"
            " :at, :at, 1, 1, 1, 0, 0, 1, 0, 0, 1, 0, 0, '{}')",
            id=run_id,
            at=at,
        )
        return run_id

    def seen(self, trainer_id: UUID, in_run: UUID | None, *, missed: int = 0, said_at: datetime = OLD) -> None:
        """The last full run that saw a trainer, and how many have missed them since."""
        self.do("DELETE FROM trainer_service_records WHERE trainer_id = :id", id=trainer_id)
        self.do(
            "INSERT INTO trainer_service_records (service_id, trainer_id, said, digest, said_at, refused_facts, notes,"
            " seen_run, missed_runs) VALUES (CAST(:id AS text), :id, '{}', '', :now, '{}', '[]', :run, :missed)",
            id=trainer_id,
            run=in_run,
            missed=missed,
            now=said_at,
        )

    def leaves(self, taught: Taught, at: datetime = LATER) -> None:
        """Two full runs have not seen the trainer."""
        self.do("UPDATE trainers SET active = false, left_at = :at WHERE id = :id", at=at, id=taught.trainer_id)

    def held_back(self, taught: Taught, at: datetime | None = NOW) -> None:
        """The service's last word on the trainer cannot be used, since then; nothing: it can."""
        self.do(
            "UPDATE trainers SET held_back_at = :at, held_back_code = :code WHERE id = :id",
            at=at,
            code=at and "operator-changed",
            id=taught.trainer_id,
        )

    def due(self, at: datetime) -> int:
        """How many approvals the job looks at."""
        with acting_as(SYSTEM), self.db.read_only() as session:
            return len(looked_at(session, fresh_at=None, now=at, limit=100))

    def recheck(self, at: datetime = LATER + SECOND, **changes: Any) -> None:
        """The job, as the sweeper does it."""
        ctx = JobContext(self.settings.model_copy(update=changes), self.db, lambda: at)
        jobs.perform(ctx, JobName.RECHECK_APPROVALS, jobs.HANDLERS[JobName.RECHECK_APPROVALS], {})

    def outcomes(self, taught: Taught) -> list[tuple[Any, ...]]:
        """What is written down of a booking's approvals."""
        asked = f"SELECT recheck_outcome, rechecked_at FROM assignments WHERE booking_id = '{taught.booking.id}'"
        return rows(self.db, f"{asked} ORDER BY id")

    def outcome(self, taught: Taught) -> object:
        """What came of the one approval."""
        ((outcome, at),) = self.outcomes(taught)
        assert (outcome is None) == (at is None)
        return outcome

    def told(self) -> list[tuple[Any, ...]]:
        """The audit's entries about it: whose, by what kind of actor, before and after, oldest first."""
        return rows(
            self.db,
            "SELECT operator_id, actor_kind, source, before ->> 'outcome', after ->> 'outcome' FROM audit_entries"
            " WHERE what = 'assignment.rechecked' ORDER BY at, id",
        )


@pytest.fixture
def desk(make: Make, db: Database, settings: Settings) -> Desk:
    return Desk(make, db, settings)


# -- when ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("heard", [None, OLD, NOW - SECOND, NOW])
def test_nothing_is_looked_at_before_the_service_was_heard_after_the_approval(
    desk: Desk, heard: datetime | None
) -> None:
    taught = desk.course()
    desk.heard(heard)
    desk.recheck()
    assert desk.outcome(taught) is None
    assert desk.told() == []


def test_while_nothing_is_due_the_round_costs_one_statement(desk: Desk) -> None:
    desk.course()
    with counting_statements() as statements:
        desk.recheck()
        assert statements() == 1


def test_what_is_due_is_looked_at_once(desk: Desk) -> None:
    taught = desk.course()
    desk.heard(NOW + SECOND)
    desk.recheck()
    assert desk.outcomes(taught) == [("confirmed", LATER + SECOND)]
    assert desk.told() == [(taught.operator_id, "system", "job", None, "confirmed")]
    desk.recheck(LATER + HOUR)
    assert desk.outcomes(taught) == [("confirmed", LATER + SECOND)]
    assert len(desk.told()) == 1


def test_approvals_that_were_never_marked_are_nobody_s_business(desk: Desk) -> None:
    taught = taught_by(desk.make)
    desk.heard()
    desk.leaves(taught)
    desk.recheck()
    assert desk.outcome(taught) is None


def test_without_a_service_any_more_the_desk_s_own_roster_decides(desk: Desk) -> None:
    taught, doubtful = desk.course(), desk.course()
    desk.held_back(doubtful)
    desk.recheck(trainer_service_url=None)
    assert [desk.outcome(taught), desk.outcome(doubtful)] == ["confirmed", "confirmed"]


# -- what came of it -----------------------------------------------------------------------------------------------


def no_longer(table: str) -> Callable[[Desk, Taught], None]:
    """A trainer loses their certifications, or their zones."""
    return lambda desk, taught: desk.do(f"DELETE FROM {table} WHERE trainer_id = :id", id=taught.trainer_id)


CHANGED: dict[str, Callable[[Desk, Taught], None]] = {
    "confirmed": lambda desk, taught: None,
    "left": lambda desk, taught: desk.leaves(taught),
    "not_certified": no_longer("trainer_courses"),
    "not_in_zone": no_longer("trainer_zones"),
}


@pytest.mark.parametrize("outcome", CHANGED)
def test_what_the_roster_says_now_is_written_down(desk: Desk, outcome: str) -> None:
    taught = desk.course()
    CHANGED[outcome](desk, taught)
    desk.heard()
    desk.recheck()
    assert desk.outcome(taught) == outcome


def in_doubt(desk: Desk, held_back: bool) -> Taught:
    """An approval of which it cannot be told: the trainer is held back, or the last full run did not see them."""
    taught = desk.course()
    if held_back:
        desk.held_back(taught)
    else:
        desk.seen(taught.trainer_id, desk.full_run(OLD), missed=1)
    return taught


@pytest.mark.parametrize("held_back", [True, False])
def test_who_stays_in_doubt_is_looked_at_while_they_have_sessions_ahead(desk: Desk, held_back: bool) -> None:
    taught = in_doubt(desk, held_back)
    desk.heard()
    last = taught.booking.sessions[-1].starts_at
    assert desk.due(last) == 1
    assert desk.due(last + SECOND) == 0


def test_a_doubt_that_ends_after_the_course_is_settled_all_the_same(desk: Desk) -> None:
    taught = in_doubt(desk, held_back=True)
    desk.heard()
    over = taught.booking.sessions[-1].starts_at + SECOND
    desk.recheck(over)
    assert desk.outcome(taught) is None
    desk.held_back(taught, None)
    desk.recheck(over)
    assert desk.outcome(taught) == "confirmed"


@pytest.mark.parametrize("at_once", [1, 2, 3])
def test_what_stays_due_keeps_no_other_from_its_turn(desk: Desk, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of six approvals the first four are looked at in every run, whatever is found: two in doubt, two that failed."""
    monkeypatch.setattr("webapp.assignments.jobs.RECHECKED_AT_ONCE", at_once)
    doubtful = [in_doubt(desk, held_back) for held_back in (True, False)]
    gone = [desk.course(), desk.course()]
    for taught in gone:
        desk.leaves(taught)
    desk.heard()
    desk.recheck()
    mended, new = desk.course(), desk.course()
    found = "UPDATE assignments SET recheck_outcome = 'left', rechecked_at = :at WHERE booking_id = :id"
    desk.do(found, at=LATER, id=mended.booking.id)
    desk.recheck()
    assert [desk.outcome(taught) for taught in doubtful] == [None, None]
    assert [desk.outcome(taught) for taught in gone] == ["left", "left"]
    assert [desk.outcome(mended), desk.outcome(new)] == ["confirmed", "confirmed"]


def test_somebody_who_is_not_active_has_left_as_far_as_the_course_goes(desk: Desk) -> None:
    taught = desk.course()
    desk.do("UPDATE trainers SET active = false WHERE id = :id", id=taught.trainer_id)
    desk.heard()
    desk.recheck()
    assert desk.outcome(taught) == "left"


def test_each_operator_s_approvals_are_written_on_its_own_behalf(desk: Desk) -> None:
    one, other = desk.course(), desk.course()
    desk.leaves(other)
    desk.heard()
    desk.recheck()
    assert [desk.outcome(one), desk.outcome(other)] == ["confirmed", "left"]
    assert {(row[0], row[4]) for row in desk.told()} == {(one.operator_id, "confirmed"), (other.operator_id, "left")}


def test_a_trainer_whose_last_word_could_not_be_used_is_confirmed_when_it_can(desk: Desk) -> None:
    taught = desk.course()
    desk.held_back(taught)
    desk.heard()
    desk.recheck()
    assert desk.outcome(taught) is None
    desk.held_back(taught, None)
    desk.recheck()
    assert desk.outcome(taught) == "confirmed"


def test_a_trainer_whom_the_last_full_run_missed_is_waited_for(desk: Desk) -> None:
    taught = desk.course()
    desk.seen(taught.trainer_id, desk.full_run(OLD), missed=1)
    desk.heard()
    desk.recheck()
    assert desk.outcome(taught) is None, "the second full run tells"
    desk.leaves(taught)
    desk.seen(taught.trainer_id, desk.full_run(OLD), missed=2)
    desk.recheck()
    assert desk.outcome(taught) == "left"


# -- found otherwise later -----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("last_seen", "outcome"), [(OLD, "left"), (NOW, "left"), (None, "left"), (NOW + SECOND, "confirmed")]
)
def test_who_turns_out_to_have_been_gone_at_the_approval_was_confirmed_too_soon(
    desk: Desk, last_seen: datetime | None, outcome: str
) -> None:
    """What changed is asked for every half minute; who is missing is told by full runs, hours later."""
    taught = desk.course()
    desk.heard()
    desk.recheck()
    assert desk.outcome(taught) == "confirmed"
    desk.seen(taught.trainer_id, desk.full_run(last_seen) if last_seen else None, missed=2)
    desk.leaves(taught, LATER + 6 * HOUR)
    desk.recheck(LATER + 7 * HOUR)
    assert desk.outcome(taught) == outcome
    assert [row[3:] for row in desk.told()] == [(None, "confirmed"), ("confirmed", "left")][: 1 + (outcome == "left")]


def heard_of_since(desk: Desk, taught: Taught) -> None:
    """A change was told of the trainer after the approval."""
    desk.seen(taught.trainer_id, desk.full_run(OLD), missed=2, said_at=NOW + SECOND)


def forgotten_when(desk: Desk, taught: Taught) -> None:
    """The run that last saw the trainer is long over and forgotten."""
    desk.seen(taught.trainer_id, new_id(), missed=2)


def given_to_others(desk: Desk, taught: Taught) -> None:
    """An admin said that the trainer is another operator's: the record is that of their new row."""
    desk.do("UPDATE trainers SET service_id = NULL, service_fields = '{}' WHERE id = :id", id=taught.trainer_id)


@pytest.mark.parametrize("how", [heard_of_since, forgotten_when, given_to_others])
def test_who_leaves_in_the_common_way_was_confirmed_rightly(desk: Desk, how: Callable[[Desk, Taught], None]) -> None:
    taught = desk.course()
    desk.heard()
    desk.recheck()
    how(desk, taught)
    desk.leaves(taught, LATER + 6 * HOUR)
    desk.recheck(LATER + 7 * HOUR)
    assert desk.outcome(taught) == "confirmed"


def test_nobody_is_told_of_whom_nothing_was_left_to_teach(desk: Desk) -> None:
    taught = desk.course()
    desk.heard()
    desk.recheck()
    desk.seen(taught.trainer_id, desk.full_run(OLD), missed=2)
    over = taught.booking.sessions[-1].starts_at + SECOND
    desk.leaves(taught, over)
    desk.recheck(over)
    assert desk.outcome(taught) == "confirmed"


def test_what_was_put_right_is_confirmed_after_all(desk: Desk) -> None:
    taught = desk.course()
    desk.leaves(taught)
    desk.heard()
    desk.recheck()
    desk.do("UPDATE trainers SET active = true, left_at = NULL WHERE id = :id", id=taught.trainer_id)
    desk.recheck(LATER + HOUR)
    assert desk.outcomes(taught) == [("confirmed", LATER + HOUR)]
    assert [row[3:] for row in desk.told()] == [(None, "left"), ("left", "confirmed")]


def test_what_failed_stays_as_it_was_found_once_the_sessions_are_over(desk: Desk) -> None:
    taught = desk.course()
    desk.leaves(taught)
    desk.heard()
    desk.recheck()
    desk.do("UPDATE trainers SET active = true, left_at = NULL WHERE id = :id", id=taught.trainer_id)
    desk.recheck(taught.booking.sessions[-1].starts_at + SECOND)
    assert desk.outcome(taught) == "left"


def test_an_approval_that_is_over_is_left_alone(desk: Desk) -> None:
    taught = desk.course()
    taught.approve(taught.replace(taught.trainer("Bela")))
    desk.leaves(taught)
    desk.heard()
    desk.recheck()
    assert desk.outcomes(taught) == [(None, None), (None, None)]


# -- what nobody will come to --------------------------------------------------------------------------------------


def uncovered(taught: Taught, at: datetime = LATER) -> list[tuple[int, CoverReason, str | None]]:
    """What stands on needs cover: number, why, and who is proposed."""
    with read_only() as db:
        found, _total = needs_cover(db, now=at, limit=50, visible_to=taught.manager)
    return [(session.number, session.reason, session.proposed) for session in found]


def test_the_remaining_sessions_of_whoever_left_need_cover_until_somebody_else_is_approved(desk: Desk) -> None:
    taught = desk.course()
    third = taught.booking.sessions[2].starts_at
    taught.mark(1)
    taught.mark(2)
    desk.leaves(taught)
    desk.heard()
    desk.recheck()
    gone = CoverReason.INACTIVE
    assert uncovered(taught, third) == [(number, gone, None) for number in range(3, 11)]
    made = taught.replace(taught.trainer("Bela"), now=third - HOUR)
    assert uncovered(taught, third) == [(number, gone, "Bela") for number in range(3, 11)]
    taught.approve(made, now=third - HOUR)
    assert uncovered(taught, third) == []


def test_a_substitute_who_left_needs_cover_for_the_sessions_they_had(desk: Desk) -> None:
    taught = desk.course()
    other = taught.trainer("Bela")
    taught.approve(taught.substitute(taught.ids(4, 6), other))
    desk.do("UPDATE trainers SET active = false, left_at = :at WHERE id = :id", at=LATER, id=other)
    assert uncovered(taught) == [(number, CoverReason.INACTIVE, None) for number in (4, 6)]


def test_whoever_is_only_proposed_and_leaves_is_refused_at_the_approval(desk: Desk) -> None:
    """Held sessions are nobody's yet: the present trainer has them, or the booking waits for a decision."""
    taught = desk.course()
    other = taught.trainer("Bela")
    made = taught.replace(other)
    desk.do("UPDATE trainers SET active = false, left_at = :at WHERE id = :id", at=LATER, id=other)
    assert uncovered(taught) == []
    with pytest.raises(Conflict, match="cannot take"):
        taught.approve(made)


def test_a_first_proposal_of_somebody_who_left_is_refused_too(desk: Desk) -> None:
    taught = desk.course()
    trainer_id = taught.trainer("Bela")
    booking = desk.make.booking(zone_id=taught.zone_id, course_id=taught.course_id, operator_id=taught.operator_id)
    made = desk.make.proposal(booking, trainer_id, by=taught.staff)
    desk.do("UPDATE trainers SET active = false, left_at = :at WHERE id = :id", at=LATER, id=trainer_id)
    assert uncovered(taught) == []
    with pytest.raises(Conflict, match="cannot take"):
        taught.approve(made)
    with unit_of_work() as work:
        assert work.db.scalar(text("SELECT count(*) FROM schedule_slots WHERE status = 'held'")) == 10
