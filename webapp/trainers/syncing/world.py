"""What the names of the service can mean here: the desk's operators, zones and courses, and the links. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from uuid import UUID

from webapp.core.errors import Invalid
from webapp.core.geo import Location, distance_km
from webapp.core.names import name_key
from webapp.trainers.sync_rules import LinkKind


@dataclass(frozen=True, slots=True)
class ZoneFacts:
    """What a trainer who works in the zone must share with it, and where it lies."""

    id: UUID
    operator_id: UUID
    time_zone: str
    center: Location
    active: bool = True


@dataclass(frozen=True, slots=True)
class Link:
    """What an admin said a name of the service means: an operator, a zone or a course, by its id."""

    kind: LinkKind
    external_id: str
    target_id: UUID


class World:
    """Answers what a name means. It is read once for a page of trainers, and remembers what it was asked."""

    def __init__(
        self, zones: Iterable[ZoneFacts] = (), courses: Iterable[tuple[UUID, str]] = (), links: Iterable[Link] = ()
    ) -> None:
        """``courses`` are ids with their ``name_key``."""
        self._zones = {zone.id: zone for zone in zones}
        self._zones_of: dict[UUID, list[ZoneFacts]] = {}
        for zone in self._zones.values():
            if zone.active:
                self._zones_of.setdefault(zone.operator_id, []).append(zone)
        known = [*courses]
        self._courses_by_id = {str(course_id): course_id for course_id, _key in known}
        self._courses_by_key = {key: course_id for course_id, key in known}
        self._links = {(link.kind, link.external_id): link.target_id for link in links}
        self._courses_asked: dict[str, UUID | None] = {}

    def operator_of_trainer(self, service_id: str) -> UUID | None:
        """Whose a trainer is, where an admin has said so."""
        return self._links.get((LinkKind.TRAINER, service_id))

    def operator_of_franchise(self, external_id: str) -> UUID | None:
        """Which operator a franchise of the service is. Only a link tells: nothing is ever guessed."""
        return self._links.get((LinkKind.FRANCHISE, external_id))

    def zone(self, external_id: str) -> ZoneFacts | None:
        """The zone of a link, or the one whose id it is."""
        linked = self._links.get((LinkKind.ZONE, external_id))
        zone_id = linked if linked is not None else _uuid(external_id)
        return self._zones.get(zone_id) if zone_id is not None else None

    def course(self, external_id: str) -> UUID | None:
        """The course of a link, the one whose id it is, or the one of that name, however spaced or capitalised."""
        if external_id not in self._courses_asked:
            self._courses_asked[external_id] = self._course(external_id)
        return self._courses_asked[external_id]

    def _course(self, external_id: str) -> UUID | None:
        linked = self._links.get((LinkKind.COURSE, external_id))
        if linked is not None:
            return linked
        by_id = self._courses_by_id.get(external_id.lower())
        if by_id is not None:
            return by_id
        try:
            return self._courses_by_key.get(name_key(external_id))
        except Invalid:
            return None

    def time_zone_at(self, operator_id: UUID, base: Location | None) -> str | None:
        """The time zone of the operator's active zone nearest to a base; without a base the only one there is."""
        zones = self._zones_of.get(operator_id, [])
        if base is not None and zones:
            return min(zones, key=lambda zone: (distance_km(zone.center, base), zone.id)).time_zone
        found = {zone.time_zone for zone in zones}
        return found.pop() if len(found) == 1 else None


def _uuid(text: str) -> UUID | None:
    """The UUID a text spells in its one usual way."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None
