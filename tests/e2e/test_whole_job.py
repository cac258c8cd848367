"""The whole job of the desk as three people do it: book, propose, approve, teach, certify, verify."""

from __future__ import annotations

import base64
import re
import shutil
import subprocess
import unicodedata
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import pytest
import zxingcpp
from playwright.sync_api import expect
from sqlalchemy import select

from tests.e2e.conftest import Visit
from tests.e2e.running import RunningDesk
from tests.e2e.scene import FURTHER, HINDI, NEAR, TELUGU, Scene, fill_course
from tests.e2e.visitor import Visitor
from tests.make import Make
from webapp.bookings.models import Booking, BookingStudent, CourseSession
from webapp.core.actor import Actor
from webapp.course_sessions import service as course_sessions
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.db.work import Work

WORDS = "The last ten sessions were never taught."
LAST_SESSION = datetime(2027, 2, 2, 11, 45, tzinfo=UTC)
"""A quarter past five in the afternoon in Kolkata, on the day of the thirtieth session."""


def test_a_course_from_the_first_call_to_the_certificate(
    desk: RunningDesk, make: Make, visit: Visit, tmp_path: Path
) -> None:
    scene = Scene(make)
    desk.make_keys()
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
    staff.follow(page.get_by_role("link", name="Edit").first)
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
    for elsewhere in (queue, second.page):
        elsewhere.goto("about:blank")  # a page that asks by itself would find nobody there
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
    with desk.worker_asleep():
        page.get_by_role("button", name="Save attendance").click()
        page.goto(booking_url)
        expect(page.get_by_text("Completed").first).to_be_visible()
        staff.shoot_all("booking-completed")
        page.get_by_role("link", name="Certificates", exact=True).first.click()
        rows = [page.get_by_role("row", name=re.compile(name)) for name in (TELUGU, HINDI)]
        for row in rows:
            expect(row).to_contain_text("Being made")
        staff.shoot("certificates-pending")
        staff.mark()

    # The worker is awake again: both certificates are made while somebody watches.
    for row in rows:
        expect(row).to_contain_text("Issued", timeout=90_000)
    staff.assert_not_reloaded()
    staff.shoot_all("certificates")
    rows[0].get_by_role("link").first.click()
    expect(page.get_by_role("link", name="Download PDF")).to_be_visible()
    staff.shoot_all("certificate")
    with page.expect_download() as waiting:
        page.get_by_role("link", name="Download PDF").click()
    pdf = tmp_path / "certificate.pdf"
    waiting.value.save_as(pdf)
    number = waiting.value.suggested_filename.removeprefix("certificate-").removesuffix(".pdf")
    text = said(pdf)
    assert unspaced(TELUGU) in unspaced(text)
    assert scene.course_name in text
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

    # The other student's, from its own QR code; and the file itself, dropped on the page.
    page.get_by_role("link", name="Certificates", exact=True).first.click()
    other_pdf, other_number = downloaded(staff, HINDI, tmp_path / "other.pdf")
    other_address = scanned(other_pdf)
    assert other_address.startswith(f"{desk.url}/verify/{other_number}/")
    assert other_number != number
    public.page.goto(other_address)
    expect(public.page.get_by_role("heading", level=1)).to_have_text("This certificate is valid")
    expect(public.page.locator("main")).to_contain_text(HINDI)
    expect(public.page.locator("main")).not_to_contain_text(TELUGU)
    public.page.goto("/verify")
    drop(public, other_pdf)
    expect(public.page.get_by_role("heading", level=1)).to_have_text("This file is a valid certificate of ours")
    expect(public.page.locator("main")).to_contain_text(other_number)
    assert public.violations() == []
    public.shoot_all("verify-file")
    plain = visit(javascript=False)
    plain.page.goto("/verify")
    plain.page.get_by_label("PDF file").set_input_files(other_pdf)
    plain.page.get_by_role("button", name="Check the file").click()
    expect(plain.page.get_by_role("heading", level=1)).to_have_text("This file is a valid certificate of ours")

    # Two admins revoke it, and the public page says so at once; the first student's stands.
    revoke(visit(make.admin()), visit(make.admin()), other_number)
    public.page.goto(other_address)
    expect(public.page.get_by_role("heading", level=1)).to_have_text("This certificate was revoked")
    expect(public.page.locator("main")).to_contain_text(WORDS)
    assert public.violations() == []
    public.shoot_all("verify-revoked")
    public.page.goto(address)
    expect(public.page.get_by_role("heading", level=1)).to_have_text("This certificate is valid")


def downloaded(visitor: Visitor, student: str, to: Path) -> tuple[Path, str]:
    """The file of a student's certificate, taken from the list that is open, and its number."""
    visitor.page.get_by_role("row", name=re.compile(student)).get_by_role("link").first.click()
    with visitor.page.expect_download() as waiting:
        visitor.page.get_by_role("link", name="Download PDF").click()
    waiting.value.save_as(to)
    return to, waiting.value.suggested_filename.removeprefix("certificate-").removesuffix(".pdf")


def drop(visitor: Visitor, file: Path) -> None:
    """Drop a file on the page, as from a folder beside the browser."""
    content = base64.b64encode(file.read_bytes()).decode()
    visitor.page.evaluate(
        """([content, name]) => {
            const bytes = Uint8Array.from(atob(content), (letter) => letter.charCodeAt(0));
            const data = new DataTransfer();
            data.items.add(new File([bytes], name, {type: "application/pdf"}));
            const target = document.querySelector("[data-drop]");
            for (const kind of ["dragenter", "dragover", "drop"]) {
                target.dispatchEvent(new DragEvent(kind, {dataTransfer: data, bubbles: true, cancelable: true}));
            }
        }""",
        [content, file.name],
    )


def revoke(one: Visitor, other: Visitor, number: str) -> None:
    """One admin asks for it, the other one is told on the home page and confirms."""
    page = one.page
    page.goto(f"/certificates?q={number}")
    page.get_by_role("link", name=number).click()
    page.get_by_role("link", name="Revoke", exact=True).click()
    page.get_by_role("button", name="Ask for the revocation").click()
    expect(page.get_by_role("alert")).to_contain_text("Choose a reason.")
    assert one.violations() == []
    one.shoot_all("revoke-refused")
    page.get_by_label("Reason").select_option("not_earned")
    page.get_by_label("In words, for everybody who looks").fill(WORDS)
    page.get_by_role("button", name="Ask for the revocation").click()
    expect(page.get_by_role("heading", level=1)).to_contain_text(f"Revoke certificate {number}?")
    expect(page.locator("main")).to_contain_text("somebody else has to confirm it")
    one.shoot_all("revocation-asked")
    second = other.page
    second.goto("/")
    other.shoot_all("home-admin-to-decide")
    other.follow(second.locator("main").get_by_role("link", name=number))
    assert other.violations() == []
    with other.at_360():
        assert other.overflow() == []
    other.shoot_all("revocation-to-confirm")
    other.tab_to("Confirm: revoke the certificate")
    second.keyboard.press("Enter")
    expect(second.get_by_role("alert")).to_contain_text("Confirmed and done.")
    expect(second.locator("#certificate-state")).to_contain_text("Revoked")
    other.shoot_all("certificate-revoked")


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
            course_sessions.mark(work, session_id, Outcome.COMPLETED, marks, by=by, now=ends_at, on_completed=ended)


def poppler(tool: str, pdf: Path, *options: str, to: str | None = None) -> bytes:
    """What one of poppler's tools writes to its output; the rest of the test is skipped where they are missing."""
    found = shutil.which(tool)
    if found is None:
        pytest.skip(f"{tool} is not installed: the certificate itself was not read back")
    command = [found, *options, str(pdf), *([to] if to else [])]
    return subprocess.run(command, capture_output=True, check=True).stdout


def said(pdf: Path) -> str:
    """The words of a PDF."""
    return poppler("pdftotext", pdf, to="-").decode("utf-8")


def scanned(pdf: Path) -> str:
    """What a telephone reads from the QR code."""
    picture = poppler("pdftoppm", pdf, "-r", "110", "-gray", "-singlefile")
    kind, size, _most, pixels = picture.split(b"\n", 3)
    assert kind == b"P5"
    width, height = map(int, size.split())
    (code,) = zxingcpp.read_barcodes(memoryview(pixels).cast("B", (height, width)))
    return str(code.text)


def unspaced(text: str) -> str:
    """Text without the spaces that readers of PDFs guess."""
    return "".join(unicodedata.normalize("NFC", text).split())
