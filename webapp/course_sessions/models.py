"""Attendance: who was there."""

from __future__ import annotations

from datetime import datetime
from uuid import UUID

from sqlalchemy import ForeignKeyConstraint, Index
from sqlalchemy.orm import Mapped, mapped_column

from webapp.course_sessions.rules import AttendanceMark
from webapp.db.base import Base, owned_key, word


class Attendance(Base):
    """One student's mark for one course session (rule S2): only a student of that booking can have one."""

    __tablename__ = "attendance"
    __table_args__ = (
        owned_key("course_session_id", "course_sessions", ondelete="CASCADE"),
        ForeignKeyConstraint(
            ["operator_id", "booking_id", "student_id"],
            ["booking_students.operator_id", "booking_students.booking_id", "booking_students.student_id"],
        ),
        Index("ix_attendance_booking_id_student_id", "booking_id", "student_id"),
    )

    operator_id: Mapped[UUID]
    booking_id: Mapped[UUID]
    course_session_id: Mapped[UUID] = mapped_column(primary_key=True)
    student_id: Mapped[UUID] = mapped_column(primary_key=True)
    mark: Mapped[AttendanceMark] = mapped_column(word(AttendanceMark, "mark"))
    marked_by: Mapped[UUID | None]
    marked_at: Mapped[datetime]
