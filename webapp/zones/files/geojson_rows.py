"""GeoJSON FeatureCollections (RFC 7946) of zones, read feature by feature.

A ``Polygon`` is a polygon's border, a ``Point`` with the property ``radius_km`` a circle; other properties are called
like the columns of a CSV file. Whatever the file holds, no more than one feature is in memory, and of it no more than
the longest border: what is larger or nested deeper is read past and told as that feature's fault.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, BinaryIO, Final

import ijson

from webapp.core.geo import Location
from webapp.core.words import msgid
from webapp.zones.files.csv_rows import CIRCLE, MORE, NEEDED
from webapp.zones.files.said import MAX_ROWS, Fault, RawRow, bad_file, opened, shown, too_many_rows
from webapp.zones.shapes import MAX_DRAWN

PROPERTIES: Final = frozenset({*NEEDED, *MORE, "radius_km"}) - {"corners"}
_CENTER: Final = CIRCLE[:2]
_MOST_EVENTS: Final = 6 * MAX_DRAWN + 5_000
"""A corner is five events at most: a list, three numbers and its end."""
_DEEPEST: Final = 10
"""How deep a feature is nested; a polygon's numbers lie six deep."""
_ABYSS: Final = 200
"""Nothing that means well is nested deeper."""
_OPENS: Final = frozenset({"start_map", "start_array"})
_CLOSES: Final = frozenset({"end_map", "end_array"})
_NUMBERS: Final = frozenset({int, float})  # and no bool, which is an int as well

Events = Iterator[tuple[str, Any]]


def geojson_rows(stream: BinaryIO) -> Iterator[RawRow]:
    """The rows of a file. Raises ``BadFile`` as soon as it cannot be read on."""
    number = 0
    try:
        for feature in _features(ijson.basic_parse(stream, use_float=True)):
            number += 1
            if number > MAX_ROWS:
                raise too_many_rows()
            yield _row(number, feature)
    # What the parser raises for bytes that are no UTF-8 or numbers that are none depends on its back end.
    except (ijson.JSONError, UnicodeDecodeError, ValueError, OverflowError) as error:
        sentence = msgid("The file is not JSON in UTF-8, or a number is too long (behind feature %(number)s).")
        raise bad_file(sentence, number=number) from error
    if not number:
        raise bad_file(msgid("The file holds no features."))


def _features(events: Events) -> Iterator[Any]:
    """The members of ``features``, each built by itself; ``None`` for one that is too large."""
    if next(events, ("", None))[0] != "start_map":
        raise _no_collection()
    kind, listed = None, False
    for event, key in events:
        if event == "end_map":
            break
        event, value = next(events, ("", None))
        if key == "features" and event == "start_array":
            listed = True
            yield from _members(events)
        elif key == "type" and event == "string":
            kind = value
        elif event in _OPENS:
            _skip(events)
    for _event in events:  # whatever stands behind the collection is a fault of the JSON, which the parser tells
        pass
    if kind != "FeatureCollection" or not listed:
        raise _no_collection()


def _no_collection() -> Exception:
    return bad_file(msgid("The file is no GeoJSON FeatureCollection."))


def _members(events: Events) -> Iterator[Any]:
    for event, value in events:
        if event == "end_array":
            return
        if event not in _OPENS:
            yield value
            continue
        yield _built(event, events)


def _built(opened_by: str, events: Events) -> Any:
    """The list or map that has just been opened, whole; ``None`` for what is too large or too deep, and was read past.

    Written out in one loop: a file of ten thousand borders has two million events.
    """
    here: Any = [] if opened_by == "start_array" else {}
    around: list[tuple[Any, str]] = []
    key, left = "", _MOST_EVENTS
    for event, value in events:
        left -= 1
        if event == "map_key":
            key = value
        elif event == "start_array" or event == "start_map":
            within: Any = [] if event == "start_array" else {}
            _put(here, key, within)
            around.append((here, key))
            here = within
        elif event == "end_array" or event == "end_map":
            if not around:
                return here
            here, key = around.pop()
        elif type(here) is list:
            here.append(value)
        else:
            here[key] = value
        if left < 0 or len(around) >= _DEEPEST:
            _skip(events, depth=len(around) + 1)
            return None
    return here


def _put(here: Any, key: str, value: Any) -> None:
    if type(here) is list:
        here.append(value)
    else:
        here[key] = value


def _skip(events: Events, *, depth: int = 1) -> None:
    """Read past what is open. Raises ``BadFile`` for what is nested out of all proportion."""
    while depth:
        event, _value = next(events)
        if event in _OPENS:
            depth += 1
            if depth > _ABYSS:
                raise bad_file(msgid("The file is nested too deeply."))
        elif event in _CLOSES:
            depth -= 1


def _row(number: int, feature: Any) -> RawRow:
    def fault(field: str, sentence: str, **params: object) -> tuple[Fault, ...]:
        return (Fault(number, field, sentence, params),)

    if feature is None:
        sentence = msgid("The feature is too large or nested too deeply: a border has at most %(limit)s corners.")
        return RawRow(number, {}, faults=fault("geometry", sentence, limit=f"{MAX_DRAWN:,}"))
    if not isinstance(feature, dict) or feature.get("type") != "Feature":
        return RawRow(number, {}, faults=fault("type", msgid("This is no GeoJSON Feature.")))
    said = feature.get("properties")
    properties = said if isinstance(said, dict) else {}
    faults: tuple[Fault, ...] = ()
    for name in properties.keys() & PROPERTIES:
        if isinstance(properties[name], (list, dict)):
            faults += fault(name, msgid("Give text or a number here, no list."))
    cells = {name: _text(value) for name, value in properties.items() if name in PROPERTIES}
    geometry = feature.get("geometry")
    if not isinstance(geometry, dict):
        return RawRow(number, cells, faults=faults + fault("geometry", msgid("The feature has no geometry.")))
    kind, coordinates = geometry.get("type"), geometry.get("coordinates")
    if kind == "Point":
        wrong: list[Fault] = []
        places = _places(number, [coordinates], wrong)
        if places:
            cells |= dict(zip(_CENTER, (repr(places[0].lat), repr(places[0].lng)), strict=True))
        return RawRow(number, cells, faults=(*faults, *wrong))
    if kind != "Polygon":
        sentence = msgid("%(kind)s is not taken: give a Polygon, or a Point with radius_km.")
        return RawRow(number, cells, ring=(), faults=faults + fault("geometry", sentence, kind=shown(kind or "")))
    if not isinstance(coordinates, list) or not coordinates or not isinstance(coordinates[0], list):
        return RawRow(number, cells, ring=(), faults=faults + fault("geometry", msgid("The polygon has no corners.")))
    if len(coordinates) > 1:
        sentence = msgid("The polygon has a hole: a zone has one border.")
        return RawRow(number, cells, ring=(), faults=faults + fault("geometry", sentence))
    wrong = []
    ring = _places(number, coordinates[0], wrong)
    return RawRow(number, cells, ring=opened(ring), faults=(*faults, *wrong))


def _text(value: Any) -> str:
    if value is None or isinstance(value, (list, dict)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return value.strip() if isinstance(value, str) else repr(value)


def _places(number: int, positions: list[Any], faults: list[Fault]) -> tuple[Location, ...]:
    """Positions (longitude, latitude, perhaps a height) as places; the first that is none becomes a fault."""
    found = []
    for position in positions:
        place = _place(position)
        if place is None:
            sentence = msgid("%(place)s is no position: give longitude and latitude in degrees.")
            faults.append(Fault(number, "geometry", sentence, {"place": shown(position)}))
            return ()
        found.append(place)
    return tuple(found)


def _place(position: Any) -> Location | None:
    if type(position) is not list or not 2 <= len(position) <= 3:
        return None
    lng, lat = position[0], position[1]
    if type(lng) not in _NUMBERS or type(lat) not in _NUMBERS:
        return None
    return Location(float(lat), float(lng)) if -180 <= lng <= 180 and -90 <= lat <= 90 else None
