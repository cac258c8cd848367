"""Why trainers are in quarantine, in words with the facts, and what settles it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

from flask_babel import lazy_gettext as _l

from webapp.clients.trainer_service.shapes import Wrong
from webapp.trainers.sync_rules import ChangeKind, LinkKind
from webapp.trainers.sync_words import field_word
from webapp.trainers.syncing.reading import ChangeRow, RecordRow
from webapp.web.words import _, ngettext

MOST: Final = 3
"""How many names of one trainer are offered to be settled in their row; the others stand in the list of names."""
LABELS: Final[dict[str, Any]] = {
    "unreadable": _l("Unreadable"),
    "franchise-unknown": _l("Unknown franchise"),
    "franchise-unsaid": _l("No franchise said"),
    "operator-changed": _l("Another operator"),
    "zone-of-another-operator": _l("Zone of another operator"),
    "zones-time-zone": _l("Two time zones"),
    "zones-unknown": _l("Unknown zones"),
    "no-time-zone": _l("No time zone"),
}
WRONG: Final[Mapping[str, Any]] = {
    Wrong.MISSING: _l("is missing"),
    Wrong.NOT_AN_OBJECT: _l("is no object"),
    Wrong.NOT_A_LIST: _l("is no list"),
    Wrong.NOT_TEXT: _l("is no text"),
    Wrong.NOT_A_NUMBER: _l("is no number"),
    Wrong.NOT_TRUE_OR_FALSE: _l("is neither true nor false"),
    Wrong.NOT_AN_INSTANT: _l("is no instant with an offset"),
    Wrong.NOT_A_TIME: _l("is no time of day"),
    Wrong.NOT_AN_ID: _l("is no id"),
    Wrong.EMPTY: _l("is empty"),
    Wrong.TOO_LONG: _l("is too long"),
    Wrong.TOO_MANY: _l("has too many entries"),
    Wrong.OUT_OF_RANGE: _l("is out of range"),
    Wrong.BACKWARDS: _l("ends before it begins"),
    Wrong.OVERLAPPING: _l("overlaps another one"),
    Wrong.CONTRADICTORY: _l("is said twice, differently"),
    Wrong.ANOTHER_TRAINER: _l("is another trainer's"),
    Wrong.UNREADABLE: _l("cannot be read"),
}
"""What is wrong with a field of the service."""

IN_TEMPLATES: Final = (
    "refusal_label",
    "refusal_words",
    "settled_by",
    "change_words",
)
"""Functions that are Jinja globals, each as ``sync_…``."""


@dataclass(frozen=True, slots=True)
class Way:
    """A name of the service to say the meaning of."""

    kind: LinkKind
    name: str
    label: str


@dataclass(frozen=True, slots=True)
class Ways:
    """What settles a quarantine: links to make here, and what else can be done."""

    links: tuple[Way, ...] = ()
    text: str = ""


def refusal_label(code: str) -> str:
    """A reason in two or three words; one nobody has words for stands as it is. A Jinja global."""
    return str(LABELS.get(code, code))


def refusal_words(code: str, facts: Mapping[str, Any], names: Mapping[UUID, str]) -> tuple[str, ...]:
    """A reason with its facts: what it is, then line by line what is known of it. A Jinja global."""
    zones = ", ".join(_named(zone, names) for zone in _list(facts, "zones"))
    if code == "unreadable":
        return (
            _("What the service says cannot be read:"),
            *(_problem(problem) for problem in _list(facts, "problems")),
        )
    if code == "franchise-unknown":
        return (_("Franchise %(name)s is none that the desk knows.", name=_quoted(facts.get("franchise"))),)
    if code == "franchise-unsaid":
        return (_("The service does not say whose the trainer is: unknown, so not taken for the company's."),)
    if code == "operator-changed":
        return (
            _(
                "On the roster with %(before)s, said to belong to %(after)s.",
                before=_named(facts.get("from"), names),
                after=_named(facts.get("to"), names),
            ),
            _("Nobody is moved to another operator by the service alone."),
        )
    if code == "zone-of-another-operator":
        return (_("Works in zones of an operator who is not the trainer's: %(zones)s.", zones=zones),)
    if code == "zones-time-zone":
        zone_names = ", ".join(map(str, _list(facts, "time_zones")))
        return (_("Works in zones of several time zones, %(names)s: %(zones)s.", names=zone_names, zones=zones),)
    if code == "zones-unknown":
        quoted = ", ".join(map(_quoted, _list(facts, "zones")))
        return (_("None of the trainer's zones is known here: %(zones)s.", zones=quoted),)
    if code == "no-time-zone":
        return (_("No zone is said, and the operator has none from which the trainer's time zone would follow."),)
    return (_("Refused for a reason nobody has words for: %(code)s.", code=code),)


def settled_by(row: RecordRow) -> Ways:
    """What ends a trainer's quarantine. A Jinja global."""
    code, facts = row.code, row.facts
    whose = Way(LinkKind.TRAINER, row.service_id, _("This trainer belongs to…"))
    if code == "franchise-unknown":
        return Ways((Way(LinkKind.FRANCHISE, str(facts.get("franchise", "")), _("This franchise is…")),))
    if code == "franchise-unsaid":
        return Ways((whose,))
    if code == "operator-changed":
        return Ways((whose,), _("Or the service says the old one again."))
    if code == "zones-unknown":
        asked = [str(zone) for zone in _list(facts, "zones")]
        ways = tuple(Way(LinkKind.ZONE, zone, _("%(zone)s is…", zone=shortened(zone))) for zone in asked[:MOST])
        more = len(asked) - MOST
        return Ways(
            ways,
            ngettext("%(num)s more in the list of names", "%(num)s more in the list of names", more)
            if more > 0
            else "",
        )
    if code == "no-time-zone":
        return Ways(text=_("Give the operator a zone, or let the service say in which zones the trainer works."))
    return Ways(text=_("Whoever looks after the trainer service corrects it there; the desk hears of it by itself."))


def change_words(change: ChangeRow, names: Mapping[UUID, str]) -> str:
    """What a run did with one trainer, in one line. A Jinja global."""
    if change.kind is ChangeKind.REFUSED:
        return " ".join(refusal_words(str(change.facts.get("code", "")), _facts(change.facts), names))
    if "moved_from" in change.facts:
        return _("Moved here from %(operator)s.", operator=_named(change.facts["moved_from"], names))
    said = [field_word(str(name)) for name in _list(change.facts, "fields")]
    if "released" in change.facts:
        said.append(_("out of quarantine"))
    return ", ".join(said)


def shortened(name: str, most: int = 24) -> str:
    """A name that fits a button."""
    return name if len(name) <= most else name[: most - 1] + "…"


def ids_in(facts: Iterable[Mapping[str, Any]]) -> frozenset[UUID]:
    """The ids of operators and zones that facts speak of, those of a change's refusal among them."""
    said: list[Any] = []
    for each in facts:
        inner = _facts(each)
        said += [each.get("moved_from"), inner.get("from"), inner.get("to"), *_list(inner, "zones")]
    return frozenset(found for value in said if (found := _id(value)) is not None)


def _facts(facts: Mapping[str, Any]) -> Mapping[str, Any]:
    """The facts of a refusal; a change carries them inside its own."""
    found = facts.get("facts", facts)
    return found if isinstance(found, Mapping) else {}


def _list(facts: Mapping[str, Any], name: str) -> list[Any]:
    found = facts.get(name)
    return found if isinstance(found, list) else []


def _id(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _named(value: object, names: Mapping[UUID, str]) -> str:
    """What an id is called here, else the id."""
    found = _id(value)
    return names.get(found, str(value)) if found is not None else str(value)


def _quoted(value: object) -> str:
    return _("“%(name)s”", name=value)


def _problem(problem: object) -> str:
    """A field of the service, in its words, and what is wrong with it."""
    if not (isinstance(problem, list) and len(problem) == 2):
        return str(problem)
    field, wrong = map(str, problem)
    said = str(WRONG.get(wrong, wrong))
    return f"{field}: {said}" if field else said
