"""The audit's own words: what is wrong with the chain, where an entry came from, and where its subject's page is."""

from __future__ import annotations

import json
from typing import Any, Final
from uuid import UUID

from flask import current_app, url_for
from flask_babel import lazy_gettext as _l

from webapp.audit.queries.log import Logged
from webapp.audit.rules import Broken, Fault, Kept
from webapp.core.actor import ActorKind, Role
from webapp.web import role_word

_FAULTS: Final[dict[Fault, Any]] = {
    Fault.ENTRY_CHANGED: _l("The entry at position %(position)s was changed after it was sealed."),
    Fault.ENTRY_GONE: _l("The entry at position %(position)s is gone; its seal is still there."),
    Fault.SEAL_CHANGED: _l("The seal at position %(position)s was changed; the entry is as it was sealed."),
    Fault.SEAL_MISSING: _l("The seal at position %(position)s is missing."),
    Fault.UNMATCHED: _l("The entry at position %(position)s and its seal do not fit: one of them was changed."),
    Fault.TAIL_CUT: _l("The chain ends before the head you noted down, or does not contain it: its end was cut off."),
    Fault.REWRITTEN: _l("At position %(position)s stands another seal than you noted down: the chain was made anew."),
    Fault.NEVER_SEALED: _l("An entry has had no seal for more than a quarter of an hour."),
}
_SOURCES: Final[dict[str, Any]] = {
    "web": _l("On a page"),
    "api": _l("By a program"),
    "job": _l("In the background"),
    "cli": _l("From the command line"),
}
_KEPT: Final[dict[Kept, tuple[Any, str, str]]] = {
    Kept.CHANGED: (_l("Changed"), "pencil", "waiting"),
    Kept.ADDED: (_l("New"), "plus", "done"),
    Kept.REMOVED: (_l("Gone"), "trash", "failed"),
    Kept.SAME: (_l("Same"), "check", "planned"),
}
_PAGES: Final[dict[str, tuple[str, str]]] = {
    "assignment": ("assignments.show", "assignment_id"),
    "booking": ("desk.booking", "booking_id"),
    "certificate": ("certificates.show", "certificate_id"),
    "course": ("courses.show", "course_id"),
    "household": ("households.show", "household_id"),
    "operator": ("operators.show", "operator_id"),
    "session": ("course_sessions.show", "session_id"),
    "trainer": ("trainers.show", "trainer_id"),
    "user": ("accounts.user", "user_id"),
    "zone": ("zones.show", "zone_id"),
    "zone_import": ("zone_files.show", "import_id"),
}


def fault_words(broken: Broken) -> str:
    """What is wrong, in one sentence. A Jinja global."""
    return str(_FAULTS[broken.fault] % {"position": broken.position})


def kept_look(kept: Kept) -> tuple[str, str, str]:
    """Word, icon and tone of what became of a field. A Jinja global."""
    word, icon, tone = _KEPT[kept]
    return str(word), icon, tone


def source_words(source: str) -> str:
    """Where an entry came from; a source nobody has words for stands as it is. A Jinja global."""
    return str(_SOURCES.get(source, source))


def actor_words(entry: Logged) -> str:
    """What kind of actor it was: the role of a person, or that it was no person. A Jinja global."""
    if entry.actor_kind == ActorKind.SYSTEM:
        return str(_l("The desk by itself"))
    known = entry.actor_role in set(Role)
    return role_word(Role(entry.actor_role)) if known and entry.actor_role else str(_l("A program"))


def subject_url(kind: str, subject_id: UUID) -> str | None:
    """The page of an entry's subject, if there are pages of its kind. A Jinja global."""
    endpoint, argument = _PAGES.get(kind, ("", ""))
    if endpoint not in current_app.view_functions:
        return None
    values: dict[str, Any] = {argument: subject_id}
    return url_for(endpoint, **values)


def value_words(value: Any) -> str:
    """A value of an entry, as it was written down. A Jinja global."""
    if value is None:
        return ""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
