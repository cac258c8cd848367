"""What the choices of a booking are called on pages, in the reader's language."""

from __future__ import annotations

from typing import Any, Final

from flask_babel import gettext as _
from flask_babel import lazy_gettext as _l

from webapp.bookings.rules import BookingStatus, ClassType, DeliveryMode, EnquiryStatus, PaymentStatus
from webapp.households.rules import Gender
from webapp.households.words import language_name

CLASS_TYPES: Final[dict[ClassType, Any]] = {
    ClassType.ONE_ON_ONE: _l("One student"),
    ClassType.ONE_ON_TWO: _l("Two students"),
    ClassType.ONE_ON_THREE: _l("Three students"),
    ClassType.HYBRID: _l("Hybrid, 1 to 3 students"),
}

DELIVERY_MODES: Final[dict[DeliveryMode, Any]] = {
    DeliveryMode.WEEKDAY_DAILY: _l("Every day, at home"),
    DeliveryMode.SUNDAY_ONLY: _l("Sundays, two at home"),
    DeliveryMode.HYBRID: _l("Hybrid, online and at home"),
}

STATUSES: Final[dict[BookingStatus, Any]] = {
    BookingStatus.WAITLISTED: _l("Waitlisted"),
    BookingStatus.PENDING_APPROVAL: _l("Pending approval"),
    BookingStatus.ASSIGNED: _l("Assigned"),
    BookingStatus.IN_PROGRESS: _l("In progress"),
    BookingStatus.COMPLETED: _l("Completed"),
    BookingStatus.CANCELLED: _l("Cancelled"),
}

ENQUIRY_STATUSES: Final[dict[EnquiryStatus, Any]] = {
    EnquiryStatus.DRAFT: _l("Draft"),
    EnquiryStatus.SERVICE_NOT_AVAILABLE: _l("No service here yet"),
    EnquiryStatus.OTHER_OPERATOR: _l("Other operator"),
    EnquiryStatus.BOOKED: _l("Booked"),
    EnquiryStatus.CLOSED: _l("Closed"),
    EnquiryStatus.EXPIRED: _l("Expired"),
}

PAYMENTS: Final[dict[PaymentStatus, Any]] = {
    PaymentStatus.UNPAID: _l("Unpaid"),
    PaymentStatus.PART_PAID: _l("Part paid"),
    PaymentStatus.PAID: _l("Paid"),
    PaymentStatus.REFUNDED: _l("Refunded"),
}

GENDERS: Final[dict[Gender, Any]] = {
    Gender.FEMALE: _l("A woman"),
    Gender.MALE: _l("A man"),
    Gender.OTHER: _l("Another gender"),
}


def class_type_word(value: ClassType) -> Any:
    """What a class type is called."""
    return CLASS_TYPES[value]


def delivery_mode_word(value: DeliveryMode) -> Any:
    """What a delivery mode is called."""
    return DELIVERY_MODES[value]


def gender_word(value: str | None) -> Any:
    """What a wished-for gender is called; nothing for nothing."""
    return GENDERS[Gender(value)] if value else ""


def wish_words(language: str | None, gender: str | None, taught_before: bool) -> str:
    """What a family wishes of its trainer: "Telugu, A woman, taught a student before"; nothing for no wish."""
    before = _("taught a student before") if taught_before else ""
    return ", ".join(word for word in (language_name(language), str(gender_word(gender)), before) if word)
