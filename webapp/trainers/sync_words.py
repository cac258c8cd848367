"""The words of the synchronisation: how it goes, why a call or a run failed, and what to do about it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, Final

from flask_babel import format_decimal
from flask_babel import lazy_gettext as _l

from webapp.clients.trainer_service.said import Fault
from webapp.trainers.sync_rules import Contract, LinkKind, Owned, RunCause, RunKind
from webapp.trainers.syncing.progress import SHRUNK
from webapp.web.words import _

KINDS: Final[dict[RunKind, Any]] = {
    RunKind.FULL: _l("Everybody"),
    RunKind.DELTA: _l("What changed"),
}
CAUSES: Final[dict[RunCause, Any]] = {
    RunCause.SCHEDULE: _l("By schedule"),
    RunCause.PERSON: _l("Asked for"),
    RunCause.WEBHOOK: _l("The service said so"),
}
CONTRACTS: Final[dict[Contract, Any]] = {
    Contract.BULK: _l("In bulk: it tells what changed since"),
    Contract.LEGACY: _l("One by one: each trainer is asked for"),
}
LINKS: Final[dict[LinkKind, Any]] = {
    LinkKind.FRANCHISE: _l("Franchise"),
    LinkKind.ZONE: _l("Zone"),
    LinkKind.COURSE: _l("Course"),
    LinkKind.TRAINER: _l("Trainer"),
}
TARGETS: Final[dict[LinkKind, Any]] = {
    LinkKind.FRANCHISE: _l("This franchise is…"),
    LinkKind.ZONE: _l("This zone is…"),
    LinkKind.COURSE: _l("This course is…"),
    LinkKind.TRAINER: _l("This trainer belongs to…"),
}
_HEADINGS: Final[dict[LinkKind, Any]] = {
    LinkKind.FRANCHISE: _l("Which operator is franchise %(name)s?"),
    LinkKind.ZONE: _l("Which zone is %(name)s?"),
    LinkKind.COURSE: _l("Which course is %(name)s?"),
    LinkKind.TRAINER: _l("Whose trainer is %(name)s?"),
}
_TAKEN_BACK: Final[dict[LinkKind, Any]] = {
    LinkKind.FRANCHISE: _l("Its trainers wait in quarantine, as they are now, until it has a meaning again."),
    LinkKind.ZONE: _l("It is left out of where trainers work; whoever works nowhere else waits in quarantine."),
    LinkKind.COURSE: _l("It is left out of what trainers teach."),
    LinkKind.TRAINER: _l("What the service says of their franchise counts again; if that is another one, they wait."),
}
FIELDS: Final[dict[Owned, Any]] = {
    Owned.NAME: _l("name"),
    Owned.ACTIVE: _l("whether active"),
    Owned.BASE: _l("base"),
    Owned.COURSES: _l("courses"),
    Owned.ZONES: _l("zones"),
    Owned.HOURS: _l("working hours"),
    Owned.TIME_OFF: _l("time off"),
}

_BY_ITSELF: Final = _l("The desk tries again by itself; bookings go on with the roster as it is.")
PROBLEMS: Final[dict[str, tuple[Any, Any]]] = {
    Fault.NO_CONNECTION: (
        _l("The trainer service could not be reached"),
        _l("Find out whether it runs and whether TRAINER_SERVICE_URL names it. The desk tries again by itself."),
    ),
    Fault.TOO_SLOW: (
        _l("The trainer service did not answer in time"),
        _l("The desk tries again by itself. If it stays slow, tell whoever looks after the service."),
    ),
    Fault.TOO_MANY: (_l("The trainer service asked to be left alone for a while"), _BY_ITSELF),
    Fault.SERVER_ERROR: (_l("The trainer service answered with an error of its own"), _BY_ITSELF),
    Fault.NOT_ALLOWED: (
        _l("The trainer service does not let the desk in"),
        _l("Its token is missing, wrong or no longer good: set TRAINER_SERVICE_TOKEN anew and restart the desk."),
    ),
    Fault.REFUSED: (
        _l("The trainer service did not understand the question"),
        _l("Find out whether TRAINER_SERVICE_URL names a trainer service of the contract in docs/contracts."),
    ),
    Fault.REDIRECT: (
        _l("The trainer service sent the desk on to another address"),
        _l("The desk follows nobody elsewhere. Set TRAINER_SERVICE_URL to the address where the service is."),
    ),
    Fault.TOO_LARGE: (
        _l("An answer was larger than the desk takes in"),
        _l("Something is wrong with the service: tell whoever looks after it."),
    ),
    Fault.NOT_JSON: (
        _l("An answer was no JSON"),
        _l("Perhaps something else answers in its place, such as a sign-in page. Look at TRAINER_SERVICE_URL."),
    ),
    Fault.WRONG_SHAPE: (
        _l("An answer did not have the shape of the contract"),
        _l("Tell whoever looks after the service. What it should say stands in docs/contracts."),
    ),
    Fault.BREAKER_OPEN: (
        _l("The trainer service was not asked, because call after call had failed"),
        _l("The breaker closes again by itself when the service answers."),
    ),
    SHRUNK: (
        _l("The trainer service named less than half of the trainers it named before"),
        _l(
            "Nobody was taken to have left. Look at the service first. If so many have truly left, load everybody once"
            " more and say that you believe it."
        ),
    ),
    "too-old": (
        _l("It was interrupted for so long that what it had seen was out of date"),
        _l("Another one has begun from the start."),
    ),
    "too-busy": (_l("Too many people were changing the roster at that moment"), _BY_ITSELF),
}
"""Why a call or a run failed, and what to do."""

IN_TEMPLATES: Final = (
    "kind_word",
    "cause_word",
    "contract_word",
    "link_word",
    "link_heading",
    "taken_back",
    "took_words",
    "size_words",
    "problem_words",
    "remedy_words",
)
"""Functions that are Jinja globals, each as ``sync_…``."""


def kind_word(kind: RunKind) -> str:
    """What a run asks for. A Jinja global."""
    return str(KINDS[kind])


def cause_word(cause: RunCause) -> str:
    """Why a run was asked for. A Jinja global."""
    return str(CAUSES[cause])


def contract_word(contract: Contract | None) -> str:
    """How the service speaks. A Jinja global."""
    return str(CONTRACTS[contract]) if contract is not None else str(_l("Not known yet: it was never reached"))


def link_word(kind: LinkKind) -> str:
    """What a name of the service is a name of. A Jinja global."""
    return str(LINKS[kind])


def link_heading(kind: LinkKind, name: str) -> str:
    """What is asked of a name. A Jinja global."""
    return str(_HEADINGS[kind] % {"name": name})


def taken_back(kind: LinkKind) -> str:
    """What follows when a name has no meaning any more. A Jinja global."""
    return str(_TAKEN_BACK[kind])


def took_words(took: timedelta | None) -> str:
    """How long a run took: "0.4 s", "12 s", "3 min 5 s"; nothing for one that is open. A Jinja global."""
    if took is None:
        return ""
    seconds = took.total_seconds()
    if seconds < 60:
        return _("%(number)s s", number=format_decimal(round(seconds, 1) if seconds < 10 else round(seconds)))
    return _("%(minutes)s min %(seconds)s s", minutes=int(seconds // 60), seconds=int(seconds % 60))


def size_words(size: int) -> str:
    """A number of bytes: "812 B", "14 kB", "2.3 MB". A Jinja global."""
    if size < 1000:
        return _("%(number)s B", number=size)
    if size < 1_000_000:
        return _("%(number)s kB", number=round(size / 1000))
    return _("%(number)s MB", number=format_decimal(round(size / 1_000_000, 1)))


def field_word(name: str) -> str:
    """A field of a trainer; one nobody has words for stands as it is."""
    return str(FIELDS.get(name, name))  # type: ignore[call-overload]


def problem_words(problem: str) -> str:
    """Why a call or a run failed, without a full stop. A Jinja global."""
    known = PROBLEMS.get(problem)
    return str(known[0] if known else _l("It failed in a way nobody has words for (%(code)s)") % {"code": problem})


def remedy_words(problem: str) -> str:
    """What to do about it. A Jinja global."""
    known = PROBLEMS.get(problem)
    return str(known[1] if known else _l("Tell whoever looks after the desk; its log has the details."))
