"""Attendance as a form: one choice per student, and what became of the session."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID

from flask_babel import lazy_gettext as _l

from webapp.course_sessions.queries import SessionRow
from webapp.course_sessions.rules import AttendanceMark
from webapp.course_sessions.service import Outcome
from webapp.web.filters import person
from webapp.web.forms import BaseForm, ChoiceRadioField

MARK_WORDS = [
    (AttendanceMark.PRESENT, _l("Present")),
    (AttendanceMark.ABSENT, _l("Absent")),
    (AttendanceMark.EXCUSED, _l("Excused")),
]


class AttendanceForm(BaseForm):
    """The marks stand in fields named after the students, so the class is made per session by ``attendance_form``."""

    outcome = ChoiceRadioField(
        _l("What became of it?"),
        coerce=Outcome,
        choices=[(Outcome.COMPLETED, _l("It took place")), (Outcome.MISSED, _l("It did not take place"))],
        default=Outcome.COMPLETED,
    )

    def to_outcome(self) -> Outcome:
        """What staff said of the session."""
        return Outcome(self.outcome.data)

    def to_marks(self, session: SessionRow) -> Mapping[UUID, AttendanceMark]:
        """The mark of each student; none for a session that did not take place."""
        if self.to_outcome() is Outcome.MISSED:
            return {}
        return {student.id: AttendanceMark(self[field_name(student.id)].data) for student in session.students}


def field_name(student_id: UUID) -> str:
    """The name of a student's field."""
    return f"mark-{student_id}"


def attendance_form(session: SessionRow) -> AttendanceForm:
    """The form for one session: everybody present unless already marked otherwise."""
    fields = {
        field_name(student.id): ChoiceRadioField(
            person(student.name),
            coerce=AttendanceMark,
            choices=MARK_WORDS,
            default=student.mark or AttendanceMark.PRESENT,
        )
        for student in session.students
    }
    made: type[AttendanceForm] = type("SessionAttendanceForm", (AttendanceForm,), fields)
    return made()
