"""The list of trainers comes from Valkey while nothing of it has changed, and is right whatever Valkey does."""

from __future__ import annotations

import re
import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import text

from tests.make import Make
from tests.rooms.test_assignment_races import Desk, desk
from tests.web.client import NOW, DeskClient
from tests.web.poor_valkey import answer_slowly, hang_up, say_nothing, server
from tests.web.walls import at_port, unused_port
from webapp.config import Settings
from webapp.core.actor import SYSTEM, Actor, ActorKind, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.tenancy import acting_as, acting_for
from webapp.db.work import read_only, unit_of_work
from webapp.trainers import service
from webapp.trainers.queries import as_command
from webapp.trainers.roster_list import KEPT, roster_version, trainers_list
from webapp.web.cache import CACHE, MOST_BYTES, ValkeyCache

__all__ = ["desk"]


@pytest.fixture
def valkey(redis_url: str) -> Iterator[Redis]:
    """This worker's Valkey, empty before and after."""
    with Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def kept(app: Flask, db: object, valkey: Redis, redis_url: str) -> Iterator[Redis]:
    """The application keeps its list there."""
    with cached_at(app, redis_url):
        yield valkey


@contextmanager
def cached_at(app: Flask, redis_url: str, **how: Any) -> Iterator[None]:
    """The application keeps its list at an address for a while."""
    before = app.extensions[CACHE]
    app.extensions[CACHE] = ValkeyCache(redis_url, **how)
    yield
    app.extensions[CACHE] = before


def keys(valkey: Redis) -> list[str]:
    """What is kept of lists."""
    return sorted(key.decode() for key in valkey.scan_iter("zonedesk/roster/*"))


def names(client: DeskClient, **asked: Any) -> list[str]:
    """Who stands in the list, and how many statements that took is ``client.statements``."""
    page = client.get("trainers.index", **asked).text
    return re.findall(r'href="/trainers/[0-9a-f-]{36}">([^<]+)</a>', page)


def fragment(client: DeskClient) -> str:
    """The list alone, without what differs with every answer."""
    return re.sub(r'nonce="[^"]*"', "", client.get("trainers.index", htmx=True).text)


class Roster:
    """A trainer of the company, and what may be changed about them."""

    def __init__(self, make: Make) -> None:
        self.zone_id, self.course_id = make.zone(name="VSP-01"), make.course("Maths")
        self.other_course = make.course("Physics")
        self.trainer_id = make.trainer((self.zone_id,), (self.course_id,), name="Lakshmi R.")
        self.make = make

    def edit(self, **to: Any) -> None:
        """The desk changes the trainer."""
        with unit_of_work() as work:
            command = replace(as_command(work.db, self.trainer_id), **to)
            assert service.change(work, self.trainer_id, command, by=SYSTEM, now=NOW)

    def sql(self, statement: str) -> None:
        """Something writes as the synchronisation does: in bulk, past the services."""
        with unit_of_work() as work:
            done = work.db.execute(text(statement), {"id": self.trainer_id, "zone": self.zone_id, "now": NOW})
            assert done.rowcount  # type: ignore[attr-defined]  # a cursor's result has one


@pytest.fixture
def roster(make: Make) -> Roster:
    return Roster(make)


# -- found, and not ------------------------------------------------------------------------------------------------


def test_a_page_asked_for_again_reads_no_trainer(client: DeskClient, make: Make, roster: Roster, kept: Redis) -> None:
    client.sign_in(make.admin())
    first = fragment(client)
    read = client.statements
    assert fragment(client) == first
    assert client.statements == read - 2
    (key,) = keys(kept)
    ttl = kept.ttl(key)
    assert isinstance(ttl, int)
    assert 0 < ttl <= KEPT <= 600


def test_every_question_is_kept_by_itself(client: DeskClient, make: Make, roster: Roster, kept: Redis) -> None:
    client.sign_in(make.admin())
    for _ in range(30):
        make.trainer((roster.zone_id,), ())
    pages = [names(client), names(client, page=2), names(client, q="laksh"), names(client, course=roster.course_id)]
    assert [len(page) for page in pages] == [25, 6, 1, 1]
    assert len(keys(kept)) == 4
    assert [names(client), names(client, page=2), names(client, q="laksh"), names(client, course=roster.course_id)] == (
        pages
    )
    assert not [key for key in keys(kept) if "laksh" in key.lower()], "keys name no people"


CHANGES: dict[str, Callable[[Roster], object]] = {
    "created": lambda r: r.make.trainer((r.zone_id,), (), name="Asha"),
    "renamed": lambda r: r.edit(name="Lakshmi Rao"),
    "not active": lambda r: r.edit(active=False),
    "without a base": lambda r: r.edit(base=None),
    "without hours": lambda r: r.edit(hours=()),
    "other courses": lambda r: r.edit(course_ids=(r.other_course,)),
    "other zones": lambda r: r.edit(zone_ids=(r.make.zone(name="VSP-02"),)),
    "a zone renamed": lambda r: r.sql("UPDATE zones SET name = 'Beach', name_key = 'beach' WHERE id = :zone"),
    "a course renamed": lambda r: r.sql("UPDATE courses SET name = 'Sums', name_key = 'sums' WHERE name = 'Maths'"),
    "the operator renamed": lambda r: r.sql("UPDATE operators SET name = 'Head office' WHERE kind = 'company'"),
    "left, by the synchronisation": lambda r: r.sql("UPDATE trainers SET active = false, left_at = :now"),
    "hours gone, by the synchronisation": lambda r: r.sql("DELETE FROM working_hours WHERE trainer_id = :id"),
    "courses gone, by the synchronisation": lambda r: r.sql("DELETE FROM trainer_courses WHERE trainer_id = :id"),
    "zones gone, by the synchronisation": lambda r: r.sql("DELETE FROM trainer_zones WHERE trainer_id = :id"),
}
"""What the list shows, changed by the desk and past it."""


@pytest.mark.parametrize("what", CHANGES)
def test_whatever_changes_is_seen_at_once(
    client: DeskClient, make: Make, roster: Roster, kept: Redis, what: str
) -> None:
    client.sign_in(make.admin())
    before = fragment(client)
    CHANGES[what](roster)
    after = fragment(client)
    assert len(keys(kept)) == 2, "another state, another key"
    kept.flushdb()
    assert after == fragment(client), "what a look at the rows would show"
    assert after != before


def test_what_the_list_does_not_show_leaves_it_where_it_is(
    client: DeskClient, make: Make, roster: Roster, kept: Redis
) -> None:
    client.sign_in(make.admin())
    names(client)
    booking = make.booking(zone_id=roster.zone_id, course_id=roster.course_id)
    make.proposal(booking, roster.trainer_id)
    names(client)
    assert len(keys(kept)) == 1, "a booking renews the trainer's stamp, and nothing that stands in the list"


# -- whose it is ---------------------------------------------------------------------------------------------------


def test_operators_never_see_each_other_s_lists(client: DeskClient, make: Make, kept: Redis) -> None:
    ours, theirs = make.franchise(), make.franchise()
    for franchise, name in ((ours, "Ours"), (theirs, "Theirs")):
        make.trainer((make.zone(operator_id=franchise),), (), operator_id=franchise, name=name)
    people = {make.manager(ours): ["Ours"], make.manager(theirs): ["Theirs"], make.admin(): ["Ours", "Theirs"]}
    for _twice in range(2):
        for person, shown in people.items():
            client.sign_in(person)
            assert names(client) == shown
    prefixes = {"/".join(key.split("/")[:4]) for key in keys(kept)}
    assert prefixes == {
        f"zonedesk/roster/{ours}/{ours}",
        f"zonedesk/roster/{theirs}/{theirs}",
        "zonedesk/roster/everybody/everybody",
    }


def listed(actor: Actor, redis_url: str) -> list[str]:
    """The list as somebody's view asks for it."""
    with read_only() as db:
        version = roster_version(db, visible_to=actor)
    found, total = trainers_list(ValkeyCache(redis_url), version, visible_to=actor, limit=25, offset=0)
    assert total == len(found)
    return [row.name for row in found]


def test_what_one_line_of_defence_let_through_is_not_kept_for_others(make: Make, valkey: Redis, redis_url: str) -> None:
    """A view that forgets the scope sees its tenant's rows alone; nobody else may find them under their key."""
    franchise = make.franchise()
    make.trainer((make.zone(),), (), name="Company's")
    make.trainer((make.zone(operator_id=franchise),), (), operator_id=franchise, name="Theirs")
    with acting_for(franchise):
        assert listed(SYSTEM, redis_url) == ["Theirs"]
    with acting_as(SYSTEM):
        assert listed(SYSTEM, redis_url) == ["Company's", "Theirs"]
    with acting_for(franchise):
        assert listed(somebody_of(franchise), redis_url) == ["Theirs"]
        assert listed(somebody_of(COMPANY_ID), redis_url) == []


def somebody_of(operator_id: UUID) -> Actor:
    """Somebody of an operator."""
    return Actor(ActorKind.USER, new_id(), "Staff", Role.FRANCHISE_STAFF, operator_id)


# -- what Valkey does ----------------------------------------------------------------------------------------------


RUBBISH = [b"", b"\xff", b"[", b"[]", b"null", b'[[], "many"]', b'[[{"name": "Nobody"}], 1]', b"[[[1, 2, 3]], 1]"]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_in_the_cache_is_read_afresh_and_written_over(
    client: DeskClient, make: Make, roster: Roster, kept: Redis, rubbish: bytes
) -> None:
    client.sign_in(make.admin())
    assert names(client) == ["Lakshmi R."]
    (key,) = keys(kept)
    sound = kept.get(key)
    kept.set(key, rubbish)
    assert names(client) == ["Lakshmi R."]
    assert kept.get(key) == sound


def test_a_key_of_another_kind_does_no_harm(client: DeskClient, make: Make, roster: Roster, kept: Redis) -> None:
    client.sign_in(make.admin())
    names(client)
    (key,) = keys(kept)
    kept.delete(key)
    kept.lpush(key, "not a string")
    assert names(client) == names(client) == ["Lakshmi R."]


def test_what_is_too_large_is_not_kept(valkey: Redis, redis_url: str) -> None:
    cache = ValkeyCache(redis_url)
    cache.put("large", b"x" * (MOST_BYTES + 1), seconds=60)
    cache.put("fits", b"x" * MOST_BYTES, seconds=60)
    assert valkey.keys() == [b"fits"]
    assert len(cache.get("fits") or b"") == MOST_BYTES
    assert cache.get("large") is None


def test_without_valkey_the_list_is_read(
    app: Flask, client: DeskClient, make: Make, roster: Roster, settings: Settings
) -> None:
    client.sign_in(make.admin())
    with cached_at(app, at_port(settings.redis_url, unused_port())):
        for _ in range(3):
            assert names(client) == ["Lakshmi R."]
        roster.edit(name="Lakshmi Rao")
        assert names(client) == ["Lakshmi Rao"]


@pytest.mark.parametrize("answer", [say_nothing, hang_up, answer_slowly])
def test_a_valkey_that_is_no_help_costs_a_moment_and_is_left_alone_for_a_while(
    app: Flask,
    client: DeskClient,
    make: Make,
    roster: Roster,
    settings: Settings,
    answer: Callable[[socket.socket], None],
) -> None:
    client.sign_in(make.admin())
    seconds = [0.0]
    with (
        server(answer) as (port, came),
        cached_at(app, at_port(settings.redis_url, port), monotonic=lambda: monotonic() + seconds[0]),
    ):
        begun = monotonic()
        assert names(client) == ["Lakshmi R."]
        tried = len(came)
        assert tried >= 1
        for _ in range(5):
            assert names(client) == ["Lakshmi R."]
        assert len(came) == tried, "while it is away nobody asks"
        assert monotonic() - begun < 5
        seconds[0] = 6.0
        assert names(client) == ["Lakshmi R."]
        assert len(came) > tried or answer is answer_slowly, "later it is asked again"


def test_a_valkey_that_comes_back_is_used_again(
    app: Flask, client: DeskClient, make: Make, roster: Roster, valkey: Redis, redis_url: str
) -> None:
    client.sign_in(make.admin())
    seconds = [0.0]
    with cached_at(app, redis_url, monotonic=lambda: seconds[0]):
        cache = app.extensions[CACHE]
        cache._away_until = 5.0
        names(client)
        assert keys(valkey) == []
        seconds[0] = 5.0
        names(client)
        assert len(keys(valkey)) == 1


# -- races ---------------------------------------------------------------------------------------------------------


@pytest.mark.race
def test_no_reader_ever_finds_a_list_older_than_the_roster_was_when_they_asked(desk: Desk, redis_url: str) -> None:
    """Writers and readers at once, with real commits: what is kept under a version is never older than the version."""
    with Redis.from_url(redis_url) as valkey:
        valkey.flushdb()
    (trainer_id,) = desk.trainers(1)
    database, done, committed = desk.database, threading.Event(), [0]

    def write() -> None:
        for number in range(1, 120):
            with database.unit_of_work() as work:
                work.db.execute(text("UPDATE trainers SET name = :n"), {"n": f"Trainer {number}"})
            committed[0] = number
        done.set()

    def read() -> list[str]:
        cache, late = ValkeyCache(redis_url), []
        while not done.is_set():
            at_least = committed[0]
            with database.read_only() as db:
                version = roster_version(db, visible_to=SYSTEM)
            rows, _total = trainers_list(cache, version, visible_to=SYSTEM, limit=25, offset=0)
            shown = int(rows[0].name.split()[-1]) if committed[0] else 0
            if at_least and shown < at_least:
                late.append(f"{shown} where {at_least} was committed")
        return late

    with ThreadPoolExecutor(5) as crowd:
        readers = [crowd.submit(read) for _ in range(4)]
        crowd.submit(write).result()
        assert [reader.result() for reader in readers] == [[]] * 4
    with database.read_only() as db:
        version = roster_version(db, visible_to=SYSTEM)
    rows, _total = trainers_list(ValkeyCache(redis_url), version, visible_to=SYSTEM, limit=25, offset=0)
    assert [row.id for row in rows] == [trainer_id]
    assert rows[0].name == "Trainer 119"
