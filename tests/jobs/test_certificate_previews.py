"""Previews: one open per person, the newest wins, drawn once, tidied with their files."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from uuid import UUID

import pytest
from rq.timeouts import JobTimeoutException

from tests.certificate_keys import with_keys
from tests.jobs.builders import (
    DONE,
    PlainDrawer,
    PlainKeys,
    Shelf,
    completed_booking,
    later,
    promise,
    rows,
    states,
    until,
)
from tests.jobs.conftest import OwnDesk
from tests.jobs.designed import PICTURES
from tests.make import Make
from tests.web.client import Bell
from webapp.certificates import jobs as certificates
from webapp.certificates.designs import jobs, previews, service
from webapp.certificates.designs.built_in import first_draft
from webapp.certificates.designs.looks import Look
from webapp.certificates.designs.previewing import KEPT_FOR, MAX_ATTEMPTS
from webapp.certificates.designs.rules import Design, Part
from webapp.certificates.pdf import CertificatePayload, RenderFailed
from webapp.clients.files import FileMissing, store_from_url
from webapp.core.actor import SYSTEM, Actor
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for
from webapp.db.work import Database

DESIGN = first_draft()
STATES = "SELECT state, count(*) FROM certificate_previews GROUP BY state ORDER BY state"


@pytest.fixture
def admin(make: Make) -> Actor:
    return make.admin().actor


def ask(
    db: Database,
    by: Actor,
    operator_id: UUID = COMPANY_ID,
    *,
    design: Design = DESIGN,
    now: datetime = DONE,
    **more: str,
) -> UUID:
    wanted = {"language": "en", "student_name": "Asha"} | more
    with db.unit_of_work() as work:
        return previews.request(work, operator_id, design, by=by, now=now, **wanted)


def test_a_preview_is_rung_for_drawn_once_and_shown_with_both_its_files(
    db: Database, make: Make, admin: Actor, ctx: JobContext, shelf: Shelf, bells: list[Bell]
) -> None:
    ours = make.franchise("Zonedesk Guntur")
    bells.clear()
    asked = ask(db, admin, ours, language="te", student_name="ఆశ")
    assert bells == [(JobName.PREVIEW_DESIGNS, {})]
    drawer = PlainDrawer()
    assert jobs.preview(ctx, store=shelf, drawer=drawer) == 1
    assert jobs.preview(ctx, store=shelf, drawer=drawer) == 0
    (said,) = drawer.drawn
    assert (said.student_name, said.operator_name, said.locale) == ("ఆశ", "Zonedesk Guntur", "te")
    with db.read_only() as session:
        shown = previews.newest(session, ours, by=admin)
        assert shown == previews.preview(session, asked, by=admin)
    assert shown is not None
    assert shown.settled
    assert {shown.pdf_sha256, shown.png_sha256} == set(shelf.files)


def test_nobody_has_two_that_wait_and_the_newest_wins(
    db: Database, make: Make, admin: Actor, ctx: JobContext, shelf: Shelf
) -> None:
    other = make.admin().actor
    for name in ("first", "second", "third"):
        ask(db, admin, student_name=name)
    ask(db, admin, make.franchise(), student_name="fourth", now=DONE + timedelta(milliseconds=1))
    ask(db, other, student_name="another's")
    assert rows(db, STATES) == [("overtaken", 3), ("waiting", 2)]
    drawer = PlainDrawer()
    assert jobs.preview(later(ctx, timedelta(seconds=1)), store=shelf, drawer=drawer) == 2
    assert {said.student_name for said in drawer.drawn} == {"fourth", "another's"}
    assert rows(db, STATES) == [("drawn", 2)], "those overtaken are gone"
    assert len(shelf.files) == 4


def test_what_was_drawn_while_somebody_asked_anew_is_thrown_away(
    db: Database, admin: Actor, ctx: JobContext, shelf: Shelf
) -> None:
    ask(db, admin, student_name="old")
    drawer = PlainDrawer(meanwhile=lambda: ask(db, admin, student_name="new", now=DONE + timedelta(milliseconds=1)))
    jobs.preview(later(ctx, timedelta(seconds=1)), store=shelf, drawer=drawer)
    assert [said.student_name for said in drawer.drawn] == ["old", "new"]
    assert rows(db, STATES) == [("drawn", 1)]
    assert len(shelf.files) == 2, "the older files went with their row"


def test_after_an_hour_row_and_files_are_gone_also_when_nobody_came_back(
    db: Database, admin: Actor, ctx: JobContext, shelf: Shelf, bells: list[Bell]
) -> None:
    ask(db, admin)
    jobs.preview(ctx, store=shelf, drawer=PlainDrawer())
    bells.clear()
    assert not jobs.ring_again(later(ctx, KEPT_FOR - timedelta(seconds=1)))
    after = later(ctx, KEPT_FOR + timedelta(seconds=10))
    assert jobs.ring_again(after)
    assert bells == [(JobName.PREVIEW_DESIGNS, {})]
    jobs.preview(after, store=shelf, drawer=PlainDrawer())
    assert rows(db, STATES) == []
    assert shelf.files == {}
    assert not jobs.ring_again(after)


def test_a_file_that_cannot_be_removed_keeps_its_row_for_the_next_time(
    db: Database, admin: Actor, ctx: JobContext
) -> None:
    class Stubborn(Shelf):
        stubborn = True

        def remove(self, sha256: str) -> None:
            if self.stubborn:
                raise OSError("read-only file system")
            super().remove(sha256)

    shelf, after = Stubborn(), later(ctx, KEPT_FOR + timedelta(seconds=1))
    ask(db, admin)
    jobs.preview(ctx, store=shelf, drawer=PlainDrawer())
    jobs.preview(after, store=shelf, drawer=PlainDrawer())
    assert rows(db, STATES) == [("drawn", 1)]
    shelf.stubborn = False
    jobs.preview(after, store=shelf, drawer=PlainDrawer())
    assert (rows(db, STATES), shelf.files) == ([], {})


def test_a_ring_that_was_lost_is_rung_again(db: Database, admin: Actor, ctx: JobContext, bells: list[Bell]) -> None:
    ask(db, admin)
    bells.clear()
    assert not jobs.ring_again(ctx)
    assert jobs.ring_again(later(ctx, timedelta(seconds=3)))
    assert bells == [(JobName.PREVIEW_DESIGNS, {})]


@pytest.mark.parametrize(
    ("fails", "problem"),
    [
        (RenderFailed("student_name …", code="name-no-font"), "name-no-font"),
        (RenderFailed("…"), "not-drawable"),
        (FileMissing("ab"), "picture-missing"),
    ],
)
def test_what_cannot_be_drawn_says_why_and_is_not_tried_again(
    db: Database, admin: Actor, ctx: JobContext, shelf: Shelf, fails: Exception, problem: str
) -> None:
    ask(db, admin)
    drawer = PlainDrawer(fails=fails)
    assert jobs.preview(ctx, store=shelf, drawer=drawer) == 0
    assert rows(db, "SELECT state, problem, attempts FROM certificate_previews") == [("failed", problem, 1)]


def test_a_full_disk_is_tried_again_and_then_given_up(db: Database, admin: Actor, ctx: JobContext) -> None:
    ask(db, admin)
    for attempt in range(MAX_ATTEMPTS):
        jobs.preview(later(ctx, timedelta(minutes=attempt)), store=Shelf(refusals=9), drawer=PlainDrawer())
    assert rows(db, "SELECT state, problem, attempts FROM certificate_previews") == [("failed", "not-stored", 3)]


def test_one_that_kills_its_work_horse_is_given_up(db: Database, admin: Actor, ctx: JobContext, shelf: Shelf) -> None:
    ask(db, admin)
    for attempt in range(MAX_ATTEMPTS):
        with pytest.raises(JobTimeoutException):
            jobs.preview(
                later(ctx, timedelta(minutes=attempt)), store=shelf, drawer=PlainDrawer(fails=JobTimeoutException("x"))
            )
    jobs.preview(later(ctx, timedelta(minutes=5)), store=shelf, drawer=PlainDrawer())
    assert rows(db, "SELECT state, problem FROM certificate_previews") == [("failed", "no-answer")]


def test_pictures_come_from_the_store_and_each_is_read_once_for_many_certificates(
    db: Database, make: Make, ctx: JobContext, shelf: Shelf
) -> None:
    @dataclass
    class Counting(Shelf):
        asked: list[str] = field(default_factory=list)

        def get(self, sha256: str) -> bytes:
            self.asked.append(sha256)
            return super().get(sha256)

    store = Counting()
    kept = {part: store.put(png, media_type="image/png") for part, png in PICTURES.items()}
    ours = make.franchise()
    with db.unit_of_work() as work:
        design = replace(DESIGN, logo=kept[Part.LOGO], signature=kept[Part.SIGNATURE])
        seen = service.save_draft(work, ours, design, by=SYSTEM, now=DONE, seen=0)
    with db.unit_of_work() as work:
        service.publish(work, ours, by=SYSTEM, now=DONE, seen=seen)
    looks = jobs.KeptLooks(ctx, store)
    with acting_for(ours):
        for _ in range(5):
            assert looks.look(ours, 1) == Look(design, PICTURES)
        with pytest.raises(RenderFailed) as refusal:
            looks.look(ours, 2)
    assert refusal.value.code == "no-design"
    assert sorted(store.asked) == sorted(kept.values())


def test_a_certificate_whose_picture_is_lost_says_so_and_is_made_when_it_is_back(
    db: Database, make: Make, ctx: JobContext, shelf: Shelf
) -> None:
    """The renderer asks for its design as the real one does."""

    class Asking:
        def __init__(self, looks: jobs.KeptLooks) -> None:
            self._looks = looks

        def render(self, payload: CertificatePayload) -> bytes:
            self._looks.look(UUID(payload.design_operator_id), payload.design_version)
            return b"%PDF"

    ours, logo = make.franchise(), PICTURES[Part.LOGO]
    with db.unit_of_work() as work:
        design = replace(DESIGN, logo=hashlib.sha256(logo).hexdigest())
        service.save_draft(work, ours, design, by=SYSTEM, now=DONE, seen=0)
    with db.unit_of_work() as work:
        service.publish(work, ours, by=SYSTEM, now=DONE, seen=1)
    promise(db, completed_booking(make, db, operator_id=ours))
    certificates.issue(ctx, store=shelf, renderer=Asking(jobs.KeptLooks(ctx, shelf)), keys=PlainKeys())
    assert rows(db, "SELECT state, last_error FROM certificates") == [("pending", "picture-missing")]
    shelf.put(logo, media_type="image/png")
    certificates.issue(
        later(ctx, timedelta(hours=1)), store=shelf, renderer=Asking(jobs.KeptLooks(ctx, shelf)), keys=PlainKeys()
    )
    assert states(db) == {"issued": 1}


def test_a_real_worker_draws_previews_and_certificates_of_old_and_new_designs(desk: OwnDesk) -> None:
    """The whole way: rows, doorbell, work-horse, Typst, store. No process of ours but the work-horse compiles."""
    db, make = desk.database, desk.make
    store = store_from_url(desk.settings.certificate_store_url)
    ours, admin = make.franchise(), make.admin().actor
    with_keys(db, desk.settings.data_dir / "keys", now=DONE)
    promise(db, completed_booking(make, db, "Meena Rao", operator_id=ours))
    kept = {part: store.put(png, media_type="image/png") for part, png in PICTURES.items()}
    design = replace(DESIGN, logo=kept[Part.LOGO], signature=kept[Part.SIGNATURE])
    with db.unit_of_work() as work:
        service.save_draft(work, ours, design, by=admin, now=DONE, seen=0)
    with db.unit_of_work() as work:
        service.publish(work, ours, by=admin, now=DONE, seen=1)
    promise(db, completed_booking(make, db, "Arun Das", operator_id=ours))
    promise(db, completed_booking(make, db, "小美", operator_id=ours))
    asked = ask(db, admin, ours, design=design)
    desk.start()
    until(lambda: states(db) == {"issued": 2, "failed": 1}, "two certificates", seconds=120)
    until(lambda: rows(db, STATES) == [("drawn", 1)], "a preview", seconds=120)
    assert rows(db, "SELECT last_error FROM certificates WHERE state = 'failed'") == [("name-no-font",)]
    with db.read_only() as session:
        shown = previews.preview(session, asked, by=admin)
    assert shown.pdf_sha256 is not None
    assert shown.png_sha256 is not None
    assert store.get(shown.pdf_sha256).startswith(b"%PDF-")
    assert store.get(shown.png_sha256).startswith(b"\x89PNG")
    drawn = rows(
        db,
        "SELECT payload ->> 'student_name', pdf_sha256 FROM certificates WHERE state = 'issued' ORDER BY 1",
    )
    sizes = {name: store.get(str(sha256)).count(b"/Subtype/Image") for name, sha256 in drawn}
    assert sizes["Meena Rao"] == 0
    assert sizes["Arun Das"] >= 2
