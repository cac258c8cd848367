"""Every page with something on it: what axe finds, in light and dark, and how it fits a telephone."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, time, timedelta
from functools import partial
from uuid import UUID

import pytest
from playwright.sync_api import expect
from sqlalchemy import select

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.scene import HINDI, TELUGU, Scene
from tests.e2e.visitor import Visitor
from tests.web.client import NOW
from webapp.assignments import replacing
from webapp.assignments import service as assignments
from webapp.assignments.limits import Limits
from webapp.bookings import enquiries
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.models import Booking, CourseSession
from webapp.bookings.rules import EnquiryStatus
from webapp.bookings.service import PlacedBooking
from webapp.certificates.models import Certificate
from webapp.certificates.promising import promise_for
from webapp.core.geo import Location
from webapp.core.intervals import Interval
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db import work as work_module
from webapp.trainers import service as trainers


class World:
    """A desk with one booking in each state, and everything that hangs on them."""

    def __init__(self, desk: RunningDesk) -> None:
        make = self._make = desk.make
        self._desk = desk
        self.scene = scene = Scene(make)
        desk.make_keys()
        self.admin = make.admin()
        self.company_zone = make.zone(name="Visakhapatnam")
        self.family = make.household(TELUGU, HINDI, operator_id=scene.franchise, guardian="లక్ష్మీ దేవి")

        # The sweeper of this desk would find it a trainer before its page is looked at.
        self.waiting = make.booking(by=scene.staff.actor, retried=False, **scene.lessons())
        _, proposed = make.proposed(scene.trainer, by=scene.staff.actor, **scene.lessons(timeslot=time(18)))
        assert proposed.assignment_id is not None
        self.proposal, self.proposed = proposed.assignment_id, proposed.booking_id
        self.running = self._taught(date(2026, 12, 30), total=10, timeslot=time(8))
        self.other = self._taught(date(2027, 1, 4), total=10, timeslot=time(11))
        self.done = self._taught(date(2026, 12, 2), total=30, timeslot=time(8, 40))
        with desk.database.unit_of_work() as work:
            where = EnquiryCommand(
                status=EnquiryStatus.SERVICE_NOT_AVAILABLE,
                guardian_name="Meena Rao",
                phone="+919848022339",
                address="Kakinada",
                place=Location(14.1, 79.9),
                note="Asked for two children.",
                callback_on=date(2027, 1, 2),
            )
            enquiries.record_enquiry(work, where, by=scene.staff.actor, now=NOW)
        with desk.database.read_only() as db:
            sessions = dict(
                db.execute(
                    select(CourseSession.number, CourseSession.id).where(CourseSession.booking_id == self.running.id)
                ).all()
            )
            self.session, self.ahead = sessions[3], sessions[8]
            self.certificate = db.scalars(select(Certificate.id).order_by(Certificate.id).limit(1)).one()
        self.change = self._changed(sessions)

    def _changed(self, sessions: dict[int, UUID]) -> UUID:
        """Somebody proposed for one session of the running booking, another that needs cover, a family kept apart."""
        by, trainer = self.scene.staff.actor, self.scene.trainer
        last = self.running.sessions[9]
        with self._desk.database.unit_of_work() as work:
            version = work.db.scalars(select(Booking.version).where(Booking.id == self.running.id)).one()
            made = replacing.propose_substitute(
                work,
                self.running.id,
                [sessions[9]],
                trainer_id=None,
                version=version,
                reason="Has to be at the bank",
                by=by,
                now=NOW,
                limits=Limits(),
            )
        with self._desk.database.unit_of_work() as work:
            away = Interval(last.starts_at, last.ends_at)
            trainers.record_time_off(work, trainer, away, "A wedding", by=by, now=NOW)
            apart = self._make.household("Meena", operator_id=self.scene.franchise)
            trainers.block(work, trainer, apart.household_id, "They asked for somebody else", by=by, now=NOW)
        self.apart = apart.household_id
        assert made.assignment_id is not None
        return made.assignment_id

    def _taught(self, starts_on: date, *, total: int, timeslot: time) -> PlacedBooking:
        """A booking whose sessions before New Year's Day have been taught, the thirty all of them."""
        by, placed_at = self.scene.staff.actor, NOW - timedelta(days=60)
        lessons = self.scene.lessons(
            household=self.family, total_sessions=total, start_date=starts_on, timeslot=timeslot
        )
        booking, found = self._make.proposed(self.scene.trainer, by=by, now=placed_at, **lessons)
        assert found.assignment_id is not None
        with self._desk.database.unit_of_work() as work:
            boss = self.scene.manager.actor
            assignments.approve(work, found.assignment_id, version=1, by=boss, now=placed_at, limits=Limits())
        with self._desk.database.read_only() as db:
            sessions = db.execute(
                select(CourseSession.id, CourseSession.number, CourseSession.ends_at)
                .where(CourseSession.booking_id == booking.id)
                .order_by(CourseSession.number)
            ).all()
        kept = partial(promise_for, max_absences=6, public_url=self._desk.url)
        for session_id, number, ends_at in sessions:
            if ends_at.date() >= NOW.date() and total == 10:
                break
            marks = dict.fromkeys(self.family.student_ids, AttendanceMark.PRESENT)
            if number % 7 == 1:
                marks[self.family.student_ids[0]] = AttendanceMark.EXCUSED
            with self._desk.database.unit_of_work() as work:
                course_sessions.mark(
                    work,
                    session_id,
                    Outcome.COMPLETED,
                    marks,
                    by=by,
                    now=NOW if number == total else ends_at,
                    on_completed=kept,
                )
        return booking

    def pages(self) -> Iterator[tuple[str, str]]:
        """Name and address of every page an admin reads."""
        yield "home", "/"
        yield "new-booking", "/bookings/new"
        yield "bookings", "/bookings"
        yield "booking-waiting", f"/bookings/{self.waiting.id}"
        yield "booking-pending", f"/bookings/{self.proposed}"
        yield "booking-running", f"/bookings/{self.running.id}"
        yield "booking-done", f"/bookings/{self.done.id}"
        yield "booking-edit", f"/bookings/{self.waiting.id}/edit"
        yield "booking-propose", f"/bookings/{self.waiting.id}/propose"
        yield "booking-replace", f"/bookings/{self.other.id}/replace"
        yield "booking-substitute", f"/bookings/{self.running.id}/substitute?session={self.ahead}"
        yield "booking-pause", f"/bookings/{self.running.id}/pause"
        yield "session-move", f"/sessions/{self.ahead}/move"
        yield "session-cancel", f"/sessions/{self.ahead}/cancel"
        yield "cover", "/cover"
        yield "enquiries", "/enquiries"
        yield "approvals", "/approvals"
        yield "proposal", f"/approvals/{self.proposal}"
        yield "proposal-substitute", f"/approvals/{self.change}"
        yield "sessions", "/sessions"
        yield "sessions-waiting", "/sessions?view=waiting"
        yield "session", f"/sessions/{self.session}"
        yield "families", "/households"
        yield "family", f"/households/{self.family.household_id}"
        yield "family-apart", f"/households/{self.apart}"
        yield "family-keep-apart", f"/households/{self.apart}/apart"
        yield "trainers", "/trainers"
        yield "trainer", f"/trainers/{self.scene.trainer}"
        yield "zones", "/zones"
        yield "zone", f"/zones/{self.scene.zone}"
        yield "zone-lookup", f"/zones/lookup?place={self.scene.center.lat},{self.scene.center.lng}"
        yield "courses", "/courses"
        yield "course", f"/courses/{self.scene.course}"
        yield "operators", "/operators"
        yield "operator", f"/operators/{self.scene.franchise}"
        yield "certificates", "/certificates"
        yield "certificate", f"/certificates/{self.certificate}"
        yield "certificate-revoke", f"/certificates/{self.certificate}/revoke"
        yield "certificate-reissue", f"/certificates/{self.certificate}/reissue"
        yield "confirmations", "/certificates/confirmations"
        family = self.family
        yield "student-name", f"/households/{family.household_id}/students/{family.student_ids[0]}/name"


@pytest.fixture(scope="module")
def world(desk: RunningDesk) -> World:
    """Made once: the tests of this module only read."""
    before = work_module.database()
    work_module.bind(desk.database)
    made = World(desk)
    work_module.bind(before)
    return made


def faults_of(visitor: Visitor, name: str) -> list[str]:
    """What is wrong with the page that is open; pictures of it are kept."""
    visitor.shoot(f"page-{name}")
    found = [f"{name}: {fault}" for fault in visitor.violations()]
    with visitor.in_dark():
        visitor.shoot(f"page-{name}-dark")
        found += [f"{name}, dark: {fault}" for fault in visitor.violations()]
    with visitor.at_360():
        visitor.shoot(f"page-{name}-360")
        found += [f"{name} at 360 px: {fault}" for fault in [*visitor.violations(), *visitor.overflow()]]
    return found


def test_nothing_stands_in_anybody_s_way_on_any_page(world: World, visit: Visit) -> None:
    admin, found = visit(world.admin), []
    for name, path in world.pages():
        answer = admin.page.goto(path)
        assert answer is not None
        assert answer.status == 200, f"{path} answers {answer.status}"
        found += faults_of(admin, name)
    assert not found, "\n".join(found)


def test_nothing_stands_in_a_visitor_s_way_on_the_public_pages(world: World, visit: Visit) -> None:
    stranger, found = visit(), []
    for name, path in (("sign-in", "/sign-in"), ("verify", "/verify"), ("verify-unknown", "/verify/ZD-27-AAAAA-AAAAA")):
        stranger.page.goto(path)
        found += faults_of(stranger, name)
    stranger.page.goto("/sign-in")
    stranger.page.get_by_label("E-mail").fill("nobody@example.org")
    stranger.page.get_by_label("Password").fill("not the password")
    stranger.page.get_by_role("button", name="Sign in").click()
    expect(stranger.page.locator("[data-error-summary]")).to_be_focused()
    found += faults_of(stranger, "sign-in-refused")
    assert not found, "\n".join(found)


@pytest.mark.parametrize("who", ["staff", "manager", "auditor"])
def test_every_role_has_a_home_page_that_leads_only_where_it_may_go(world: World, visit: Visit, who: str) -> None:
    people = {"staff": world.scene.staff, "manager": world.scene.manager, "auditor": world._make.auditor()}
    person = visit(people[who])
    found = faults_of(person, f"home-{who}")
    links = person.page.locator("main a, nav a")
    here = {str(url) for url in links.evaluate_all("all => all.map((a) => a.href)")}
    for url in sorted(here):
        answer = person.page.goto(url)
        assert answer is not None
        assert answer.status == 200, f"{url} answers {answer.status} to {who}"
    assert not found, "\n".join(found)
