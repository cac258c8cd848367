"""Imports of zones: the promise that a file is looked at and written, and the report on each of its rows."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, LargeBinary, String, text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.core.actor import Role
from webapp.db.base import Base, owned_key, owned_table, whole_lease, word
from webapp.zones.files.said import FileFormat
from webapp.zones.import_rules import ImportMode, ImportState
from webapp.zones.judging import Verdict


class ZoneImport(Base):
    """One file: whose zones, who sent it, how far it is, and what came of it."""

    __tablename__ = "zone_imports"
    __table_args__ = owned_table(
        whole_lease(),
        CheckConstraint("(state IN ('done', 'failed')) = (finished_at IS NOT NULL)", name="finished"),
        CheckConstraint("(state IN ('done', 'failed')) = (content IS NULL)", name="content"),
        CheckConstraint("state NOT IN ('writing', 'done') OR mode IS NOT NULL", name="written"),
        CheckConstraint("(mode IS NULL) = (asked_by_role IS NULL)", name="asked"),
        Index("ix_zone_imports_operator_id_created_at", "operator_id", "created_at"),
        Index(
            "ix_zone_imports_due_at",
            "due_at",
            postgresql_where=text("state IN ('waiting', 'checking', 'writing')"),
        ),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    operator_id: Mapped[UUID] = mapped_column(ForeignKey("operators.id"))
    state: Mapped[ImportState] = mapped_column(word(ImportState, "state"))
    format: Mapped[FileFormat] = mapped_column(word(FileFormat, "format"))
    size: Mapped[int]
    """Bytes of the file."""
    content: Mapped[bytes | None] = mapped_column(LargeBinary)
    """The file, until it is written or given up: it is looked at again when zones have changed meanwhile."""
    created_at: Mapped[datetime]
    created_by: Mapped[UUID | None]
    created_by_name: Mapped[str] = mapped_column(String(200))
    due_at: Mapped[datetime]
    """Since when a worker is expected."""
    lease: Mapped[UUID | None]
    lease_until: Mapped[datetime | None]
    attempts: Mapped[int] = mapped_column(default=0)
    """How often it was taken up since the last step that somebody asked for."""
    progress: Mapped[int] = mapped_column(default=0)
    """Rows of this step that are done with."""
    rows: Mapped[int | None]
    """Rows of the file, once it was read."""
    count_new: Mapped[int] = mapped_column(default=0)
    count_changed: Mapped[int] = mapped_column(default=0)
    count_same: Mapped[int] = mapped_column(default=0)
    count_bad: Mapped[int] = mapped_column(default=0)
    seen_version: Mapped[UUID | None]
    """The stamp of all zones when the file was looked at: nothing has changed as long as it stays."""
    mode: Mapped[ImportMode | None] = mapped_column(word(ImportMode, "mode"))
    asked_by: Mapped[UUID | None]
    asked_by_name: Mapped[str] = mapped_column(String(200), default="")
    asked_by_role: Mapped[Role | None] = mapped_column(word(Role, "asked_by_role"))
    """Who had it written; the audit names them for every zone."""
    finished_at: Mapped[datetime | None]
    problem: Mapped[str | None] = mapped_column(String(64))
    """Why it failed, or why it was looked at again."""
    faults: Mapped[list[Any]] = mapped_column(default=list)
    """What is wrong with the file as a whole."""
    touched: Mapped[list[Any]] = mapped_column(default=list)
    """Lines of zones that somebody changed between the look and the writing, the first of them."""


class ZoneImportRow(Base):
    """What comes of one row of a file."""

    __tablename__ = "zone_import_rows"
    __table_args__ = (
        owned_key("import_id", "zone_imports", ondelete="CASCADE"),
        CheckConstraint("(verdict IN ('new', 'changed')) = (zone IS NOT NULL)", name="zone"),
        CheckConstraint("(verdict = 'bad') = (faults <> '[]')", name="faults"),
        Index("ix_zone_import_rows_import_id_verdict", "import_id", "verdict", "line"),
    )

    operator_id: Mapped[UUID]
    import_id: Mapped[UUID] = mapped_column(primary_key=True)
    line: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """The line of a CSV file on which the row ends, or the number of a feature."""
    name: Mapped[str] = mapped_column(String(120))
    verdict: Mapped[Verdict] = mapped_column(word(Verdict, "verdict"))
    faults: Mapped[list[Any]]
    """``[[field, sentence, params], …]``"""
    disputes: Mapped[list[Any]]
    """``[[operator, zone, km²], …]``: ground of other operators that the zone takes."""
    reason: Mapped[str] = mapped_column(String(400))
    """Why it may."""
    zone: Mapped[dict[str, Any] | None]
    """What would be written."""
    zone_id: Mapped[UUID | None]
    """The zone it is about, where there is one already."""
    base: Mapped[str | None] = mapped_column(String(32))
    """Which state of that zone it was compared with (``judging.digest_of``)."""
