"""The shape of one trainer in the service's answers: the fields of the contract, each checked, the rest ignored.

Null says as little as nothing at all, but for two fields: a franchise of null is the company, a location of null is
none. Problems are told as words of ``Wrong``, without the values.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, time
from enum import StrEnum
from itertools import pairwise
from typing import Annotated, Any, Final, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, Strict, StrictBool, model_validator
from pydantic.alias_generators import to_camel
from pydantic_core import PydanticCustomError

from webapp.clients.trainer_service.said import SaidAway, SaidHours
from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.names import clean_name

MOST_ID: Final = 64
MOST_OTHER_ID: Final = 128
MOST_REASON: Final = 200
_MOST_ENTRIES: Final = 500
_MINUTES_OF_DAY: Final = 24 * 60
_WALL: Final = re.compile(r"([01]\d|2[0-3]):([0-5]\d)(?::00)?|24:00(?::00)?", re.ASCII)
_JOINERS: Final = "\u200c\u200d"


class Wrong(StrEnum):
    """What is wrong with a field. Pages have a sentence for each."""

    MISSING = "missing"
    NOT_AN_OBJECT = "not-an-object"
    NOT_A_LIST = "not-a-list"
    NOT_TEXT = "not-text"
    NOT_A_NUMBER = "not-a-number"
    NOT_TRUE_OR_FALSE = "not-true-or-false"
    NOT_AN_INSTANT = "not-an-instant"
    NOT_A_TIME = "not-a-time"
    NOT_AN_ID = "not-an-id"
    EMPTY = "empty"
    TOO_LONG = "too-long"
    TOO_MANY = "too-many"
    OUT_OF_RANGE = "out-of-range"
    BACKWARDS = "backwards"
    OVERLAPPING = "overlapping"
    CONTRADICTORY = "contradictory"
    ANOTHER_TRAINER = "another-trainer"
    UNREADABLE = "unreadable"


_WORDS: Final = {word.value: word for word in Wrong} | {
    "missing": Wrong.MISSING,
    "model_type": Wrong.NOT_AN_OBJECT,
    "list_type": Wrong.NOT_A_LIST,
    "too_long": Wrong.TOO_MANY,
    "bool_type": Wrong.NOT_TRUE_OR_FALSE,
    "float_type": Wrong.NOT_A_NUMBER,
    "int_type": Wrong.NOT_A_NUMBER,
    "int_from_float": Wrong.NOT_A_NUMBER,
    "finite_number": Wrong.OUT_OF_RANGE,
    "greater_than_equal": Wrong.OUT_OF_RANGE,
    "less_than_equal": Wrong.OUT_OF_RANGE,
}


def word_of(kind: str) -> Wrong:
    """Our word for an error of pydantic's, or for one raised here."""
    return _WORDS.get(kind, Wrong.UNREADABLE)


def wrong(word: Wrong) -> PydanticCustomError:
    """A problem with a value, to be raised by whatever looks at it."""
    return PydanticCustomError(word.value, word.value)


def an_id(most: int) -> Callable[[object], str]:
    """Reads an id: text or a whole number, printable, as it is. Raises ``PydanticCustomError``."""

    def read(value: object) -> str:
        if isinstance(value, int) and not isinstance(value, bool):
            value = str(value)
        if not isinstance(value, str):
            raise wrong(Wrong.NOT_TEXT)
        if not value.strip():
            raise wrong(Wrong.EMPTY)
        if len(value) > most:
            raise wrong(Wrong.TOO_LONG)
        # "." and ".." are steps in an address, whatever the id is meant to be.
        if not value.isprintable() or value != value.strip() or value in (".", ".."):
            raise wrong(Wrong.NOT_AN_ID)
        return value

    return read


def _name(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise wrong(Wrong.NOT_TEXT)
    try:
        return clean_name(value)
    except Invalid as error:
        raise wrong(Wrong.TOO_LONG if error.code == "name-too-long" else Wrong.EMPTY) from None


def _text_name(value: object) -> str:
    if not isinstance(value, str):
        raise wrong(Wrong.NOT_TEXT)
    return _name(value)


def _reason(value: object) -> str:
    """Words beside the matter: what cannot be kept of them is left out, and no ground to refuse a trainer."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise wrong(Wrong.NOT_TEXT)
    kept = "".join(letter for letter in value if letter.isprintable() or letter.isspace() or letter in _JOINERS)
    return " ".join(kept.split())[:MOST_REASON].strip()


def _instant(value: object) -> datetime:
    if not isinstance(value, str):
        raise wrong(Wrong.NOT_TEXT)
    try:
        at = datetime.fromisoformat(value)
        if at.tzinfo is None:
            raise ValueError("local to nobody")
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
        raise wrong(Wrong.NOT_AN_INSTANT) from None


def _wall_time(value: object) -> time:
    found = _WALL.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        raise wrong(Wrong.NOT_A_TIME)
    return time(int(found[1] or 0), int(found[2] or 0))


Instant = Annotated[datetime, BeforeValidator(_instant)]
WallTime = Annotated[time, BeforeValidator(_wall_time)]
OtherId = Annotated[str, BeforeValidator(an_id(MOST_OTHER_ID))]
_Degrees = Annotated[float, Strict(), Field(allow_inf_nan=False)]


class _Shape(BaseModel):
    model_config = ConfigDict(
        alias_generator=to_camel, extra="ignore", frozen=True, hide_input_in_errors=True, loc_by_alias=True
    )


class _Place(_Shape):
    latitude: Annotated[_Degrees, Field(ge=-90, le=90)]
    longitude: Annotated[_Degrees, Field(ge=-180, le=180)]

    def said(self) -> Location:
        # PostgreSQL keeps JSON numbers without the sign of nothing.
        return Location(self.latitude + 0.0, self.longitude + 0.0)


class _Hours(_Shape):
    weekday: Annotated[int, Strict(), Field(ge=0, le=6)]
    starts: WallTime
    ends: WallTime

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.minutes()[0] >= self.minutes()[1]:
            raise wrong(Wrong.BACKWARDS)
        return self

    def minutes(self) -> tuple[int, int]:
        """First and last minute; an end at midnight is the day's own end."""
        starts, ends = (at.hour * 60 + at.minute for at in (self.starts, self.ends))
        return starts, ends or _MINUTES_OF_DAY

    def said(self) -> SaidHours:
        return SaidHours(self.weekday, self.starts, self.ends)


class _Away(_Shape):
    starts_at: Instant
    ends_at: Instant
    reason: Annotated[str, BeforeValidator(_reason)] = ""

    @model_validator(mode="after")
    def _forwards(self) -> Self:
        if self.starts_at >= self.ends_at:
            raise wrong(Wrong.BACKWARDS)
        return self

    def said(self) -> SaidAway:
        return SaidAway(self.starts_at, self.ends_at, self.reason)


def _apart(hours: list[_Hours]) -> list[_Hours]:
    ordered = sorted(hours, key=lambda one: (one.weekday, *one.minutes()))
    for before, after in pairwise(ordered):
        if before.weekday == after.weekday and after.minutes()[0] < before.minutes()[1]:
            raise wrong(Wrong.OVERLAPPING)
    return ordered


_MANY: Final = Field(max_length=_MOST_ENTRIES)


class Item(_Shape):
    """One trainer. What was not sent is not in ``model_fields_set``; the franchise is read by itself."""

    updated_at: Instant | None = None
    name: Annotated[str, BeforeValidator(_text_name)] = ""
    available: StrictBool = True
    zone_ids: Annotated[list[OtherId], _MANY] = []
    certified_courses: Annotated[list[Annotated[str, BeforeValidator(_name)]], _MANY] = []
    location: _Place | None = None
    working_hours: Annotated[list[_Hours], _MANY, AfterValidator(_apart)] = []
    time_off: Annotated[list[_Away], _MANY] = []

    @property
    def base(self) -> Location | None:
        """Where the trainer starts from; None where there is said to be no such place."""
        return None if self.location is None else self.location.said()

    @model_validator(mode="before")
    @classmethod
    def _null_is_nothing(cls, sent: Any) -> Any:
        if not isinstance(sent, dict):
            return sent
        return {key: value for key, value in sent.items() if value is not None or key == "location"}
