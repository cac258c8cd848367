"""Drafts, versions that stay as they are, and which of them a certificate is promised in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import IntegrityError

from tests.jobs.builders import completed_booking, promise, rows
from tests.make import Make
from tests.web.client import NOW
from webapp.certificates.designs import queries, service
from webapp.certificates.designs.built_in import first_draft
from webapp.certificates.designs.rules import Design
from webapp.certificates.queries import issuing
from webapp.core.actor import SYSTEM, Actor
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_for
from webapp.db.work import Database, Work

RED = replace(first_draft(), signatory_name="Asha Rao", logo="a" * 64)
BLUE = replace(first_draft(), signatory_title="Principal")


def save(db: Database, operator_id: UUID, design: Design, *, by: Actor = SYSTEM, seen: int = 0) -> int:
    with db.unit_of_work() as work:
        return service.save_draft(work, operator_id, design, by=by, now=NOW, seen=seen)


def publish(db: Database, operator_id: UUID, design: Design, *, by: Actor = SYSTEM) -> int:
    seen = save(db, operator_id, design, by=by)
    with db.unit_of_work() as work:
        return service.publish(work, operator_id, by=by, now=NOW, seen=seen)


def in_use(db: Database, operator_id: UUID) -> tuple[UUID, int] | None:
    with db.read_only() as session:
        found = queries.in_use(session, operator_id)
    return (found.operator_id, found.number) if found is not None else None


def test_versions_are_numbered_one_is_in_use_and_the_others_stay(db: Database, make: Make) -> None:
    ours = make.franchise()
    assert [publish(db, ours, design) for design in (RED, BLUE)] == [1, 2]
    with db.read_only() as session:
        found, total = queries.versions(session, ours, visible_to=SYSTEM, limit=10)
    assert total == 2
    assert [(one.number, one.in_use, one.design) for one in found] == [(2, True, BLUE), (1, False, RED)]
    assert in_use(db, ours) == (ours, 2)


def test_an_operator_without_a_design_uses_the_company_s_and_without_that_the_built_in_one(
    db: Database, make: Make
) -> None:
    ours = make.franchise()
    assert in_use(db, ours) is None
    publish(db, COMPANY_ID, RED)
    assert in_use(db, ours) == (COMPANY_ID, 1)
    publish(db, ours, BLUE)
    assert in_use(db, ours) == (ours, 1)
    with db.unit_of_work() as work:
        service.stop_using(work, ours, by=SYSTEM, now=NOW)
    assert in_use(db, ours) == (COMPANY_ID, 1)


def test_going_back_publishes_the_older_words_as_a_new_version(db: Database, make: Make) -> None:
    ours = make.franchise()
    for design in (RED, BLUE):
        publish(db, ours, design)
    with db.unit_of_work() as work:
        assert service.go_back(work, ours, 1, by=SYSTEM, now=NOW) == 3
    with db.read_only() as session:
        newest = queries.version(session, ours, 3, visible_to=SYSTEM)
    assert (newest.design, newest.taken_from, newest.in_use) == (RED, 1, True)
    for number, refusal in ((3, Conflict), (1, Conflict), (9, NotFound)):
        with pytest.raises(refusal), db.unit_of_work() as work:
            service.go_back(work, ours, number, by=SYSTEM, now=NOW)


@pytest.mark.parametrize(
    "change",
    [
        "UPDATE certificate_designs SET content = '{}'",
        "UPDATE certificate_designs SET number = 7",
        "UPDATE certificate_designs SET logo_sha256 = NULL",
        "UPDATE certificate_designs SET published_by_name = 'nobody'",
        "DELETE FROM certificate_designs",
    ],
)
def test_the_database_lets_nothing_of_a_published_design_change(db: Database, make: Make, change: str) -> None:
    publish(db, make.franchise(), RED)
    with pytest.raises(IntegrityError, match="stays as it is"), db.unit_of_work() as work:
        work.db.execute(text(change))


def test_the_database_lets_no_two_designs_of_an_operator_be_in_use(db: Database, make: Make) -> None:
    ours = make.franchise()
    for design in (RED, BLUE):
        publish(db, ours, design)
    with pytest.raises(IntegrityError, match="uq_certificate_designs_in_use"), db.unit_of_work() as work:
        work.db.execute(text("UPDATE certificate_designs SET in_use = true"))


def test_a_draft_somebody_else_changed_is_neither_saved_over_nor_published(db: Database, make: Make) -> None:
    ours = make.franchise()
    assert save(db, ours, RED) == 1
    assert save(db, ours, BLUE, seen=1) == 2
    for seen in (0, 1, 3):
        with pytest.raises(Conflict) as refusal:
            save(db, ours, RED, seen=seen)
        assert refusal.value.code == "design-draft-changed"
        with pytest.raises(Conflict), db.unit_of_work() as work:
            service.publish(work, ours, by=SYSTEM, now=NOW, seen=seen)
    with db.unit_of_work() as work:
        service.discard_draft(work, ours, by=SYSTEM, now=NOW)
        service.discard_draft(work, ours, by=SYSTEM, now=NOW)
    with pytest.raises(Conflict) as refusal, db.unit_of_work() as work:
        service.publish(work, ours, by=SYSTEM, now=NOW, seen=2)
    assert refusal.value.code == "design-no-draft"


def test_what_says_the_same_as_the_design_in_use_is_not_published_again(db: Database, make: Make) -> None:
    ours = make.franchise()
    publish(db, ours, RED)
    with pytest.raises(Conflict) as refusal:
        publish(db, ours, RED)
    assert refusal.value.code == "design-same"


def test_a_draft_that_breaks_a_rule_is_not_kept(db: Database, make: Make) -> None:
    ours = make.franchise()
    with pytest.raises(Invalid):
        save(db, ours, replace(RED, signatory_name="陳"))
    assert rows(db, "SELECT count(*) FROM certificate_design_drafts") == [(0,)]


def test_another_operator_s_designs_do_not_exist(db: Database, make: Make) -> None:
    ours, theirs = make.franchise(), make.franchise()
    publish(db, theirs, RED)
    manager = make.manager(ours).actor
    with db.read_only() as session:
        for ask in (
            lambda: queries.designed(session, theirs, visible_to=manager),
            lambda: queries.version(session, theirs, 1, visible_to=manager),
        ):
            with pytest.raises(NotFound):
                ask()
        assert queries.versions(session, theirs, visible_to=manager, limit=9) == ((), 0)
        assert not queries.has_picture(session, theirs, "a" * 64, visible_to=manager)
        assert queries.has_picture(session, theirs, "a" * 64, visible_to=SYSTEM)
        lines, total = queries.designs_index(session, visible_to=manager, limit=9)
    assert ([line.operator_id for line in lines], total) == ([ours], 1)
    changes: list[Callable[[Work], object]] = [
        lambda work: service.save_draft(work, theirs, BLUE, by=manager, now=NOW, seen=0),
        lambda work: service.publish(work, theirs, by=manager, now=NOW, seen=0),
        lambda work: service.go_back(work, theirs, 1, by=manager, now=NOW),
        lambda work: service.stop_using(work, theirs, by=manager, now=NOW),
        lambda work: service.discard_draft(work, theirs, by=manager, now=NOW),
    ]
    for change in changes:
        with pytest.raises(NotFound), db.unit_of_work() as work:
            change(work)


def test_what_is_drawn_is_shown_to_its_own_operator_and_the_company_s_to_all(db: Database, make: Make) -> None:
    ours, theirs = make.franchise(), make.franchise()
    for operator_id in (ours, theirs, COMPANY_ID):
        publish(db, operator_id, RED)
    with acting_for(ours), db.read_only() as session:
        assert queries.drawn(session, ours, 1) == RED
        assert queries.drawn(session, COMPANY_ID, 1) == RED
        assert queries.drawn(session, theirs, 1) is None
        assert queries.drawn(session, ours, 2) is None
        assert session.execute(text("SELECT operator_id FROM certificate_designs")).scalars().all() == [ours]


def test_a_certificate_keeps_the_design_that_was_in_use_when_it_was_earned(db: Database, make: Make) -> None:
    ours = make.franchise()

    def designs() -> list[tuple[object, ...]]:
        return rows(
            db,
            "SELECT payload ->> 'design_operator_id', payload ->> 'design_version' FROM certificates"
            " ORDER BY created_at, id",
        )

    promise(db, completed_booking(make, db, operator_id=ours))
    publish(db, COMPANY_ID, RED)
    promise(db, completed_booking(make, db, operator_id=ours))
    publish(db, ours, RED)
    promise(db, completed_booking(make, db, operator_id=ours))
    publish(db, ours, BLUE)
    wanted: list[tuple[object, ...]] = [("", "1"), (str(COMPANY_ID), "1"), (str(ours), "1")]
    assert sorted(designs(), key=str) == sorted(wanted, key=str)


def test_the_audit_tells_of_every_change_and_names_neither_who_signs_nor_what_is_said(db: Database, make: Make) -> None:
    ours = make.franchise()
    admin = make.admin().actor
    publish(db, ours, RED, by=admin)
    save(db, ours, BLUE, by=admin)
    with db.unit_of_work() as work:
        service.discard_draft(work, ours, by=admin, now=NOW)
        service.stop_using(work, ours, by=admin, now=NOW)
    told = rows(
        db,
        "SELECT what, coalesce(before::text, '') || coalesce(after::text, '') FROM audit_entries"
        " WHERE subject_kind = 'certificate_design' AND operator_id = :ours ORDER BY id",
        ours=ours,
    )
    assert [what for what, _said in told] == [
        "certificate_design.draft_saved",
        "certificate_design.published",
        "certificate_design.draft_saved",
        "certificate_design.draft_discarded",
        "certificate_design.stopped",
    ]
    for _what, said in told:
        for word in ("Asha", "Principal", "Certificate of"):
            assert word not in str(said)


def test_files_that_designs_need_are_known_across_operators(db: Database, make: Make) -> None:
    publish(db, make.franchise(), RED)
    save(db, make.franchise(), replace(BLUE, signature="b" * 64))
    with acting_for(make.franchise()), db.read_only() as session:
        assert issuing.files_named(session, ["a" * 64, "b" * 64, "c" * 64]) == {"a" * 64, "b" * 64}
        assert issuing.files_named(session, []) == frozenset()
