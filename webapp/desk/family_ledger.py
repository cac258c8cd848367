"""What the desk holds of families, table by table: what is given out, what is erased, what stays, and why.

A test compares it with the tables that there are: a table or column that belongs to families and is not accounted for
here fails it. Another test fills every column, exports, erases, and looks for what is left.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

COUNTED: Final = "tells how many courses were sold and taught, and by whom, of nobody in particular"
KEYS: Final = "ties rows together; a random number that says nothing by itself"
VERIFIED: Final = "a certificate that was given stays verifiable: number, hash and status"
CHAIN: Final = "work in progress of the desk's own processes"
STAFF: Final = "who of the desk's staff it was, by a number that only the desk reads; their names are given out"


@dataclass(frozen=True, slots=True)
class Held:
    """One table. ``key`` is its part of ``family.json``; a table without one says in ``why_not`` why not.

    ``withheld`` names columns that are not given out, ``kept`` those that outlive an erasure, each under its reason.
    ``erased`` names what goes; ``removed`` says that the whole row does.
    """

    key: str | None
    why_not: str = ""
    withheld: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    erased: tuple[str, ...] = ()
    kept: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    removed: bool = False


LEDGER: Final[Mapping[str, Held]] = {
    "households": Held(
        key="household",
        withheld={CHAIN: ("erased_at", "erasure_noted_at")},
        kept={KEYS: ("id", "operator_id"), COUNTED: ("created_at",), CHAIN: ("erased_at", "erasure_noted_at")},
    ),
    "guardians": Held(key="guardians", removed=True),
    "students": Held(key="students", erased=("name",), kept={KEYS: ("id", "operator_id", "household_id")}),
    "enquiries": Held(
        key="enquiries",
        withheld={STAFF: ("created_by",)},
        erased=("guardian_name", "phone", "address", "lat", "lng", "note", "callback_on"),
        kept={
            KEYS: ("id", "operator_id", "booking_id", "course_id"),
            STAFF: ("created_by",),
            COUNTED: ("status", "serving_zone", "serving_operator", "created_at", "expires_at"),
        },
    ),
    "bookings": Held(
        key="bookings",
        withheld={STAFF: ("created_by",), CHAIN: ("retried", "version")},
        erased=(
            "address",
            "lat",
            "lng",
            "prefers_language",
            "prefers_gender",
            "prefers_taught_before",
            "closed_reason",
        ),
        kept={
            KEYS: ("id", "operator_id", "reference", "zone_id", "zone_version", "household_id", "course_id"),
            STAFF: ("created_by",),
            CHAIN: ("retried", "version"),
            COUNTED: (
                "class_type",
                "delivery_mode",
                "total_sessions",
                "start_date",
                "timeslot",
                "time_zone",
                "status",
                "payment_status",
                "created_at",
                "completed_at",
            ),
        },
    ),
    "booking_students": Held(key="booking_students", kept={KEYS: ("operator_id", "booking_id", "student_id")}),
    "course_sessions": Held(
        key="course_sessions",
        erased=("cancelled_reason",),
        kept={
            KEYS: ("id", "operator_id", "booking_id", "successor_id"),
            COUNTED: (
                "number",
                "date",
                "timeslot",
                "time_zone",
                "starts_at",
                "ends_at",
                "mode",
                "shifted",
                "status",
                "taught_by",
                "completed_at",
            ),
        },
    ),
    "attendance": Held(
        key="attendance",
        withheld={STAFF: ("marked_by",)},
        kept={
            KEYS: ("operator_id", "booking_id", "course_session_id", "student_id"),
            STAFF: ("marked_by",),
            COUNTED: ("mark", "marked_at"),
        },
    ),
    "assignments": Held(
        key="assignments",
        withheld={
            STAFF: ("proposed_by", "decided_by"),
            CHAIN: ("version", "recheck_since", "rechecked_at", "recheck_outcome"),
            "compares trainers with each other: how far each lives and when each is busy is theirs, not the family's": (
                "explanation",
            ),
        },
        erased=("reason", "purpose", "explanation"),
        kept={
            KEYS: ("id", "operator_id", "booking_id", "trainer_id"),
            STAFF: ("proposed_by", "proposed_by_name", "decided_by", "decided_by_name"),
            CHAIN: ("version", "recheck_since", "rechecked_at", "recheck_outcome"),
            COUNTED: ("status", "kind", "automatic", "proposed_at", "expires_at", "decided_at"),
        },
    ),
    "schedule_slots": Held(
        key=None,
        why_not="the trainers' side of the sessions, which are given out with their times, trainers and places",
        erased=("place_lat", "place_lng"),
        kept={
            KEYS: ("id", "operator_id", "trainer_id", "booking_id", "course_session_id", "assignment_id"),
            COUNTED: ("status", "period", "date", "timeslot", "buffer_minutes"),
        },
    ),
    "trainer_blocks": Held(key="trainer_blocks", removed=True),
    "certificates": Held(
        key="certificates",
        withheld={
            CHAIN: (
                "attempts",
                "next_at",
                "lease",
                "lease_until",
                "last_error",
                "erased_at",
                "file_erased_at",
            ),
        },
        erased=("token", "payload", "salt", "revoked_reason"),
        kept={
            KEYS: ("id", "operator_id", "booking_id", "student_id", "replaced_by_id"),
            VERIFIED: (
                "number",
                "state",
                "awarded_on",
                "awarded_at",
                "valid_from",
                "created_at",
                "issued_at",
                "pdf_sha256",
                "credential_sha256",
                "revoked_at",
            ),
            CHAIN: (
                "attempts",
                "next_at",
                "lease",
                "lease_until",
                "last_error",
                "erased_at",
                "file_erased_at",
            ),
        },
    ),
    "certificate_requests": Held(
        key="certificate_requests",
        withheld={STAFF: ("asked_by", "decided_by")},
        erased=("words",),
        kept={
            KEYS: ("id", "operator_id", "certificate_id"),
            STAFF: ("asked_by", "asked_by_name", "decided_by", "decided_by_name"),
            VERIFIED: ("kind", "reason", "state", "asked_at", "decided_at"),
        },
    ),
    "certificate_letters": Held(
        key="certificate_letters",
        withheld={CHAIN: ("attempts", "next_at", "lease", "lease_until", "last_error")},
        removed=True,
    ),
    "audit_entries": Held(
        key="audit",
        withheld={
            STAFF: ("actor_id",),
            "where and in which request of theirs staff acted": ("request_id", "address"),
        },
        kept={
            "holds ids and codes, never what a family said: nobody can change an entry, so nothing is ever put in that "
            "would have to be taken out": (
                "id",
                "at",
                "operator_id",
                "actor_kind",
                "actor_id",
                "actor_name",
                "actor_role",
                "what",
                "subject_kind",
                "subject_id",
                "before",
                "after",
                "source",
                "request_id",
                "address",
            )
        },
    ),
}
"""Every table that belongs to a household, directly or through others, and the audit, which only names ids."""

OF_NO_FAMILY: Final[Mapping[str, str]] = {
    "operators": "the company and its franchises",
    "users": "staff",
    "sign_in_sessions": "staff",
    "recovery_codes": "staff",
    "passkeys": "staff",
    "passkey_challenges": "staff",
    "invitations": "staff",
    "letters": "to staff, about their accounts",
    "link_tokens": "in letters to staff",
    "certificate_batches": "names ids of certificates; ends when a family in it is erased",
    "courses": "the catalogue",
    "certificate_designs": "how certificates look",
    "certificate_design_drafts": "how certificates are to look",
    "certificate_previews": "samples with made-up names, gone after an hour",
    "zones": "territories",
    "zone_set": "a stamp of all territories",
    "zone_versions": "territories",
    "zone_imports": "files of territories",
    "zone_import_rows": "files of territories",
    "trainers": "trainers",
    "trainer_courses": "trainers",
    "trainer_zones": "trainers",
    "working_hours": "trainers",
    "time_off": "trainers",
    "roster_versions": "counters",
    "trainer_service_state": "the desk's own processes",
    "trainer_service_records": "trainers",
    "trainer_service_links": "names of the trainer service",
    "trainer_service_hooks": "messages of the trainer service",
    "trainer_sync_runs": "the desk's own processes",
    "trainer_sync_changes": "trainers",
    "audit_seals": "hashes of entries",
    "leases": "the desk's own processes",
    "issuer_keys": "the company's and its franchises' public keys",
    "revocation_lists": "the public lists of void credentials, by an id that says nothing by itself",
}
"""The other tables, and whose they are."""
