"""CSV files of zones, read line by line. UTF-8, with or without a byte order mark.

Columns: ``name, time_zone``; a circle's ``center_lat, center_lng, radius_km``; a polygon's ``corners`` ("lat, lng; lat,
lng; …" or WKT ``POLYGON ((lng lat, …))``) and ``max_travel_km``; ``label, travel_buffer_minutes, active, operator,
reason``. ``kind, city, state, country`` are known and read past, as a zone has a shape and a place on the earth.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from typing import BinaryIO, Final

from webapp.core.words import msgid
from webapp.zones.files.said import MAX_BYTES, MAX_ROWS, BadFile, Fault, RawRow, bad_file, shown, too_many_rows

NEEDED: Final = ("name", "time_zone")
CIRCLE: Final = ("center_lat", "center_lng", "radius_km")
MORE: Final = ("label", "corners", "max_travel_km", "travel_buffer_minutes", "active", "operator", "reason")
KNOWN: Final = (*NEEDED, *CIRCLE, *MORE, "kind", "city", "state", "country")
ESCAPED: Final = re.compile("'+[=+@\t\r\n\0\uff1d\uff0b\uff0d\uff20-]")
"""Text that ``web.csv_export`` would have kept from being a formula: one apostrophe is taken off again."""


def csv_rows(stream: BinaryIO) -> Iterator[RawRow]:
    """The rows of a file. Raises ``BadFile`` as soon as it cannot be read on.

    A cell that begins with ``=`` or ``@`` is text like any other; where a number belongs it is a fault later.
    """
    # For the whole process: the longest cell is a border, and no border is longer than the file that holds it.
    csv.field_size_limit(MAX_BYTES)
    wrapped = io.TextIOWrapper(stream, "utf-8-sig", newline="")
    reader = csv.reader(wrapped, strict=True)
    try:
        yield from _rows(reader)
    except UnicodeDecodeError as error:
        raise bad_file(msgid("The file is not UTF-8. Save it as UTF-8 CSV.")) from error
    except csv.Error as error:
        if "\0" in str(error) or "NUL" in str(error):
            raise _not_text() from error
        raise bad_file(msgid("This line is not CSV: look for a lone quote."), line=reader.line_num) from error
    finally:
        wrapped.detach()


def _rows(reader: Iterator[list[str]]) -> Iterator[RawRow]:
    heading: list[str] | None = None
    found = 0
    for cells in reader:
        line: int = reader.line_num  # type: ignore[attr-defined]  # csv's reader, which typeshed names nowhere
        texts = [cell.strip() for cell in cells]
        if not any(texts):
            continue
        if any("\0" in text for text in texts):
            raise _not_text()
        if heading is None:
            heading = _heading(line, texts)
            continue
        found += 1
        if found > MAX_ROWS:
            raise too_many_rows()
        if len(texts) != len(heading):
            sentence = msgid("The line has %(found)s cells, the heading %(wanted)s.")
            named = dict(zip(heading, texts, strict=False)).get("name", "")
            fault = Fault(line, "", sentence, {"found": len(texts), "wanted": len(heading)})
            yield RawRow(line, {"name": _plain(named)}, faults=(fault,))
            continue
        yield RawRow(line, {name: _plain(text) for name, text in zip(heading, texts, strict=True)})
    if heading is None:
        raise bad_file(msgid("The file is empty."))
    if not found:
        raise bad_file(msgid("The file has a heading but no zones."))


def _not_text() -> BadFile:
    return bad_file(msgid("The file is not text. Save it as UTF-8 CSV."))


def _plain(text: str) -> str:
    return text[1:] if text.startswith("'") and ESCAPED.match(text) else text


def _heading(line: int, texts: list[str]) -> list[str]:
    """The columns by name. Raises ``BadFile`` for what is missing, unknown or there twice."""
    heading = [text.casefold() for text in texts]
    missing = [name for name in NEEDED if name not in heading]
    if "corners" not in heading:
        missing += [name for name in CIRCLE if name not in heading]
    faults = [Fault(line, name, msgid("This column is missing."), {}) for name in missing]
    unknown = [shown(name) for name in heading if name not in KNOWN]
    faults += [Fault(line, name, msgid("This column is not known."), {}) for name in unknown[:20]]
    if len(set(heading)) < len(heading):
        faults.append(Fault(line, "", msgid("A column appears twice."), {}))
    if faults:
        raise BadFile(*faults)
    return heading
