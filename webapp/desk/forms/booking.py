"""The booking form: one form for a new booking, for its correction, and for an enquiry when nothing can be booked.

Nothing in it is required by itself, so that a form half filled can be checked while somebody is still talking;
``demand`` then asks for what a verb needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from typing import Any, Final
from uuid import UUID

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l
from wtforms import BooleanField, HiddenField, StringField
from wtforms.fields import SelectChoice  # type: ignore[attr-defined]  # newer than the type stubs
from wtforms.validators import ValidationError

from webapp.accounts.rules import normalised_email
from webapp.assignments.fixes import FixKind
from webapp.bookings.enquiries import EnquiryCommand
from webapp.bookings.rules import TOTALS, ClassType, DeliveryMode, EnquiryStatus
from webapp.bookings.words import CLASS_TYPES, DELIVERY_MODES, GENDERS
from webapp.core.errors import DomainError, Invalid
from webapp.core.geo import Location
from webapp.core.ids import new_id
from webapp.courses.queries import CourseRow
from webapp.desk.forms.fields import AUTOMATIC, HiddenUuidField, UuidsField, fill, trainer_id, version_of
from webapp.desk.forms.fixes import MovesField, read_fix, shifted
from webapp.desk.places import by_state, cities, find_town
from webapp.desk.rules import Wish
from webapp.desk.service import Ask, BookCommand, FamilyCommand
from webapp.households.queries import HouseholdDetail
from webapp.households.rules import Gender, GuardianCommand, Language, StudentCommand
from webapp.households.words import languages
from webapp.web.filters import day
from webapp.web.forms import (
    BaseForm,
    ChoiceSelectField,
    DayField,
    LocationField,
    LongTextField,
    PhoneField,
    TextField,
    TimeslotField,
    UuidSelectField,
)
from webapp.zones.queries import ZoneAt

_FIELD_OF: Final = {
    "place": "location",
    "household_id": "household",
    "course_id": "course",
    "guardian-0_name": "guardian_name",
    "guardian-0_phone": "phone",
    "guardian-0_email": "email",
}
"""Where the form shows what a rule says about a field of its own naming."""


def _any(label: Any) -> tuple[str, Any]:
    return ("", label)


class BookingForm(BaseForm):
    """Family, place, course and time; the trainer and what to do come with the button."""

    key = HiddenUuidField()
    """The id the booking will have: the same page sent twice makes one booking."""
    version = HiddenField()
    enquiry = HiddenUuidField()

    find = TextField(_l("Find a family"), max_length=120)
    household = UuidSelectField(_l("Family"), choices=())
    guardian_name = TextField(_l("Guardian"), max_length=120)
    phone = PhoneField(_l("Phone"))
    language = ChoiceSelectField(_l("Language"), coerce=Language, default=Language.ENGLISH.value)
    email = TextField(_l("E-mail"), max_length=254)
    consent = BooleanField(_l("Agrees to be sent messages about lessons"))
    student_ids = UuidsField(_l("Students"), default=())
    student_1 = TextField(_l("Student"), max_length=120)
    student_2 = TextField(_l("Second student"), max_length=120)
    student_3 = TextField(_l("Third student"), max_length=120)

    address = TextField(_l("Address"), max_length=400)
    location = LocationField(_l("Location"), find_town=find_town)
    city = ChoiceSelectField(_l("City"))
    zone_id = HiddenUuidField()
    """One of the containing zones, drawn as a list where there are several; nothing for the serving one."""

    course = UuidSelectField(_l("Course"))
    class_type = ChoiceSelectField(_l("Class"), coerce=ClassType, default=ClassType.ONE_ON_ONE.value)
    delivery_mode = ChoiceSelectField(_l("Days"), coerce=DeliveryMode, default=DeliveryMode.WEEKDAY_DAILY.value)
    total_sessions = ChoiceSelectField(_l("Sessions"), coerce=int, default=30)

    start_date = DayField(_l("First day"))
    timeslot = TimeslotField(_l("Time"))
    moves = MovesField(_l("Moved sessions"), default=())
    """Single sessions at another time of their day; drawn in the panel, where each can be given up."""
    prefers_language = ChoiceSelectField(_l("Trainer speaks"), coerce=Language)
    prefers_gender = ChoiceSelectField(_l("Trainer is"), coerce=Gender)
    prefers_taught_before = BooleanField(_l("Rather a trainer who taught a student before"))

    trainer = StringField(_l("Trainer"))
    note = LongTextField(_l("Note"), max_length=2000)
    callback_on = DayField(_l("Call back on"))

    def __init__(self, *args: Any, courses: Sequence[CourseRow] = (), **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.course.choices = [_any(_l("Choose a course")), *((row.id, row.name) for row in courses)]
        self.language.choices = languages()
        self.city.choices = [
            _any(_l("No city")),
            *(SelectChoice(c.id, c.name, optgroup=state) for state, group in by_state().items() for c in group),
        ]
        self.class_type.choices = [(kind.value, word) for kind, word in CLASS_TYPES.items()]
        self.delivery_mode.choices = [(mode.value, word) for mode, word in DELIVERY_MODES.items()]
        self.total_sessions.choices = [(total, str(total)) for total in TOTALS]
        self.prefers_language.choices = [_any(_l("any language")), *languages()]
        self.prefers_gender.choices = [_any(_l("anybody")), *((g.value, word) for g, word in GENDERS.items())]
        if self.key.data is None:
            self.key.data = new_id()
        self.family: HouseholdDetail | None = None

    def apply(self, text: str | None) -> None:
        """Change the form as a trainer's fix says, and choose that trainer; rubbish changes nothing."""
        change = read_fix(text)
        if change is None:
            return
        self.trainer.data = str(change.trainer_id)
        if change.kind is FixKind.MOVE_SESSION and change.to_time is not None and change.number is not None:
            self.moves.data = tuple(sorted({**dict(self.moves.data or ()), change.number: change.to_time}.items()))
        elif change.to_time is not None:
            if self.timeslot.data is not None:
                self.moves.data = shifted(self.moves.data or (), self.timeslot.data, change.to_time)
            fill(self.timeslot, change.to_time)
        elif change.on is not None:
            fill(self.start_date, change.on)

    # What the family is

    def with_family(self, family: HouseholdDetail | None) -> None:
        """Tell the form which known family was chosen; ``None`` when there is none or it is not to be seen."""
        self.family = family
        self.household.choices = [(family.id, family.title)] if family is not None else []

    @property
    def new_students(self) -> tuple[str, ...]:
        """Names of students to be entered."""
        return tuple(f.data for f in (self.student_1, self.student_2, self.student_3) if f.data and not f.errors)

    @property
    def known_students(self) -> tuple[UUID, ...]:
        """Students of the known family who take part."""
        mine = {student.id for student in self.family.students} if self.family else set()
        return tuple(student_id for student_id in self.student_ids.data or () if student_id in mine)

    def validate_student_ids(self, field: Any) -> None:
        """Only children of the chosen family."""
        if self.family is not None and len(self.known_students) != len(field.data or ()):
            raise ValidationError(_l("Choose from the list."))

    def validate_email(self, field: Any) -> None:
        """The shape of the address, when there is one."""
        if field.data:
            try:
                normalised_email(field.data)
            except Invalid as error:
                raise ValidationError(_(error.message, **error.params)) from error

    def validate_trainer(self, field: Any) -> None:
        """A trainer's id, or the automatic choice."""
        if field.data and field.data != AUTOMATIC and self.trainer_id is None:
            raise ValidationError(_l("Choose one from the list."))

    @property
    def trainer_id(self) -> UUID | None:
        """The trainer named, ``None`` for the automatic choice and for none."""
        return trainer_id(self.trainer.data)

    @property
    def place(self) -> Location | None:
        """Where the sessions take place: the exact location, else the middle of the city."""
        if isinstance(self.location.data, Location):
            return self.location.data
        if self.location.raw_data and str(self.location.raw_data[0]).strip():
            return None  # something was typed that is no place: the city must not stand in for it silently
        city = cities().get(self.city.data or "")
        return city.place if city else None

    @property
    def place_problems(self) -> list[str]:
        """What is wrong with the location that was typed."""
        return _wrong(self.location)

    @property
    def time_problems(self) -> list[str]:
        """What is wrong with the day and the time that were typed."""
        return _wrong(self.start_date) + _wrong(self.timeslot)

    @property
    def by_city(self) -> bool:
        """Whether the place is only the middle of a city."""
        return self.place is not None and not isinstance(self.location.data, Location)

    # What a verb needs

    def demand(self, wanted: Iterator[tuple[Any, Any]]) -> bool:
        """Add an error to each field that is wanted and empty; whether there is none."""
        for field, sentence in wanted:
            if not field.errors:
                field.errors = [*field.errors, sentence]
        return not self.errors

    def missing_for_booking(self) -> Iterator[tuple[Any, Any]]:
        """Fields a booking cannot do without, each with what to give."""
        if self.family is None:
            if not self.guardian_name.data:
                yield self.guardian_name, _("Give the guardian's name.")
            if not self.phone.data:
                yield self.phone, _("Give a phone number.")
        if not self.new_students and not self.known_students:
            yield self.student_1, _("Name at least one student.")
        if not self.address.data:
            yield self.address, _("Give the address the trainer goes to.")
        if self.place is None:
            yield self.location, _("Give the location, or choose a city.")
        if self.course.data is None:
            yield self.course, _("Choose a course.")
        if self.start_date.data is None:
            yield self.start_date, _("Give the first day.")
        if self.timeslot.data is None:
            yield self.timeslot, _("Give the time.")

    def missing_for_proposal(self) -> Iterator[tuple[Any, Any]]:
        """As for a booking, and a trainer."""
        yield from self.missing_for_booking()
        if not self.trainer.data:
            yield self.trainer, _("Choose a trainer, or put the booking on the waitlist.")

    def missing_for_enquiry(self) -> Iterator[tuple[Any, Any]]:
        """An enquiry needs somebody to call back."""
        if self.family is None and not self.guardian_name.data and not self.phone.data:
            yield self.guardian_name, _("Give a name or a phone number.")

    # What comes out of it

    def to_wish(self, *, booking_id: UUID | None = None) -> Wish:
        """The booking as far as it is known."""
        return Wish(
            place=self.place,
            zone_id=self.zone_id.data,
            course_id=self.course.data,
            class_type=self.class_type.data,
            delivery_mode=self.delivery_mode.data,
            total_sessions=self.total_sessions.data,
            start_date=_date(self.start_date.data),
            timeslot=self.timeslot.data,
            students=len(self.known_students) + len(self.new_students),
            household_id=self.family.id if self.family else None,
            student_ids=self.known_students,
            prefers_language=self.prefers_language.data,
            prefers_gender=self.prefers_gender.data,
            prefers_taught_before=self.prefers_taught_before.data,
            moves=self.moves.data or (),
            owner_id=self.family.operator_id if self.family else None,
            booking_id=booking_id,
        )

    def to_command(self) -> BookCommand:
        """The booking, for a form that ``demand`` found complete."""
        place = self.place
        assert place is not None, "demand() asks for it"
        return BookCommand(
            id=self.key.data,
            family=self._family(),
            course_id=self.course.data,
            class_type=self.class_type.data,
            delivery_mode=self.delivery_mode.data,
            total_sessions=self.total_sessions.data,
            start_date=self.start_date.data,
            timeslot=self.timeslot.data,
            address=self.address.data or "",
            place=place,
            zone_id=self.zone_id.data,
            prefers_language=self.prefers_language.data,
            prefers_gender=self.prefers_gender.data,
            prefers_taught_before=self.prefers_taught_before.data,
            enquiry_id=self.enquiry.data,
            moves=self.moves.data or (),
        )

    def to_ask(self, *, propose: bool) -> Ask:
        """What shall happen with the booking."""
        return Ask(propose, self.trainer_id if propose else None)

    def to_enquiry(self, status: EnquiryStatus, serving: ZoneAt | None = None) -> EnquiryCommand:
        """What an enquiry keeps of the form; what has no column of its own goes into the note."""
        first = self.family.guardians[0] if self.family and self.family.guardians else None
        return EnquiryCommand(
            id=self.key.data,
            status=status,
            guardian_name=(first.name if first else self.guardian_name.data) or "",
            phone=(first.phone if first else self.phone.data) or "",
            address=self.address.data or "",
            place=self.place,
            course_id=self.course.data,
            serving_zone=serving.name if serving else None,
            serving_operator=serving.operator_name if serving else None,
            note="\n".join(part for part in (self.note.data or "", self._rest()) if part),
            callback_on=self.callback_on.data,
        )

    def _rest(self) -> str:
        known = [s.name for s in self.family.students if s.id in self.known_students] if self.family else []
        parts = [", ".join([*known, *self.new_students])]
        if self.start_date.data:
            mode = str(DELIVERY_MODES[self.delivery_mode.data]) if self.delivery_mode.data else ""
            parts += [mode, _("from %(day)s", day=day(self.start_date.data))]
        if self.timeslot.data:
            parts.append(self.timeslot.data.strftime("%H:%M"))
        return " · ".join(part for part in parts if part)

    def _family(self) -> FamilyCommand:
        new = tuple(StudentCommand(name) for name in self.new_students)
        if self.family is not None:
            return FamilyCommand(self.family.id, None, self.known_students, new)
        guardian = GuardianCommand(
            name=self.guardian_name.data or "",
            phone=self.phone.data,
            email=self.email.data or None,
            language=self.language.data or Language.ENGLISH,
            consents=bool(self.consent.data),
        )
        return FamilyCommand(guardian=guardian, new_students=new)

    @property
    def version_seen(self) -> int:
        """The version of the booking the page showed; 0, which no booking has, for rubbish."""
        return version_of(self.version.data)

    def refuse(self, error: DomainError) -> None:
        """Show a domain error at the field it is about, under the name that field has here."""
        name = error.field if isinstance(error, Invalid) else None
        if name is not None and name.startswith("student-"):
            place = name.removeprefix("student-").partition("_")[0]
            name = f"student_{int(place) + 1}" if place.isdigit() else "student_1"
        elif name == "students":
            name = "student_ids" if self.family is not None and self.family.students else "student_1"
        name = _FIELD_OF.get(name or "", name)
        if isinstance(error, Invalid) and name != error.field:
            error = Invalid(error.code, error.message, field=name, **error.params)
        super().refuse(error)


def _wrong(field: Any) -> list[str]:
    """The errors of a field that holds something; one that is empty is not wrong but missing."""
    filled = field.raw_data and str(field.raw_data[0]).strip()
    return [str(error) for error in field.errors] if filled else []


def _date(value: Any) -> date | None:
    return value if isinstance(value, date) else None
