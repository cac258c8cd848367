"""Filters of the lists and the small forms of bookings. What an address says wrongly means "not filtered"."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from enum import StrEnum
from typing import TypeVar
from uuid import UUID

from webapp.bookings.queries import BookingFilter, Order
from webapp.bookings.rules import BookingStatus, EnquiryStatus
from webapp.core.names import search_words

Word = TypeVar("Word", bound=StrEnum)


def booking_filter(args: Mapping[str, str]) -> BookingFilter:
    """The filter an address asks for: ``q``, ``status``, ``zone``, ``course``, ``sort``. Nothing ever fails."""
    return BookingFilter(
        search=search_words(args.get("q", "")),
        status=_word(BookingStatus, args.get("status", "")),
        zone_id=_id(args.get("zone", "")),
        course_id=_id(args.get("course", "")),
        order=_word(Order, args.get("sort", "")) or Order.NEWEST,
    )


def enquiry_status(args: Mapping[str, str]) -> tuple[EnquiryStatus | None, bool]:
    """The status ``?status=`` asks for, and whether it asks for all (``all``); neither means the open ones."""
    text = args.get("status", "")
    return _word(EnquiryStatus, text), text == "all"


def _word(enum: type[Word], text: str) -> Word | None:
    with contextlib.suppress(ValueError):
        return enum(text)
    return None


def _id(text: str) -> UUID | None:
    with contextlib.suppress(ValueError):
        return UUID(text)
    return None
