"""The service's bodies, read and checked: pages of trainers, single trainers. Pure.

One bad entry spoils itself (``UnreadableTrainer``), a bad page spoils the answer (``ServiceFailed``). No message
repeats a value.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any, Final

from pydantic_core import PydanticCustomError
from pydantic_core import from_json as refuse_what_is_none

from webapp.clients.trainer_service.entries import read_trainer, service_id_of, unreadable
from webapp.clients.trainer_service.said import (
    UNSAID,
    BulkPage,
    Fault,
    LegacyPage,
    LegacyRow,
    Said,
    SaidTrainer,
    ServiceFailed,
    UnreadableTrainer,
)
from webapp.clients.trainer_service.shapes import Wrong
from webapp.clients.trainer_service.stored import as_json, digest, from_json

__all__ = [
    "BULK_LIMIT",
    "LEGACY_LIMIT",
    "as_json",
    "bulk_page",
    "digest",
    "from_json",
    "is_legacy",
    "is_service_id",
    "legacy_page",
    "legacy_trainer",
    "read_json",
]

BULK_LIMIT: Final = 500
LEGACY_LIMIT: Final = 100
_MOST_CURSOR: Final = 1000
_TWICE: Final = object()
"""Stands for a value that an object gives twice, differently. It has no type that anything is asked to have, so that
whatever it stands for is refused: the last one would count otherwise, and the last one could be a franchise of null."""


def read_json(body: bytes) -> Any:
    """The value of a body. Raises ``ServiceFailed`` for what is no JSON, nested deeper than 200, or holds NaN."""
    try:
        text = body.decode("utf-8-sig")
        # Knows depth, NaN and halves of letters, which the standard library lets pass; that one knows names said twice.
        refuse_what_is_none(text, allow_inf_nan=False)
        return json.loads(text, object_pairs_hook=_object)
    except ValueError:
        pass
    # Outside of the handler, whose error quotes the body.
    raise ServiceFailed(Fault.NOT_JSON)


def is_legacy(body: object) -> bool:
    """Whether a page is one of the deployed contract."""
    return isinstance(body, dict) and "data" in body and "items" not in body


def bulk_page(
    body: object,
    *,
    asked: str | None = None,
    etag: str | None = None,
    served_at: datetime | None = None,
    total: int | None = None,
) -> BulkPage:
    """A page of the bulk contract; ``asked`` is the cursor it was asked with."""
    if not isinstance(body, dict) or not isinstance(items := body.get("items"), list):
        raise ServiceFailed(Fault.WRONG_SHAPE)
    next_cursor = body.get("nextCursor")
    if next_cursor is None:
        # A full page that leaves the cursor out altogether has lost it: the rest of the roster must not look gone.
        if "nextCursor" not in body and len(items) >= BULK_LIMIT:
            raise ServiceFailed(Fault.WRONG_SHAPE)
    elif not _is_cursor(next_cursor) or next_cursor == asked:
        raise ServiceFailed(Fault.WRONG_SHAPE)
    read = _once_each(read_trainer(item) for item in items)
    return BulkPage(read, next_cursor, etag, served_at, total)


def legacy_page(body: object) -> LegacyPage:
    """A page of the deployed list."""
    data = body.get("data") if isinstance(body, dict) else None
    entries = data.get("items") if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise ServiceFailed(Fault.WRONG_SHAPE)
    rows = [_row(entry) for entry in entries]
    readable = {row.service_id: row for row in rows if row is not None}
    return LegacyPage(tuple(readable.values()), rows.count(None), len(entries))


def legacy_trainer(body: object, service_id: str) -> Said:
    """The answer of the deployed contract about one trainer.

    Beside what the contract promises it may hold any field of a bulk entry; the profile's own words come first.
    """
    if not isinstance(body, dict) or "data" not in body:
        raise ServiceFailed(Fault.WRONG_SHAPE)
    if not isinstance(data := body["data"], dict):
        return unreadable(service_id, "data", Wrong.NOT_AN_OBJECT)
    profile = data.get("profile")
    if profile is not None and not isinstance(profile, dict):
        return unreadable(service_id, "profile", Wrong.NOT_AN_OBJECT)
    told = {"name": (profile or {}).get("name"), "certifiedCourses": (profile or {}).get("certifications")}
    return read_trainer(data | {key: value for key, value in told.items() if value is not None}, service_id)


def is_service_id(text: str) -> bool:
    """Whether a trainer of the service can have this id."""
    try:
        return service_id_of(text) == text
    except PydanticCustomError:
        return False


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        first: dict[str, Any] = {}
        for key, value in pairs:
            if first.setdefault(key, value) != value:
                made[key] = _TWICE
    return made


def _is_cursor(value: object) -> bool:
    return isinstance(value, str) and 0 < len(value) <= _MOST_CURSOR and value.isprintable()


def _once_each(items: Iterable[Said]) -> tuple[Said, ...]:
    """A trainer who is on the page twice, once: as last updated. What cannot be told apart is unreadable."""
    found: dict[str, Said] = {}
    nameless: list[Said] = []
    for said in items:
        if said.service_id is None:
            nameless.append(said)
        elif (before := found.get(said.service_id)) is None:
            found[said.service_id] = said
        else:
            found[said.service_id] = _later(before, said)
    return (*found.values(), *nameless)


def _later(before: Said, said: Said) -> Said:
    if isinstance(before, UnreadableTrainer) or isinstance(said, UnreadableTrainer):
        return before if isinstance(before, UnreadableTrainer) else said
    was, now = (one.updated_at or datetime.min.replace(tzinfo=UTC) for one in (before, said))
    if was == now and before.franchise != said.franchise:
        return unreadable(said.service_id, "franchiseId", Wrong.CONTRADICTORY)
    return before if was > now else said


def _row(entry: object) -> LegacyRow | None:
    """An entry of the deployed list; a field that cannot be read says nothing here, the trainer's own page may."""
    if not isinstance(entry, dict):
        return None
    try:
        service_id = service_id_of(entry.get("trainerId"))
    except PydanticCustomError:
        return None
    available, said = entry.get("available"), read_trainer({"trainerId": service_id, "name": entry.get("name")})
    return LegacyRow(
        service_id,
        available if isinstance(available, bool) else UNSAID,
        digest(entry),
        said.name if isinstance(said, SaidTrainer) else UNSAID,
    )
