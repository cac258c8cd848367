"""The company and its franchises on the database."""

from __future__ import annotations

import pytest
from sqlalchemy import select

from tests.make import Make
from tests.web.client import NOW
from webapp.audit.models import AuditEntry
from webapp.core.actor import SYSTEM
from webapp.core.errors import Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database
from webapp.operators import queries, service
from webapp.operators.rules import OperatorCommand, OperatorKind


def test_the_company_is_there_from_the_start_and_first_in_the_list(db: Database, make: Make) -> None:
    make.franchise("Aardvark Learning")
    with db.read_only() as session:
        rows, total = queries.operators_index(session, visible_to=SYSTEM)
        company = queries.operator(session, COMPANY_ID)
    assert [row.kind for row in rows] == [OperatorKind.COMPANY, OperatorKind.FRANCHISE]
    assert (total, company.is_company, company.four_eyes, company.auto_approve) == (2, True, True, False)


def test_franchise_staff_see_their_own_franchise_alone(db: Database, make: Make) -> None:
    mine, other = make.franchise(), make.franchise()
    actor = make.staff(mine).actor
    with db.read_only() as session:
        rows, total = queries.operators_index(session, visible_to=actor)
        assert ([row.id for row in rows], total) == ([mine], 1)
        assert queries.operator_seen_by(session, mine, visible_to=actor).id == mine
        for foreign in (other, COMPANY_ID, new_id()):
            with pytest.raises(NotFound):
                queries.operator_seen_by(session, foreign, visible_to=actor)


def test_a_name_is_taken_however_it_is_written(db: Database, make: Make) -> None:
    make.franchise("Vizag Learning")
    other = make.franchise()
    with pytest.raises(Invalid) as refused, db.unit_of_work() as work:
        service.create(work, OperatorCommand("vizag  LEARNING"), by=SYSTEM, now=NOW)
    assert (refused.value.field, refused.value.code) == ("name", "operator-name-taken")
    with pytest.raises(Invalid), db.unit_of_work() as work:
        service.change(work, other, OperatorCommand("Vizag Learning"), by=SYSTEM, now=NOW)


def test_auto_approval_is_switched_and_audited(db: Database, make: Make) -> None:
    franchise = make.franchise("Vizag Learning")
    with db.unit_of_work() as work:
        asked = OperatorCommand("Vizag Learning", auto_approve=True)
        assert service.change(work, franchise, asked, by=SYSTEM, now=NOW)
        assert not service.change(work, franchise, asked, by=SYSTEM, now=NOW)
    with db.read_only() as session:
        assert queries.operator(session, franchise).auto_approve
        entries = session.scalars(select(AuditEntry).where(AuditEntry.what == "operator.changed")).all()
    assert [(entry.operator_id, (entry.after or {})["auto_approve"]) for entry in entries] == [(franchise, True)]


def test_an_operator_is_found_by_name_or_refused_in_words(db: Database, make: Make) -> None:
    franchise = make.franchise("Vizag Learning")
    with db.read_only() as session:
        assert queries.operator_named(session, " VIZAG learning").id == franchise
        with pytest.raises(Invalid, match="There is no operator named Nobody"):
            queries.operator_named(session, "Nobody")
        with pytest.raises(NotFound):
            queries.operator(session, new_id())


def test_a_foreign_operator_cannot_be_changed(db: Database, make: Make) -> None:
    manager = make.manager()
    with pytest.raises(NotFound), db.unit_of_work() as work:
        service.change(work, make.franchise(), OperatorCommand("Mine now"), by=manager.actor, now=NOW)
