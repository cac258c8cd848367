"""Files of zones: what each row says, what is wrong with it, and that writing and reading are each other's undoing."""

from __future__ import annotations

import io
import json
import resource
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.core.errors import Invalid
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.core.names import clean_name
from webapp.web.csv_export import csv_lines
from webapp.zones.files.rows import format_of, read_rows, ring_of_text
from webapp.zones.files.said import MAX_ROWS, BadFile, FileFormat, ReadRow
from webapp.zones.files.writing import HEADING, ExportedZone, csv_cells, geojson_pieces
from webapp.zones.judging import Verdict, judge
from webapp.zones.queries import StoredZone
from webapp.zones.rules import ZoneCommand
from webapp.zones.shapes import MAX_DRAWN
from webapp.zones.sound import sound

HEAD = (
    "name,label,time_zone,center_lat,center_lng,radius_km,corners,max_travel_km,travel_buffer_minutes,active,reason\n"
)
SQUARE = "17 83; 17 84; 18 84; 18 83"
RING = (Location(17, 83), Location(17, 84), Location(18, 84), Location(18, 83))


def csv_of(*lines: str, head: str = HEAD, **more: Any) -> list[ReadRow]:
    return list(read_rows(io.BytesIO((head + "".join(lines)).encode()), FileFormat.CSV, franchise_id=None, **more))


def geojson_of(*features: Any, **more: Any) -> list[ReadRow]:
    told = json.dumps({"type": "FeatureCollection", "features": features})
    return list(read_rows(io.BytesIO(told.encode()), FileFormat.GEOJSON, franchise_id=None, **more))


def feature(kind: str, coordinates: Any, **properties: Any) -> dict[str, Any]:
    said = {"name": "A", "time_zone": "UTC", **properties}
    return {"type": "Feature", "properties": said, "geometry": {"type": kind, "coordinates": coordinates}}


def said(rows: list[ReadRow], kind: FileFormat = FileFormat.CSV) -> list[tuple[int, str, str]]:
    """Line, column and sentence of every fault."""
    judged = [judge(row, None, kind) for row in rows]
    return [(fault.line, fault.field, str(fault).rpartition(": ")[2]) for row in judged for fault in row.faults]


@pytest.mark.parametrize(
    ("corners", "ring"),
    [
        (SQUARE, RING),
        ("17, 83; 17, 84; 18, 84; 18, 83;", RING),
        ("17,83\n17,84\n18,84\n18,83\n17,83", RING),
        ("POLYGON ((83 17, 84 17, 84 18, 83 18, 83 17))", RING),
        ("polygon((83 17,84 17,84 18,83 18,83 17))", RING),
    ],
)
def test_corners_are_read_as_people_and_as_maps_write_them(corners: str, ring: tuple[Location, ...]) -> None:
    (row,) = csv_of(f'A,,UTC,,,,"{corners}",5,,,\n')
    judged = judge(row, None, FileFormat.CSV)
    assert judged.faults == ()
    assert judged.zone is not None
    assert judged.zone.command == ZoneCommand("A", None, "UTC", ring=ring, max_travel_km=5.0)


@pytest.mark.parametrize(
    ("corners", "part"),
    [
        ("17 83; 17 84", "at least three corners"),
        ("17 83; 18 84; 17 84; 18 83", "crosses or touches itself near 17.500000, 83.500000"),
        ("17 83; 17 84 5; 18 84", "17 84 5 is not a corner"),
        ("17 83; 17 east; 18 84", "east is not a number"),
        ("117 83; 17 84; 18 84", "between -90 and 90"),
        ("1 179; 1 -179; 2 -179", "crosses the 180° meridian"),
        ("POLYGON ((83 17, 84 17, 84 18))", "its first corner again at its end"),
        ("POLYGON EMPTY", "no POLYGON as WKT"),
        ("POLYGON ((17 183, 18 84, 19 85, 17 183))", "longitude before latitude"),
        ("POLYGON ((83 17, 84 nan, 84 18, 83 17))", "WKT"),
        ("POLYGON ((83 17, 84 17, 84 18, 83 17), (83.7 17.2, 83.8 17.2, 83.8 17.3, 83.7 17.2))", "has a hole"),
        ("; ".join(f"17.{n:06} 83" for n in range(100_000)), "at most 10000 corners"),
    ],
)
def test_what_is_no_border_says_why(corners: str, part: str) -> None:
    faults = said(csv_of(f'A,,UTC,,,,"{corners}",5,,,\n'))
    assert [(line, column) for line, column, _sentence in faults] == [(2 + corners.count("\n"), "corners")], faults
    assert part in str(csv_faults(corners))


def csv_faults(corners: str) -> list[str]:
    (row,) = csv_of(f'A,,UTC,,,,"{corners}",5,,,\n')
    return [str(fault) for fault in judge(row, None, FileFormat.CSV).faults]


@pytest.mark.parametrize(
    ("line", "column"),
    [
        ("A,,UTC,1,1,12.5.6,,,,,", "radius_km"),
        ('A,,UTC,"12,5",1,1,,,,,', "center_lat"),
        ("A,,UTC,90.0001,1,1,,,,,", "center_lat"),
        ("A,,UTC,1,NaN,1,,,,,", "center_lng"),
        ("A,,UTC,1,1,1e999,,,,,", "radius_km"),
        ("A,,UTC,1,1,1000,,,,,", "radius_km"),
        ("A,,UTC,1,1,=1+1,,,,,", "radius_km"),
        ("A,,UTC,1,1,1_0,,,,,", "radius_km"),
        ("A,,UTC,1,1,१,,,,,", "radius_km"),
        ("A,,UTC,1,1,1,,5,,,", "max_travel_km"),
        (f"A,,UTC,1,1,1,{SQUARE},5,,,", "corners"),
        (f"A,,UTC,,,,{SQUARE},,,,", "max_travel_km"),
        ("A,,UTC,1,1,1,,,1.5,,", "travel_buffer_minutes"),
        ("A,,UTC,1,1,1,,,241,,", "travel_buffer_minutes"),
        ("A,,UTC,1,1,1,,,,perhaps,", "active"),
        ("A,,Mars/Base,1,1,1,,,,,", "time_zone"),
        (",,UTC,1,1,1,,,,,", "name"),
        (f"{'x' * 121},,UTC,1,1,1,,,,,", "name"),
        (f"A,{'x' * 121},UTC,1,1,1,,,,,", "label"),
        (f"A,,UTC,1,1,1,,,,,{'x' * 401}", "reason"),
        ("A,,UTC", ""),
    ],
)
def test_a_bad_cell_is_told_once_with_its_column(line: str, column: str) -> None:
    faults = said(csv_of(line + "\n"))
    assert [(number, field) for number, field, _sentence in faults] == [(2, column)], faults


def test_all_faults_of_a_row_are_told_at_once() -> None:
    (row,) = csv_of("A,,Nowhere,x,y,z,,,-1,perhaps,\n")
    columns = {fault.field for fault in judge(row, None, FileFormat.CSV).faults}
    assert columns == {"time_zone", "center_lat", "center_lng", "radius_km", "travel_buffer_minutes", "active"}


def test_a_quoted_piece_is_short_and_has_nothing_invisible() -> None:
    (row,) = csv_of(f'A,,UTC,1,1,"{chr(0x202E)}{"9x" * 5000}",,,,,\n')
    ((_line, _column, sentence),) = said([row])
    assert len(sentence) < 120
    assert chr(0x202E) not in sentence


@pytest.mark.parametrize(
    ("bad", "field"),
    [
        (feature("Polygon", [[[83, 17], [84, 17], [84, 18]], [[1, 1]]]), "geometry"),
        (feature("Polygon", [[[83, 17], [84, 17], [84, 18], "x"]], max_travel_km=5), "geometry"),
        (feature("Polygon", [[[83, 17], [84, 17], [84, True]]], max_travel_km=5), "geometry"),
        (feature("Polygon", [[[83, 17], [84, 10**18], [84, 18]]], max_travel_km=5), "geometry"),
        (feature("Polygon", [[[183, 17], [84, 17], [84, 18]]], max_travel_km=5), "geometry"),
        (feature("Polygon", [], max_travel_km=5), "geometry"),
        (feature("Polygon", None, max_travel_km=5), "geometry"),
        (feature("Polygon", [[[83, 17], [84, 18], [84, 17], [83, 18], [83, 17]]], max_travel_km=5), "geometry"),
        (feature("Polygon", [[[83 + n / 1e6, 17] for n in range(100_000)]], max_travel_km=5), "geometry"),
        (feature("MultiPolygon", [], max_travel_km=5), "geometry"),
        (feature("Point", [83, 17]), "radius_km"),
        (feature("Point", [83], radius_km=1), "geometry"),
        (feature("Point", [83, 17], radius_km="12,5"), "radius_km"),
        (feature("Point", [83, 17], radius_km=[1]), "radius_km"),
        (feature("Point", [83, 17], radius_km=1, name=None), "name"),
        (feature("Point", [83, 17], radius_km=1, active="perhaps"), "active"),
        ({"type": "Feature", "properties": {"name": "A", "time_zone": "UTC"}, "geometry": None}, "geometry"),
        ({"type": "Feature", "properties": {"x": [[[[[[[[[[[[1]]]]]]]]]]]]}}, "geometry"),
        ({"type": "Nothing"}, "type"),
        ("text", "type"),
        (5, "type"),
        ([[[[]]]], "type"),
        (None, "geometry"),
    ],
)
def test_a_bad_feature_is_told_by_its_number_and_the_next_is_read(bad: Any, field: str) -> None:
    rows = geojson_of(bad, feature("Point", [83, 17], radius_km=1, name="B"))
    judged = [judge(row, None, FileFormat.GEOJSON) for row in rows]
    assert [row.verdict for row in judged] == [Verdict.BAD, Verdict.NEW]
    assert {fault.line for fault in judged[0].faults} == {1}
    assert field in {fault.field for fault in judged[0].faults}


def bomb() -> Iterator[tuple[str, bytes]]:
    """Files that are more than they seem."""
    head = b'{"type":"FeatureCollection","features":['
    yield "deep", head + b"[" * 1_000_000 + b"]}"
    yield "deep in another member", b'{"x":' + b'{"a":' * 1_000_000
    yield "one long border", head + b'{"geometry":{"coordinates":[[' + b"[1,1]," * 1_500_000 + b"[1,1]]]}}]}"
    yield "one long list", head + b'{"geometry":[' + b"1," * 4_000_000 + b"1]}]}"
    yield "one long number", head + b'{"radius_km":' + b"9" * 9_000_000 + b"}]}"
    yield "many empty features", head + b"{}," * 3_000_000 + b"{}]}"
    yield "many lists", head + b'{"a":[' + b"[]," * 3_000_000 + b"[]]}]}"
    yield "many members", b"{" + b'"a":{},' * 1_200_000 + b'"type":"x"}'


_READ_ALL = """
import io, resource, sys
from webapp.zones.files.rows import read_rows
from webapp.zones.files.said import BadFile, FileFormat
data = sys.stdin.buffer.read()
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    faults = [str(f) for row in read_rows(io.BytesIO(data), FileFormat.GEOJSON, franchise_id=None) for f in row.faults]
except BadFile as bad:
    faults = [str(f) for f in bad.faults]
print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024, faults[0])
"""


@pytest.mark.parametrize(("data"), [data for _name, data in bomb()], ids=[name for name, _data in bomb()])
def test_a_bomb_is_refused_in_words_and_in_little_memory(data: bytes) -> None:
    done = subprocess.run([sys.executable, "-c", _READ_ALL], input=data, capture_output=True, check=True)
    megabytes, _space, sentence = done.stdout.decode().partition(" ")
    assert int(megabytes) < 64, done.stdout
    assert sentence.strip()
    assert resource.RUSAGE_SELF == 0


def test_a_file_holds_so_many_rows_and_no_more() -> None:
    line = "A,,UTC,1,1,1,,,,,\n"
    with pytest.raises(BadFile, match="more than 20,000 zones"):
        csv_of(line * (MAX_ROWS + 1))
    rows = read_rows(io.BytesIO((HEAD + line * 3).encode()), FileFormat.CSV, franchise_id=None)
    assert next(rows).line == 2, "rows come one at a time"


def test_rows_of_another_operator_are_told() -> None:
    head = "name,time_zone,center_lat,center_lng,radius_km,operator\n"
    lines = ("A,UTC,1,1,1,VIZAG  learning\n", "B,UTC,1,1,1,Another\n", "C,UTC,1,1,1,\n")
    faults = said(csv_of(*lines, head=head, operator_name="Vizag Learning"))
    assert faults == [(3, "operator", "choose that operator.")]


def test_what_a_file_is_tells_its_first_letter() -> None:
    assert format_of(b"\xef\xbb\xbf  {") is FileFormat.GEOJSON
    assert format_of(b"name,label") is FileFormat.CSV
    for nothing in (b"", b"\xef\xbb\xbf", b" \r\n "):
        with pytest.raises(BadFile, match="empty"):
            format_of(nothing)


# Out and in again

lengths = st.floats(1e-300, 500, exclude_min=True)


def _clean(text: str) -> str:
    try:
        return clean_name(text)
    except Invalid:
        return ""


names = (
    st.one_of(st.text("=+-@'\t＝－@ab1,;\"\\{} é", min_size=1, max_size=20), st.text(min_size=1, max_size=60))
    .map(_clean)
    .filter(bool)
)


@st.composite
def rings(draw: st.DrawFn) -> tuple[Location, ...]:
    """A sound ring: corners around a middle, each in its own direction."""
    lat, lng = draw(st.floats(-80, 80)), draw(st.floats(-170, 170))
    far = draw(st.lists(st.floats(0.01, 5), min_size=4, max_size=4))
    return (
        Location(lat + far[0], lng),
        Location(lat, lng + far[1]),
        Location(lat - far[2], lng),
        Location(lat, lng - far[3]),
    )


@st.composite
def zones(draw: st.DrawFn) -> ZoneCommand:
    """A zone as it is stored."""
    command = ZoneCommand(
        name=draw(names),
        franchise_id=None,
        time_zone=draw(st.sampled_from(["UTC", "Asia/Kolkata", "America/Argentina/Buenos_Aires"])),
        travel_buffer_minutes=draw(st.integers(0, 240)),
        label=draw(st.one_of(st.just(""), names)),
        active=draw(st.booleans()),
    )
    if draw(st.booleans()):
        command = replace(command, ring=draw(rings()), max_travel_km=draw(lengths))
    else:
        center = Location(draw(st.floats(-90, 90)), draw(st.floats(-180, 180)))
        command = replace(command, center=center, radius_km=draw(lengths))
    return sound(command).command


@pytest.mark.parametrize("kind", list(FileFormat))
@given(command=zones())
def test_what_is_written_is_read_as_no_change(kind: FileFormat, command: ZoneCommand) -> None:
    one = [ExportedZone("Zonedesk", command)]
    pieces = csv_lines(HEADING, csv_cells(one)) if kind is FileFormat.CSV else geojson_pieces(one)
    (row,) = read_rows(io.BytesIO(b"".join(pieces)), kind, franchise_id=None, operator_name="Zonedesk")
    judged = judge(row, StoredZone(new_id(), "key", command), kind)
    assert judged.faults == ()
    assert judged.verdict is Verdict.SAME
    afresh = judge(row, None, kind)
    assert afresh.zone is not None
    assert afresh.zone.command == command, "also where there was none"


@given(st.binary(max_size=300))
def test_no_bytes_at_all_are_more_than_a_bad_file(data: bytes) -> None:
    for kind, content in ((FileFormat.CSV, HEAD.encode() + data), (FileFormat.GEOJSON, b'{"features":[' + data)):
        with suppress(BadFile):
            for row in read_rows(io.BytesIO(content), kind, franchise_id=None):
                judge(row, None, kind)


@given(st.text(max_size=80))
def test_no_text_in_a_cell_is_more_than_a_fault(text: str) -> None:
    with suppress(Invalid):
        assert len(ring_of_text(text)) <= MAX_DRAWN
