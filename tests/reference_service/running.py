"""The reference service from a test: start it, change it, read what it was asked."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid4

import httpx
from standardwebhooks import Webhook

from tests.child import child
from tests.reference_service.contracts import LIST
from tests.reference_service.roster import Item, as_json, stamp
from tests.reference_service.server import CONTROL

TOKEN = "only-for-tests-of-the-trainer-service"
HOOK_PATH = "/hooks/trainer-service"


class Service:
    """A running reference service. What is asked of it here is not in its log."""

    def __init__(self, url: str, token: str, control: httpx.Client) -> None:
        self.url = url
        self.token = token
        self._control = control

    def client(self, timeout: float = 10) -> httpx.Client:
        """Somebody who may ask it, and follows no redirects."""
        headers = {"Authorization": f"Bearer {self.token}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=timeout, trust_env=False)

    def set(self, *, fault: str | None = None, **wishes: Any) -> None:
        """Change settings (``wishes.Wishes``); ``fault`` is short for one that strikes every answer."""
        if fault is not None:
            wishes["rates"] = {fault: 1.0}
        self._do("set", given=wishes)

    def clear(self) -> None:
        """Go back to the settings it started with. Trainers stay as they are."""
        self._do("clear")

    def edit(self, *service_ids: str, drop: Sequence[str] = (), **fields: Any) -> None:
        """Set fields of trainers to anything, as they are sent, or drop them. Without ids: of all."""
        ids = list(service_ids) or [str(item["trainerId"]) for item in self.trainers()]
        self._do("edit", ids=ids, fields=fields, drop=list(drop))

    def add(self, count: int = 1, **fields: Any) -> list[str]:
        """Add trainers; their ids."""
        return list(self._do("add", count=count, fields=fields))

    def remove(self, *service_ids: str) -> None:
        """Take trainers away."""
        self._do("remove", ids=list(service_ids))

    def trainers(self) -> list[Item]:
        """Everybody, as the bulk contract would send them."""
        return list(self._do("trainers"))

    def requests(self) -> list[dict[str, Any]]:
        """What it was asked since the counts were reset: at, monotonic, path, query, status, fault, took_ms …"""
        return list(self._do("requests"))

    def counts(self) -> dict[str, int]:
        """Counts of the same: requests, lists, details, elsewhere, ``status 200``, ``fault reset``, most_at_once …"""
        return dict(self._do("counts"))

    @property
    def asked(self) -> int:
        """How many requests that were."""
        return self.counts().get("requests", 0)

    def reset_counts(self) -> None:
        """Forget what it was asked so far."""
        self._do("reset_counts")

    def send_hook(
        self, desk_url: str, trainer_id: str | None, kind: str = "trainer.updated", **how: Any
    ) -> httpx.Response:
        """Tell a desk that a trainer changed; see the function of this name."""
        return send_hook(desk_url, trainer_id, kind, **how)

    def _do(self, what: str, **said: Any) -> Any:
        answer = self._control.post(CONTROL, json={"do": what, **said})
        if answer.status_code != 200:
            raise ValueError(answer.json())
        return answer.json()


def pages_of(client: httpx.Client, **query: str) -> Iterator[dict[str, Any]]:
    """The pages of the bulk contract, one by one."""
    cursor: str | None = ""
    while cursor is not None:
        page = client.get(LIST, params={**query, **({"cursor": cursor} if cursor else {})}).raise_for_status().json()
        yield page
        cursor = page["nextCursor"]


def ids_of(client: httpx.Client, **query: str) -> list[str]:
    """Everybody of the bulk contract, in the order of the pages."""
    return [item["trainerId"] for page in pages_of(client, **query) for item in page["items"]]


@contextmanager
def running(
    trainers: int = 100,
    *,
    seed: int = 1,
    zones: Mapping[str | None, Sequence[object]] | None = None,
    courses: Sequence[object] | None = None,
    places: Mapping[Any, tuple[float, float]] | None = None,
    all_hours: bool = False,
    token: str = TOKEN,
    **wishes: Any,
) -> Iterator[Service]:
    """A service with trainers made from a seed, in a process of its own, while the block runs.

    ``zones``: for each franchise id (None: the company) its zones' ids; trainers are dealt out over the franchises.
    ``places``: where trainers of a zone live. ``wishes``: settings it starts with, as ``contract="legacy"``.
    """
    plan: dict[str, Any] = {"all_hours": all_hours}
    if zones is not None:
        plan["zones"] = [[franchise, [str(zone) for zone in ids]] for franchise, ids in zones.items()]
    if courses is not None:
        plan["courses"] = [str(course) for course in courses]
    if places is not None:
        plan["places"] = [[str(zone), list(place)] for zone, place in places.items()]
    arguments = ("--trainers", str(trainers), "--seed", str(seed), "--token", token)
    said = ("--plan", json.dumps(plan), "--wishes", json.dumps(wishes))
    with child("tests.reference_service", *arguments, *said) as port:
        url = f"http://127.0.0.1:{port}"
        with httpx.Client(base_url=url, timeout=30, trust_env=False) as control:
            yield Service(url, token, control)


@dataclass(frozen=True, slots=True)
class Hook:
    """A signed message: its body and the headers of the Standard Webhooks."""

    body: bytes
    headers: dict[str, str]


def signed_hook(
    trainer_id: str | UUID | None,
    kind: str = "trainer.updated",
    *,
    secret: str,
    message_id: str | None = None,
    at: datetime | None = None,
) -> Hook:
    """What the service sends when a trainer changed."""
    at = (at or datetime.now(UTC)).astimezone(UTC)  # the library takes the wall clock of whatever it is given for UTC
    message_id = message_id or f"msg_{uuid4().hex}"
    data = {} if trainer_id is None else {"trainerId": str(trainer_id)}
    body = as_json({"type": kind, "timestamp": stamp(at), "data": data})
    headers = {
        "content-type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": Webhook(secret).sign(message_id, at, body.decode()),
    }
    return Hook(body, headers)


def send_hook(
    desk_url: str,
    trainer_id: str | UUID | None,
    kind: str = "trainer.updated",
    *,
    secret: str,
    message_id: str | None = None,
    at: datetime | None = None,
) -> httpx.Response:
    """Send it to a desk, as the service would."""
    hook = signed_hook(trainer_id, kind, secret=secret, message_id=message_id, at=at)
    url = desk_url.rstrip("/") + HOOK_PATH
    return httpx.post(url, content=hook.body, headers=hook.headers, timeout=20, trust_env=False)
