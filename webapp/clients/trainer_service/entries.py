"""One trainer of an answer: read whole, or not at all. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, Literal

from pydantic import ValidationError
from pydantic_core import PydanticCustomError

from webapp.clients.trainer_service.said import UNSAID, Said, SaidTrainer, UnreadableTrainer, Unsaid
from webapp.clients.trainer_service.shapes import MOST_ID, MOST_OTHER_ID, Item, Wrong, an_id, word_of, wrong

service_id_of: Final = an_id(MOST_ID)
_franchise_id: Final = an_id(MOST_OTHER_ID)
_MOST_PROBLEMS: Final = 20

Problems = list[tuple[str, str]]


def read_trainer(entry: object, asked: str | None = None) -> Said:
    """What is said of one trainer. ``asked``: whom the answer is about, where one was asked for by id."""
    if not isinstance(entry, dict):
        return unreadable(asked, "", Wrong.NOT_AN_OBJECT)
    problems: Problems = []
    service_id = _whose(entry, asked, problems)
    franchise = _franchise(entry, problems)
    item = _item(entry, problems)
    if service_id is None or item is None or problems:
        return UnreadableTrainer(service_id, tuple(problems[:_MOST_PROBLEMS]))
    said = item.model_fields_set
    return SaidTrainer(
        service_id,
        updated_at=item.updated_at,
        name=item.name if "name" in said else UNSAID,
        available=item.available if "available" in said else UNSAID,
        franchise=franchise,
        # In what order they are sent means nothing, and must not look like a change.
        zones=tuple(sorted(set(item.zone_ids))) if "zone_ids" in said else UNSAID,
        courses=tuple(sorted(set(item.certified_courses))) if "certified_courses" in said else UNSAID,
        base=item.base if "location" in said else UNSAID,
        hours=tuple(sorted(one.said() for one in item.working_hours)) if "working_hours" in said else UNSAID,
        time_off=tuple(sorted({one.said() for one in item.time_off})) if "time_off" in said else UNSAID,
    )


def unreadable(service_id: str | None, field: str, word: Wrong) -> UnreadableTrainer:
    """An entry with one thing wrong."""
    return UnreadableTrainer(service_id, ((field, word.value),))


def franchise_of(entry: Mapping[str, Any]) -> str | Literal[Unsaid.UNSAID] | None:
    """Whose the trainer is said to be: a franchise's id, the company's (None), or unsaid.

    ``franchiseId`` and ``franchise.id`` name the same thing; either may be left out. Only a ``franchiseId`` of
    null is the company: a ``franchise`` of null, or one without an id, may be what a broken join looks like, and says
    nothing. An id wins over null, and a franchise that is described without its id is not the company.
    Raises ``PydanticCustomError`` when they name two franchises, or none in a way that can be read.
    """
    whole = entry.get("franchise", UNSAID)
    sayings = [entry.get("franchiseId", UNSAID)]
    company = sayings == [None]
    described = False
    if isinstance(whole, dict):
        sayings.append(whole.get("id", UNSAID))
        described = any(value is not None for key, value in whole.items() if key != "id")
    elif whole is not None and whole is not UNSAID:
        raise wrong(Wrong.NOT_AN_OBJECT)
    ids = {_franchise_id(one) for one in sayings if one is not None and one is not UNSAID}
    if len(ids) > 1:
        raise wrong(Wrong.CONTRADICTORY)
    if ids:
        return ids.pop()
    return None if company and not described else UNSAID


def _whose(entry: Mapping[str, Any], asked: str | None, problems: Problems) -> str | None:
    if entry.get("trainerId") is None:
        if asked is None:
            problems.append(("trainerId", Wrong.MISSING.value))
        return asked
    try:
        found = service_id_of(entry["trainerId"])
    except PydanticCustomError as error:
        problems.append(("trainerId", word_of(error.type).value))
        return asked
    if asked is not None and found != asked:
        problems.append(("trainerId", Wrong.ANOTHER_TRAINER.value))
        return asked
    return found


def _franchise(entry: Mapping[str, Any], problems: Problems) -> str | Literal[Unsaid.UNSAID] | None:
    try:
        return franchise_of(entry)
    except PydanticCustomError as error:
        problems.append(("franchiseId", word_of(error.type).value))
        return UNSAID


def _item(entry: Mapping[str, Any], problems: Problems) -> Item | None:
    try:
        return Item.model_validate(entry)
    except ValidationError as error:
        found = error.errors(include_url=False, include_context=False, include_input=False)
        problems += [(".".join(map(str, one["loc"])), word_of(one["type"]).value) for one in found]
        return None
