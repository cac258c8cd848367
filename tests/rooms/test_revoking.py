"""Revoking and making a revoked certificate anew: what one asks for, another confirms."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from functools import partial
from uuid import UUID

import pytest

from tests.jobs.builders import (
    DONE,
    PUBLIC_URL,
    Completed,
    PlainKeys,
    PlainRenderer,
    ask,
    completed_booking,
    confirm,
    promise,
    revoke,
    rows,
    somebody,
)
from tests.make import Make
from tests.web.client import Bell
from webapp.certificates import jobs, reissuing, revoking
from webapp.certificates.queries.requests import open_requests, request_page, requests_of, waiting_count
from webapp.certificates.rules import RequestCommand, RequestKind, RequestReason, RequestState
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Role
from webapp.core.errors import Conflict, Forbidden, NotFound
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database, Work
from webapp.desk.erasing import erase_family
from webapp.households.rules import ErasureReason

LATER = DONE + timedelta(hours=3)
WORDS = "It was issued for another course."
DECIDING: tuple[Callable[..., None], ...] = (revoking.refuse, partial(revoking.confirm, public_url=PUBLIC_URL))


@pytest.fixture
def ctx(db: Database, settings: Settings) -> JobContext:
    """A job's context on the test's transaction; its clock stands at ``DONE``."""
    return JobContext(settings, db, lambda: DONE)


@pytest.fixture
def booking(make: Make, db: Database) -> Completed:
    return completed_booking(make, db, "Meena Rao", operator_id=make.franchise())


@pytest.fixture
def issued(booking: Completed, db: Database, ctx: JobContext) -> UUID:
    (certificate_id,) = promise(db, booking)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    return certificate_id


def done(db: Database, task: Callable[[Work], object]) -> None:
    """In a transaction of its own."""
    with db.unit_of_work() as work:
        task(work)


def refusal(db: Database, task: Callable[[Work], object]) -> str:
    """The code something is refused with."""
    with pytest.raises((Conflict, Forbidden, NotFound)) as refused, db.unit_of_work() as work:
        task(work)
    return refused.value.code


def state_of(db: Database, certificate_id: UUID) -> tuple[object, ...]:
    ((*state,),) = rows(
        db, "SELECT state, revoked_at, revoked_reason FROM certificates WHERE id = :id", id=certificate_id
    )
    return tuple(state)


def told(db: Database, certificate_id: UUID) -> list[str]:
    """What the audit says happened to a certificate, in order."""
    found = rows(db, "SELECT what FROM audit_entries WHERE subject_id = :id ORDER BY id", id=certificate_id)
    return [str(what) for (what,) in found]


def test_asking_changes_nothing_and_the_confirmation_of_another_revokes(
    issued: UUID, db: Database, bells: list[Bell]
) -> None:
    one, other = somebody(), somebody()
    bells.clear()
    request_id = ask(db, issued, by=one, words=f"  {WORDS} ")
    assert state_of(db, issued) == ("issued", None, None)
    with db.read_only() as session:
        ((waiting,), total) = open_requests(session, visible_to=SYSTEM, limit=10)
    assert (waiting.id, waiting.asked_by, waiting.asked_at, waiting.words, total) == (
        request_id,
        one.id,
        DONE,
        WORDS,
        1,
    )
    assert bells == []
    confirm(db, request_id, by=other, now=LATER)
    assert bells == [(JobName.SIGN_REVOCATIONS, {})]
    assert state_of(db, issued) == ("revoked", LATER, WORDS)
    with db.read_only() as session:
        (decided,) = requests_of(session, issued, visible_to=SYSTEM)
        assert open_requests(session, visible_to=SYSTEM, limit=10) == ((), 0)
    assert (decided.state, decided.decided_by_name, decided.decided_at) == (RequestState.CONFIRMED, other.name, LATER)
    assert told(db, issued)[-3:] == ["certificate.revoke_asked", "certificate.revoke_confirmed", "certificate.revoked"]


def test_the_audit_names_both_and_holds_no_words(issued: UUID, db: Database) -> None:
    one, other = somebody(), somebody()
    confirm(db, ask(db, issued, by=one, words="Typed by somebody about somebody."), by=other)
    entries = rows(
        db,
        "SELECT what, actor_id, before::text || after::text FROM audit_entries WHERE subject_id = :id"
        " AND what LIKE 'certificate.revoke%' ORDER BY id",
        id=issued,
    )
    assert [(what, actor) for what, actor, _said in entries] == [
        ("certificate.revoke_asked", one.id),
        ("certificate.revoke_confirmed", other.id),
        ("certificate.revoked", other.id),
    ]
    assert "by_mistake" in str(entries[-1][2])
    assert str(one.id) in str(entries[-1][2])
    assert not [said for *_, said in entries if said and "Typed" in str(said)]


def test_nobody_confirms_or_refuses_their_own_request_and_only_they_withdraw_it(issued: UUID, db: Database) -> None:
    one, other = somebody(), somebody()
    request_id = ask(db, issued, by=one)
    for verb in DECIDING:
        assert refusal(db, partial(verb, request_id=request_id, by=one, now=LATER)) == "own-request"
    assert refusal(db, lambda work: revoking.withdraw(work, request_id, by=other, now=LATER)) == "withdraw-other"
    done(db, lambda work: revoking.withdraw(work, request_id, by=one, now=LATER))
    assert state_of(db, issued)[0] == "issued"
    assert told(db, issued)[-1] == "certificate.revoke_withdrawn"
    ask(db, issued, by=other)  # and can be asked for again


def test_a_refused_request_changes_nothing(issued: UUID, db: Database) -> None:
    request_id = ask(db, issued)
    done(db, lambda work: revoking.refuse(work, request_id, by=somebody(), now=LATER))
    assert state_of(db, issued)[0] == "issued"
    assert told(db, issued)[-1] == "certificate.revoke_refused"


@pytest.mark.parametrize("first", ["confirm", "refuse", "withdraw"])
def test_what_is_decided_says_who_and_when(issued: UUID, db: Database, first: str) -> None:
    one, other = somebody(), somebody()
    request_id = ask(db, issued, by=one)
    if first == "confirm":
        confirm(db, request_id, by=other, now=LATER)
    elif first == "refuse":
        done(db, lambda work: revoking.refuse(work, request_id, by=other, now=LATER))
    else:
        done(db, lambda work: revoking.withdraw(work, request_id, by=one, now=LATER))
    with pytest.raises(Conflict) as refused:
        confirm(db, request_id)
    assert refused.value.code == "already-decided"
    who = one.name if first == "withdraw" else other.name
    assert str(refused.value).startswith(f"{who} {first[:6]}")
    assert "2 Mar 2027, 12:00 IST" in str(refused.value)


@pytest.mark.parametrize("role", sorted(set(Role) - {Role.ADMIN}))
def test_nobody_but_an_admin_asks_or_decides(booking: Completed, issued: UUID, db: Database, role: Role) -> None:
    person = replace(somebody(role), operator_id=booking.operator_id)
    command = RequestCommand(RequestKind.REVOKE, RequestReason.MISUSED, WORDS)
    assert refusal(db, lambda work: revoking.ask(work, issued, command, by=person, now=DONE)) == "not-allowed"
    request_id = ask(db, issued)
    for verb in DECIDING:
        assert refusal(db, partial(verb, request_id=request_id, by=person, now=DONE)) == "not-allowed"
    assert state_of(db, issued)[0] == "issued"


def test_people_of_another_operator_see_no_request(make: Make, issued: UUID, booking: Completed, db: Database) -> None:
    request_id = ask(db, issued)
    theirs, ours = make.staff(make.franchise()).actor, make.staff(booking.operator_id).actor
    with db.read_only() as session:
        assert open_requests(session, visible_to=ours, limit=10)[1] == 1
        assert request_page(session, request_id, visible_to=ours).id == request_id
        assert open_requests(session, visible_to=theirs, limit=10) == ((), 0)
        assert requests_of(session, issued, visible_to=theirs) == ()
        with pytest.raises(NotFound):
            request_page(session, request_id, visible_to=theirs)


def test_the_count_is_of_what_waits_for_that_very_admin(issued: UUID, db: Database) -> None:
    one, other = somebody(), somebody()
    ask(db, issued, by=one)
    with db.read_only() as session:
        counts = [session.scalar(question) for actor in (one, other) if (question := waiting_count(actor)) is not None]
    assert counts == [0, 1]
    assert waiting_count(somebody(Role.AUDITOR)) is None


def test_one_request_at_a_time(issued: UUID, db: Database) -> None:
    ask(db, issued)
    with pytest.raises(Conflict) as refused:
        ask(db, issued)
    assert refused.value.code == "already-asked"


@pytest.mark.parametrize(
    ("state", "code"),
    [("pending", "certificate-move"), ("failed", "certificate-move"), ("revoked", "certificate-move")],
)
def test_only_what_is_issued_can_be_revoked(
    booking: Completed, db: Database, ctx: JobContext, state: str, code: str
) -> None:
    (certificate_id,) = promise(db, booking)
    if state == "failed":
        jobs.issue(ctx, renderer=PlainRenderer(frozenset({"Meena Rao"})), keys=PlainKeys())
    if state == "revoked":
        jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
        revoke(db, certificate_id)
    with pytest.raises(Conflict) as refused:
        ask(db, certificate_id)
    assert refused.value.code == code


def test_a_revoked_certificate_is_made_anew_when_two_people_agree(issued: UUID, db: Database, ctx: JobContext) -> None:
    revoke(db, issued)
    admin = somebody()
    anew = lambda work: reissuing.reissue(work, issued, "Meena R.", by=admin, now=DONE, public_url=PUBLIC_URL)  # noqa: E731
    assert refusal(db, anew) == "certificate-revoked"
    request_id = ask(db, issued, kind=RequestKind.REISSUE, by=admin)
    with pytest.raises(Conflict) as refused:
        confirm(db, request_id, name="Somebody Else")
    assert refused.value.code == "name-changed"
    confirm(db, request_id, name="Meena Rao")
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    found = rows(db, "SELECT state, replaced_by_id IS NULL, payload->>'student_name' FROM certificates ORDER BY id")
    assert found == [("revoked", False, "Meena Rao"), ("issued", True, "Meena Rao")]
    assert "certificate.reissued" in told(db, issued)
    with pytest.raises(Conflict) as refused:
        ask(db, issued, kind=RequestKind.REISSUE)
    assert refused.value.code == "already-replaced"


def test_what_is_not_revoked_is_not_made_anew_this_way(issued: UUID, db: Database) -> None:
    with pytest.raises(Conflict) as refused:
        ask(db, issued, kind=RequestKind.REISSUE)
    assert refused.value.code == "not-revoked"


@pytest.mark.parametrize("kind", RequestKind)
def test_erasing_the_family_lets_a_request_lapse_and_takes_its_words(
    issued: UUID, db: Database, kind: RequestKind
) -> None:
    if kind is RequestKind.REISSUE:
        revoke(db, issued)
    request_id = ask(db, issued, kind=kind)
    ((household_id,),) = rows(db, "SELECT household_id FROM bookings")
    assert isinstance(household_id, UUID)
    done(db, lambda work: erase_family(work, household_id, reason=ErasureReason.MISTAKE, by=SYSTEM, now=LATER))
    assert rows(db, "SELECT DISTINCT words FROM certificate_requests") == [(None,)]
    with pytest.raises(Conflict) as refused:
        confirm(db, request_id, name="Meena Rao")
    assert refused.value.code in ("already-decided", "household-erased")
    with db.read_only() as session:
        assert request_page(session, request_id, visible_to=SYSTEM).state is RequestState.LAPSED
    if kind is RequestKind.REISSUE:
        with pytest.raises(Conflict) as refused:
            ask(db, issued, kind=kind)
        assert refused.value.code == "certificate-erased"
    else:
        revoke(db, issued, words="It never should have been.")
        assert state_of(db, issued)[0] == "revoked"


def test_an_unknown_request_is_not_found(db: Database) -> None:
    for verb in (revoking.refuse, revoking.withdraw):
        assert refusal(db, partial(verb, request_id=new_id(), by=somebody(), now=DONE)) == "not-found"
