"""Two people decide, correct or erase at the same moment: real connections, real commits.

One of them does it, the other hears who was faster and when; no student ever has two certificates or none.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from uuid import UUID

import pytest
from sqlalchemy import Select
from sqlalchemy.exc import IntegrityError

from tests.jobs.builders import (
    DONE,
    PUBLIC_URL,
    Completed,
    PlainKeys,
    PlainRenderer,
    ask,
    completed_booking,
    promise,
    rows,
    somebody,
)
from tests.rooms.test_assignment_races import Desk, desk, refusals
from webapp.certificates import jobs, reissuing, revoking
from webapp.certificates.rules import RequestCommand, RequestKind, RequestReason
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict
from webapp.db.base import constraint_of
from webapp.db.job_context import JobContext
from webapp.db.work import Work
from webapp.desk.erasing import erase_family
from webapp.households import service as households
from webapp.households.rules import ErasureReason, StudentCommand

pytestmark = pytest.mark.race
__all__ = ["desk"]

ROUNDS = 6
"""A race is run several times: who comes first is up to the machine."""
Task = Callable[[Work], object]

WITHOUT_OR_TWICE = """
SELECT count(*) FROM (
    SELECT booking_id, student_id, count(*) FILTER (WHERE replaced_by_id IS NULL) AS living,
           count(*) FILTER (WHERE state = 'issued' AND replaced_by_id IS NULL) AS valid
    FROM certificates GROUP BY booking_id, student_id
) AS each WHERE living <> 1 OR valid > 1
"""
"""Students with no living certificate or with two, found without the index that forbids it."""
ALONE = "SELECT count(*) FROM certificate_requests WHERE state = 'confirmed' AND decided_by = asked_by"
REVOCATIONS = "SELECT count(*) FROM audit_entries WHERE what = 'certificate.revoked'"


def issued(desk: Desk, settings: Settings, name: str = "Meena Roa") -> tuple[UUID, Completed]:
    """A certificate that is out."""
    booking = completed_booking(desk.make, desk.database, name)
    (certificate_id,) = promise(desk.database, booking)
    jobs.issue(JobContext(settings, desk.database, lambda: DONE), renderer=PlainRenderer(), keys=PlainKeys())
    return certificate_id, booking


def at_once(desk: Desk, *tasks: Task) -> list[object]:
    """Each in a transaction of its own, at the same moment."""
    return list(desk.at_once([partial(desk.database.retrying, task) for task in tasks]))


def confirming(request_id: UUID) -> Task:
    by = somebody()

    def task(work: Work) -> str:
        revoking.confirm(work, request_id, by=by, now=DONE, public_url=PUBLIC_URL)
        return "done"

    return task


def deciding(act: Callable[..., None], request_id: UUID, *, by: Actor) -> Task:
    return lambda work: act(work, request_id, by=by, now=DONE)


def correcting(desk: Desk, certificate_id: UUID, booking: Completed) -> Task:
    """Make it anew under the right name; the student is renamed before."""
    ((household_id,),) = rows(desk.database, "SELECT household_id FROM bookings WHERE id = :id", id=booking.id)
    assert isinstance(household_id, UUID)
    with desk.database.unit_of_work() as work:
        command = StudentCommand("Meena Rao")
        households.rename_student(work, household_id, booking.student_ids[0], command, by=SYSTEM, now=DONE)
    by = somebody()
    return lambda work: reissuing.reissue(work, certificate_id, "Meena Rao", by=by, now=DONE, public_url=PUBLIC_URL)


def test_of_two_who_confirm_at_once_one_revokes_and_the_other_hears_who_did(desk: Desk, settings: Settings) -> None:
    for round_ in range(1, ROUNDS + 1):
        certificate_id, _booking = issued(desk, settings)
        request_id = ask(desk.database, certificate_id)
        outcomes = at_once(desk, confirming(request_id), confirming(request_id))
        assert outcomes.count("done") == 1
        (refusal,) = [outcome for outcome in outcomes if isinstance(outcome, Conflict)]
        assert refusal.code == "already-decided"
        assert str(refusal).startswith("Person ")
        assert " confirmed this on 2 Mar 2027" in str(refusal)
        assert desk.number(REVOCATIONS) == round_
    assert desk.number(ALONE) == 0


def test_confirming_refusing_and_withdrawing_at_once_is_one_decision(desk: Desk, settings: Settings) -> None:
    for _round in range(ROUNDS):
        certificate_id, _booking = issued(desk, settings)
        one, other = somebody(), somebody()
        request_id = ask(desk.database, certificate_id, by=one)
        outcomes = at_once(
            desk,
            confirming(request_id),
            deciding(revoking.refuse, request_id, by=other),
            deciding(revoking.withdraw, request_id, by=one),
        )
        assert refusals(outcomes) == {"already-decided": 2}
        ((state, decided),) = rows(
            desk.database,
            "SELECT c.state, r.state FROM certificates c JOIN certificate_requests r ON r.certificate_id = c.id"
            " WHERE c.id = :id",
            id=certificate_id,
        )
        assert (state == "revoked") is (decided == "confirmed")


def test_two_who_ask_at_once_make_one_request(desk: Desk, settings: Settings) -> None:
    command = RequestCommand(RequestKind.REVOKE, RequestReason.MISUSED, "It was altered.")
    for _round in range(ROUNDS):
        certificate_id, _booking = issued(desk, settings)
        tasks = [
            partial(revoking.ask, certificate_id=certificate_id, command=command, by=somebody(), now=DONE)
            for _ in range(2)
        ]
        assert refusals(at_once(desk, *tasks)) == {"already-asked": 1}


def test_two_who_correct_a_name_at_once_make_one_successor(desk: Desk, settings: Settings) -> None:
    for _round in range(ROUNDS):
        certificate_id, booking = issued(desk, settings)
        task = correcting(desk, certificate_id, booking)
        assert refusals(at_once(desk, task, task)) == {"being-replaced": 1}
        jobs.issue(JobContext(settings, desk.database, lambda: DONE), renderer=PlainRenderer(), keys=PlainKeys())
        assert desk.number(WITHOUT_OR_TWICE) == 0


def test_correcting_and_revoking_at_once_is_one_of_the_two(desk: Desk, settings: Settings) -> None:
    command = RequestCommand(RequestKind.REVOKE, RequestReason.MISUSED, "It was altered.")
    for _round in range(ROUNDS):
        certificate_id, booking = issued(desk, settings)
        asking = partial(revoking.ask, certificate_id=certificate_id, command=command, by=somebody(), now=DONE)
        outcomes = at_once(desk, correcting(desk, certificate_id, booking), asking)
        assert refusals(outcomes) in ({"being-replaced": 1}, {"revocation-asked": 1})
        jobs.issue(JobContext(settings, desk.database, lambda: DONE), renderer=PlainRenderer(), keys=PlainKeys())
        assert desk.number(WITHOUT_OR_TWICE) == 0


def test_a_successor_is_issued_while_the_family_is_erased(desk: Desk, settings: Settings) -> None:
    """Either waits for the other; neither ends in a deadlock, and the erased ones bear no name."""
    for _round in range(ROUNDS):
        certificate_id, booking = issued(desk, settings)
        with desk.database.unit_of_work() as work:
            correcting(desk, certificate_id, booking)(work)
        ((household_id,),) = rows(desk.database, "SELECT household_id FROM bookings WHERE id = :id", id=booking.id)
        assert isinstance(household_id, UUID)

        def erase(household_id: UUID = household_id) -> object:
            return desk.database.retrying(
                lambda work: erase_family(work, household_id, reason=ErasureReason.MISTAKE, by=SYSTEM, now=DONE)
            )

        def issue() -> object:
            return jobs.issue(
                JobContext(settings, desk.database, lambda: DONE), renderer=PlainRenderer(), keys=PlainKeys()
            )

        outcomes = desk.at_once([erase, issue])
        issue()  # where the erasure had looked at the row just then, it was left for the next ring
        assert refusals(outcomes).keys() <= {"certificate-pending"}
        states = rows(desk.database, "SELECT state FROM certificates WHERE booking_id = :id ORDER BY id", id=booking.id)
        assert states == [("replaced",), ("issued",)]
        assert desk.number(WITHOUT_OR_TWICE) == 0


def test_without_the_locks_the_database_itself_lets_one_of_them_through(
    desk: Desk, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The control: the locks only word the refusal, and the race above is one."""
    certificate_id, _booking = issued(desk, settings)
    request_id = ask(desk.database, certificate_id)
    monkeypatch.setattr(Select, "with_for_update", lambda self, **_options: self)

    def confirm() -> str:
        try:
            desk.database.retrying(confirming(request_id))
        except IntegrityError as error:
            return constraint_of(error) or "unnamed"
        except Conflict as error:
            return error.code
        return "done"

    outcomes = desk.at_once([confirm for _ in range(6)])
    assert outcomes.count("done") == 1
    assert set(map(str, outcomes)) <= {"done", "certificate_requests_are_kept", "already-decided"}
    assert desk.number(REVOCATIONS) == 1
