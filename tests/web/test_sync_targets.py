"""What a name of the service can be said to mean, and what it cannot."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

import pytest
from sqlalchemy import update
from werkzeug.test import TestResponse

from tests.make import Make
from tests.web.client import DeskClient
from tests.web.sync_rows import add_link, add_record
from webapp.courses.models import Course
from webapp.db.work import unit_of_work
from webapp.operators.models import Operator
from webapp.trainers import sync_naming, sync_refusals, sync_words
from webapp.trainers.sync_rules import LinkKind
from webapp.zones.models import Zone

pytestmark = pytest.mark.usefixtures("service")

LINK = "trainer_service.link"
KINDS: list[tuple[LinkKind, type[Operator | Zone | Course], Callable[[Make], UUID]]] = [
    (LinkKind.FRANCHISE, Operator, lambda make: make.franchise("Vizag Learning")),
    (LinkKind.TRAINER, Operator, lambda make: make.franchise("Vizag Learning")),
    (LinkKind.ZONE, Zone, lambda make: make.zone(name="Vizag Learning")),
    (LinkKind.COURSE, Course, lambda make: make.course("Vizag Learning")),
]


def switch_off(table: type[Operator | Zone | Course], target: UUID) -> None:
    with unit_of_work() as work:
        work.db.execute(update(table).where(table.id == target).values(active=False))


def offered(page: TestResponse) -> str:
    """The choices of the form."""
    return page.text.partition("<select")[2].partition("</select>")[0]


@pytest.mark.parametrize(("kind", "table", "made"), KINDS)
def test_what_is_switched_off_is_offered_only_where_it_is_meant_already(
    admin: DeskClient,
    make: Make,
    kind: LinkKind,
    table: type[Operator | Zone | Course],
    made: Callable[[Make], UUID],
) -> None:
    target = made(make)
    assert "Vizag Learning" in offered(admin.get(LINK, kind=kind, name="N-1"))
    switch_off(table, target)
    assert "Vizag Learning" not in offered(admin.get(LINK, kind=kind, name="N-1"))
    assert admin.post(LINK, kind=kind, name="N-1", data={"target": str(target)}).status_code == 422
    add_link(kind, "N-2", target)
    assert "Vizag Learning, switched off" in offered(admin.get(LINK, kind=kind, name="N-2"))
    assert admin.post(LINK, kind=kind, name="N-2", data={"target": str(target)}).status_code == 303


def test_what_is_switched_off_while_the_page_is_open_is_refused_at_its_field(
    admin: DeskClient, make: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = make.franchise("Vizag Learning")
    switch_off(Operator, target)
    monkeypatch.setattr(sync_naming, "_active", lambda *_: [(target, "Vizag Learning")])
    page = admin.post(LINK, kind="franchise", name="F-9", data={"target": str(target)})
    assert page.status_code == 422
    assert "This was switched off. Choose something else." in page.text


@pytest.mark.parametrize("letter", ["\u00a0", "\u2003"])
def test_a_name_with_a_letter_that_cannot_be_seen_is_told_apart_from_a_long_one(
    admin: DeskClient, make: Make, letter: str
) -> None:
    name = f"F{letter}9"
    add_record("T-1", code="franchise-unknown", facts={"franchise": name})
    page = admin.post(LINK, kind="franchise", name=name, data={"target": str(make.franchise())})
    assert page.status_code == 422
    assert "cannot be seen, such as a no-break space" in page.text
    assert "at most" not in page.text


def test_words_for_templates_have_one_prefix_and_say_so(admin: DeskClient) -> None:
    globals_ = admin.application.jinja_env.globals
    for module in (sync_words, sync_refusals):
        told = {name for name, one in vars(module).items() if "A Jinja global." in (getattr(one, "__doc__", "") or "")}
        assert told == set(module.IN_TEMPLATES)
        for name in module.IN_TEMPLATES:
            assert globals_[f"sync_{name}"] is getattr(module, name)
            assert name not in globals_
