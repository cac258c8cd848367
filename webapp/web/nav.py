"""The navigation: what the signed-in actor may open, with a count where something waits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from flask import Flask, current_app, request, url_for
from flask_babel import lazy_gettext as _
from sqlalchemy import Select, select

from webapp.core.actor import Actor, Permission
from webapp.db.work import read_only
from webapp.web.access import actor_or_none

HOME_ENDPOINT: Final = "desk.home"
_COUNTS: Final = "zonedesk_nav_counts"


@dataclass(frozen=True, slots=True)
class Entry:
    """One place in the navigation, before it is known who looks."""

    endpoint: str
    permission: Permission
    icon: str
    word: Any
    deep: bool = False
    """Whether every page below its address is a page of this place."""


@dataclass(frozen=True, slots=True)
class NavItem:
    """One link as it is shown: ``count`` of things waiting there, 0 for none."""

    url: str
    icon: str
    word: Any
    here: bool
    count: int


ENTRIES: Final = (
    Entry(HOME_ENDPOINT, Permission.HOME_READ, "home", _("Home")),
    Entry("desk.new_booking", Permission.BOOKING_WRITE, "calendar-plus", _("New booking")),
    Entry("bookings.index", Permission.BOOKING_READ, "notebook", _("Bookings")),
    Entry("assignments.index", Permission.ASSIGNMENT_READ, "checklist", _("Approvals")),
    Entry(
        "course_sessions.index",
        Permission.SESSION_READ,
        "calendar-event",
        _("Sessions"),
    ),
    Entry("desk.cover", Permission.SESSION_READ, "user-off", _("Needs cover")),
    Entry("bookings.enquiries", Permission.BOOKING_READ, "phone-call", _("Enquiries"), deep=True),
    Entry("households.index", Permission.HOUSEHOLD_READ, "users-group", _("Families")),
    Entry("trainers.index", Permission.TRAINER_READ, "school", _("Trainers")),
    Entry("trainer_service.index", Permission.TRAINER_SYNC_READ, "refresh", _("Trainer service"), deep=True),
    Entry("zones.index", Permission.ZONE_READ, "map-2", _("Zones"), deep=True),
    Entry("courses.index", Permission.COURSE_READ, "book-2", _("Courses")),
    Entry(
        "certificates.index",
        Permission.CERTIFICATE_READ,
        "certificate",
        _("Certificates"),
        deep=True,
    ),
    Entry("operators.index", Permission.OPERATOR_READ, "building-store", _("Operators")),
    Entry("audit.index", Permission.AUDIT_READ, "history", _("Audit")),
    Entry("accounts.users", Permission.USER_READ, "user", _("Users"), deep=True),
    Entry("accounts.policy", Permission.POLICY_READ, "lock", _("Rights")),
)
_LISTED: Final = frozenset(entry.endpoint for entry in ENTRIES)


Waiting = Callable[[Actor], Select[int] | None]
"""The question how much waits for an actor at one place; nothing to ask for a role that has nothing to do there."""


def count_with(app: Flask, endpoint: str, waiting: Waiting) -> None:
    """Let a room say how much waits at its place of the navigation.

    All these questions are one statement, asked once for every full page of a signed-in actor.
    """
    app.extensions.setdefault(_COUNTS, {})[endpoint] = waiting


def _is_here(entry: Entry) -> bool:
    asked = request.endpoint or ""
    if asked == entry.endpoint or (entry.deep and request.path.startswith(url_for(entry.endpoint) + "/")):
        return True
    room, _dot, last = entry.endpoint.partition(".")
    return last == "index" and asked not in _LISTED and asked.partition(".")[0] == room


def nav_items() -> list[NavItem]:
    """The links for the signed-in actor; none for an anonymous visitor. A Jinja global."""
    actor = actor_or_none()
    if actor is None:
        return []
    waiting = _waiting(current_app.extensions.get(_COUNTS, {}), actor)
    return [
        NavItem(
            url=url_for(entry.endpoint),
            icon=entry.icon,
            word=entry.word,
            here=_is_here(entry),
            count=waiting.get(entry.endpoint, 0),
        )
        for entry in ENTRIES
        if entry.endpoint in current_app.view_functions and actor.may(entry.permission)
    ]


def _waiting(rooms: Mapping[str, Waiting], actor: Actor) -> dict[str, int]:
    """How much waits where."""
    asked = {endpoint: question for endpoint, ask in rooms.items() if (question := ask(actor)) is not None}
    if not asked:
        return {}
    with read_only() as db:
        found = db.execute(select(*(question.scalar_subquery() for question in asked.values()))).one()
    return dict(zip(asked, found, strict=True))


def home_url() -> str:
    """Where the brand leads: the home page, or the root while no room offers one."""
    return url_for(HOME_ENDPOINT) if HOME_ENDPOINT in current_app.view_functions else "/"
