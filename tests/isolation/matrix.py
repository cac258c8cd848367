"""What is asked in the matrix, by whom, and what may never come back.

Addresses come from the URL map, bodies from the very forms that pages offer to those who may use them. A request that
is right in every way but the person is the strongest one there is, so a foreign row is asked for with the body that
its own people would send. For a row that is not there every id of the request is drawn afresh.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final
from uuid import UUID, uuid4

from flask import Flask
from werkzeug.routing import MapAdapter, Rule
from werkzeug.test import TestResponse

from tests.isolation.fill import ARGUMENTS, NOT_ASKED, OF_ENDPOINT, PUBLIC_NAMES, QUESTIONS, by_hand, filled
from tests.isolation.forms import Offer, offers_on
from tests.isolation.world import World
from tests.make import Person
from tests.web.client import DeskClient
from webapp.core.actor import Permission, Role
from webapp.core.errors import Conflict
from webapp.web.access import guard_of

ID: Final = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
_VARIES: Final = (
    (re.compile(r'nonce="[^"]*"'), 'nonce=""'),
    (re.compile(r'data-csrf="[^"]*"'), 'data-csrf=""'),
    (re.compile(r'(name="csrf_token"[^>]*value=")[^"]*'), r"\1"),
    (re.compile(r'(value=")[^"]*("[^>]*name="csrf_token")'), r"\1\2"),
    (re.compile(r'(name="csrf-token" content=")[^"]*'), r"\1"),
    (re.compile(r"\b[0-9a-f]{32}\b"), "R"),
    (ID, "U"),
)
KEY: Final = "key"
"""The field by which a form that is sent twice is known again."""
UNSAFE: Final = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def sees_all(person: Person) -> bool:
    """Whether the domain's table lets the person's role see everything: said here anew, not asked of the code."""
    return person.role in (Role.ADMIN, Role.AUDITOR)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: ``owners`` are those whose rows it is about; none when it names no row."""

    method: str
    endpoint: str
    path: str
    fields: tuple[tuple[str, str], ...] = ()
    owners: frozenset[UUID] = frozenset()
    about: str = "nothing"
    """For whoever asks: ``own``, ``foreign``, ``absent``, ``crossed`` (an own address, a foreign id in the body) or
    ``nothing``."""

    @property
    def ids(self) -> set[str]:
        """Every id in address and body."""
        return set(ID.findall(self.path)) | {found for _name, value in self.fields for found in ID.findall(value)}

    def with_ids(self, other: Callable[[str], str]) -> Request:
        """The same with other ids."""
        return replace(
            self,
            path=ID.sub(lambda m: other(m[0]), self.path),
            fields=tuple((name, ID.sub(lambda m: other(m[0]), value)) for name, value in self.fields),
        )


@dataclass
class Tally:
    """What was asked, and everything that is wrong."""

    cells: int = 0
    wrong: list[str] = field(default_factory=list)
    reached: set[str] = field(default_factory=set)
    """Endpoints that did what they were asked for, by method."""
    statuses: dict[str, dict[int, int]] = field(default_factory=lambda: defaultdict(lambda: defaultdict(int)))


def plain(response: TestResponse) -> str:
    """An answer without what differs from one request to the next."""
    body = response.get_data(as_text=True) if (response.mimetype or "").startswith(("text/", "application/")) else ""
    for pattern, instead in _VARIES:
        body = pattern.sub(instead, body)
    return f"{response.status_code} {ID.sub('U', response.headers.get('Location', ''))}\n{body}"


class Browser:
    """One person, or nobody, at a browser that signs in again when it was signed out."""

    def __init__(self, app: Flask, person: Person | None) -> None:
        client = app.test_client()
        assert isinstance(client, DeskClient)
        client.lint = False
        self.client, self.person = client, person
        if person is not None:
            client.sign_in(person)

    def ask(self, request: Request) -> TestResponse:
        """Send a request."""
        response = self._send(request)
        if self.person is not None and response.headers.get("Location", "").startswith("/sign-in"):
            try:
                self.client.sign_in(self.person)
            except Conflict:  # switched off by a request before: there is no way back in
                return response
            response = self._send(request)
        if response.status_code == 303:
            with self.client.session_transaction() as cookie:
                cookie.pop("_flashes", None)  # else the next page tells what became of this request
        return response

    def _send(self, request: Request) -> TestResponse:
        if request.method in ("GET", "HEAD", "OPTIONS"):
            return self.client.open(request.path, method=request.method)
        data: dict[str, object] = {}
        for name, value in request.fields:
            known = data.setdefault(name, [])
            assert isinstance(known, list)
            known.append(value)
        return self.client.open(request.path, method=request.method, data=data)


def rules(app: Flask) -> list[Rule]:
    """The rules of the matrix, always in one order."""
    found = sorted(app.url_map.iter_rules(), key=lambda rule: (rule.rule, rule.endpoint))
    return [rule for rule in found if rule.endpoint not in NOT_ASKED]


def addresses(world: World, rule: Rule, operator_id: UUID) -> list[str]:
    """Every address of a rule with an operator's rows; one without rows when the rule names none.

    Fails for an argument that nobody said how to fill: a route that the matrix does not know.
    """
    if not rule.arguments:
        return [_path(world.app, rule.endpoint, {})]
    key = frozenset(rule.arguments)
    question = OF_ENDPOINT.get(rule.endpoint, ARGUMENTS.get(key))
    assert question, f"the matrix does not know {rule.rule}: say in ARGUMENTS how to fill {sorted(key)}"
    rows = world.rows(question, own=operator_id)
    return [_path(world.app, rule.endpoint, {name: str(row[name]) for name in rule.arguments}) for row in rows]


def _path(app: Flask, endpoint: str, values: dict[str, Any]) -> str:
    with app.test_request_context():
        return app.url_for(endpoint, **values)


def owners_of(world: World, request: Request) -> frozenset[UUID]:
    """Whose rows a request names, in address and body."""
    return frozenset(world.owners[found] for found in request.ids if found in world.owners)


def harvest(world: World, people: Sequence[Person]) -> dict[Request, None]:
    """Every changing request that pages offer to these people, with its form filled in; ordered, each once.

    A form that has a fresh key each time it is drawn counts once, whoever drew it.
    """
    found: dict[Request, None] = {}
    keyed: dict[Request, str] = {}
    adapter = world.app.url_map.bind("localhost")
    for person in people:
        browser = Browser(world.app, person)
        for rule in rules(world.app):
            if "GET" not in (rule.methods or ()) or not may_ask(world.app, Request("GET", rule.endpoint, ""), person):
                continue
            for story in world.stories:
                if not sees_all(person) and story.operator_id != person.operator_id:
                    continue
                for path in addresses(world, rule, story.operator_id):
                    response = browser.ask(Request("GET", rule.endpoint, path))
                    if response.status_code == 200 and response.mimetype == "text/html":
                        for offer in offers_on(path, response.text):
                            for request in _requests(adapter, offer):
                                found[_same_key(request, keyed)] = None
                if not rule.arguments:
                    break
    for request in by_hand(world):
        endpoint, _arguments = adapter.match(request.path.partition("?")[0], method=request.method)
        found[replace(request, endpoint=endpoint)] = None
    return {replace(request, owners=owners_of(world, request)): None for request in found}


def _requests(adapter: MapAdapter, offer: Offer) -> Iterator[Request]:
    if offer.method != "post":
        return
    endpoint, _arguments = adapter.match(offer.path.partition("?")[0], method="POST")
    if endpoint not in NOT_ASKED:
        yield from (Request("POST", endpoint, offer.path, fields) for fields in filled(endpoint, offer))


def _same_key(request: Request, keyed: dict[Request, str]) -> Request:
    """The request with the key that it was seen with first, when it differs in nothing else."""
    key = dict(request.fields).get(KEY)
    if key is None:
        return request

    def with_key(value: str) -> Request:
        return replace(request, fields=tuple((name, value if name == KEY else said) for name, said in request.fields))

    return with_key(keyed.setdefault(with_key(""), key))


def absent(request: Request, keep: set[str] | None = None) -> Request:
    """The same request about rows that are not there; ids in ``keep`` stay."""
    drawn: dict[str, str] = {}
    kept = keep or set()
    return replace(
        request.with_ids(lambda known: known if known in kept else drawn.setdefault(known, str(uuid4()))),
        about="absent",
    )


def crossed(request: Request, world: World, own: UUID) -> Iterator[tuple[Request, Request]]:
    """Own requests with one id of the body replaced: by a foreign row's of the same kind, and by none's."""
    kinds = world.kinds
    in_path = set(ID.findall(request.path))
    for known in sorted(request.ids - in_path):
        if world.owners.get(known) != own or known not in kinds:
            continue
        for story in world.stories:
            if story.operator_id == own:
                continue
            foreign = world.first_of(kinds[known], story.operator_id)
            if foreign is not None:
                yield (
                    replace(request.with_ids(_swap(known, foreign)), about="crossed"),
                    replace(request.with_ids(_swap(known, str(uuid4()))), about="absent"),
                )


def _swap(this: str, that: str) -> Callable[[str], str]:
    return lambda known: that if known == this else known


def leaks(response: TestResponse, world: World, person: Person | None, request: Request) -> list[str]:
    """Markers of others in an answer. Certificates are public to whoever holds the link's token."""
    if request.endpoint in PUBLIC_NAMES or not response.data:
        return []
    body = response.get_data(as_text=True) if (response.mimetype or "").startswith(("text/", "application/")) else ""
    found = []
    for story in world.stories:
        if person is not None and (person.operator_id == story.operator_id or sees_all(person)):
            continue
        if story.marker in body or story.marker.lower() in body:
            found.append(story.marker)
        if story.enquiry_marker in body and not (
            person is not None and (sees_all(person) or person.role is Role.COMPANY_STAFF)
        ):
            found.append(story.enquiry_marker)
    return found


def may_ask(app: Flask, request: Request, person: Person | None) -> bool:
    """Whether the person's role opens the route at all, before ownership is asked."""
    guard = guard_of(app, request.endpoint)
    if guard == "public":
        return True
    if person is None:
        return False
    return not isinstance(guard, Permission) or person.actor.may(guard)


def questions(world: World, rule: Rule, spared: UUID | None) -> Iterator[str]:
    """Addresses of a page that can be asked something, asked for what operators have, but for the ``spared`` one."""
    stories = [story for story in world.stories if story.operator_id != spared]
    for name, sql in QUESTIONS.items():
        for story in stories:
            for row in world.rows(sql, own=story.operator_id, marker=story.marker):
                yield f"{_path(world.app, rule.endpoint, {})}?{name}={row['value']}"
