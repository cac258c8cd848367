"""A certificate under a wrong name is made anew; the family is never without a valid one and never has two."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

import pytest
from sqlalchemy import text

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
from webapp.certificates import jobs, reissuing, service
from webapp.certificates.queries.public import public_certificate
from webapp.certificates.rules import draw_number
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.errors import Conflict, Forbidden, Invalid, NotFound
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.households import service as households
from webapp.households.rules import ErasureReason, StudentCommand

LATER = DONE + timedelta(days=5)
WRONG, RIGHT = "Meena Roa", "Meena Rao"
LIVING = "SELECT count(*) FROM certificates WHERE replaced_by_id IS NULL"
VALID = "SELECT count(*) FROM certificates WHERE state = 'issued'"


@pytest.fixture
def ctx(db: Database, settings: Settings) -> JobContext:
    """A job's context on the test's transaction; its clock stands at ``LATER``."""
    return JobContext(settings, db, lambda: LATER)


@pytest.fixture
def booking(make: Make, db: Database) -> Completed:
    return completed_booking(make, db, WRONG, operator_id=make.franchise())


@pytest.fixture
def issued(booking: Completed, db: Database, ctx: JobContext) -> UUID:
    (certificate_id,) = promise(db, booking)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    return certificate_id


def household_of(db: Database) -> UUID:
    ((household_id,),) = rows(db, "SELECT household_id FROM bookings")
    assert isinstance(household_id, UUID)
    return household_id


def rename(db: Database, booking: Completed, name: str = RIGHT, *, by: Actor = SYSTEM) -> bool:
    with db.unit_of_work() as work:
        return households.rename_student(
            work, household_of(db), booking.student_ids[0], StudentCommand(name), by=by, now=LATER
        )


def reissue(db: Database, certificate_id: UUID, name: str = RIGHT, *, by: Actor | None = None) -> UUID:
    with db.unit_of_work() as work:
        return reissuing.reissue(
            work, certificate_id, name, by=by or somebody(), now=LATER, public_url=f"{PUBLIC_URL}/"
        )


def refused(db: Database, certificate_id: UUID, name: str = RIGHT, *, by: Actor | None = None) -> str:
    with pytest.raises((Conflict, Forbidden, NotFound)) as refusal:
        reissue(db, certificate_id, name, by=by)
    return refusal.value.code


def number(db: Database, sql: str) -> object:
    return rows(db, sql)[0][0]


def test_the_old_one_is_valid_until_the_new_one_is_issued(
    booking: Completed, issued: UUID, db: Database, ctx: JobContext, bells: list[Bell]
) -> None:
    rename(db, booking)
    bells.clear()
    new = reissue(db, issued)
    assert bells == [(JobName.ISSUE_CERTIFICATES, {})]
    assert rows(db, "SELECT id, state, replaced_by_id FROM certificates ORDER BY id") == [
        (issued, "issued", new),
        (new, "pending", None),
    ]
    assert (number(db, LIVING), number(db, VALID)) == (1, 1)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert bells[-1] == (JobName.SIGN_REVOCATIONS, {})
    assert rows(db, "SELECT id, state, replaced_by_id FROM certificates ORDER BY id") == [
        (issued, "replaced", new),
        (new, "issued", None),
    ]
    assert (number(db, LIVING), number(db, VALID)) == (1, 1)
    told = rows(db, "SELECT what, subject_id FROM audit_entries WHERE what LIKE 'certificate.%' ORDER BY id")
    assert told[-4:] == [
        ("certificate.reissued", issued),
        ("certificate.promised", new),
        ("certificate.issued", new),
        ("certificate.replaced", issued),
    ]


def test_award_course_and_dates_stay_and_number_token_and_salt_are_new(
    booking: Completed, issued: UUID, db: Database
) -> None:
    rename(db, booking)
    new = reissue(db, issued)
    kept = "awarded_on, awarded_at, booking_id, student_id, operator_id"
    same = f"SELECT DISTINCT {kept}, payload - ARRAY['number', 'student_name', 'verify_url'] FROM certificates"
    assert len(rows(db, same)) == 1
    assert rows(db, "SELECT count(DISTINCT number), count(DISTINCT token), count(DISTINCT salt) FROM certificates") == [
        (2, 2, 2)
    ]
    ((code, token, said, valid_from, awarded_at),) = rows(
        db, "SELECT number, token, payload, valid_from, awarded_at FROM certificates WHERE id = :id", id=new
    )
    assert isinstance(said, dict)
    assert (said["student_name"], said["number"]) == (RIGHT, code)
    assert said["verify_url"] == f"{PUBLIC_URL}/verify/{code}/{token}"
    assert (valid_from, awarded_at) == (LATER, DONE)
    assert str(code).startswith("ZD-27-")


def test_the_public_page_tells_which_one_took_its_place(
    booking: Completed, issued: UUID, db: Database, ctx: JobContext
) -> None:
    ((old,),) = rows(db, "SELECT number FROM certificates")
    rename(db, booking)
    new = reissue(db, issued)
    with db.read_only() as session:
        shown = public_certificate(session, str(old))
    assert (shown.valid, shown.replaced_by) == (True, None)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    ((code,),) = rows(db, "SELECT number FROM certificates WHERE id = :id", id=new)
    with db.read_only() as session:
        shown = public_certificate(session, str(old))
    assert (shown.state, shown.replaced_by) == ("replaced", code)


def test_a_second_correction_follows_the_first(booking: Completed, issued: UUID, db: Database, ctx: JobContext) -> None:
    rename(db, booking)
    second = reissue(db, issued)
    assert refused(db, issued) == "being-replaced"
    assert refused(db, second, WRONG) == "certificate-pending"
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert refused(db, issued) == "already-replaced"
    rename(db, booking, "Meena Devi Rao")
    third = reissue(db, second, "Meena Devi Rao")
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert rows(db, "SELECT state, replaced_by_id FROM certificates ORDER BY id") == [
        ("replaced", second),
        ("replaced", third),
        ("issued", None),
    ]


def test_a_successor_that_cannot_be_drawn_leaves_the_old_one_valid_and_is_corrected_itself(
    booking: Completed, issued: UUID, db: Database, ctx: JobContext
) -> None:
    rename(db, booking, "Undrawable")
    new = reissue(db, issued, "Undrawable")
    jobs.issue(ctx, renderer=PlainRenderer(frozenset({"Undrawable"})), keys=PlainKeys())
    assert rows(db, "SELECT state FROM certificates ORDER BY id") == [("issued",), ("failed",)]
    rename(db, booking)
    assert reissue(db, new) == new
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert rows(db, "SELECT state, payload->>'student_name' FROM certificates ORDER BY id") == [
        ("replaced", WRONG),
        ("issued", RIGHT),
    ]
    told = rows(db, "SELECT what FROM audit_entries WHERE subject_id = :id ORDER BY id", id=new)
    assert ("certificate.corrected",) in told


def test_a_successor_given_up_and_tried_again_replaces_as_well(
    booking: Completed, issued: UUID, db: Database, ctx: JobContext
) -> None:
    rename(db, booking)
    new = reissue(db, issued)
    jobs.issue(ctx, renderer=PlainRenderer(frozenset({RIGHT})), keys=PlainKeys())
    with db.unit_of_work() as work:
        service.retry(work, new, by=somebody(), now=LATER)
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    assert rows(db, "SELECT state FROM certificates ORDER BY id") == [("replaced",), ("issued",)]


def test_what_staff_saw_must_still_be_so(booking: Completed, issued: UUID, db: Database) -> None:
    assert refused(db, issued, WRONG) == "same-name"
    assert refused(db, issued, RIGHT) == "name-changed"
    rename(db, booking)
    rename(db, booking, "Meena R.")
    assert refused(db, issued, RIGHT) == "name-changed"
    assert number(db, "SELECT count(*) FROM certificates") == 1


def test_what_two_people_are_asked_about_is_not_reissued_beside_them(
    booking: Completed, issued: UUID, db: Database, ctx: JobContext
) -> None:
    rename(db, booking)
    request_id = ask(db, issued)
    assert refused(db, issued) == "revocation-asked"
    confirm(db, request_id)
    assert refused(db, issued) == "certificate-revoked"


def test_while_its_successor_is_made_it_is_not_revoked(booking: Completed, issued: UUID, db: Database) -> None:
    rename(db, booking)
    reissue(db, issued)
    with pytest.raises(Conflict) as refusal:
        ask(db, issued)
    assert refusal.value.code == "being-replaced"


@pytest.mark.parametrize("revoked", [False, True])
def test_an_erased_one_is_never_made_anew(issued: UUID, db: Database, revoked: bool) -> None:
    if revoked:
        revoke(db, issued)
    household_id = household_of(db)
    with db.unit_of_work() as work:
        erase_family(work, household_id, reason=ErasureReason.MISTAKE, by=SYSTEM, now=LATER)
    assert refused(db, issued) == "household-erased"


def test_who_may(make: Make, booking: Completed, issued: UUID, db: Database) -> None:
    rename(db, booking)
    own = booking.operator_id
    assert refused(db, issued, by=make.staff(own).actor) == "not-allowed"
    assert refused(db, issued, by=make.auditor().actor) == "not-allowed"
    assert refused(db, issued, by=make.staff().actor) == "not-allowed"
    assert refused(db, issued, by=make.manager(make.franchise()).actor) == "not-found"
    assert refused(db, new_id()) == "not-found"
    reissue(db, issued, by=make.manager(own).actor)


def test_a_number_that_is_taken_is_drawn_again(booking: Completed, issued: UUID, db: Database) -> None:
    ((taken,),) = rows(db, "SELECT number FROM certificates")
    numbers = iter([str(taken), str(taken), draw_number(2027)])
    rename(db, booking)
    with db.unit_of_work() as work:
        reissuing.reissue(
            work,
            issued,
            RIGHT,
            by=somebody(),
            now=LATER,
            public_url=PUBLIC_URL,
            draw=lambda _year: next(numbers),
        )
    assert number(db, "SELECT count(DISTINCT number) FROM certificates") == 2


def test_the_booking_s_promise_kept_twice_makes_no_third(booking: Completed, issued: UUID, db: Database) -> None:
    rename(db, booking)
    reissue(db, issued)
    assert promise(db, booking) == ()


# -- a student's name ----------------------------------------------------------------------------------------------


def test_a_name_is_corrected_once_and_the_audit_keeps_no_name(make: Make, booking: Completed, db: Database) -> None:
    manager = make.manager(booking.operator_id)
    assert rename(db, booking, f"  {RIGHT} ", by=manager.actor)
    assert not rename(db, booking, by=manager.actor)
    assert rows(db, "SELECT name FROM students") == [(RIGHT,)]
    told = rows(db, "SELECT actor_id, before, after FROM audit_entries WHERE what = 'household.student_renamed'")
    assert told == [(manager.id, None, {"student_id": str(booking.student_ids[0])})]


def test_a_bad_name_a_foreign_child_and_an_erased_family_are_refused(
    make: Make, booking: Completed, db: Database
) -> None:
    with pytest.raises(Invalid) as bad:
        rename(db, booking, "\u200b")
    assert bad.value.field == "student_name"
    for by in (make.staff(make.franchise()).actor, make.staff().actor):
        with pytest.raises(NotFound):
            rename(db, booking, by=by)
    other = make.household("Arun", operator_id=booking.operator_id)
    with pytest.raises(NotFound), db.unit_of_work() as work:
        households.rename_student(
            work, other.household_id, booking.student_ids[0], StudentCommand("Arun"), by=SYSTEM, now=LATER
        )
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE households SET erased_at = now()"))
    with pytest.raises(Conflict) as refusal:
        rename(db, booking)
    assert refusal.value.code == "household-erased"


def test_every_role_that_books_may_correct_a_name() -> None:
    from webapp.core.actor import GRANTS, Permission

    may = {role for role in Role if Permission.HOUSEHOLD_WRITE in GRANTS[role]}
    assert may == set(Role) - {Role.AUDITOR}
