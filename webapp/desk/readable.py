"""A family's data in words, for a parent: chapters of facts, in the reader's language, as a page or as plain text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from webapp.audit.queries import Happened
from webapp.bookings.rules import ClassType, DeliveryMode, PaymentStatus
from webapp.bookings.words import CLASS_TYPES, DELIVERY_MODES, PAYMENTS
from webapp.certificates.words import kind_word, reason_word
from webapp.core.actor import ActorKind
from webapp.desk.queries.family_data import FamilyData, Row
from webapp.desk.words import event_words
from webapp.households.words import language_name
from webapp.web.filters import clock_time, day, instant
from webapp.web.status import status_look
from webapp.web.words import _

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Block:
    """One thing and its facts, each a label and a value that is not empty."""

    title: str
    facts: tuple[Fact, ...]


@dataclass(frozen=True, slots=True)
class Chapter:
    """Things of one kind; a chapter without any says so."""

    title: str
    blocks: tuple[Block, ...]


def chapters(data: FamilyData) -> tuple[Chapter, ...]:
    """The whole of it. Dates of bookings are local to their zone, all other moments are in UTC."""
    return (
        Chapter(_("Guardians"), tuple(_guardians(data))),
        Chapter(_("Students"), tuple(Block(row["name"], ()) for row in data.parts["students"])),
        Chapter(_("Bookings"), tuple(_bookings(data))),
        Chapter(_("Certificates"), tuple(_certificates(data))),
        Chapter(_("Letters with certificates"), tuple(_letters(data))),
        Chapter(_("Enquiries"), tuple(_enquiries(data))),
        Chapter(_("Kept apart from"), tuple(_apart(data))),
        Chapter(_("What happened"), tuple(_happened(data))),
    )


def plain_text(title: str, preface: str, all_of_it: tuple[Chapter, ...]) -> str:
    """The same as text, one line for each fact."""
    lines = [title, "", preface, ""]
    for chapter in all_of_it:
        lines += [chapter.title, "=" * len(chapter.title), ""]
        for block in chapter.blocks:
            lines.append(block.title)
            lines += [f"    {label}: {value}" if label else f"    {value}" for label, value in block.facts]
        lines += ([] if chapter.blocks else [_("Nothing.")]) + [""]
    return "\n".join(lines)


def _facts(*facts: tuple[str, Any]) -> tuple[Fact, ...]:
    return tuple((str(label), str(value)) for label, value in facts if value not in (None, ""))


def _guardians(data: FamilyData) -> Iterator[Block]:
    for row in data.parts["guardians"]:
        agreed = instant(row["consent_at"], "UTC") if row["consent_at"] else _("no")
        yield Block(
            row["name"],
            _facts(
                (_("Phone"), row["phone"]),
                (_("E-mail"), row["email"]),
                (_("Language"), language_name(row["language"])),
                (_("Agreed to messages"), agreed),
            ),
        )


def _bookings(data: FamilyData) -> Iterator[Block]:
    students = {row["id"]: row["name"] for row in data.parts["students"]}
    taking_part: dict[UUID, list[str]] = defaultdict(list)
    for row in data.parts["booking_students"]:
        taking_part[row["booking_id"]].append(students[row["student_id"]])
    marks: dict[UUID, list[str]] = defaultdict(list)
    for row in data.parts["attendance"]:
        mark = status_look("attendance", row["mark"]).word
        marks[row["course_session_id"]].append(f"{students[row['student_id']]}: {mark}")
    for booking in data.parts["bookings"]:
        yield Block(
            _("Booking %(reference)s", reference=booking["reference"]),
            _facts(
                (_("Course"), data.named("courses", booking["course_id"])),
                (_("Status"), status_look("booking", booking["status"]).word),
                (_("Reason"), booking["closed_reason"]),
                (_("Payment"), PAYMENTS[PaymentStatus(booking["payment_status"])]),
                (_("Students"), ", ".join(taking_part[booking["id"]])),
                (_("Class"), CLASS_TYPES[ClassType(booking["class_type"])]),
                (_("Days"), DELIVERY_MODES[DeliveryMode(booking["delivery_mode"])]),
                (_("Sessions"), booking["total_sessions"]),
                (_("Starts"), f"{day(booking['start_date'])}, {clock_time(booking['timeslot'])}"),
                (_("Zone"), data.named("zones", booking["zone_id"])),
                (_("Address"), booking["address"]),
                (_("Location"), f"{booking['lat']:.5f}, {booking['lng']:.5f}"),
                (_("Prefers the language"), language_name(booking["prefers_language"])),
                (_("Prefers the gender"), booking["prefers_gender"]),
                (_("Prefers who taught before"), _("yes") if booking["prefers_taught_before"] else ""),
                *((_("Proposed"), _proposal(data, row)) for row in _of(data, "assignments", booking)),
                *(
                    (_("Session %(number)s", number=row["number"]), _session(data, row, marks[row["id"]]))
                    for row in sorted(_of(data, "course_sessions", booking), key=lambda row: row["starts_at"])
                ),
            ),
        )


def _of(data: FamilyData, key: str, booking: Row) -> list[Row]:
    return [row for row in data.parts[key] if row["booking_id"] == booking["id"]]


def _proposal(data: FamilyData, row: Row) -> str:
    said = [
        data.named("trainers", row["trainer_id"]),
        instant(row["proposed_at"], "UTC"),
        str(status_look("assignment", row["status"]).word),
        row["purpose"] or "",
        row["reason"] or "",
    ]
    return "; ".join(part for part in said if part)


def _session(data: FamilyData, row: Row, marks: list[str]) -> str:
    said = [
        instant(row["starts_at"], row["time_zone"]),
        str(status_look("mode", row["mode"]).word),
        str(status_look("session", row["status"]).word),
        data.named("trainers", row["taught_by"]),
        row["cancelled_reason"] or "",
        ", ".join(marks),
    ]
    return "; ".join(part for part in said if part)


def _certificates(data: FamilyData) -> Iterator[Block]:
    for row in data.parts["certificates"]:
        yield Block(
            row["number"],
            _facts(
                (_("Student"), row["payload"]["student_name"]),
                (_("Course"), row["payload"]["course_name"]),
                (_("Status"), status_look("certificate", row["state"]).word),
                (_("Awarded on"), day(row["awarded_on"])),
                (_("Reason"), row["revoked_reason"]),
                (_("Asked about it"), _asked_about(data, row["id"])),
                (_("Verification page"), row["payload"]["verify_url"]),
                (_("Fingerprint of the file (SHA-256)"), row["pdf_sha256"]),
            ),
        )


def _asked_about(data: FamilyData, certificate_id: UUID) -> str:
    """What staff asked for, and why, whatever became of it."""
    asked = (row for row in data.parts["certificate_requests"] if row["certificate_id"] == certificate_id)
    return "; ".join(
        f"{kind_word(row['kind'])}: {reason_word(row['reason'])}" + (f", {row['words']}" if row["words"] else "")
        for row in asked
    )


def _letters(data: FamilyData) -> Iterator[Block]:
    certificates = {row["id"]: row["number"] for row in data.parts["certificates"]}
    guardians = {row["id"]: row["name"] for row in data.parts["guardians"]}
    for row in data.parts["certificate_letters"]:
        yield Block(
            instant(row["created_at"], "UTC"),
            _facts(
                (_("Certificate"), certificates.get(row["certificate_id"], "")),
                (_("To"), guardians.get(row["guardian_id"], "")),
                (_("Status"), status_look("certificate_letter", row["state"]).word),
                (_("Sent"), instant(row["sent_at"], "UTC") if row["sent_at"] is not None else ""),
            ),
        )


def _enquiries(data: FamilyData) -> Iterator[Block]:
    for row in data.parts["enquiries"]:
        yield Block(
            instant(row["created_at"], "UTC"),
            _facts(
                (_("Status"), status_look("enquiry", row["status"]).word),
                (_("Name"), row["guardian_name"]),
                (_("Phone"), row["phone"]),
                (_("Address"), row["address"]),
                (_("Location"), f"{row['lat']:.5f}, {row['lng']:.5f}" if row["lat"] is not None else ""),
                (_("Course"), data.named("courses", row["course_id"])),
                (_("Note"), row["note"]),
                (_("Call back on"), day(row["callback_on"])),
            ),
        )


def _apart(data: FamilyData) -> Iterator[Block]:
    for row in data.parts["trainer_blocks"]:
        since = instant(row["created_at"], "UTC")
        yield Block(data.named("trainers", row["trainer_id"]), _facts((_("Why"), row["reason"]), (_("Since"), since)))


def _happened(data: FamilyData) -> Iterator[Block]:
    """One line for each entry of the audit; the ones without words of their own are called by their names."""
    trainers = {row["id"]: data.named("trainers", row["trainer_id"]) for row in data.parts["assignments"]}
    numbers = {row["id"]: row["number"] for row in data.parts["course_sessions"]}
    for row in data.parts["audit"]:
        entry = Happened(
            id=row["id"],
            at=row["at"],
            actor_kind=ActorKind(row["actor_kind"]),
            actor_id=None,
            actor_name=row["actor_name"],
            what=row["what"],
            subject_kind=row["subject_kind"],
            subject_id=row["subject_id"],
            before=row["before"] or {},
            after=row["after"] or {},
            source=row["source"],
        )
        words = event_words(entry, trainer=trainers.get(entry.subject_id, ""), number=numbers.get(entry.subject_id))
        if words is not None:
            yield Block(instant(row["at"], "UTC"), (("", words.sentence),))
