"""One vocabulary for every status: tone, icon and word, the same in lists, on pages and on the board.

Tones: ``waiting`` amber outline, ``needs`` (needs you) amber solid, ``done`` green, ``stopped`` grey, ``failed`` red,
``held`` striped, and ``planned``, a plain outline for what simply lies ahead: thirty planned sessions are not alarms.
Rooms' enums are matched by their values, as this room knows no other.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from flask_babel import lazy_gettext as _


@dataclass(frozen=True, slots=True)
class Look:
    """How a status is shown: its tone (a CSS class), its icon in the sprite and its translated word."""

    tone: str
    icon: str
    word: Any


LOOKS: Final[dict[str, dict[str, Look]]] = {
    "booking": {
        "waitlisted": Look("waiting", "hourglass", _("Waitlisted")),
        "pending_approval": Look("needs", "checklist", _("Pending approval")),
        "assigned": Look("done", "user-check", _("Assigned")),
        "in_progress": Look("done", "player-play", _("In progress")),
        "completed": Look("done", "circle-check", _("Completed")),
        "cancelled": Look("stopped", "ban", _("Cancelled")),
    },
    "enquiry": {
        "draft": Look("waiting", "pencil", _("Draft")),
        "service_not_available": Look("stopped", "map-pin", _("No service here yet")),
        "other_operator": Look("stopped", "building-store", _("Other operator")),
        "booked": Look("done", "circle-check", _("Booked")),
        "closed": Look("stopped", "circle-x", _("Closed")),
        "expired": Look("stopped", "clock", _("Expired")),
    },
    "assignment": {
        "proposed": Look("needs", "checklist", _("Proposed")),
        "approved": Look("done", "circle-check", _("Approved")),
        "rejected": Look("failed", "circle-x", _("Rejected")),
        "expired": Look("stopped", "clock", _("Expired")),
        "withdrawn": Look("stopped", "ban", _("Withdrawn")),
        "replaced": Look("stopped", "arrows-exchange", _("Replaced")),
    },
    "recheck": {
        "waits": Look("waiting", "refresh", _("Will be checked again")),
        "open": Look("waiting", "refresh", _("Will be checked again")),
        "held_back": Look("needs", "alert-triangle", _("Cannot be checked")),
        "confirmed": Look("done", "shield-check", _("Checked again")),
        "left": Look("needs", "user-off", _("Has left")),
        "inactive": Look("needs", "user-off", _("No longer active")),
        "not_certified": Look("needs", "book-2", _("Not certified")),
        "not_in_zone": Look("needs", "map-2", _("Not in this zone")),
    },
    "slot": {
        "held": Look("held", "hourglass", _("Held")),
        "booked": Look("done", "circle-check", _("Booked")),
    },
    "session": {
        "scheduled": Look("planned", "calendar-event", _("Scheduled")),
        "completed": Look("done", "circle-check", _("Completed")),
        "missed": Look("failed", "circle-x", _("Missed")),
        "cancelled": Look("stopped", "ban", _("Cancelled")),
        "rescheduled": Look("stopped", "arrows-exchange", _("Rescheduled")),
    },
    "attendance": {
        "present": Look("done", "circle-check", _("Present")),
        "absent": Look("failed", "circle-x", _("Absent")),
        "excused": Look("stopped", "note", _("Excused")),
    },
    "certificate": {
        "pending": Look("waiting", "hourglass", _("Being made")),
        "issued": Look("done", "certificate", _("Issued")),
        "failed": Look("failed", "alert-triangle", _("Failed")),
        "revoked": Look("failed", "ban", _("Revoked")),
        "replaced": Look("stopped", "arrows-exchange", _("Replaced")),
    },
    "certificate_letter": {
        "pending": Look("waiting", "hourglass", _("Being sent")),
        "sent": Look("done", "mail", _("Sent")),
        "dropped": Look("stopped", "ban", _("Not sent")),
        "failed": Look("failed", "alert-triangle", _("Failed")),
    },
    "certificate_batch": {
        "pending": Look("waiting", "hourglass", _("Being made")),
        "ready": Look("done", "circle-check", _("Ready")),
        "failed": Look("failed", "alert-triangle", _("Failed")),
        "gone": Look("stopped", "trash", _("Gone")),
    },
    "payment": {
        "unpaid": Look("waiting", "cash", _("Unpaid")),
        "part_paid": Look("waiting", "cash", _("Part paid")),
        "paid": Look("done", "circle-check", _("Paid")),
        "refunded": Look("stopped", "history", _("Refunded")),
    },
    "active": {
        "active": Look("done", "circle-check", _("Active")),
        "inactive": Look("stopped", "circle-x", _("Inactive")),
        "left": Look("stopped", "user-off", _("Has left")),
        "True": Look("done", "circle-check", _("Active")),
        "False": Look("stopped", "circle-x", _("Inactive")),
    },
    "sync": {
        "waiting": Look("waiting", "hourglass", _("Waiting")),
        "running": Look("waiting", "refresh", _("Under way")),
        "done": Look("done", "circle-check", _("Done")),
        "failed": Look("failed", "circle-x", _("Failed")),
    },
    "sync_change": {
        "added": Look("done", "plus", _("New")),
        "changed": Look("planned", "pencil", _("Changed")),
        "refused": Look("needs", "alert-triangle", _("In quarantine")),
        "gone": Look("stopped", "user-off", _("Has left")),
        "returned": Look("done", "user-check", _("Is back")),
    },
    "zone_import": {
        "waiting": Look("waiting", "hourglass", _("Waiting")),
        "checking": Look("waiting", "refresh", _("Being looked at")),
        "checked": Look("needs", "checklist", _("Looked at, nothing written")),
        "writing": Look("waiting", "refresh", _("Being written")),
        "done": Look("done", "circle-check", _("Written")),
        "failed": Look("failed", "circle-x", _("Failed")),
    },
    "zone_row": {
        "new": Look("done", "plus", _("New")),
        "changed": Look("planned", "pencil", _("Changed")),
        "same": Look("planned", "check", _("As it is")),
        "bad": Look("failed", "alert-triangle", _("Bad")),
    },
    "mode": {
        "online": Look("planned", "wifi", _("Online")),
        "offline": Look("planned", "home", _("At home")),
    },
}


def status_look(kind: str, value: object) -> Look:
    """How the ``value`` of a ``kind`` of status is shown. A Jinja global.

    Raises ``KeyError`` for a status nobody has given a look: a bug to be seen in tests, not a blank on a page.
    """
    return LOOKS[kind][str(value)]
