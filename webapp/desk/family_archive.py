"""A family's data as one file to hand over: for programs, for people, and its certificates."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

import structlog
from babel import Locale
from flask import render_template
from flask_babel import force_locale

from webapp.audit.service import plain
from webapp.clients.files import FileMissing, FileStore
from webapp.desk.queries.family_data import FamilyData
from webapp.desk.readable import chapters, plain_text
from webapp.web.filters import instant
from webapp.web.words import _

FORMAT: Final = 1
"""Of ``family.json``: grows when a key changes its meaning or goes (see docs/guide/family-data.md)."""

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Archive:
    """The ZIP file, and how many certificates are in it of those that should be."""

    content: bytes
    files: int
    files_missing: int


def archive(data: FamilyData, store: FileStore, *, now: datetime) -> Archive:
    """``family.json``, ``family.html``, ``family.txt`` and ``certificates/NUMBER.pdf``.

    The words are in the first guardian's language as far as the desk knows it. Reads the store, so it belongs outside
    of a transaction. A certificate whose file is missing is logged and left out.
    """
    entries: dict[str, bytes] = {}
    missing = 0
    for row in data.parts["certificates"]:
        if row["pdf_sha256"] is None:
            continue
        try:
            entries[f"certificates/{row['number']}.pdf"] = store.get(row["pdf_sha256"])
        except FileMissing:
            missing += 1
            log.exception("certificate.file_missing", certificate_id=str(row["id"]))
    files = len(entries)
    entries = _texts(data, now) | {"family.json": as_json(data, now=now)} | entries
    return Archive(_zipped(entries, now), files, missing)


def as_json(data: FamilyData, *, now: datetime) -> bytes:
    """The rows under the keys of the ledger, ids as text, instants in ISO 8601 with UTC, and ``names`` for the ids."""
    told: dict[str, object] = {"format": FORMAT, "made_at": now, "household": data.household}
    told |= {key: rows for key, rows in data.parts.items() if key != "household"}
    told["names"] = data.names
    return json.dumps(plain(told), ensure_ascii=False, indent=2).encode()


def _texts(data: FamilyData, now: datetime) -> dict[str, bytes]:
    guardians = data.parts["guardians"]
    language = guardians[0]["language"] if guardians else "en"
    with force_locale(language):
        title = _("What we hold about your family")
        preface = _(
            "From %(operator)s, %(when)s. Moments are in UTC where no other zone is named.",
            operator=data.named("operators", data.household["operator_id"]),
            when=instant(now, "UTC"),
        )
        all_of_it = chapters(data)
        page = render_template(
            "desk/family_document.html",
            title=title,
            preface=preface,
            chapters=all_of_it,
            language=language,
            direction=Locale.parse(language).text_direction,
        )
        return {"family.html": page.encode(), "family.txt": plain_text(title, preface, all_of_it).encode()}


def _zipped(entries: Mapping[str, bytes], now: datetime) -> bytes:
    packed = io.BytesIO()
    moment = now.astimezone(UTC)
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, 0))
            entry.external_attr = 0o600 << 16
            file.writestr(entry, content, zipfile.ZIP_DEFLATED)
    return packed.getvalue()
