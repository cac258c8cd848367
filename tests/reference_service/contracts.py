"""Both contracts: what is answered to a request by a service in good health."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from datetime import UTC, datetime
from hashlib import sha256

from tests.reference_service.roster import Entry, Item, Roster, as_json
from tests.reference_service.wishes import Wishes

LIST = "/api/v1/trainers"
BULK_CAP = 500
ROW = ("trainerId", "name", "available")
DETAIL = (*ROW, "location", "franchiseId")
RICH = ("zoneIds", "workingHours", "timeOff")


@dataclass(slots=True)
class Reply:
    """An answer before anything happens to it."""

    status: int
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)


class Refused(Exception):
    """The request is none."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.reply = Reply(status, as_json({"error": why}))


def answer(
    roster: Roster, wishes: Wishes, path: str, query: dict[str, str], seen: str | None, now: datetime, *, wrong: bool
) -> Reply:
    """The answer to ``GET``; ``seen`` is ``If-None-Match``. With ``wrong`` some of the trainers have wrong types."""
    make = _Maker(wishes, wrong)
    try:
        if path == LIST:
            legacy = wishes.contract == "legacy" or (wishes.contract == "both" and "page" in query)
            return (
                _legacy_page(roster, wishes, query, now, make)
                if legacy
                else _bulk(roster, wishes, query, seen, now, make)
            )
        if path.startswith(LIST + "/") and wishes.contract != "bulk":
            entry = roster.get(path.removeprefix(LIST + "/"))
            if entry is not None:
                return Reply(200, as_json({"data": make.detail(entry)}))
    except Refused as refused:
        return refused.reply
    return Reply(404, as_json({"error": "not found"}))


def _bulk(
    roster: Roster, wishes: Wishes, query: dict[str, str], seen: str | None, now: datetime, make: _Maker
) -> Reply:
    limit = min(_number(query, "limit", 100), BULK_CAP)
    since = _instant(query.get("updated_since"))
    cursor = _cursor(query.get("cursor"))
    if wishes.shifting and cursor:
        roster.shift(wishes.shifting, now)
    state = f"{roster.revision} {sorted(query.items())} {wishes.leave_out} {wishes.say_null}"
    etag = f'"{sha256(state.encode()).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache", "X-Total-Count": str(roster.count(since))}
    if seen == etag:
        return Reply(304, b"", headers)
    if wishes.shifting:
        offset = int(cursor or 0)
        found = roster.at(offset, since, limit + 1)
        following = str(offset + limit)
    else:
        found = roster.after(cursor, since, limit + 1)
        following = found[limit - 1][0] if len(found) > limit else ""
    next_cursor = base64.urlsafe_b64encode(following.encode()).decode() if len(found) > limit else None
    items = b",".join(make.item(entry, number) for number, (_, entry) in enumerate(found[:limit]))
    return Reply(200, b'{"items":[%b],"nextCursor":%b}' % (items, as_json(next_cursor)), headers)


def _legacy_page(roster: Roster, wishes: Wishes, query: dict[str, str], now: datetime, make: _Maker) -> Reply:
    limit = min(_number(query, "limit", 20), wishes.legacy_cap)
    page = _number(query, "page", 1)
    if wishes.shifting and page > 1:
        roster.shift(wishes.shifting, now)
    rows = [make.row(entry) for _, entry in roster.at((page - 1) * limit, None, limit)]
    return Reply(200, as_json({"data": {"items": rows} if wishes.legacy_items else rows}))


class _Maker:
    """Makes what is sent of a trainer from what is kept."""

    def __init__(self, wishes: Wishes, wrong: bool) -> None:
        self._leave_out = frozenset(wishes.leave_out)
        self._say_null = frozenset(wishes.say_null)
        self._rich = wishes.legacy_rich
        self._wrong = wrong

    def item(self, entry: Entry, number: int) -> bytes:
        """One entry of a bulk page; as it is kept unless something is left out or wrong."""
        wrong = self._wrong and number % 10 == 3
        if not (self._leave_out or self._say_null or wrong):
            return entry.sent
        item = self._said(entry.item)
        return as_json(item | {"name": 7, "location": "north", "certifiedCourses": {"all": True}} if wrong else item)

    def row(self, entry: Entry) -> Item:
        """One entry of the deployed list."""
        item = entry.item
        return self._said({key: item[key] for key in ROW if key in item})

    def detail(self, entry: Entry) -> Item:
        """One trainer of the deployed contract; a franchise is said in both ways unless one is left out."""
        item = entry.item
        said: Item = {key: item[key] for key in (*DETAIL, *(RICH if self._rich else ())) if key in item}
        if "certifiedCourses" in item:
            said["profile"] = {"certifications": item["certifiedCourses"]}
        if "franchiseId" in item:
            said["franchise"] = None if item["franchiseId"] is None else {"id": item["franchiseId"]}
        return self._said(said | ({"profile": 3, "location": []} if self._wrong else {}))

    def _said(self, item: Item) -> Item:
        said = {key: item[key] for key in item if key not in self._leave_out}
        return said | dict.fromkeys(self._say_null & item.keys())


def _number(query: dict[str, str], name: str, default: int) -> int:
    text = query.get(name, str(default))
    if not text.isdecimal() or int(text) < 1:
        raise Refused(400, f"{name} has to be a number from 1 on")
    return int(text)


def _instant(text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        at = datetime.fromisoformat(text)
    except ValueError:
        at = None
    if at is None or at.tzinfo is None:
        raise Refused(400, "updated_since has to be an instant with an offset")
    return at.astimezone(UTC)


def _cursor(text: str | None) -> str:
    try:
        return base64.b64decode(text or "", altchars=b"-_", validate=True).decode()
    except (binascii.Error, ValueError):
        raise Refused(400, "cursor is none of ours") from None
