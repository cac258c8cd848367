"""Batches: asked for once, made under a lease, there for a day, and never with an erased family in them."""

from __future__ import annotations

import io
import os
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.jobs.builders import DONE, PlainKeys, Shelf, completed_booking, promise, rows
from tests.jobs.pdfs import SignedLooking, pages_of
from tests.make import Make, Person
from tests.web.client import Bell
from webapp.certificates import batch_jobs, batches, jobs
from webapp.certificates.queries import batches as queries
from webapp.certificates.rules import BatchKind, LeftOut
from webapp.clients.files import FileMissing, LocalFileStore
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import new_id
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for_nobody
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.households.rules import ErasureReason

MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
MACHINE_OLD = 60 * 60 * 24 * 3
"""Seconds; older than whatever is cleared away by the machine's clock."""


@dataclass
class Desk:
    """A desk with issued certificates, and where files go."""

    ctx: JobContext
    db: Database
    store: Shelf
    shelf: LocalFileStore
    root: Path

    def later(self, by: timedelta) -> JobContext:
        return JobContext(self.ctx.settings, self.db, lambda: DONE + by)

    def ask(self, person: Person, kind: BatchKind, chosen: Sequence[UUID], *, batch_id: UUID | None = None) -> UUID:
        with self.db.unit_of_work() as work:
            found = queries.chosen_by_id(work.db, chosen, visible_to=person.actor)
            return batches.ask(work, kind, found, batch_id=batch_id or new_id(), by=person.actor, now=DONE)

    def make(self, at: timedelta = timedelta(0)) -> bool:
        """As the worker does it: it begins on nobody's behalf."""
        with acting_for_nobody():
            return batch_jobs.make(self.later(at), store=self.store, shelf=self.shelf)

    def tidy(self, at: timedelta) -> int:
        with acting_for_nobody():
            return batch_jobs.tidy(self.later(at), shelf=self.shelf)

    def facts(self, person: Person, batch_id: UUID, at: timedelta = timedelta(0)) -> queries.BatchFacts:
        with self.db.read_only() as db:
            return queries.batch_facts(db, batch_id, visible_to=person.actor, now=DONE + at)

    def file(self, person: Person, batch_id: UUID) -> bytes:
        sha256 = self.facts(person, batch_id).file_sha256
        assert sha256 is not None
        found = io.BytesIO()
        self.shelf.fetch(sha256, found)
        return found.getvalue()

    def kept(self) -> list[Path]:
        return [path for path in self.root.rglob("*") if path.is_file()]


@pytest.fixture
def desk(ctx: JobContext, db: Database, tmp_path: Path) -> Desk:
    return Desk(ctx, db, Shelf(), LocalFileStore(tmp_path / "batches"), tmp_path / "batches")


def issue(desk: Desk, make: Make, *names: str, operator_id: UUID | None = None) -> list[UUID]:
    ids: list[UUID] = []
    for name in names:
        ids += promise(desk.db, completed_booking(make, desk.db, name, operator_id=operator_id))
    jobs.issue(desk.ctx, store=desk.store, renderer=SignedLooking(), keys=PlainKeys())
    return ids


def number_of(desk: Desk, certificate_id: UUID) -> str:
    return str(rows(desk.db, "SELECT number FROM certificates WHERE id = :id", id=certificate_id)[0][0])


def test_ticked_certificates_become_one_pdf(desk: Desk, make: Make, bells: list[Bell]) -> None:
    staff, ids = make.staff(), issue(desk, make, "Meena Rao", "Arun Das", "Ravi K")
    bells.clear()
    batch_id = desk.ask(staff, BatchKind.PDF, ids[:2])
    assert bells == [(JobName.MAKE_BATCHES, {})]
    assert not desk.facts(staff, batch_id).settled
    assert desk.make()
    facts = desk.facts(staff, batch_id)
    assert (facts.state, facts.included, facts.done, facts.left_out, facts.there) == ("ready", 2, 2, (), True)
    content = desk.file(staff, batch_id)
    assert len(content) == facts.size
    assert sorted(pages_of(content)) == sorted(number_of(desk, id_) for id_ in ids[:2])
    assert not desk.make(), "a second time there is nothing to do"


def test_a_zip_holds_the_signed_files_themselves(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "మీనా రావు", "Arun/Das")
    batch_id = desk.ask(staff, BatchKind.ZIP, ids)
    assert desk.make()
    with zipfile.ZipFile(io.BytesIO(desk.file(staff, batch_id))) as found:
        assert sorted(found.namelist()) == sorted(
            f"{number_of(desk, id_)} {name}.pdf" for id_, name in zip(ids, ("మీనా రావు", "Arun Das"), strict=True)
        )
        assert {found.read(name) for name in found.namelist()} == {
            content for content in desk.store.files.values() if content.startswith(b"%PDF")
        }


def test_what_cannot_be_put_in_is_named_and_spoils_nothing(desk: Desk, make: Make) -> None:
    staff, admin = make.staff(), make.admin()
    good, lost, broken, erased = issue(desk, make, "Good", "Lost", "Broken", "Erased")
    (pending,) = promise(desk.db, completed_booking(make, desk.db, "Pending"))
    for id_, content in ((lost, None), (broken, b"no pdf at all")):
        ((sha256,),) = rows(desk.db, "SELECT pdf_sha256 FROM certificates WHERE id = :id", id=id_)
        desk.store.files.pop(str(sha256))
        if content is not None:
            desk.store.files[str(sha256)] = content
    with desk.db.unit_of_work() as work:
        household = work.db.scalar(
            text("SELECT household_id FROM bookings b JOIN certificates c ON c.booking_id = b.id WHERE c.id = :id"),
            {"id": erased},
        )
    batch_id = desk.ask(staff, BatchKind.PDF, [good, lost, broken, erased, pending])
    with desk.db.unit_of_work() as work:
        work.db.execute(text("UPDATE certificates SET next_at = next_at + interval '1 day'"))
        erase_family(work, household, reason=ErasureReason.ASKED_FOR, by=admin.actor, now=DONE)
    assert desk.make()
    facts = desk.facts(staff, batch_id)
    assert {(one.certificate_id, one.number, one.why) for one in facts.left_out} == {
        (id_, number_of(desk, id_), why)
        for id_, why in (
            (lost, LeftOut.MISSING),
            (broken, LeftOut.UNREADABLE),
            (erased, LeftOut.ERASED),
            (pending, LeftOut.NOT_ISSUED),
        )
    }
    assert pages_of(desk.file(staff, batch_id)) == [number_of(desk, good)]


def test_a_batch_with_nothing_in_it_has_no_file(desk: Desk, make: Make) -> None:
    staff = make.staff()
    ids = promise(desk.db, completed_booking(make, desk.db, "Pending"))
    batch_id = desk.ask(staff, BatchKind.ZIP, ids)
    desk.make()
    facts = desk.facts(staff, batch_id)
    assert (facts.state, facts.last_error, facts.there, len(facts.left_out)) == ("failed", "nothing-in-it", False, 1)
    assert desk.kept() == []


def test_an_admin_prints_several_operators_and_staff_only_their_own(desk: Desk, make: Make) -> None:
    franchise = make.franchise()
    (own,), (other,) = issue(desk, make, "Own"), issue(desk, make, "Other", operator_id=franchise)
    admin, staff = make.admin(), make.staff()
    batch_id = desk.ask(admin, BatchKind.PDF, [own, other])
    assert desk.make()
    assert sorted(pages_of(desk.file(admin, batch_id))) == sorted([number_of(desk, own), number_of(desk, other)])
    with pytest.raises(NotFound):
        desk.ask(staff, BatchKind.PDF, [own, other])
    for nosy in (staff, make.admin(), make.staff(franchise)):
        with pytest.raises(NotFound):
            desk.facts(nosy, batch_id)


def test_a_second_click_finds_the_same_batch_and_another_wish_gets_its_own(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A", "B")
    key = new_id()
    assert desk.ask(staff, BatchKind.PDF, ids, batch_id=key) == key
    assert desk.ask(staff, BatchKind.PDF, ids, batch_id=key) == key
    other = desk.ask(staff, BatchKind.PDF, ids[:1], batch_id=key)
    assert other != key
    assert desk.ask(make.staff(), BatchKind.PDF, ids, batch_id=key) != key
    assert rows(desk.db, "SELECT count(*) FROM certificate_batches") == [(3,)]


def test_none_too_many_and_too_many_at_once_are_refused(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A", "B", "C", "D")
    with desk.db.unit_of_work() as work:
        for chosen in ([], [(new_id(), new_id())] * (batches.MOST + 1)):
            with pytest.raises(Invalid):
                batches.ask(work, BatchKind.PDF, chosen, batch_id=new_id(), by=staff.actor, now=DONE)
        with pytest.raises(Conflict):
            batches.ask(work, BatchKind.PDF, [(new_id(), new_id())], batch_id=new_id(), by=SYSTEM, now=DONE)
    for id_ in ids[: batches.MOST_WAITING]:
        desk.ask(staff, BatchKind.PDF, [id_])
    with pytest.raises(Conflict) as refused:
        desk.ask(staff, BatchKind.PDF, [ids[3]])
    assert refused.value.code == "batches-waiting"
    desk.make()
    desk.ask(staff, BatchKind.PDF, [ids[3]])


class _Dies(LocalFileStore):
    """Takes the file and its process with it."""

    class Killed(BaseException):
        """What no handler catches."""

    def put_file(self, file: BinaryIO, *, media_type: str) -> str:
        """Keep the file, then die."""
        super().put_file(file, media_type=media_type)
        raise self.Killed


def test_killed_before_it_could_say_so_it_is_begun_anew(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A", "B")
    batch_id = desk.ask(staff, BatchKind.PDF, ids)
    with pytest.raises(_Dies.Killed), acting_for_nobody():
        batch_jobs.make(desk.ctx, store=desk.store, shelf=_Dies(desk.root))
    assert not desk.make(), "its lease still runs"
    assert batch_jobs.ring(desk.later(5 * MINUTE))
    assert desk.make(5 * MINUTE)
    assert len(pages_of(desk.file(staff, batch_id))) == 2
    assert len(desk.kept()) == 2, "the first file is nobody's"
    for path in desk.kept():
        os.utime(path, (1, 1))
    desk.tidy(10 * MINUTE)
    assert [path.name for path in desk.kept()] == [desk.facts(staff, batch_id).file_sha256]


def test_whoever_lost_the_lease_stops_and_takes_the_file_along(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A", "B")
    batch_id = desk.ask(staff, BatchKind.PDF, ids)

    class Slow(LocalFileStore):
        def put_file(self, file: BinaryIO, *, media_type: str) -> str:
            sha256 = super().put_file(file, media_type=media_type)
            assert desk.make(5 * MINUTE), "another process thinks this one dead"
            return sha256

    with acting_for_nobody():
        assert not batch_jobs.make(desk.ctx, store=desk.store, shelf=Slow(desk.root))
    assert desk.facts(staff, batch_id).there
    assert [path.name for path in desk.kept()] == [desk.facts(staff, batch_id).file_sha256]


def test_a_full_disk_is_tried_again_and_given_up_in_the_end(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A")
    batch_id = desk.ask(staff, BatchKind.PDF, ids)

    class Full(LocalFileStore):
        def put_file(self, file: BinaryIO, *, media_type: str) -> str:
            raise OSError(28, "No space left on device")

    for day in range(batches.MAX_TRIES):
        assert desk.facts(staff, batch_id).state == "pending"
        assert not batch_jobs.make(desk.later(day * DAY), store=desk.store, shelf=Full(desk.root))
    facts = desk.facts(staff, batch_id)
    assert (facts.state, facts.last_error) == ("failed", "not-stored")


def test_the_file_goes_after_a_day_and_the_row_after_a_month(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A")
    batch_id = desk.ask(staff, BatchKind.PDF, ids)
    desk.make()
    assert desk.tidy(DAY - MINUTE) == 0
    assert desk.facts(staff, batch_id, DAY - MINUTE).there
    assert not desk.facts(staff, batch_id, DAY).there, "whether or not it was cleared away"
    assert desk.tidy(DAY) == 1
    assert (desk.kept(), desk.facts(staff, batch_id).state) == ([], "gone")
    assert desk.tidy(DAY) == 0
    assert desk.tidy(31 * DAY) == 1
    with pytest.raises(NotFound):
        desk.facts(staff, batch_id)


def test_a_store_that_refuses_is_asked_again(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A")
    desk.ask(staff, BatchKind.PDF, ids)
    desk.make()

    class Refusing(LocalFileStore):
        def remove(self, sha256: str) -> None:
            raise OSError("read-only")

    assert batch_jobs.tidy(desk.later(DAY), shelf=Refusing(desk.root)) == 0
    assert desk.tidy(DAY) == 1


def erase_all(desk: Desk, make: Make) -> None:
    admin = make.admin()
    for (household,) in rows(desk.db, "SELECT DISTINCT household_id FROM bookings"):
        with desk.db.unit_of_work() as work:
            erase_family(work, UUID(str(household)), reason=ErasureReason.ASKED_FOR, by=admin.actor, now=DONE + MINUTE)


def test_erasing_a_family_takes_the_files_it_is_in_away(desk: Desk, make: Make, bells: list[Bell]) -> None:
    staff = make.staff()
    kept_by = issue(desk, make, "A")
    holds, other = desk.ask(staff, BatchKind.PDF, kept_by), None
    desk.make()
    bells.clear()
    erase_all(desk, make)
    assert (JobName.TIDY_BATCHES, {}) in bells
    (late,) = issue(desk, make, "Late")
    other = desk.ask(staff, BatchKind.PDF, [late])
    desk.make()
    assert not desk.facts(staff, holds, MINUTE).there
    assert desk.facts(staff, other, MINUTE).there
    assert desk.tidy(2 * MINUTE) == 1
    assert [path.name for path in desk.kept()] == [desk.facts(staff, other).file_sha256]


def test_a_family_erased_while_its_file_is_made_is_not_in_it(desk: Desk, make: Make) -> None:
    staff = make.staff()
    gone = issue(desk, make, "Gone")
    batch_id = desk.ask(staff, BatchKind.PDF, gone)

    class Erasing(LocalFileStore):
        def put_file(self, file: BinaryIO, *, media_type: str) -> str:
            erase_all(desk, make)
            return super().put_file(file, media_type=media_type)

    assert not batch_jobs.make(desk.ctx, store=desk.store, shelf=Erasing(desk.root))
    assert desk.kept() == []
    desk.make(2 * MINUTE)
    facts = desk.facts(staff, batch_id)
    assert [one.why for one in facts.left_out] == [LeftOut.ERASED]


def test_progress_is_told_and_more_work_is_rung_for(
    desk: Desk, make: Make, bells: list[Bell], monkeypatch: pytest.MonkeyPatch
) -> None:
    staff, ids = make.staff(), issue(desk, make, *(f"Student {number}" for number in range(3)))
    first, second = desk.ask(staff, BatchKind.PDF, ids), desk.ask(staff, BatchKind.ZIP, ids)
    seen: list[int] = []
    true_get = desk.store.get

    def get(sha256: str) -> bytes:
        seen.append(desk.facts(staff, first).done)
        return true_get(sha256)

    monkeypatch.setattr(batch_jobs, "AT_A_TIME", 1)
    monkeypatch.setattr(desk.store, "get", get)
    bells.clear()
    desk.make()
    assert seen == [0, 1, 2]
    assert bells == [(JobName.MAKE_BATCHES, {})]
    assert desk.facts(staff, first).settled
    assert not desk.facts(staff, second).settled


def test_the_audit_names_nobody(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "Meena Rao")
    desk.ask(staff, BatchKind.PDF, ids)
    desk.make()
    ((after,),) = rows(desk.db, "SELECT after::text FROM audit_entries WHERE what = 'certificate_batch.asked'")
    assert "Meena" not in str(after)
    assert "Meena" not in str(rows(desk.db, "SELECT * FROM certificate_batches"))


def test_a_file_that_was_lost_is_missing_and_not_damaged(desk: Desk, make: Make) -> None:
    staff, ids = make.staff(), issue(desk, make, "A")
    batch_id = desk.ask(staff, BatchKind.PDF, ids)
    desk.make()
    desk.kept()[0].unlink()
    with pytest.raises(FileMissing):
        desk.file(staff, batch_id)
