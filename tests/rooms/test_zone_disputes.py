"""Ground that two operators would own: whoever takes it knows, also when both take it at once; and who lives there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from random import Random
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import HOME, Make
from tests.rooms.test_assignment_races import Desk, desk
from tests.web.client import NOW
from webapp.core.actor import SYSTEM
from webapp.core.errors import Conflict, Invalid
from webapp.core.geo import Bounds, Location
from webapp.core.ids import COMPANY_ID
from webapp.db.tenancy import acting_as, acting_for
from webapp.db.work import Database
from webapp.zones import service
from webapp.zones.disputes import shape_of
from webapp.zones.neighbours import ground_shared_with, students_there, zones_meeting
from webapp.zones.rules import Disputes, ZoneCommand, ZoneFacts, containing
from webapp.zones.sound import SoundZone

__all__ = ["desk"]

CIRCLE = ZoneCommand("Ours", None, "Asia/Kolkata", HOME, 3.0)


def ring(lat: float, lng: float, size: float = 0.02) -> tuple[Location, ...]:
    """A square around a place."""
    return tuple(Location(lat + a * size, lng + b * size) for a, b in ((-1, -1), (-1, 1), (1, 1), (1, -1)))


def draw(db: Database, command: ZoneCommand, reason: str = "", asking: Disputes | None = Disputes.REASON) -> UUID:
    """Draw a zone as the system."""
    with db.unit_of_work() as work:
        return service.create(work, command, by=SYSTEM, now=NOW, reason=reason, asking=asking)


def refused(db: Database, command: ZoneCommand, asking: Disputes = Disputes.REASON, reason: str = "") -> Invalid:
    """What a zone is refused with."""
    with pytest.raises(Invalid) as refusal:
        draw(db, command, reason, asking)
    return refusal.value


def test_own_ground_a_shared_border_and_retired_zones_are_no_dispute(db: Database, make: Make) -> None:
    franchise = make.franchise()
    draw(db, replace(CIRCLE, name="Own"))
    draw(db, CIRCLE)
    square = ZoneCommand("Square", None, "Asia/Kolkata", ring=ring(10, 80), max_travel_km=5.0)
    beside = replace(square, name="Beside", franchise_id=franchise, ring=ring(10, 80.04))
    draw(db, square)
    draw(db, beside)
    draw(db, replace(CIRCLE, name="Retired", franchise_id=franchise, active=False))
    draw(db, replace(CIRCLE, name="Imported", franchise_id=franchise), asking=None)


def test_a_dispute_is_refused_or_needs_a_reason_and_names_whose_ground_it_is(db: Database, make: Make) -> None:
    draw(db, CIRCLE)
    theirs = replace(CIRCLE, franchise_id=make.franchise())
    square = replace(
        theirs, name="Square", center=None, radius_km=None, ring=ring(HOME.lat, HOME.lng), max_travel_km=4.0
    )
    assert (refused(db, theirs).code, refused(db, theirs).field) == ("zone-dispute-reason", "reason")
    assert refused(db, theirs).params == {"zone": "Ours", "operator": "The company", "area": "28"}
    for reason in ("", "Because"):
        refusal = refused(db, theirs, Disputes.REFUSE, reason)
        assert (refusal.code, refusal.field) == ("zone-disputed", "radius_km")
        assert refused(db, square, Disputes.REFUSE, reason).field == "corners"
    assert refused(db, theirs, reason="r" * 401).code == "reason-long"
    draw(db, theirs, "Because")
    draw(db, square, "Because of it")


def test_reviving_a_zone_takes_its_ground_anew(db: Database, make: Make) -> None:
    theirs = replace(CIRCLE, franchise_id=make.franchise())
    zone_id = draw(db, theirs)

    def change(command: ZoneCommand, reason: str = "") -> bool:
        with db.unit_of_work() as work:
            return service.change(
                work, zone_id, command, by=SYSTEM, now=NOW, reason=reason, asking=Disputes.REASON, seen=None
            )

    change(replace(theirs, active=False))
    draw(db, CIRCLE)
    with pytest.raises(Invalid) as refusal:
        change(theirs)
    assert refusal.value.field == "reason"
    change(theirs, "The company agreed")
    change(replace(theirs, radius_km=2.0))
    with pytest.raises(Invalid):
        change(replace(theirs, radius_km=2.5))
    change(replace(theirs, center=Location(10, 80)))


def test_a_neighbour_beyond_the_date_line_is_found(db: Database, make: Make) -> None:
    draw(db, replace(CIRCLE, center=Location(-16.85, 179.99)))
    theirs = replace(CIRCLE, franchise_id=make.franchise(), center=Location(-16.85, -179.99))
    assert refused(db, theirs).code == "zone-dispute-reason"


def test_neighbours_are_those_whose_boxes_meet_and_never_more_than_asked_for(db: Database, make: Make) -> None:
    random = Random(7)
    drawn = {}
    for number in range(40):
        center = Location(17 + random.uniform(-1, 1), (179.5 + random.uniform(-1, 1) + 180) % 360 - 180)
        command = replace(CIRCLE, name=f"Z{number}", center=center, radius_km=random.choice([2.0, 20.0]))
        drawn[draw(db, command, asking=None)] = SoundZone(command).bounds
    box = Bounds(16.5, 179.2, 17.2, 180.3)
    with db.read_only() as session:
        found = {zone.id for zone in zones_meeting(session, box)}
        assert len(zones_meeting(session, box, most=3)) == 3

    def meets(other: Bounds) -> bool:
        along = any(other.west + turn <= box.east and box.west <= other.east + turn for turn in (-360, 0, 360))
        return along and other.south <= box.north and box.south <= other.north

    assert found == {zone_id for zone_id, bounds in drawn.items() if meets(bounds)}
    assert 5 < len(found) < 35


# Who lives there


def test_students_on_shared_ground_are_those_that_the_rule_finds_in_both(db: Database, make: Make) -> None:
    """A circle and a ring, each with a circle and a ring, against the rules in Python."""
    random, franchise = Random(20270104), make.franchise()
    wide = make.zone(operator_id=franchise, center=HOME, radius_km=30)
    course = make.course()
    homes = []
    for _ in range(24):
        place = Location(HOME.lat + random.uniform(-0.06, 0.06), HOME.lng + random.uniform(-0.06, 0.06))
        family = make.household(*(f"S{make.number()}" for _ in range(random.choice([1, 2]))), operator_id=franchise)
        make.booking(operator_id=franchise, zone_id=wide, household=family, course_id=course, place=place)
        homes.append((place, len(family.student_ids)))
    shapes = [
        replace(CIRCLE, center=Location(HOME.lat + 0.01, HOME.lng), radius_km=4.0),
        replace(
            CIRCLE, center=None, radius_km=None, ring=ring(HOME.lat - 0.01, HOME.lng + 0.01, 0.04), max_travel_km=5.0
        ),
    ]
    theirs = [
        draw(db, replace(shape, name=f"T{number}", franchise_id=franchise), asking=None)
        for number, shape in enumerate(shapes)
    ]
    for mine in shapes:
        with db.read_only() as session:
            found = students_there(session, [*theirs, wide], shape_of(mine), SoundZone(mine).bounds)
        for zone_id, other in zip(theirs, shapes, strict=True):
            facts = [_facts(mine), _facts(other)]
            expected = sum(count for place, count in homes if len(containing(facts, place)) == 2)
            assert found.get(zone_id, 0) == expected > 0
        assert found[wide] == sum(count for place, count in homes if containing([_facts(mine)], place))


def _facts(command: ZoneCommand) -> ZoneFacts:
    return ZoneFacts(
        id=UUID(int=hash(command) % 2**64),
        operator_id=COMPANY_ID,
        name=command.name,
        center=command.measured_center,
        radius_km=command.radius_km,
        ring=command.ring,
        area_km2=command.area_km2,
        created_at=NOW,
        active=True,
        time_zone=command.time_zone,
        max_travel_km=command.max_travel_km,
    )


def test_a_student_counts_once_and_only_with_a_live_booking_of_the_zone_s_operator(db: Database, make: Make) -> None:
    franchise, other = make.franchise(), make.franchise()
    zone = make.zone(operator_id=franchise, center=HOME)
    family = make.household("Asha", operator_id=franchise)
    for _ in range(2):
        make.booking(operator_id=franchise, zone_id=zone, household=family, place=HOME)
    make.zone(operator_id=other, center=Location(HOME.lat + 0.001, HOME.lng), radius_km=0.05)
    make.booking(operator_id=other, place=Location(HOME.lat + 0.001, HOME.lng))
    shape, bounds = shape_of(CIRCLE), SoundZone(CIRCLE).bounds
    with acting_for(other), db.read_only() as session:
        assert students_there(session, [zone], shape, bounds) == {zone: 1}
        assert students_there(session, [], shape, bounds) == {}
    with acting_as(SYSTEM), db.unit_of_work() as work:
        work.db.execute(text("UPDATE bookings SET status = 'cancelled' WHERE zone_id = :zone"), {"zone": zone})
    with acting_for(other), db.read_only() as session:
        assert students_there(session, [zone], shape, bounds) == {}


# Two at once


@pytest.mark.race
def test_two_operators_who_take_one_door_at_once_do_not_both_do_so_unknowingly(desk: Desk) -> None:
    """Real connections: in each round one is first, and the others are asked about it."""
    franchises = [desk.make.franchise() for _ in range(4)]

    def drawing(franchise: UUID, center: Location, asking: Disputes) -> Callable[[], object]:
        command = replace(CIRCLE, name=f"Door {center.lat}", franchise_id=franchise, center=center)

        def take() -> object:
            try:
                return desk.database.retrying(
                    lambda work: service.create(work, command, by=SYSTEM, now=NOW, asking=asking)
                )
            except Invalid as refusal:
                return refusal.code

        return take

    for number, (asking, code) in enumerate(
        [(Disputes.REASON, "zone-dispute-reason"), (Disputes.REFUSE, "zone-disputed")] * 2
    ):
        door = Location(-10.0 - number, 20.0)
        outcomes = desk.at_once([drawing(franchise, door, asking) for franchise in franchises])
        assert sum(isinstance(outcome, UUID) for outcome in outcomes) == 1, outcomes
        assert outcomes.count(code) == 3
        with desk.database.read_only() as db:
            found = zones_meeting(db, SoundZone(replace(CIRCLE, center=door)).bounds)
            assert ground_shared_with(found, shape_of(replace(CIRCLE, center=door)))
            assert len(found) == 1


@pytest.mark.race
def test_of_several_who_save_the_same_version_at_once_one_wins_and_the_others_hear_who(desk: Desk) -> None:
    with desk.database.unit_of_work() as work:
        zone_id = service.create(work, replace(CIRCLE, name="Contended", center=Location(5, 5)), by=SYSTEM, now=NOW)

    def saving(label: str) -> Callable[[], object]:
        command = replace(CIRCLE, name="Contended", center=Location(5, 5), label=label)
        later = NOW + timedelta(hours=1)
        return lambda: desk.database.retrying(
            lambda work: service.change(
                work, zone_id, command, by=SYSTEM, now=later, seen=1, asking=Disputes.REASON, reason="Race"
            )
        )

    outcomes = desk.at_once([saving(f"Label {number}") for number in range(8)])
    assert outcomes.count(True) == 1
    codes = [outcome.code for outcome in outcomes if isinstance(outcome, Conflict)]
    assert codes == ["zone-changed"] * 7
    with desk.database.read_only() as db:
        asked = text("SELECT number FROM zone_versions WHERE zone_id = :id ORDER BY number")
        assert list(db.scalars(asked, {"id": zone_id})) == [1, 2]
