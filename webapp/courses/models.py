"""Courses: what is taught, everywhere in the company."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import CheckConstraint, Index, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from webapp.db.base import Base


class Course(Base):
    """A course. All operators teach the same catalogue, so it belongs to none of them."""

    __tablename__ = "courses"
    __table_args__ = (
        CheckConstraint("name_key <> ''", name="name_key"),
        Index("uq_courses_name_key", "name_key", unique=True),
    )

    id: Mapped[UUID] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(120))
    name_key: Mapped[str] = mapped_column(String(240))
    description: Mapped[str] = mapped_column(Text, default="")
    active: Mapped[bool] = mapped_column(default=True)
    created_at: Mapped[datetime]
