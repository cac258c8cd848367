"""The roster on the database: putting trainers on it, changing them, their time off, and who sees them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from uuid import UUID

import pytest
from sqlalchemy import select, text

from tests.make import EVERY_DAY, HOME, KOLKATA, Make
from tests.web.client import NOW, Bell
from webapp.audit.models import AuditEntry
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.intervals import Interval
from webapp.core.job_names import JobName
from webapp.db.work import Database, Work
from webapp.households.rules import Gender, Language
from webapp.trainers import queries, service
from webapp.trainers.rules import TrainerCommand, WorkingHours
from webapp.trainers.week import HourState, Week, WeekSlot, grid, week_of


def command(zone_ids: tuple[UUID, ...], course_ids: tuple[UUID, ...] = (), **other: object) -> TrainerCommand:
    made = TrainerCommand(COMPANY_ID, "Lakshmi R.", HOME, Gender.FEMALE, (Language.TELUGU,), course_ids, zone_ids, ())
    return replace(made, **other)  # type: ignore[arg-type]  # fields by name


def create(db: Database, asked: TrainerCommand) -> UUID:
    with db.unit_of_work() as work:
        return service.create(work, asked, by=SYSTEM, now=NOW)


def test_a_trainer_gets_the_time_zone_of_their_zones(db: Database, make: Make) -> None:
    zones = (make.zone(time_zone="Asia/Dubai"), make.zone(time_zone="Asia/Dubai"))
    course = make.course("Maths")
    trainer_id = create(db, command(zones, (course, course), hours=(WorkingHours(0, time(18), time(0)),)))
    with db.read_only() as session:
        found = queries.trainer(session, trainer_id, visible_to=SYSTEM)
        assert queries.as_command(session, trainer_id).hours == (WorkingHours(0, time(18), time(0)),)
    assert found.time_zone == "Asia/Dubai"
    assert [named.name for named in found.courses] == ["Maths"]
    assert {named.id for named in found.zones} == set(zones)
    assert (found.gender, found.languages, found.base) == (Gender.FEMALE, (Language.TELUGU,), HOME)


def test_zones_of_two_time_zones_are_refused(db: Database, make: Make) -> None:
    with pytest.raises(Invalid) as refused:
        create(db, command((make.zone(), make.zone(time_zone="Asia/Dubai"))))
    assert (refused.value.field, refused.value.code) == ("zones", "zones-time-zone")


@pytest.mark.parametrize("whose", ["nobody's", "a franchise's"])
def test_zones_of_others_are_refused(db: Database, make: Make, whose: str) -> None:
    zone = new_id() if whose == "nobody's" else make.zone(operator_id=make.franchise())
    with pytest.raises(Invalid) as refused:
        create(db, command((make.zone(), zone)))
    assert (refused.value.field, refused.value.code) == ("zones", "zones-unknown")


def test_a_fourth_certification_and_an_unknown_course_are_refused(db: Database, make: Make) -> None:
    zone = make.zone()
    with pytest.raises(Invalid) as refused:
        create(db, command((zone,), tuple(make.course() for _ in range(4))))
    assert refused.value.code == "too-many-courses"
    with pytest.raises(Invalid) as refused:
        create(db, command((zone,), (new_id(),)))
    assert (refused.value.field, refused.value.code) == ("courses", "courses-unknown")


def test_only_ones_own_operator_gets_a_trainer(db: Database, make: Make) -> None:
    manager = make.manager()
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.create(work, command((make.zone(),)), by=manager.actor, now=NOW)


def test_a_change_replaces_the_lists_and_is_audited(db: Database, make: Make) -> None:
    first, second, course = make.zone(), make.zone(), make.course()
    asked = command((first,), (course,), hours=EVERY_DAY)
    trainer_id = create(db, asked)
    changed = replace(asked, zone_ids=(second,), course_ids=(), hours=EVERY_DAY[:2], base=None)
    with db.unit_of_work() as work:
        assert not service.change(work, trainer_id, asked, by=SYSTEM, now=NOW)
        assert service.change(work, trainer_id, changed, by=SYSTEM, now=NOW)
    with db.read_only() as session:
        assert queries.as_command(session, trainer_id) == changed
        entry = session.scalars(select(AuditEntry).where(AuditEntry.what == "trainer.changed")).one()
    assert set(entry.after or {}) == {"zone_ids", "course_ids", "hours", "base"}
    assert (entry.before or {})["course_ids"] == [str(course)]


def test_notes_are_kept_and_the_audit_tells_only_that_they_changed(db: Database, make: Make) -> None:
    asked = command((make.zone(),), notes="The Raos asked for her.\nHas a car.")
    trainer_id = create(db, asked)
    with db.unit_of_work() as work:
        assert service.change(work, trainer_id, replace(asked, notes="Has a scooter."), by=SYSTEM, now=NOW)
    with db.read_only() as session:
        assert queries.as_command(session, trainer_id).notes == "Has a scooter."
        entries = session.scalars(select(AuditEntry).where(AuditEntry.subject_kind == "trainer")).all()
    told = {entry.what: (entry.before, entry.after) for entry in entries}
    assert told["trainer.changed"] == ({}, {"notes_changed": True})
    created = told["trainer.created"][1] or {}
    assert (created["notes_changed"], "notes" in created) == (True, False)
    assert "notes_changed" not in (entry_of(db, create(db, replace(asked, notes=""))).after or {})


def entry_of(db: Database, trainer_id: UUID) -> AuditEntry:
    with db.read_only() as session:
        return session.scalars(select(AuditEntry).where(AuditEntry.subject_id == trainer_id)).one()


def test_nobody_writes_over_a_change_they_have_not_seen(db: Database, make: Make) -> None:
    asked = command((make.zone(), make.zone()), (make.course(), make.course()), hours=EVERY_DAY)
    trainer_id = create(db, asked)
    seen = service.seen_of(asked)
    turned = replace(asked, zone_ids=asked.zone_ids[::-1], course_ids=asked.course_ids[::-1])
    assert service.seen_of(turned) == seen, "the order of lists is nothing to see"
    with db.unit_of_work() as work:
        service.change(work, trainer_id, replace(asked, name="Lakshmi Rao"), by=SYSTEM, now=NOW, seen=seen)
    with pytest.raises(Conflict) as refused, db.unit_of_work() as work:
        service.change(work, trainer_id, replace(asked, notes="Late"), by=SYSTEM, now=NOW, seen=seen)
    assert refused.value.code == "trainer-changed"


def test_what_the_service_says_hinders_no_change_of_the_rest(db: Database, make: Make) -> None:
    courses = tuple(make.course() for _ in range(4))
    asked = command((make.zone(),), courses)
    with db.unit_of_work() as work:
        trainer_id = service.create(work, asked, by=SYSTEM, now=NOW, max_courses=4)
        work.db.execute(text("DELETE FROM trainer_zones"))
    bare = replace(asked, zone_ids=())
    with db.unit_of_work() as work:
        assert service.change(work, trainer_id, replace(bare, notes="Has a car."), by=SYSTEM, now=NOW)
    with pytest.raises(Invalid, match="at most 3"), db.unit_of_work() as work:
        service.change(work, trainer_id, replace(bare, course_ids=(*courses[:3], make.course())), by=SYSTEM, now=NOW)


def test_who_is_made_active_again_has_not_left(db: Database, make: Make) -> None:
    asked = command((make.zone(),))
    trainer_id = create(db, asked)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE trainers SET active = false, left_at = now()"))
    with db.unit_of_work() as work:
        service.change(work, trainer_id, replace(asked, active=False, notes="Moved."), by=SYSTEM, now=NOW)
        assert work.db.scalar(text("SELECT left_at IS NOT NULL FROM trainers"))
        service.change(work, trainer_id, replace(asked, notes="Back."), by=SYSTEM, now=NOW)
        assert work.db.scalar(text("SELECT active AND left_at IS NULL FROM trainers"))


def test_a_form_sent_twice_makes_one_trainer_and_one_absence(db: Database, make: Make) -> None:
    zone, key = make.zone(), new_id()
    with db.unit_of_work() as work:
        assert service.create(work, command((zone,)), by=SYSTEM, now=NOW, key=key) == key
    with pytest.raises(Conflict) as refused, db.unit_of_work() as work:
        service.create(work, command((zone,), name="Another"), by=SYSTEM, now=NOW, key=key)
    assert refused.value.code == "trainer-entered"
    manager = make.manager()
    theirs = command((make.zone(operator_id=manager.operator_id),), operator_id=manager.operator_id)
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.create(work, theirs, by=manager.actor, now=NOW, key=key)
    sick, absence = Interval(NOW, NOW + timedelta(days=3)), new_id()
    for _ in range(2):
        with db.unit_of_work() as work:
            found = service.record_time_off(work, key, sick, "fever", by=SYSTEM, now=NOW, key=absence)
            assert found == absence
    longer = Interval(NOW, NOW + timedelta(days=4))
    for period, reason in ((longer, "fever"), (sick, "wedding")):
        with pytest.raises(Conflict) as refused, db.unit_of_work() as work:
            service.record_time_off(work, key, period, reason, by=SYSTEM, now=NOW, key=absence)
        assert refused.value.code == "time-off-recorded"
    other = create(db, command((zone,)))
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.record_time_off(work, other, sick, "fever", by=SYSTEM, now=NOW, key=absence)
    with db.read_only() as session:
        counted = "SELECT (SELECT count(*) FROM trainers), (SELECT count(*) FROM time_off), (SELECT count(*)"
        told = session.execute(text(f"{counted} FROM audit_entries WHERE what LIKE 'trainer.%')")).one()
    assert tuple(told) == (2, 1, 3)


def test_time_off_is_taken_back_once_and_the_waitlist_hears_of_it(db: Database, make: Make, bells: list[Bell]) -> None:
    trainer_id, sick = make.trainer((make.zone(),), ()), Interval(NOW, NOW + timedelta(days=3))
    with db.unit_of_work() as work:
        absence = service.record_time_off(work, trainer_id, sick, "fever", by=SYSTEM, now=NOW)
    bells.clear()
    with db.unit_of_work() as work:
        assert service.remove_time_off(work, trainer_id, absence, by=SYSTEM, now=NOW)
    with db.unit_of_work() as work:
        assert not service.remove_time_off(work, trainer_id, absence, by=SYSTEM, now=NOW)
    assert bells == [(JobName.RETRY_WAITLIST, {"operator_id": str(COMPANY_ID)})]
    with db.read_only() as session:
        entry = session.scalars(select(AuditEntry).where(AuditEntry.what == "trainer.time_off_removed")).one()
        assert queries.time_off_of(session, trainer_id, sick, visible_to=SYSTEM) == ()
        told = session.scalars(text("SELECT concat(before, after) FROM audit_entries WHERE what LIKE '%.time_off_%'"))
        assert not any("fever" in entry for entry in told), "why may tell of somebody's health, and the audit is sealed"
    assert set(entry.before or {}) == {"id", "starts_at", "ends_at", "reason_given"}


def test_time_off_of_the_service_or_of_another_trainer_stays(db: Database, make: Make) -> None:
    zone, sick = make.zone(), Interval(NOW, NOW + timedelta(days=3))
    trainer_id, other = make.trainer((zone,), ()), make.trainer((zone,), ())
    with db.unit_of_work() as work:
        absence = service.record_time_off(work, trainer_id, sick, "fever", by=SYSTEM, now=NOW)
        assert not service.remove_time_off(work, other, absence, by=SYSTEM, now=NOW)
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE time_off SET from_service = true"))
    with pytest.raises(Conflict) as refused, db.unit_of_work() as work:
        service.remove_time_off(work, trainer_id, absence, by=SYSTEM, now=NOW)
    assert refused.value.code == "owned-by-service"
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.remove_time_off(work, trainer_id, absence, by=make.manager().actor, now=NOW)
    with db.read_only() as session:
        assert len(queries.time_off_of(session, trainer_id, sick, visible_to=SYSTEM)) == 1


def test_a_trainer_stays_with_their_operator(db: Database, make: Make) -> None:
    asked = command((make.zone(),))
    trainer_id = create(db, asked)
    with pytest.raises(Invalid, match="stays with their operator"), db.unit_of_work() as work:
        service.change(work, trainer_id, replace(asked, operator_id=make.franchise()), by=SYSTEM, now=NOW)


def test_time_off_is_stored_and_read_back_within_a_period(db: Database, make: Make) -> None:
    trainer_id, stranger = make.trainer((make.zone(),), ()), make.staff(make.franchise()).actor
    sick = Interval(NOW, NOW + timedelta(days=3))
    with db.unit_of_work() as work:
        service.record_time_off(work, trainer_id, sick, " fever ", by=SYSTEM, now=NOW)
    with db.read_only() as session:
        (away,) = queries.time_off_of(session, trainer_id, Interval(NOW, NOW + timedelta(hours=1)), visible_to=SYSTEM)
        after = Interval(sick.ends_at, sick.ends_at + timedelta(days=1))
        assert queries.time_off_of(session, trainer_id, after, visible_to=SYSTEM) == ()
        assert queries.time_off_of(session, trainer_id, sick, visible_to=stranger) == ()
    assert (away.period, away.reason) == (sick, "fever")


def test_a_block_is_kept_once_and_never_across_operators(db: Database, make: Make) -> None:
    trainer_id, family = make.trainer((make.zone(),), ()), make.household()
    theirs = make.household(operator_id=make.franchise())
    with db.unit_of_work() as work:
        for _ in range(2):
            service.block(work, trainer_id, family.household_id, "asked for it", by=SYSTEM, now=NOW)
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.block(work, trainer_id, theirs.household_id, "asked for it", by=SYSTEM, now=NOW)
    with db.read_only() as session:
        assert session.scalar(text("SELECT count(*) FROM trainer_blocks")) == 1
        entries = session.scalars(select(AuditEntry.what).where(AuditEntry.what == "trainer.blocked")).all()
    assert len(entries) == 1


def test_another_reason_for_a_block_is_refused_not_dropped(db: Database, make: Make) -> None:
    trainer_id, family = make.trainer((make.zone(),), ()), make.household()
    with db.unit_of_work() as work:
        service.block(work, trainer_id, family.household_id, "asked for it", by=SYSTEM, now=NOW)
    with pytest.raises(Invalid) as refused, db.unit_of_work() as work:
        service.block(work, trainer_id, family.household_id, "quarrelled", by=SYSTEM, now=NOW + timedelta(days=1))
    assert (refused.value.code, refused.value.field) == ("already-apart", "trainer")
    assert refused.value.params == {"since": NOW}


def test_a_foreign_trainer_is_not_there(db: Database, make: Make) -> None:
    trainer_id, stranger = make.trainer((make.zone(),), ()), make.staff(make.franchise()).actor
    family, period = make.household().household_id, Interval(NOW, NOW + timedelta(days=1))
    verbs: list[Callable[[Work], object]] = [
        lambda work: service.change(work, trainer_id, command(()), by=stranger, now=NOW),
        lambda work: service.record_time_off(work, trainer_id, period, "", by=stranger, now=NOW),
        lambda work: service.block(work, trainer_id, family, "x", by=stranger, now=NOW),
        lambda work: queries.trainer(work.db, trainer_id, visible_to=stranger),
    ]
    for verb in verbs:
        with pytest.raises(NotFound), db.unit_of_work() as work:
            verb(work)


def test_the_list_is_filtered_by_name_zone_and_course(db: Database, make: Make) -> None:
    zone, other, course = make.zone(name="Z1"), make.zone(name="Z2"), make.course("Maths")
    make.trainer((zone, other), (course,), name="Lakshmi R.")
    make.trainer((other,), (), name="Ravi", without_base=True, hours=())
    franchise = make.franchise()
    make.trainer((make.zone(operator_id=franchise),), (course,), operator_id=franchise, name="Meena")

    def names(**wanted: object) -> list[str]:
        with db.read_only() as session:
            rows, total = queries.trainers_index(session, visible_to=make_actor, **wanted)  # type: ignore[arg-type]
        assert len(rows) == total
        return [row.name for row in rows]

    make_actor = make.staff().actor
    assert names() == ["Lakshmi R.", "Ravi"]
    assert names(search="LAKSH") == ["Lakshmi R."]
    assert names(search="%") == []
    assert names(zone_id=zone) == ["Lakshmi R."]
    assert names(zone_id=other, course_id=course) == ["Lakshmi R."]
    make_actor = SYSTEM
    assert names(course_id=course) == ["Lakshmi R.", "Meena"]
    with db.read_only() as session:
        rows, _total = queries.trainers_index(session, visible_to=SYSTEM, search="ravi")
    assert (rows[0].has_base, rows[0].has_hours, rows[0].zones, rows[0].courses) == (False, False, ("Z2",), ())


# The week


WEEK = Week(date(2027, 1, 4), KOLKATA)


def at(day: int, hour: int, minute: int = 0) -> datetime:
    """An instant of January 2027 by the clock of Kolkata."""
    return datetime(2027, 1, day, hour, minute, tzinfo=UTC) - timedelta(hours=5, minutes=30)


def slot(day: int, hour: int, minute: int = 0, status: str = "booked") -> WeekSlot:
    starts_at = at(day, hour, minute)
    return WeekSlot(new_id(), "ABCD-1234", status, Interval(starts_at, starts_at + timedelta(minutes=40)))


@pytest.mark.parametrize(
    ("text_", "monday"),
    [
        ("2027-W01", date(2027, 1, 4)),
        ("2026-W53", date(2026, 12, 28)),
        ("2027-W53", date(2026, 12, 28)),
        ("", date(2026, 12, 28)),
        ("0001-W01", date(2026, 12, 28)),
        ("9999-W52", date(2026, 12, 28)),
        ("'; drop", date(2026, 12, 28)),
    ],
)
def test_an_address_names_a_week_or_means_the_present_one(text_: str, monday: date) -> None:
    assert week_of(text_, KOLKATA, now=NOW).monday == monday


def test_a_week_knows_its_name_and_its_neighbours() -> None:
    assert (WEEK.before, WEEK.name, WEEK.after) == ("2026-W53", "2027-W01", "2027-W02")
    assert WEEK.period == Interval(at(4, 0), at(11, 0))


def test_a_week_with_a_clock_change_is_an_hour_shorter() -> None:
    assert Week(date(2027, 3, 8), "America/New_York").period.duration == timedelta(days=7, hours=-1)


def test_the_grid_shows_lessons_hours_off_and_away() -> None:
    hours = tuple(WorkingHours(weekday, time(15, 30), time(18)) for weekday in range(6))
    lessons = [slot(4, 16), slot(4, 16, 40, "held"), slot(10, 9)]
    rows = grid(WEEK, lessons, hours, [Interval(at(5, 16), at(6, 0))])
    assert [row.hour for row in rows] == [time(hour) for hour in range(9, 18)]
    by_hour = {row.hour.hour: row.cells for row in rows}
    assert [(lesson.starts, lesson.slot.status) for lesson in by_hour[16][0].lessons] == [
        (time(16), "booked"),
        (time(16, 40), "held"),
    ]
    assert [cell.state for cell in by_hour[16]] == [
        HourState.OPEN,
        HourState.AWAY,
        *[HourState.OPEN] * 4,
        HourState.OFF,
    ]
    assert by_hour[15][1].state is HourState.OPEN
    assert by_hour[9][6].state is HourState.OFF
    assert [lesson.starts for lesson in by_hour[9][6].lessons] == [time(9)]
    assert sum(len(cell.lessons) for row in rows for cell in row.cells) == 3


def test_hours_until_midnight_end_with_the_day() -> None:
    rows = grid(WEEK, [], (WorkingHours(0, time(22), time(0)),), [])
    assert [row.hour for row in rows] == [time(22), time(23)]
    assert [row.cells[0].state for row in rows] == [HourState.OPEN, HourState.OPEN]


def test_an_hour_that_a_clock_change_leaves_out_is_off() -> None:
    hours = tuple(WorkingHours(weekday, time(1), time(4)) for weekday in range(7))
    rows = grid(Week(date(2027, 3, 8), "America/New_York"), [], hours, [])
    assert [row.cells[6].state for row in rows] == [HourState.OPEN, HourState.OFF, HourState.OPEN]


def test_a_trainer_without_hours_and_lessons_has_no_grid() -> None:
    assert grid(WEEK, [], (), [Interval(at(4, 0), at(5, 0))]) == ()
