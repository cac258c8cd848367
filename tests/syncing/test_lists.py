"""Where the deployed list ends: with services that cap their pages, repeat them, or know of none."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.syncing.conftest import Sync, trainer
from tests.syncing.told import Told
from tests.web.client import NOW
from webapp.clients.trainer_service.said import UNSAID, Fault, LegacyPage
from webapp.trainers.syncing import lists
from webapp.trainers.syncing.lists import Place


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages of four."""
    monkeypatch.setattr(lists, "PER_PAGE", 4)


class Deployed(Told):
    """A service as it is deployed, which gives ``cap`` trainers at most."""

    def __init__(self, sync: Sync, count: int, cap: int = 4) -> None:
        sync.make.zone()
        said = [replace(trainer(f"T{number:02}"), updated_at=None, zones=UNSAID) for number in range(count)]
        super().__init__(*said, legacy=True, per_page=cap)

    def listed(self) -> list[str]:
        """The pages it was asked for; forgets them."""
        found = [question for question in self.asked if question.startswith("list")]
        self.asked.clear()
        return found


class Pageless(Deployed):
    """Begins at the beginning whatever the page."""

    def legacy_page(self, number: int) -> LegacyPage:
        """See ``TrainerService``."""
        self._asked(f"list {number}")
        return self._rows(0, self.per_page)


class Clamped(Deployed):
    """Gives its last page for those beyond it."""

    def legacy_page(self, number: int) -> LegacyPage:
        """See ``TrainerService``."""
        last = -(-len(self.trainers) // self.per_page)
        self._asked(f"list {number}")
        return self._rows((min(number, last) - 1) * self.per_page, self.per_page)


def loaded(sync: Sync) -> int:
    """How many trainers of the service are on the roster."""
    return len(sync.rows("SELECT FROM trainers WHERE service_id IS NOT NULL"))


@pytest.mark.parametrize(("count", "pages"), [(2, 2), (3, 2), (5, 2), (6, 3), (11, 4)])
def test_a_service_that_gives_fewer_than_it_is_asked_for_is_read_to_its_end(sync: Sync, count: int, pages: int) -> None:
    service = Deployed(sync, count, cap=3)
    assert sync.run(service)["state"] == "done"
    assert loaded(sync) == count
    assert service.listed() == [f"list {number}" for number in range(2, pages + 1)]


@pytest.mark.parametrize("count", [3, 6, 8, 9])
def test_a_service_that_gives_its_last_page_for_those_beyond_it_is_read_to_its_end(sync: Sync, count: int) -> None:
    service = Clamped(sync, count)
    assert sync.run(service)["state"] == "done"
    assert loaded(sync) == count
    assert len(service.listed()) <= 3


def test_a_service_without_pages_that_lists_everybody_is_read_once_more_and_done(sync: Sync) -> None:
    service = Pageless(sync, 9, cap=100)
    for _ in range(2):
        assert sync.run(service)["state"] == "done"
        assert service.listed() == ["list 3"]
    assert loaded(sync) == 9


def test_a_service_without_pages_that_leaves_the_rest_out_is_not_believed_to_have_no_more(sync: Sync) -> None:
    service = Pageless(sync, 9)
    run = sync.run(service)
    assert (run["state"], run["problem"]) == ("failed", Fault.WRONG_SHAPE.value)
    assert service.listed() == ["list 2"]
    assert sync.state()["next_at"] > NOW
    service.first_page_holds = 8
    assert sync.run(service)["state"] == "failed"
    assert service.listed() == ["list 3"]


def test_a_list_that_never_ends_is_given_up(sync: Sync, monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as one in another order every time."""
    monkeypatch.setattr(lists, "MOST_PAGES", 5)
    service = Deployed(sync, 30)
    run = sync.run(service)
    assert (run["state"], run["problem"]) == ("failed", Fault.WRONG_SHAPE.value)
    assert service.listed() == ["list 2", "list 3", "list 4", "list 5"]


def test_a_place_is_what_its_cursor_says() -> None:
    for place in (Place(), Place(3, 20), Place(7, 500, 50, "0123456789abcdef", "fedcba9876543210")):
        assert Place.of(str(place).removeprefix("list:")) == place
