"""A family with a bit of everything, whose names and words are found nowhere else in the database."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, time, timedelta
from uuid import UUID

from sqlalchemy import text

from tests.jobs.builders import DONE, PUBLIC_URL, PlainKeys, PlainRenderer, revoke, rows
from tests.jobs.letter_box import Box
from tests.make import Make, Person
from tests.web.client import NOW
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.assignments.service import Proposed
from webapp.bookings import enquiries
from webapp.bookings import service as bookings
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import ClassType, DeliveryMode, EnquiryStatus
from webapp.bookings.service import BookingCommand
from webapp.certificates.jobs import issue
from webapp.certificates.letter_jobs import send as send_letters
from webapp.certificates.promising import promise_for
from webapp.clients.files import FileStore
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.db.job_context import JobContext
from webapp.db.work import Database, Work
from webapp.households import service as households
from webapp.households.rules import GuardianCommand, HouseholdCommand, Language, StudentCommand
from webapp.tables import metadata
from webapp.trainers import service as trainers

GUARDIAN = "Sitalakshmi Devarakonda"
STUDENTS = ("Arunkumar Devarakonda", "Meenakshi Devarakonda")
PHONE = "+919848012345"
LATER = DONE + timedelta(days=1)
"""When everything of the story is over."""
PLACE = Location(17.612345, 83.212345)

SECRETS = (
    "Devarakonda",
    "Sitalakshmi",
    "Venkateswarlu",
    "Arunkumar",
    "Meenakshi",
    "9848012345",
    "9848054321",
    "families.example",
    "Secret Lane",
    "17.612345",
    "83.212345",
)
"""What tells who the family is. Words that staff typed about it name it, as such words do."""


@dataclass(frozen=True, slots=True)
class Family:
    """The family, and whose it is."""

    id: UUID
    operator_id: UUID
    admin: Person
    manager: Person
    staff: Person
    other_id: UUID
    """Another family of the same operator, which nothing may happen to."""


def family_with_everything(make: Make, db: Database, settings: Settings, store: FileStore) -> Family:
    """A cancelled booking with a rejected proposal, a completed one with certificates, enquiries, a trainer apart."""
    operator_id = make.franchise("Coastal Tutors")
    staff, manager, admin = make.staff(operator_id), make.manager(operator_id), make.admin()
    zone_id = make.zone(operator_id=operator_id, center=Location(17.60, 83.20))
    course_id = make.course("Abacus")
    trainer_id, apart_id = (
        make.trainer((zone_id,), (course_id,), operator_id=operator_id, name=name, base=Location(17.60, 83.20))
        for name in ("Lakshmi R.", "Ravi K.")
    )
    other = make.household(
        "Bhavani Gorantla", operator_id=operator_id, guardian="Gopal Gorantla", phone="+919999900000"
    )
    with db.unit_of_work() as work:
        made = households.register(
            work,
            HouseholdCommand(
                guardians=(
                    GuardianCommand(GUARDIAN, PHONE, "sita@families.example", Language.TELUGU, True),
                    GuardianCommand("Venkateswarlu Devarakonda", "+919848054321", None, Language.HINDI, False),
                ),
                students=tuple(StudentCommand(name) for name in STUDENTS),
            ),
            operator_id=operator_id,
            by=staff.actor,
            now=NOW,
        )
    with db.unit_of_work() as work:
        why = "Ravi quarrelled with Sitalakshmi"
        trainers.block(work, apart_id, made.household_id, why, by=staff.actor, now=NOW)
        _enquire(work, staff)
    cancelled = _propose(db, staff, _command(made, zone_id, course_id, time(9), 10), trainer_id)
    completed = _propose(db, staff, _command(made, zone_id, course_id, time(16), 30), trainer_id)
    _cancel(db, cancelled, staff, manager)
    _complete(db, completed, trainer_id, staff, manager, made.student_ids[0])
    sending = settings.model_copy(update={"certificate_mail_on_issue": True})
    issue(JobContext(sending, db, lambda: DONE), store=store, renderer=PlainRenderer(), keys=PlainKeys())
    send_letters(JobContext(sending, db, lambda: DONE), mail=Box(), store=store)
    return Family(made.household_id, operator_id, admin, manager, staff, other.household_id)


def _enquire(work: Work, staff: Person) -> None:
    asked = EnquiryCommand(
        EnquiryStatus.SERVICE_NOT_AVAILABLE,
        guardian_name=GUARDIAN,
        phone=PHONE,
        address="77 Secret Lane",
        place=PLACE,
        note="Mrs Devarakonda asks for mornings",
        callback_on=date(2027, 1, 2),
    )
    enquiries.record_enquiry(work, asked, by=staff.actor, now=NOW)


def _command(
    made: households.RegisteredHousehold, zone_id: UUID, course_id: UUID, timeslot: time, total: int
) -> BookingCommand:
    return BookingCommand(
        household_id=made.household_id,
        student_ids=made.student_ids,
        course_id=course_id,
        class_type=ClassType.ONE_ON_TWO,
        delivery_mode=DeliveryMode.WEEKDAY_DAILY,
        total_sessions=total,
        start_date=date(2027, 1, 4),
        timeslot=timeslot,
        address="77 Secret Lane",
        place=PLACE,
        zone_id=zone_id,
        prefers_language="te",
        prefers_gender="female",
        prefers_taught_before=True,
    )


def _propose(db: Database, staff: Person, command: BookingCommand, trainer_id: UUID) -> Proposed:
    """Place and propose in one transaction: where a worker runs, it must not find the booking waiting in between."""
    with db.unit_of_work() as work:
        booking = bookings.place_booking(work, command, by=staff.actor, now=NOW)
        return assignments.propose(work, booking.id, trainer_id=trainer_id, by=staff.actor, now=NOW, limits=Limits())


def _cancel(db: Database, proposed: Proposed, staff: Person, manager: Person) -> None:
    """Reject and cancel, each with a reason that names somebody."""
    assert proposed.assignment_id is not None
    ids = {"id": proposed.booking_id}
    with db.unit_of_work() as work:
        why = "Sitalakshmi wants later"
        assignments.reject(work, proposed.assignment_id, version=1, reason=why, by=manager.actor, now=NOW)
        work.db.flush()  # the version below is read from the row
        (version,) = work.db.execute(text("SELECT version FROM bookings WHERE id = :id"), ids).one()
        why = "The Devarakonda family moves"
        assignments.cancel_booking(work, proposed.booking_id, version=version, reason=why, by=staff.actor, now=NOW)


def _complete(
    db: Database, proposed: Proposed, trainer_id: UUID, staff: Person, manager: Person, student_id: UUID
) -> None:
    """Approve; then every session is taught, one mark is given, and the certificates are promised."""
    assert proposed.assignment_id is not None
    booking_id = proposed.booking_id
    with db.unit_of_work() as work:
        assignments.approve(work, proposed.assignment_id, version=1, by=manager.actor, now=NOW, limits=Limits())
    with db.unit_of_work() as work:
        ids = {"booking": booking_id, "now": DONE, "trainer": trainer_id, "student": student_id, "who": staff.id}
        for statement in (
            "UPDATE course_sessions SET status = 'completed', completed_at = ends_at, taught_by = :trainer,"
            " cancelled_reason = CASE number WHEN 3 THEN 'Arunkumar was ill' END WHERE booking_id = :booking",
            "UPDATE bookings SET status = 'completed', completed_at = :now WHERE id = :booking",
            "UPDATE assignments SET purpose = 'As Mr Devarakonda asked' WHERE booking_id = :booking",
            "INSERT INTO attendance"
            " (operator_id, booking_id, course_session_id, student_id, mark, marked_by, marked_at)"
            " SELECT operator_id, booking_id, id, :student, 'present', :who, :now FROM course_sessions"
            " WHERE booking_id = :booking AND number = 1",
        ):
            used = {name: value for name, value in ids.items() if f":{name}" in statement}
            work.db.execute(text(statement), used)
        promise_for(work, booking_id, by=SYSTEM, now=DONE, public_url=PUBLIC_URL)


def revoke_one(db: Database) -> None:
    """Revoke one of the family's certificates, with words that name somebody."""
    ((certificate_id,),) = rows(db, "SELECT min(id::text)::uuid FROM certificates")
    assert isinstance(certificate_id, UUID)
    revoke(db, certificate_id, words="Meenakshi never came", now=LATER)


def everything(db: Database) -> dict[str, list[str]]:
    """Every row of every table as text."""
    with db.read_only() as session:
        return {
            table.name: sorted(session.scalars(text(f"SELECT to_jsonb(t)::text FROM {table.name} t")))
            for table in metadata.sorted_tables
        }


def tells(rows: dict[str, list[str]]) -> dict[str, set[str]]:
    """In which tables which of the secrets are found."""
    found = {name: {secret for secret in SECRETS if any(secret in row for row in of)} for name, of in rows.items()}
    return {name: secrets for name, secrets in found.items() if secrets}
