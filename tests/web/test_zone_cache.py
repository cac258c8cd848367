"""Who serves a place is remembered until a zone changes anywhere, and is right whatever becomes of Valkey."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from math import inf, nextafter
from time import monotonic
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from redis import Redis
from sqlalchemy import text

from tests.make import HOME, Make
from tests.rooms.test_assignment_races import Desk, desk
from tests.web.client import NOW, DeskClient, NothingKept
from tests.web.poor_valkey import answer_slowly, say_nothing, server
from tests.web.walls import at_port, unused_port
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_as, acting_for, acting_for_nobody
from webapp.db.work import Database, counting_statements, read_only, unit_of_work
from webapp.operators import service as operators
from webapp.operators.rules import OperatorCommand
from webapp.web.cache import CACHE, Cache, ValkeyCache
from webapp.zones import queries, service
from webapp.zones.remembered import SECONDS, Counts, ZoneLookup, init_zone_lookup, zone_lookup
from webapp.zones.rules import ZoneCommand

__all__ = ["desk"]

COMMAND = ZoneCommand("Central", None, "Asia/Kolkata", HOME, 3.0)
SECRET = "one secret of all processes"
NOTHING: Cache = NothingKept()


@pytest.fixture
def valkey(redis_url: str) -> Iterator[Redis]:
    """This worker's Valkey, empty before and after."""
    with Redis.from_url(redis_url) as client:
        client.flushdb()
        yield client
        client.flushdb()


@pytest.fixture
def zone_id(db: Database) -> UUID:
    """A zone around everybody's home."""
    with db.unit_of_work() as work:
        return service.create(work, COMMAND, by=SYSTEM, now=NOW)


def keys(valkey: Redis) -> list[str]:
    """What is kept of lookups."""
    return sorted(key.decode() for key in valkey.scan_iter("zonedesk/zones/*"))


def counts(lookup: ZoneLookup) -> tuple[int, int, int]:
    """Answered by memory, by Valkey, by the database."""
    return lookup.counts.memory, lookup.counts.shared, lookup.counts.asked


def change(zone_id: UUID, **to: Any) -> None:
    """Somebody changes the zone."""
    with unit_of_work() as work:
        assert service.change(work, zone_id, replace(COMMAND, **to), by=SYSTEM, now=NOW)


# Found, and not


def test_a_place_is_asked_of_the_database_once_then_of_valkey_then_of_the_process(
    zone_id: UUID, valkey: Redis, redis_url: str
) -> None:
    first, second = ZoneLookup(SECRET), ZoneLookup(SECRET)
    cache = ValkeyCache(redis_url)
    with read_only() as db:
        asked = queries.zones_at(db, HOME)
    took = []
    for lookup in (first, first, second, second):
        with counting_statements() as count:
            assert lookup.zones_at(HOME, cache) == asked
            took.append(count())
    assert took == [1, 1, 1, 1], "an answer that is still good is said to be so by the statement that would answer"
    assert (counts(first), counts(second)) == ((1, 0, 1), (1, 1, 0))
    (key,) = keys(valkey)
    ttl = valkey.ttl(key)
    assert isinstance(ttl, int)
    assert 0 < ttl <= SECONDS


def test_that_nobody_serves_a_place_is_remembered_as_well(zone_id: UUID, valkey: Redis, redis_url: str) -> None:
    lookup, far = ZoneLookup(SECRET), Location(1, 1)
    for _ in range(3):
        assert lookup.zones_at(far, ValkeyCache(redis_url)) == ()
    assert ZoneLookup(SECRET).zones_at(far, ValkeyCache(redis_url)) == ()
    assert counts(lookup) == (2, 0, 1)


def test_a_last_bit_beside_the_border_is_another_place(db: Database, valkey: Redis, redis_url: str) -> None:
    """Rounded to any number of digits the two would be one, and one of them would get the other's answer."""
    corners = (Location(17, 83), Location(17, 83.1), Location(17.1, 83.1), Location(17.1, 83))
    with db.unit_of_work() as work:
        service.create(work, ZoneCommand("A", None, "UTC", ring=corners, max_travel_km=3.0), by=SYSTEM, now=NOW)
    on_it, beside = Location(17.05, 83.1), Location(17.05, nextafter(83.1, inf))
    for cache in (NOTHING, ValkeyCache(redis_url)):
        lookup = ZoneLookup(SECRET)
        for _ in range(2):
            assert [zone.name for zone in lookup.zones_at(on_it, cache)] == ["A"]
            assert lookup.zones_at(beside, cache) == ()
    assert len(keys(valkey)) == 2


def test_two_spellings_of_one_place_are_one(zone_id: UUID, valkey: Redis, redis_url: str) -> None:
    lookup, cache = ZoneLookup(SECRET), ValkeyCache(redis_url)
    for place in (Location(0, 17), Location(-0.0, 17.0), Location(1e-13, 17)):
        lookup.zones_at(place, cache)
    assert counts(lookup) == (2, 0, 1)
    assert len(keys(valkey)) == 1


def test_the_memory_forgets_what_was_not_asked_for_the_longest(zone_id: UUID) -> None:
    lookup = ZoneLookup(SECRET, capacity=2)
    here, there, elsewhere = (Location(17, n) for n in range(3))
    for place in (here, there, here, elsewhere, here, there):
        lookup.zones_at(place, NOTHING)
    assert counts(lookup) == (2, 0, 4)


def test_valkey_is_told_of_no_home(zone_id: UUID, valkey: Redis, redis_url: str) -> None:
    ZoneLookup(SECRET).zones_at(HOME, ValkeyCache(redis_url))
    ZoneLookup("another").zones_at(HOME, ValkeyCache(redis_url))
    one, other = keys(valkey)
    assert one != other, "who does not know the secret cannot find a place by trying places"
    assert not [number for number in ("17.6868", "83.2185") for key in (one, other) if number in key]


def test_everybody_gets_the_same_answer(make: Make, zone_id: UUID, valkey: Redis, redis_url: str) -> None:
    """Whose zone it is, is what they ask; nobody's right to rows has a part in it, remembered or not."""
    franchise = make.franchise("Lotus")
    make.zone(operator_id=franchise, name="Theirs", center=HOME, radius_km=2.0)
    people = [acting_as(make.admin().actor), acting_for(franchise), acting_for(COMPANY_ID), acting_for_nobody()]
    lookup, cache = ZoneLookup(SECRET), ValkeyCache(redis_url)
    answers = []
    for somebody in people:
        with somebody:
            answers += [lookup.zones_at(HOME, cache), ZoneLookup(SECRET).zones_at(HOME, NOTHING)]
    assert [zone.name for zone in answers[0]] == ["Theirs", "Central"]
    assert all(answer == answers[0] for answer in answers)
    assert counts(lookup) == (3, 0, 1)


# What changes


CHANGES: dict[str, Callable[[UUID], None]] = {
    "renamed": lambda zone_id: change(zone_id, name="North"),
    "another label": lambda zone_id: change(zone_id, label="Beach"),
    "moved away": lambda zone_id: change(zone_id, center=Location(1, 1)),
    "smaller": lambda zone_id: change(zone_id, radius_km=1.0),
    "another time zone": lambda zone_id: change(zone_id, time_zone="Asia/Dubai"),
    "another buffer": lambda zone_id: change(zone_id, travel_buffer_minutes=30),
    "retired": lambda zone_id: change(zone_id, active=False),
}


@pytest.mark.race
def test_a_change_on_another_connection_is_seen_at_once(desk: Desk, valkey: Redis, redis_url: str) -> None:
    """Two web processes: one has just answered when the other changes the zone, each with its own connections."""
    with unit_of_work() as work:
        zone_id = service.create(work, COMMAND, by=SYSTEM, now=NOW)
    reader, other, cache = ZoneLookup(SECRET), ZoneLookup(SECRET), ValkeyCache(redis_url)

    def seen() -> tuple[queries.ZoneAt, ...]:
        found = reader.zones_at(HOME, cache)
        assert reader.zones_at(HOME, cache) == other.zones_at(HOME, cache) == found
        with read_only() as db:
            assert queries.zones_at(db, HOME) == found
        return found

    before = seen()
    for what, do in CHANGES.items():
        do(zone_id)
        after = seen()
        assert after != before, what
        change(zone_id, label="as it was")
        before = seen()
    with unit_of_work() as work:
        service.create(work, replace(COMMAND, name="Smaller", radius_km=2.0), by=SYSTEM, now=NOW)
    assert [zone.name for zone in seen()][:1] == ["Smaller"]
    with unit_of_work() as work:
        operators.change(work, COMPANY_ID, OperatorCommand("Head office"), by=SYSTEM, now=NOW)
    assert {zone.operator_name for zone in seen()} == {"Head office"}
    with unit_of_work() as work:
        work.db.execute(text("DELETE FROM zones WHERE id = :id"), {"id": zone_id})
    assert "Central" not in [zone.name for zone in seen()]


@pytest.mark.race
@pytest.mark.parametrize("shared", [True, False], ids=["with Valkey", "without"])
def test_no_reader_finds_an_answer_older_than_the_zones_were_when_they_asked(
    desk: Desk, valkey: Redis, redis_url: str, shared: bool
) -> None:
    """A writer and readers with memories of their own, with real commits."""
    with unit_of_work() as work:
        zone_id = service.create(work, COMMAND, by=SYSTEM, now=NOW)
    done, committed = threading.Event(), [0]

    def write() -> None:
        try:
            for number in range(1, 80):
                with desk.database.unit_of_work() as work:
                    service.change(work, zone_id, replace(COMMAND, travel_buffer_minutes=number), by=SYSTEM, now=NOW)
                committed[0] = number
        finally:
            done.set()

    def read() -> tuple[list[str], tuple[int, int, int]]:
        lookup, late = ZoneLookup(SECRET), []
        cache: Cache = ValkeyCache(redis_url) if shared else NOTHING
        while not done.is_set():
            at_least = committed[0]
            shown = next(zone for zone in lookup.zones_at(HOME, cache) if zone.id == zone_id).travel_buffer_minutes
            if shown < at_least:
                late.append(f"{shown} where {at_least} was committed")
        return late, counts(lookup)

    with ThreadPoolExecutor(5) as crowd:
        readers = [crowd.submit(read) for _ in range(4)]
        crowd.submit(write).result()
        outcomes = [reader.result() for reader in readers]
    assert [late for late, _counts in outcomes] == [[]] * 4
    assert sum(answered[0] for _late, answered in outcomes) > 0, "somebody remembered"


# What Valkey does


RUBBISH = [b"", b"\xff", b"[", b"null", b"{}", b'"Central"', b'[{"name": "Nobody"}]', b"[[1, 2, 3]]", b"[1]"]


@pytest.mark.parametrize("rubbish", RUBBISH)
def test_rubbish_is_asked_afresh_and_written_over(zone_id: UUID, valkey: Redis, redis_url: str, rubbish: bytes) -> None:
    found = ZoneLookup(SECRET).zones_at(HOME, ValkeyCache(redis_url))
    (key,) = keys(valkey)
    sound = valkey.get(key)
    valkey.set(key, rubbish)
    lookup = ZoneLookup(SECRET)
    assert lookup.zones_at(HOME, ValkeyCache(redis_url)) == found
    assert counts(lookup) == (0, 0, 1)
    assert valkey.get(key) == sound


def test_without_valkey_it_is_right_and_the_process_still_remembers(
    zone_id: UUID, settings: Settings, redis_url: str
) -> None:
    gone = ValkeyCache(at_port(redis_url, unused_port()))
    lookup = ZoneLookup(SECRET)
    for _ in range(2):
        assert [zone.name for zone in lookup.zones_at(HOME, gone)] == ["Central"]
    change(zone_id, name="North")
    assert [zone.name for zone in lookup.zones_at(HOME, gone)] == ["North"]
    assert counts(lookup) == (1, 0, 2)


@pytest.mark.parametrize("answer", [say_nothing, answer_slowly])
def test_a_slow_valkey_costs_a_moment_once_and_is_left_alone_then(
    zone_id: UUID, redis_url: str, answer: Callable[[socket.socket], None]
) -> None:
    lookup = ZoneLookup(SECRET)
    with server(answer) as (port, came):
        slow = ValkeyCache(at_port(redis_url, port), pause=60)
        began = monotonic()
        for number in range(20):
            lookup.zones_at(Location(HOME.lat, HOME.lng + number / 1000), slow)
        assert monotonic() - began < 4
        assert len(came) <= 2
    assert counts(lookup) == (0, 0, 20)


# On the pages


@pytest.fixture
def remembering(app: Flask, redis_url: str, valkey: Redis) -> Iterator[ZoneLookup]:
    """The application with an empty memory and a real cache."""
    before = app.extensions[CACHE]
    app.extensions[CACHE] = ValkeyCache(redis_url)
    init_zone_lookup(app, SECRET)
    with app.app_context():
        yield zone_lookup()
    app.extensions[CACHE] = before
    init_zone_lookup(app, SECRET)


def test_the_lookup_page_and_the_booking_page_remember_the_same_answers(
    client: DeskClient, make: Make, zone_id: UUID, remembering: ZoneLookup
) -> None:
    client.sign_in(make.staff())
    place = f"{HOME.lat}, {HOME.lng}"
    assert "is served by Central" in client.get("zones.lookup", place=place).text
    asked = client.statements
    assert "is served by Central" in client.get("zones.lookup", place=place).text
    assert client.statements == asked
    assert counts(remembering) == (1, 0, 1)
    assert "Central" in client.post("desk.preview", data={"location": place}, htmx=True).text
    assert counts(remembering) == (2, 0, 1)
    change(zone_id, name="North")
    assert "North" in client.post("desk.preview", data={"location": place}, htmx=True).text
    assert "is served by North" in client.get("zones.lookup", place=place).text
    assert counts(remembering) == (3, 0, 2)


def test_readiness_tells_how_often_lookups_are_remembered(client: DeskClient, remembering: ZoneLookup) -> None:
    assert client.get("/readyz").get_json()["zone_lookups"] == {
        "memory": 0,
        "shared": 0,
        "asked": 0,
        "hit_rate": None,
    }
    for _ in range(4):
        remembering.zones_at(HOME, NOTHING)
    told = client.get("/readyz").get_json()["zone_lookups"]
    assert told == {"memory": 3, "shared": 0, "asked": 1, "hit_rate": 0.75}


def test_a_hit_rate_is_of_all_lookups() -> None:
    assert Counts(2, 1, 1).hit_rate == 0.75
    assert Counts().hit_rate is None
