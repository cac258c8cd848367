"""Going through the matrix as one of the six, and judging every answer."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from difflib import ndiff
from enum import StrEnum
from functools import partial
from typing import Final
from uuid import UUID

from tests.isolation.matrix import (
    ID,
    Browser,
    Request,
    Tally,
    absent,
    addresses,
    crossed,
    harvest,
    leaks,
    may_ask,
    plain,
    questions,
    rules,
    sees_all,
)
from tests.isolation.world import World
from tests.make import Person
from webapp.core.actor import Permission, Role

SHOWS: Final = {
    "accounts.confirm_passkey_question",
    "accounts.new_passkey_question",
    "accounts.passkey_question",
    "accounts.recovery_codes",
    "audit.export_file",
    "audit.verify_chain",
    "desk.edit_preview",
    "desk.export_family",
    "desk.preview",
    "zones.preview",
}
"""Changing routes that answer with what was asked for; every other one leads on when it has worked."""

LAST: Final = (
    "cancel",
    "close",
    "withdraw",
    "reject",
    "erase",
    "disable",
    "discard",
    "stop",
    "end",
    "sign_out",
    "view_as_begin",
)
"""Verbs that leave less to do: asked after all others."""


class Asker(StrEnum):
    """Who asks."""

    ANONYMOUS = "anonymous"
    AUDITOR = "auditor"
    FRANCHISE_STAFF = "franchise_staff"
    FRANCHISE_MANAGER = "franchise_manager"
    COMPANY_STAFF = "company_staff"
    ADMIN = "admin"


def person_of(world: World, asker: Asker) -> Person | None:
    """Who it is in this world: franchise people are the first franchise's."""
    if asker is Asker.ANONYMOUS:
        return None
    role = Role(asker.value)
    return next(story.people[role] for story in world.stories if role in story.people)


def ask_everything(world: World, asker: Asker, *, twice: bool = True) -> Tally:
    """The whole matrix of one asker: reading, changing what is not theirs, then changing what is.

    No line of defence stands between a row and whoever sees everything, so they read two rows of each operator and
    search for none, while everybody else reads all and searches for everybody's. Without ``twice``, what no line of
    defence decides is asked once: what a role may not do at all, by one request of each route; HEAD not beside GET;
    whoever sees everything reads one row of each operator, everybody else two, and searches for others' alone. That is
    for a matrix with a line switched off, after one that asked all of it.
    """
    person, tally = person_of(world, asker), Tally()
    browser = Browser(world.app, person)
    own = person.operator_id if person is not None else None
    offered = offers(world)
    steps: list[tuple[str, Callable[[], None]]] = [("reading", lambda: _read(world, browser, person, tally, twice))]
    for endpoint in sorted({request.endpoint for request in offered}):
        theirs = [request for request in offered if request.endpoint == endpoint]
        steps.append((f"POST {endpoint}", partial(_refused, world, browser, person, theirs, tally, twice)))
    # An admin may write everywhere: there is nothing that must stay.
    watched = person is None or person.role is not Role.ADMIN
    before = world.digests() if watched else {}
    for what, step in steps:
        step()
        if watched:
            after = world.digests()
            _unchanged(before, after, own, person, what, tally)
            before = after
    return tally


def offers(world: World) -> tuple[Request, ...]:
    """The changing requests of this world, harvested once."""
    if not world.offered:
        people = [
            person for story in world.stories for person in story.people.values() if person.role is not Role.AUDITOR
        ]
        world.offered = tuple(harvest(world, people))
    return world.offered


def _about(person: Person | None, owners: frozenset[UUID]) -> str:
    """For whoever asks: ``foreign`` as soon as one of the rows is another's, whoever else's are named beside it."""
    if not owners:
        return "nothing"
    if person is None:
        return "foreign"
    return "own" if sees_all(person) or owners == {person.operator_id} else "foreign"


def _read(world: World, browser: Browser, person: Person | None, tally: Tally, twice: bool) -> None:
    every = person is not None and (twice or not sees_all(person))
    most = 1 if person is None or not every else None if twice and not sees_all(person) else 2
    for rule in rules(world.app):
        if "GET" not in (rule.methods or ()):
            continue
        expected: dict[str, str] = {}
        for method in ("GET", "HEAD") if twice else ("GET",):
            for story in world.stories:
                found = addresses(world, rule, story.operator_id)
                for path in found[: most if method == "GET" else 1]:
                    owners = frozenset({story.operator_id} if rule.arguments else ())
                    request = Request(method, rule.endpoint, path, owners=owners, about=_about(person, owners))
                    _one(world, browser, person, request, tally, expected)
                if not rule.arguments:
                    break
        if person is not None and sees_all(person) and (known := addresses(world, rule, world.stories[0].operator_id)):
            _nothing_there(world, browser, person, Request("GET", rule.endpoint, known[0]), tally)
        if (
            not rule.arguments
            and not (person is not None and sees_all(person))
            and may_ask(world.app, Request("GET", rule.endpoint, ""), person)
        ):
            spared = person.operator_id if person is not None and not twice else None
            for path in questions(world, rule, spared):
                _one(world, browser, person, Request("GET", rule.endpoint, path), tally, expected)


def _nothing_there(world: World, browser: Browser, person: Person, request: Request, tally: Tally) -> None:
    """Whoever sees everything has no foreign rows to ask for, but rows that are not there."""
    none = absent(request)
    if none.path == request.path or not (may_ask(world.app, request, person) and _owned(request)):
        return
    response = browser.ask(none)
    tally.cells += 1
    if response.status_code != 404:
        tally.wrong.append(f"GET {none.path} ({none.endpoint}) answers {response.status_code} where nothing is")
    response.close()


def _one(
    world: World, browser: Browser, person: Person | None, request: Request, tally: Tally, expected: dict[str, str]
) -> None:
    response = browser.ask(request)
    tally.cells += 1
    where = f"{request.method} {request.path} ({request.endpoint}, {request.about})"
    tally.wrong += [f"{where} shows {marker}" for marker in leaks(response, world, person, request)]
    if response.status_code >= 500 and request.endpoint != "ops.readyz":
        tally.wrong.append(f"{where} answers {response.status_code}")
    _allowed(world, person, request, response.status_code, response.headers.get("Location", ""), tally, where)
    if request.about == "foreign" and may_ask(world.app, request, person) and _owned(request):
        none = absent(request)
        key = f"{request.method} {none.endpoint}"
        if key not in expected:
            tally.cells += 1
            expected[key] = plain(browser.ask(none))
        if plain(response) != expected[key]:
            tally.wrong.append(f"{where} answers {response.status_code}, another answer than where nothing is")
    response.close()


def _owned(request: Request) -> bool:
    """Whether ownership decides: the catalogue, public keys and what a link's holder may open are nobody's desk's."""
    return not request.endpoint.startswith(
        ("courses.", "issuer.", "certificates.verif", "verification.")
    ) and not request.endpoint.endswith("_link")


def _allowed(
    world: World, person: Person | None, request: Request, status: int, location: str, tally: Tally, where: str
) -> None:
    if may_ask(world.app, request, person):
        if request.about == "foreign" and _owned(request) and status not in (404, 422):
            tally.wrong.append(f"{where} answers {status} to somebody whose it is not")
        return
    if person is None and (status, location.partition("?")[0]) != (303, "/sign-in"):
        tally.wrong.append(f"{where} answers {status} to somebody nobody knows")
    elif person is not None and status != 403:
        tally.wrong.append(f"{where} answers {status} to a role that may not")


def _refused(
    world: World, browser: Browser, person: Person | None, offered: list[Request], tally: Tally, twice: bool
) -> None:
    """Changing requests about rows that are another's or nobody's, and all of a role that may not."""
    own = person.operator_id if person is not None else None
    barred = 0
    for request in offered:
        about = _about(person, request.owners)
        allowed = may_ask(world.app, request, person)
        if not allowed and barred and not twice:
            continue
        if not allowed:
            barred += 1
            _post(world, browser, person, replace(request, about=about), tally)
        elif about == "foreign":
            # An address that names no foreign row may be open, whatever foreign id its body brings along.
            strange = {world.owners.get(found) for found in ID.findall(request.path)} - {own, None}
            wanted = replace(request, about="foreign" if strange else "crossed")
            # The catalogue is everybody's: a course that is there is no row of others.
            nobodys = {found for found in request.ids if found not in world.owners}
            _pair(world, browser, person, wanted, absent(request, nobodys), tally)
        elif about == "own" and person is not None and not sees_all(person):
            assert own is not None
            for foreign, none in crossed(request, world, own):
                _pair(world, browser, person, foreign, none, tally)


def _post(world: World, browser: Browser, person: Person | None, request: Request, tally: Tally) -> str:
    response = browser.ask(request)
    tally.cells += 1
    where = f"{request.method} {request.path} ({request.endpoint}, {request.about}) {dict(request.fields)}"
    tally.wrong += [f"{where} shows {marker}" for marker in leaks(response, world, person, request)]
    if response.status_code >= 500:
        tally.wrong.append(f"{where} answers {response.status_code}")
    _allowed(world, person, request, response.status_code, response.headers.get("Location", ""), tally, where)
    said = plain(response)
    response.close()
    return said


def _pair(world: World, browser: Browser, person: Person | None, foreign: Request, none: Request, tally: Tally) -> None:
    """Something foreign must be answered as nothing is.

    Where an own row is changed and the foreign id was read past, the second request meets a changed row: then the
    foreign id must stand nowhere among the own rows.
    """
    instead, said = _post(world, browser, person, none, tally), _post(world, browser, person, foreign, tally)
    if foreign.about == "crossed" and "303" in (said[:3], instead[:3]):
        assert person is not None
        for found in foreign.ids - none.ids:
            if world.kinds.get(found) == "enquiries" and person.role is Role.COMPANY_STAFF:
                continue  # read on the list of demand (rule Z4), which left a trace with its id
            tally.wrong += [
                f"POST {foreign.path} ({foreign.endpoint}) took the foreign {found} into {table}"
                for table in world.tables_naming(found, person.operator_id)
            ]
    elif said != instead:
        apart = [line for line in ndiff(instead.splitlines(), said.splitlines()) if line[:1] in "+-"][:6]
        tally.wrong.append(
            f"POST {foreign.path} ({foreign.endpoint}) {dict(foreign.fields)} differs from absent: {apart}"
        )


def _unchanged(
    before: dict[UUID | None, str],
    after: dict[UUID | None, str],
    own: UUID | None,
    person: Person | None,
    what: str,
    tally: Tally,
) -> None:
    """Nothing of anybody else may have been written. People themselves leave traces with their own operator."""
    for owner in before.keys() | after.keys():
        if owner == own or before.get(owner) == after.get(owner):
            continue
        old, new = (set((side.get(owner) or "").split(";")) for side in (before, after))
        tables = sorted({line.partition(":")[0] for line in old ^ new if line})
        if person is not None and person.role is Role.AUDITOR and tables == ["audit_entries"]:
            continue  # reading a family leaves a trace with whose family it is
        drawing = person is not None and person.actor.may(Permission.ZONE_WRITE)
        if owner is None and drawing and tables == ["zone_set"]:
            continue  # whoever draws a zone of their own renews the stamp of all of them
        tally.wrong.append(f"{what} wrote {tables} of {'nobody' if owner is None else owner}")


def ask_as_their_own(world: World) -> Tally:
    """Every changing request as people whose rows it is about: which endpoints do what they are asked for."""
    tally = Tally()
    browsers = [Browser(world.app, person) for story in world.stories for person in story.people.values()]
    for request in sorted(offers(world), key=_rank):
        if request.endpoint in tally.reached:
            continue
        for browser in browsers:
            person = browser.person
            if _about(person, request.owners) == "foreign" or not may_ask(world.app, request, person):
                continue
            response = browser.ask(request)
            tally.cells += 1
            tally.statuses[request.endpoint][response.status_code] += 1
            response.close()
            if response.status_code in (204, 303) or (response.status_code == 200 and request.endpoint in SHOWS):
                tally.reached.add(request.endpoint)
                break
    return tally


def _rank(request: Request) -> tuple[int, str]:
    verb = request.endpoint.partition(".")[2]
    if verb == "sign_in":
        return (-1, request.endpoint)  # before anybody changes a password
    return (max((1 + number for number, last in enumerate(LAST) if last in verb), default=0), request.endpoint)
