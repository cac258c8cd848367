"""What the matrix knows of routes and forms: how to fill arguments and fields. A route it does not know fails it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from tests.isolation.forms import Offer
from webapp.core.actor import Role

if TYPE_CHECKING:
    from tests.isolation.matrix import Request
    from tests.isolation.world import World

NOT_ASKED: Final = {"static"}
"""Files that are the same for everybody."""

_CODES = "tests/web/test_second_factor.py and test_own_account.py, with codes of an authenticator app"
_KEYS = "tests/web/test_passkeys.py and test_own_passkeys.py, with an authenticator"
_LINKS = "tests/web/test_forgotten.py and test_joining.py, with the link of a letter"
NOT_REACHED: Final = {
    "accounts.reset": _LINKS,
    "accounts.join": _LINKS,
    "accounts.confirm": _CODES,
    "accounts.totp": _CODES,
    "accounts.confirm_passkey_answer": _KEYS,
    "accounts.enrol_passkey_answer": _KEYS,
    "accounts.enrol_passkey_question": _KEYS,
    "accounts.new_passkey_answer": _KEYS,
    "accounts.passkey_answer": _KEYS,
    "accounts.second_passkey_answer": _KEYS,
    "accounts.second_passkey_question": _KEYS,
    "desk.move_session": "tests/web/test_move_page.py, with a time that the engine has found free",
    "desk.pause_series": "tests/web/test_pause_page.py, with a break that the series can take",
    "desk.propose_substitute": "tests/web/test_substitute_page.py, with sessions and a trainer who is free",
    "trainer_hooks.receive": "tests/syncing/test_hooks.py, with a signature",
    "verification.check_file": "tests/web/test_verify_files.py, with a file",
}
"""Changing routes that need more than a form as it stands, and where it is shown that they work."""

PUBLIC_NAMES: Final = {"certificates.verified", "verification.credential", "verification.pdf"}
"""Show a student's name to whoever holds the link's token, signed in or not."""


def _first(table: str, columns: str, per: str = "1") -> str:
    """The first row of each kind of the operator ``:own``."""
    return f"SELECT DISTINCT ON ({per}) {columns} FROM {table} WHERE operator_id = :own ORDER BY {per}, id"


ARGUMENTS: Final[dict[frozenset[str], str]] = {
    frozenset({"booking_id"}): _first("bookings", "id AS booking_id", "status"),
    frozenset({"assignment_id"}): _first("assignments", "id AS assignment_id", "status, proposed_by IS NULL"),
    frozenset({"session_id"}): (
        "SELECT DISTINCT ON (b.status, s.status, s.ends_at < '2027-01-07') s.id AS session_id"
        " FROM course_sessions s JOIN bookings b ON b.id = s.booking_id WHERE s.operator_id = :own"
        " ORDER BY b.status, s.status, s.ends_at < '2027-01-07', s.id"
    ),
    frozenset({"certificate_id"}): _first(
        "certificates",
        "id AS certificate_id",
        "state, payload ->> 'student_name' = (SELECT name FROM students s WHERE s.id = student_id)",
    ),
    frozenset({"request_id"}): "SELECT id AS request_id FROM certificate_requests WHERE operator_id = :own ORDER BY id",
    frozenset({"letter_id"}): _first("certificate_letters", "id AS letter_id", "state"),
    frozenset({"batch_id"}): _first("certificate_batches", "id AS batch_id", "kind"),
    frozenset({"household_id"}): _first("households", "id AS household_id"),
    frozenset({"household_id", "student_id"}): _first("students", "household_id, id AS student_id"),
    frozenset({"household_id", "trainer_id"}): (
        "SELECT household_id, trainer_id FROM trainer_blocks WHERE operator_id = :own"
    ),
    frozenset({"trainer_id"}): _first("trainers", "id AS trainer_id"),
    frozenset({"zone_id"}): _first("zones", "id AS zone_id"),
    frozenset({"import_id"}): _first("zone_imports", "id AS import_id", "state"),
    frozenset({"enquiry_id"}): _first("enquiries", "id AS enquiry_id", "status"),
    frozenset({"operator_id"}): "SELECT id AS operator_id FROM operators WHERE id = :own",
    frozenset({"operator_id", "number"}): (
        "SELECT operator_id, number FROM certificate_designs WHERE operator_id = :own ORDER BY number"
    ),
    frozenset({"operator_id", "sha256"}): (
        "SELECT operator_id, logo_sha256 AS sha256 FROM certificate_designs WHERE operator_id = :own AND in_use"
    ),
    frozenset({"preview_id", "kind"}): (
        "SELECT id AS preview_id, kind FROM certificate_previews, unnest(ARRAY['png', 'pdf']) AS kind"
        " WHERE operator_id = :own"
    ),
    frozenset({"course_id"}): "SELECT id AS course_id FROM courses ORDER BY id LIMIT 1",
    frozenset({"number"}): "SELECT number FROM certificates WHERE operator_id = :own AND state = 'issued'",
    frozenset({"number", "token"}): (
        "SELECT number, token FROM certificates WHERE operator_id = :own AND state = 'issued'"
    ),
    frozenset({"key"}): "SELECT public AS key FROM issuer_keys WHERE kind = 'ed25519'",
    frozenset({"key_id"}): "SELECT id AS key_id FROM issuer_keys WHERE operator_id = :own AND kind = 'x509'",
    frozenset({"year"}): "SELECT year FROM revocation_lists",
    frozenset({"passkey_id"}): _first("passkeys", "id AS passkey_id"),
    frozenset({"user_id"}): _first("users", "id AS user_id", "role"),
    frozenset({"invitation_id"}): _first("invitations", "id AS invitation_id"),
    frozenset({"token"}): "SELECT repeat('x', 43) AS token",
    frozenset({"run_id"}): "SELECT id AS run_id FROM trainer_sync_runs ORDER BY requested_at LIMIT 2",
    frozenset({"link_id"}): "SELECT id AS link_id FROM trainer_service_links ORDER BY id LIMIT 2",
}
"""How to fill a rule's arguments with rows of the operator ``:own``."""

OF_ENDPOINT: Final[dict[str, str]] = {
    "accounts.end_sign_in": _first("sign_in_sessions", "id AS session_id"),
}
"""The same for endpoints whose argument is called like another's."""

QUESTIONS: Final = {
    # The marker's first letters: what was searched for is shown in the search box again, and is no leak.
    "q": "SELECT lower(substr(:marker, 1, 5)) AS value",
    "operator": "SELECT :own AS value",
    "operator_id": "SELECT :own AS value",
    "trainer": "SELECT id AS value FROM trainers WHERE operator_id = :own LIMIT 1",
    "household": "SELECT id AS value FROM households WHERE operator_id = :own LIMIT 1",
    "zone": "SELECT id AS value FROM zones WHERE operator_id = :own LIMIT 1",
    "enquiry": "SELECT id AS value FROM enquiries WHERE operator_id = :own AND status = 'draft' LIMIT 1",
    "session": "SELECT id AS value FROM course_sessions WHERE operator_id = :own LIMIT 1",
    "student": "SELECT id AS value FROM students WHERE operator_id = :own LIMIT 1",
    "subject": "SELECT id AS value FROM bookings WHERE operator_id = :own LIMIT 1",
    "person": "SELECT id AS value FROM users WHERE operator_id = :own LIMIT 1",
    "bbox": (
        "SELECT concat_ws(',', center_lng - 1, center_lat - 1, center_lng + 1, center_lat + 1) AS value"
        " FROM zones WHERE operator_id = :own LIMIT 1"
    ),
    "place": "SELECT center_lat || ',' || center_lng AS value FROM zones WHERE operator_id = :own LIMIT 1",
}
"""What pages without arguments are asked, about rows of the operator ``:own``."""

TYPED: Final = {
    "purpose": "Because of a purpose",
    "reason": "Because of a reason",
    "student_name": "A new name",
    "words": "For a reason that names nobody.",
    "confirmation": "ERASE",
    "name": "A new name",
    "note": "A note",
    "phone": "+919812345678",
    "email": "somebody.new@example.org",
    "guardian_name": "A guardian",
    "date": "2027-01-25",
    "from_date": "2027-01-20",
    "to_date": "2027-01-22",
    "password": "correct horse battery staple",
    "current": "correct horse battery staple",
    "new": "another horse, another battery",
    "again": "another horse, another battery",
    "center_lat": "17.1",
    "center_lng": "78.1",
    "radius_km": "2",
    "corners": "17.1, 78.1\n17.1, 78.2\n17.2, 78.2",
    "max_travel_km": "5",
}
"""What is typed into fields that a page leaves empty."""


def filled(endpoint: str, offer: Offer) -> Iterator[tuple[tuple[str, str], ...]]:
    """The bodies a form is sent with: as it stands, and with its empty fields filled."""
    offer = replace(offer, fields=tuple(pair for pair in offer.fields if pair[0] != "csrf_token"))
    yield offer.fields
    chosen = {name for name, _value in offer.fields}
    fields = [(name, value or _typed(name, dict(offer.choices).get(name, ()))) for name, value in offer.fields]
    fields += [(name, values[0]) for name, values in offer.choices if name not in chosen and values]
    if tuple(fields) != offer.fields:
        yield tuple(fields)


def _typed(name: str, choices: tuple[str, ...]) -> str:
    possible = [choice for choice in choices if choice]
    return possible[0] if possible else TYPED.get(name.rpartition("-")[2], "")


_CALL = """
    SELECT h.id AS household, s.id AS student, z.center_lat AS lat, z.center_lng AS lng, e.id AS enquiry,
           (SELECT course_id FROM trainer_courses c WHERE c.operator_id = h.operator_id LIMIT 1) AS course
    FROM households h JOIN students s ON s.household_id = h.id JOIN zones z ON z.operator_id = h.operator_id
    JOIN enquiries e ON e.operator_id = h.operator_id AND e.status = 'draft'
    WHERE h.operator_id = :own ORDER BY h.id, s.id LIMIT 1
"""
"""A family that calls, and the enquiry that its call was."""

_STRANGERS: Final = """
    SELECT t.id AS trainer, g.household_id AS household, g.name AS guardian
    FROM trainers t JOIN guardians g ON g.operator_id = t.operator_id
    WHERE t.operator_id = :own AND NOT EXISTS (SELECT FROM trainer_blocks b WHERE b.household_id = g.household_id)
    ORDER BY t.id, g.id LIMIT 1
"""
"""A trainer and a family who are not kept apart; the page finds the family by its guardian's name."""


def _booking(row: dict[str, Any]) -> tuple[tuple[str, str], ...]:
    """A whole booking as the page sends it, with every id that its body may hold."""
    return (
        ("key", str(UUID(int=row["household"].int ^ 1))),
        ("enquiry", str(row["enquiry"])),
        ("household", str(row["household"])),
        ("student_ids", str(row["student"])),
        ("address", "1 Some Road"),
        ("location", f"{row['lat']}, {row['lng']}"),
        ("course", str(row["course"])),
        ("class_type", "one_on_one"),
        ("delivery_mode", "weekday_daily"),
        ("total_sessions", "10"),
        ("start_date", "2027-03-01"),
        ("timeslot", "07:20"),
        ("do", "wait"),
    )


def by_hand(world: World) -> Iterator[Request]:
    """Requests that no form makes which somebody signed in is offered."""
    from tests.isolation.matrix import Request

    person = world.stories[0].people[Role.FRANCHISE_STAFF]
    yield Request("POST", "", "/sign-in", (("email", person.email), ("password", person.password)))
    for path in ("/sign-in/second", "/sign-in/set-up", "/confirm", "/account/authenticator"):
        yield Request("POST", "", path, (("code", "123456"),))
    yield Request("POST", "", "/account/authenticator/remove")
    yield Request("POST", "", "/account/recovery-codes")
    yield Request("POST", "", "/forgotten", (("email", person.email),))
    for path in ("/reset", "/join"):
        yield Request("POST", "", path, (("name", "A name"), ("password", person.password), ("locale", "en")))
    yield Request("POST", "", "/view-as/end")
    for path in ("/sign-in", "/sign-in/second", "/sign-in/set-up", "/confirm"):
        yield Request("POST", "", f"{path}/passkey")
        yield Request("POST", "", f"{path}/passkey/options")
    yield Request("POST", "", "/account/passkeys")
    yield Request("POST", "", "/account/passkeys/options")
    yield Request("POST", "", "/account/sign-out-elsewhere")
    yield Request("POST", "", "/hooks/trainer-service")
    for story in world.stories:
        for row in world.rows(_CALL, own=story.operator_id):
            yield Request("POST", "", "/bookings/new", _booking(row))
            unserved = (("key", str(UUID(int=row["enquiry"].int ^ 1))), ("place", "14.1, 88.9"), ("address", "A road"))
            yield Request("POST", "", "/enquiries/demand", unserved)
        for row in world.rows(_STRANGERS, own=story.operator_id):
            apart = (("q", row["guardian"]), ("household", str(row["household"])), ("reason", "Because of a reason"))
            yield Request("POST", "", f"/trainers/{row['trainer']}/apart", apart)
        for row in world.rows(ARGUMENTS[frozenset({"household_id", "trainer_id"})], own=story.operator_id):
            yield Request("POST", "", f"/trainers/{row['trainer_id']}/apart/{row['household_id']}/end")
    over = (
        "SELECT DISTINCT ON (g.household_id) g.household_id, g.name"
        " FROM guardians g JOIN bookings b ON b.household_id = g.household_id"
        " JOIN certificates c ON c.booking_id = b.id"
        " WHERE g.operator_id = :own AND c.state = 'issued' ORDER BY g.household_id, g.id"
    )
    for story in world.stories:
        for row in world.rows(over, own=story.operator_id):
            erase = (("reason", "asked_for"), ("confirmation", row["name"]))
            yield Request("POST", "", f"/households/{row['household_id']}/erase", erase)
        whose = (("target", str(story.operator_id)),)
        yield Request("POST", "", f"/trainers/service/links/new?kind=franchise&name=of-{story.marker}", whose)
        for row in world.rows(ARGUMENTS[frozenset({"invitation_id"})], own=story.operator_id):
            yield Request("POST", "", f"/users/invitations/{row['invitation_id']}/again")
            yield Request("POST", "", f"/users/invitations/{row['invitation_id']}/withdraw")
        for row in world.rows(ARGUMENTS[frozenset({"passkey_id"})], own=story.operator_id):
            yield Request("POST", "", f"/account/passkeys/{row['passkey_id']}", (("name", "Mine now"),))
            yield Request("POST", "", f"/account/passkeys/{row['passkey_id']}/remove")
