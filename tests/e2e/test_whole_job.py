"""The whole job of the desk as three people do it: book, propose, approve, teach, certify, verify."""

from __future__ import annotations

import re
import subprocess
import unicodedata
from datetime import UTC, datetime, time, timedelta
from pathlib import Path
from uuid import UUID

import pytest
import zxingcpp
from playwright.sync_api import Page, expect
from sqlalchemy import select

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.make import HOME, Make
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.core.actor import Actor
from webapp.core.geo import Location
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db.work import Work
from webapp.trainers.rules import WorkingHours

TELUGU, HINDI = "అరుణ్ కుమార్", "दिव्या शर्मा"
NEAR, FURTHER = "Lakshmi Ravulapalli", "Ravi Teja"
LAST_SESSION = datetime(2027, 2, 2, 17, 15, tzinfo=UTC) - timedelta(hours=5, minutes=30)
"""A quarter past five in the afternoon in Kolkata, on the day of the thirtieth session."""


class Scene:
    """A franchise with a zone, a course and three trainers, and the people of this story."""

    def __init__(self, make: Make) -> None:
        self.franchise = make.franchise("Godavari Tutors")
        self.center = make.place_of(self.franchise)
        self.zone = make.zone(operator_id=self.franchise, name="Rajahmundry Central", radius_km=5.0)
        self.course = make.course("Spoken English")
        near, further = (Location(self.center.lat + north, self.center.lng) for north in (0.004, 0.02))
        mine = {"operator_id": self.franchise}
        self.trainer = make.trainer((self.zone,), (self.course,), name=NEAR, base=near, **mine)
        make.trainer((self.zone,), (self.course,), name=FURTHER, base=further, **mine)
        mornings = tuple(WorkingHours(weekday, time(7), time(11)) for weekday in range(7))
        make.trainer((self.zone,), (self.course,), name="Anand Mornings", hours=mornings, **mine)
        self.staff = make.staff(self.franchise)
        self.manager = make.manager(self.franchise)
        self.other_manager = make.manager(self.franchise)


def fill_course(page: Page, scene: Scene, *, timeslot: str = "16:00", script: bool = True) -> None:
    """Fill the one page in as somebody on the telephone does, from top to bottom."""
    page.get_by_label("Guardian").fill("లక్ష్మీ దేవి")
    page.get_by_label("Phone").fill("98480 22338")
    page.get_by_label("Agrees to be sent messages").check()
    page.get_by_label("Student", exact=True).fill(TELUGU)
    page.get_by_label("Second student").fill(HINDI)
    page.get_by_label("Address").fill("14 Danavaipeta Main Road")
    page.get_by_label("Location").fill(f"{scene.center.lat + 0.003:.4f}, {scene.center.lng:.4f}")
    if script:
        expect(page.locator("#plan")).to_contain_text("Rajahmundry Central")
        expect(page.locator("#plan")).to_contain_text("Godavari Tutors")
    page.get_by_label("Course", exact=True).select_option("Spoken English")
    page.get_by_label("Class").select_option("one_on_two")
    page.get_by_label("Days").select_option("weekday_daily")
    page.get_by_label("Sessions", exact=True).select_option("30")
    page.get_by_label("First day").fill("2027-01-04")
    page.get_by_label("Time", exact=True).fill(timeslot)


def test_a_course_from_the_first_call_to_the_certificate(
    desk: RunningDesk, make: Make, visit: Visit, tmp_path: Path
) -> None:
    scene = Scene(make)
    staff, manager, second = visit(scene.staff), visit(scene.manager), visit(scene.other_manager)
    staff.shoot_all("home-staff")

    # The manager looks at an empty queue, and goes on looking.
    queue = manager.page
    queue.goto("/approvals")
    expect(queue.locator("#queue")).to_contain_text("Nothing waits for a decision.")
    manager.mark()

    # Staff book on one page; zone, sessions and trainers appear while they type.
    page = staff.page
    page.get_by_role("link", name="New booking").first.click()
    staff.mark()
    fill_course(page, scene)
    plan = page.locator("#plan")
    expect(plan).to_contain_text("30 sessions")
    expect(plan).to_contain_text("16:00")
    expect(plan).to_contain_text(re.compile("Mon 4 Jan 2027.*Tue 2 Feb 2027", re.DOTALL))
    expect(plan.get_by_role("radio", name=NEAR)).to_be_checked()
    expect(plan.get_by_role("radio", name=FURTHER)).not_to_be_checked()
    plan.get_by_text("Why not the other one?").click()
    expect(plan.locator("#trainers-others")).to_contain_text("Anand Mornings")
    plan.get_by_text("All dates").click()
    expect(plan.locator("#plan-sessions li")).to_have_count(30)
    staff.assert_not_reloaded()
    staff.shoot_all("new-booking-filled")
    page.get_by_role("button", name=f"Propose {NEAR}").click()

    expect(page.get_by_role("alert")).to_contain_text(f"{NEAR} is proposed for")
    expect(page.get_by_text("Pending approval").first).to_be_visible()
    booking_url = page.url
    staff.shoot_all("booking-proposed")

    # The queue has found out by itself; staff then think better of it.
    expect(queue.locator("#queue")).to_contain_text(NEAR, timeout=25_000)
    manager.assert_not_reloaded()
    page.get_by_role("button", name="Withdraw").click()
    expect(page.get_by_role("alert")).to_contain_text("Withdrawn")
    page.get_by_role("link", name="Edit").first.click()
    expect(page.get_by_label("Time", exact=True)).to_have_value("16:00")
    page.get_by_label("Time", exact=True).fill("17:00")
    expect(plan).to_contain_text("17:00")
    expect(plan.get_by_role("radio", name=NEAR)).to_be_checked()
    page.get_by_role("button", name=f"Propose {NEAR}").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{NEAR} is proposed for")
    assert page.url == booking_url

    # The manager sees the new proposal without asking; a colleague has opened it as well.
    expect(queue.locator("#queue")).to_contain_text("17:00", timeout=25_000)
    manager.assert_not_reloaded()
    manager.shoot_all("approvals")
    queue.get_by_role("link", name="Review").click()
    expect(queue.get_by_role("heading", level=1)).to_contain_text(NEAR)
    manager.shoot_all("proposal")
    second.page.goto(queue.url)
    queue.get_by_role("button", name="Approve").click()
    expect(queue.get_by_role("alert")).to_contain_text(f"Approved: {NEAR} teaches")
    second.page.get_by_role("button", name="Approve").click()
    told = second.page.get_by_role("alert")
    expect(told).to_contain_text(f"{scene.manager.name} approved this proposal on")
    expect(told).to_contain_text("2027")
    second.shoot("already-decided")

    page.reload()
    expect(page.get_by_text("Assigned").first).to_be_visible()
    staff.shoot_all("booking-assigned")

    # A month goes by: 29 lessons are taught, and today is the thirtieth.
    booking_id = UUID(booking_url.rsplit("/", 1)[1])
    teach(desk, booking_id, until=30, by=scene.staff.actor)
    desk.start(LAST_SESSION)
    staff.sign_in(scene.staff)
    page.get_by_role("link", name="Sessions", exact=True).first.click()
    row = page.get_by_role("row", name=re.compile("17:00"))
    expect(row).to_contain_text("30 of 30")
    staff.shoot_all("sessions-today")
    row.get_by_role("link", name="Mark attendance").click()
    page.get_by_role("group", name=TELUGU).get_by_label("Present").check()
    page.get_by_role("group", name=HINDI).get_by_label("Absent").check()
    staff.shoot_all("attendance")
    page.get_by_role("button", name="Save attendance").click()
    page.goto(booking_url)
    expect(page.get_by_text("Completed").first).to_be_visible()
    staff.shoot_all("booking-completed")

    # Two certificates, made while somebody watches.
    page.get_by_role("link", name="Certificates", exact=True).first.click()
    staff.mark()
    row = page.get_by_role("row", name=re.compile(TELUGU))
    expect(page.get_by_role("row", name=re.compile(HINDI))).to_contain_text("Issued", timeout=30_000)
    expect(row).to_contain_text("Issued", timeout=30_000)
    staff.shoot_all("certificates")
    row.get_by_role("link").first.click()
    expect(page.get_by_role("link", name="Download PDF")).to_be_visible(timeout=30_000)
    staff.shoot_all("certificate")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download PDF").click()
    pdf = tmp_path / "certificate.pdf"
    waiting.value.save_as(pdf)
    number = waiting.value.suggested_filename.removeprefix("certificate-").removesuffix(".pdf")
    text = said(pdf)
    assert unspaced(TELUGU) in unspaced(text)
    assert "Spoken English" in text
    assert number in text

    # Anybody may check it: the QR code also says whose it is, the number alone does not.
    address = scanned(pdf)
    assert address.startswith(f"{desk.url}/verify/{number}/")
    public = visit()
    public.page.goto(address)
    expect(public.page.get_by_role("heading", level=1)).to_have_text("This certificate is valid")
    expect(public.page.locator("main")).to_contain_text(TELUGU)
    public.shoot_all("verify-by-code")
    public.page.goto("/verify")
    public.shoot_all("verify")
    public.page.get_by_role("textbox").fill(number.lower().replace("-", " "))
    public.page.get_by_role("button", name="Verify").click()
    expect(public.page.get_by_role("heading", level=1)).to_have_text("This certificate is valid")
    expect(public.page.locator("main")).not_to_contain_text(TELUGU)
    public.shoot("verify-by-number")


def test_the_same_booking_without_javascript(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff, manager = visit(scene.staff, javascript=False), visit(scene.manager, javascript=False)
    page = staff.page
    page.goto("/bookings/new")
    fill_course(page, scene, script=False)
    page.get_by_role("button", name="Check").last.click()
    plan = page.locator("#plan")
    expect(plan).to_contain_text("Rajahmundry Central")
    expect(plan).to_contain_text("30 sessions")
    expect(page.get_by_label("Student", exact=True)).to_have_value(TELUGU)
    expect(plan.get_by_role("radio", name=NEAR)).to_be_checked()
    staff.shoot("new-booking-without-javascript")
    plan.get_by_role("radio", name=FURTHER).check()
    page.get_by_role("button", name="Propose").click()
    expect(page.get_by_role("alert")).to_contain_text(f"{FURTHER} is proposed for")
    expect(page.get_by_text("Pending approval").first).to_be_visible()

    manager.page.goto("/approvals")
    manager.page.get_by_role("link", name="Review").click()
    manager.page.get_by_role("button", name="Approve").click()
    expect(manager.page.get_by_role("alert")).to_contain_text(f"Approved: {FURTHER} teaches")


def test_a_place_outside_every_zone_is_kept_as_an_enquiry(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff = visit(scene.staff)
    page = staff.page
    page.goto("/bookings/new")
    page.get_by_label("Guardian").fill("Meena Rao")
    page.get_by_label("Phone").fill("98480 22339")
    page.get_by_label("Location").fill(f"{HOME.lat - 4:.4f}, {HOME.lng - 3:.4f}")
    expect(page.locator("#plan")).to_contain_text("Nobody serves this place yet")
    staff.shoot("new-booking-outside")
    page.get_by_role("button", name="Record an enquiry").click()
    expect(page.get_by_role("alert")).to_contain_text("The enquiry is recorded.")
    expect(page.locator("main")).to_contain_text("Meena Rao")
    staff.shoot_all("enquiries")


def test_an_empty_form_says_what_is_missing_and_takes_the_reader_there(make: Make, visit: Visit) -> None:
    scene = Scene(make)
    staff = visit(scene.staff)
    page = staff.page
    page.goto("/bookings/new")
    page.get_by_role("button", name="Put on the waitlist").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(page).to_have_title(re.compile("^Error: "))
    summary.get_by_role("link", name="Give a phone number.").click()
    expect(page.get_by_label("Phone")).to_be_focused()
    staff.shoot_all("new-booking-errors")
    assert staff.violations() == []


def teach(desk: RunningDesk, booking_id: UUID, *, until: int, by: Actor) -> None:
    """Complete the sessions before number ``until``, each when it ended, everybody present."""

    def ended(work: Work, booking_id: UUID, *, by: Actor, now: datetime) -> None:
        raise AssertionError("the course is not over yet")

    with desk.database.read_only() as db:
        assert db.get_one(Booking, booking_id).total_sessions == 30
        students = db.scalars(select(BookingStudent.student_id).where(BookingStudent.booking_id == booking_id)).all()
        sessions = db.execute(
            select(CourseSession.id, CourseSession.ends_at)
            .where(CourseSession.booking_id == booking_id, CourseSession.number < until)
            .order_by(CourseSession.number)
        ).all()
    marks = dict.fromkeys(students, AttendanceMark.PRESENT)
    for session_id, ends_at in sessions:
        with desk.database.unit_of_work() as work:
            course_sessions.mark(
                work, session_id, Outcome.COMPLETED, marks, by=by, now=ends_at, on_completed=ended
            )


def poppler(tool: str, pdf: Path, *options: str) -> bytes:
    """What one of poppler's tools makes of a file; the test is skipped where they are not installed."""
    try:
        return subprocess.run([tool, *options[:-1], str(pdf), *options[-1:]], capture_output=True, check=True).stdout
    except FileNotFoundError:
        pytest.skip(f"{tool} is not installed (poppler-utils)")


def said(pdf: Path) -> str:
    """The words of a PDF."""
    return poppler("pdftotext", pdf, "-").decode("utf-8")


def scanned(pdf: Path) -> str:
    """What a telephone reads from the QR code."""
    picture = tmp_picture(pdf)
    kind, size, _most, pixels = picture.split(b"\n", 3)
    assert kind == b"P5"
    width, height = map(int, size.split())
    (code,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (height, width)))
    return str(code.text)


def tmp_picture(pdf: Path) -> bytes:
    """The page as grey pixels."""
    done = subprocess.run(["pdftoppm", "-r", "110", "-gray", "-singlefile", str(pdf)], capture_output=True, check=True)
    return done.stdout


def unspaced(text: str) -> str:
    """Text without the spaces that readers of PDFs guess."""
    return "".join(unicodedata.normalize("NFC", text).split())
