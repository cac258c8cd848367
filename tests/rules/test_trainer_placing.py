"""Where a trainer of the service belongs, and that nobody becomes the company's by what is left out."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.clients.trainer_service.said import (
    UNSAID,
    SaidAway,
    SaidHours,
    SaidTrainer,
    UnreadableTrainer,
)
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.core.names import name_key
from webapp.trainers.rules import WorkingHours
from webapp.trainers.sync_rules import LinkKind, Owned
from webapp.trainers.syncing.placing import Known, OnRoster, Placement, Refusal, place
from webapp.trainers.syncing.world import Link, World, ZoneFacts

A, B = UUID(int=0xA), UUID(int=0xB)
KOLKATA, DUBAI = "Asia/Kolkata", "Asia/Dubai"
HERE, THERE = Location(17.0, 83.0), Location(25.0, 55.0)
OURS, OURS_TOO, OURS_IN_DUBAI, THEIRS, OF_COMPANY = (UUID(int=number) for number in range(1, 6))
MATHS, HINDI = UUID(int=21), UUID(int=22)
ZONES = (
    ZoneFacts(OURS, A, KOLKATA, HERE),
    ZoneFacts(OURS_TOO, A, KOLKATA, HERE),
    ZoneFacts(OURS_IN_DUBAI, A, DUBAI, THERE),
    ZoneFacts(THEIRS, B, KOLKATA, HERE),
    ZoneFacts(OF_COMPANY, COMPANY_ID, KOLKATA, HERE),
)
COURSES = ((MATHS, name_key("Mathematics")), (HINDI, name_key("Hindi")))
LINKS = (Link(LinkKind.FRANCHISE, "FA", A), Link(LinkKind.FRANCHISE, "FB", B))
WORLD = World(ZONES, COURSES, LINKS)
SAID = SaidTrainer(
    "T1", name="Asha", available=True, franchise="FA", zones=(str(OURS),), courses=("Mathematics",), base=HERE
)
KNOWN = Known(UUID(int=99), OnRoster(A, KOLKATA, "Asha", course_ids=frozenset({HINDI}), zone_ids=frozenset({OURS})))


def world(*links: Link, zones: tuple[ZoneFacts, ...] = ZONES) -> World:
    return World(zones, COURSES, (*LINKS, *links))


def placed(said: SaidTrainer, known: Known | None = None, where: World = WORLD) -> Placement:
    found = place(said, where, known)
    assert isinstance(found, Placement), found
    return found


def refused(said: SaidTrainer | UnreadableTrainer, known: Known | None = None, where: World = WORLD) -> Refusal:
    found = place(said, where, known)
    assert isinstance(found, Refusal), found
    return found


# -- whose a trainer is --------------------------------------------------------------------------------------------


def test_a_linked_franchise_and_the_company_get_their_trainers() -> None:
    assert placed(SAID).row.operator_id == A
    of_company = replace(SAID, franchise=None, zones=(str(OF_COMPANY),))
    assert placed(of_company).row.operator_id == COMPANY_ID


def test_a_franchise_that_nobody_linked_is_refused_known_or_not() -> None:
    said = replace(SAID, franchise="FX")
    assert refused(said) == refused(said, KNOWN) == Refusal("franchise-unknown", {"franchise": "FX"})


def test_a_franchise_that_is_not_said_refuses_a_new_trainer_and_leaves_a_known_one_where_they_are() -> None:
    said = replace(SAID, franchise=UNSAID)
    assert refused(said).code == "franchise-unsaid"
    assert placed(said, KNOWN).row.operator_id == A


@pytest.mark.parametrize(("franchise", "to"), [(None, COMPANY_ID), ("FB", B)])
def test_nobody_known_changes_operators_by_what_the_service_says(franchise: str | None, to: UUID) -> None:
    found = refused(replace(SAID, franchise=franchise), KNOWN)
    assert found == Refusal("operator-changed", {"from": str(A), "to": str(to), "franchise": franchise})


def test_an_admin_s_link_of_the_trainer_moves_them_and_stands_above_what_is_said() -> None:
    moved = placed(replace(SAID, zones=(str(THEIRS),)), KNOWN, world(Link(LinkKind.TRAINER, "T1", B)))
    assert (moved.row.operator_id, moved.moved) == (B, True)
    stays = placed(replace(SAID, franchise=None), KNOWN, world(Link(LinkKind.TRAINER, "T1", A)))
    assert (stays.row.operator_id, stays.moved) == (A, False)


def test_who_is_moved_takes_nothing_along_that_the_service_does_not_say() -> None:
    said = SaidTrainer("T1", base=HERE)
    known = Known(KNOWN.trainer_id, replace(KNOWN.row, active=False, hours=(WorkingHours(0, time(9), time(10)),)))
    row = placed(said, known, world(Link(LinkKind.TRAINER, "T1", B))).row
    assert row == OnRoster(B, KOLKATA, "Asha", active=True, base=HERE, owned=frozenset({Owned.BASE}))


# -- zones and time zones ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("zones", "code", "facts"),
    [
        ((str(OURS), str(THEIRS)), "zone-of-another-operator", {"zones": [str(THEIRS)]}),
        ((str(OURS), str(OF_COMPANY), "nowhere"), "zone-of-another-operator", {"zones": [str(OF_COMPANY)]}),
        (
            (str(OURS), str(OURS_IN_DUBAI)),
            "zones-time-zone",
            {"zones": [str(OURS), str(OURS_IN_DUBAI)], "time_zones": [DUBAI, KOLKATA]},
        ),
        (("north", "south"), "zones-unknown", {"zones": ["north", "south"]}),
    ],
)
def test_zones_that_cannot_be_a_trainer_s_are_refused(zones: tuple[str, ...], code: str, facts: dict[str, Any]) -> None:
    assert refused(replace(SAID, zones=zones)) == Refusal(code, facts)


def test_some_zones_unknown_are_left_out_and_noted() -> None:
    found = placed(replace(SAID, zones=("north", str(OURS))))
    assert (found.row.zone_ids, found.notes) == (frozenset({OURS}), (("zone", "north"),))


def test_a_zone_is_known_by_its_id_or_by_a_link() -> None:
    linked = world(Link(LinkKind.ZONE, "north", OURS_TOO))
    assert placed(replace(SAID, zones=("north", str(OURS).upper())), where=linked).row.zone_ids == {OURS, OURS_TOO}


def test_a_trainer_without_zones_has_the_time_zone_of_the_operator_s_nearest_active_zone() -> None:
    for zones in (UNSAID, ()):
        said = replace(SAID, zones=zones)
        assert placed(said).row.time_zone == KOLKATA
        assert placed(replace(said, base=THERE)).row.time_zone == DUBAI
        assert placed(replace(said, base=THERE), KNOWN).row.time_zone == KOLKATA, "who is known keeps theirs"
    idle = tuple(replace(zone, active=zone.id != OURS_IN_DUBAI) for zone in ZONES)
    assert placed(replace(SAID, zones=UNSAID, base=THERE), where=world(zones=idle)).row.time_zone == KOLKATA


def test_no_base_and_no_zone_leave_the_operator_s_only_time_zone_or_none() -> None:
    said = replace(SAID, zones=UNSAID, base=None)
    assert refused(said).code == "no-time-zone"
    assert placed(replace(said, franchise="FB")).row.time_zone == KOLKATA
    assert refused(said, where=world(zones=())).code == "no-time-zone"


# -- fields that are said, and those that are not ------------------------------------------------------------------


def test_what_is_not_said_stays_the_desk_s_own() -> None:
    hours = (WorkingHours(2, time(9), time(12)),)
    known = Known(KNOWN.trainer_id, replace(KNOWN.row, active=False, base=THERE, hours=hours))
    found = placed(SaidTrainer("T1", franchise="FA"), known)
    assert found == Placement(replace(known.row, owned=frozenset()))


def test_what_is_said_to_be_empty_is_empty_and_the_service_s() -> None:
    known = Known(KNOWN.trainer_id, replace(KNOWN.row, base=THERE, hours=(WorkingHours(2, time(9), time(12)),)))
    said = replace(SAID, base=None, hours=(), courses=(), zones=(), time_off=())
    row = placed(said, known).row
    assert (row.base, row.hours, row.course_ids, row.zone_ids) == (None, (), frozenset(), frozenset())
    assert row.owned == frozenset(Owned)


def test_courses_are_known_by_link_id_or_name_and_the_others_are_noted() -> None:
    linked = world(Link(LinkKind.COURSE, "MTH-1", MATHS))
    said = replace(SAID, courses=("MTH-1", " hindi ", str(HINDI), "Ｍathematics", "Alchemy", "\u200b"))
    found = placed(said, where=linked)
    assert found.row.course_ids == {MATHS, HINDI}
    assert set(found.notes) == {("course", "Alchemy"), ("course", "\u200b")}


def test_a_new_trainer_without_a_name_goes_by_their_id_until_somebody_names_them() -> None:
    assert placed(replace(SAID, name=UNSAID)).row.name == "T1"
    assert placed(replace(SAID, name=UNSAID), KNOWN).row.name == "Asha"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"name": " \u200b "}, ["name", "empty"]),
        ({"name": "x" * 200}, ["name", "too-long"]),
        ({"hours": (SaidHours(0, time(10), time(9)),)}, ["workingHours", "backwards"]),
        ({"hours": (SaidHours(7, time(9), time(10)),)}, ["workingHours", "out-of-range"]),
        (
            {"time_off": (SaidAway(datetime(2027, 1, 2, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)),)},
            ["timeOff", "backwards"],
        ),
    ],
)
def test_what_the_roster_cannot_hold_is_refused_in_the_service_s_words(
    change: dict[str, Any], problem: list[str]
) -> None:
    assert refused(replace(SAID, **change)) == Refusal("unreadable", {"problems": [problem]})


def test_an_entry_that_could_not_be_read_says_why() -> None:
    said = UnreadableTrainer("T1", (("name", "not-text"), ("location", "missing")))
    assert refused(said, KNOWN) == Refusal("unreadable", {"problems": [["name", "not-text"], ["location", "missing"]]})


def test_periods_of_work_that_overlap_or_touch_are_one() -> None:
    said = (
        SaidHours(1, time(9), time(12)),
        SaidHours(1, time(12), time(15)),
        SaidHours(1, time(14), time(0)),
        SaidHours(0, time(9), time(10)),
    )
    assert placed(replace(SAID, hours=said)).row.hours == (
        WorkingHours(0, time(9), time(10)),
        WorkingHours(1, time(9), time(0)),
    )


def test_time_off_said_twice_stands_once() -> None:
    begin = datetime(2027, 1, 1, tzinfo=UTC)
    away = SaidAway(begin, begin + timedelta(days=1), " sick\x00  leave ")
    found = placed(
        replace(SAID, time_off=(away, replace(away, reason=""), replace(away, starts_at=begin - timedelta(1))))
    )
    assert [(one.starts_at, one.reason) for one in found.row.away] == [
        (begin - timedelta(days=1), "sick leave"),
        (begin, ""),
    ]


def test_whether_somebody_may_get_sessions() -> None:
    left = Known(KNOWN.trainer_id, replace(KNOWN.row, active=False), left=True)
    assert not placed(replace(SAID, available=False)).row.active
    assert placed(replace(SAID, available=UNSAID)).row.active
    assert placed(replace(SAID, available=UNSAID), left).row.active, "who is back may"
    assert not placed(replace(SAID, available=False), left).row.active


# -- whatever a response leaves out --------------------------------------------------------------------------------

OF_A = (str(OURS), str(OURS_TOO), str(OURS_IN_DUBAI), "north")
ANYWHERE = (*OF_A, str(THEIRS), str(OF_COMPANY))
FRANCHISES = st.sampled_from(["FA", "FB", "FX", "", str(COMPANY_ID), str(A), "company", None, UNSAID])
SAYINGS = st.builds(
    SaidTrainer,
    st.just("T1"),
    name=st.sampled_from(["Asha", "", UNSAID]),
    available=st.sampled_from([True, False, UNSAID]),
    franchise=FRANCHISES,
    zones=st.one_of(st.just(UNSAID), st.lists(st.sampled_from(ANYWHERE), max_size=3, unique=True).map(tuple)),
    courses=st.one_of(st.just(UNSAID), st.lists(st.sampled_from(["Hindi", "Alchemy"]), max_size=2).map(tuple)),
    base=st.sampled_from([HERE, THERE, None, UNSAID]),
)
NOT_OF_COMPANY = st.lists(
    st.one_of(
        st.builds(Link, st.just(LinkKind.FRANCHISE), st.sampled_from(["FX", "", "company"]), st.sampled_from([A, B])),
        st.builds(Link, st.just(LinkKind.TRAINER), st.just("T1"), st.sampled_from([A, B])),
        st.builds(Link, st.just(LinkKind.ZONE), st.just("north"), st.sampled_from([OURS, OF_COMPANY])),
    ),
    max_size=3,
)


@given(SAYINGS, NOT_OF_COMPANY, st.booleans())
def test_a_trainer_of_a_franchise_never_becomes_the_company_s(
    said: SaidTrainer, links: list[Link], held_back: bool
) -> None:
    """Whatever is left out, nulled, emptied or said otherwise: no link to the company, no way to the company."""
    known = replace(KNOWN, held_back="zones-unknown" if held_back else None)
    found = place(said, world(*links), known)
    if isinstance(found, Placement):
        assert found.row.operator_id != COMPANY_ID
        assert found.moved == (found.row.operator_id != A)
        if found.moved:
            assert any(link.kind is LinkKind.TRAINER and link.target_id == found.row.operator_id for link in links)


@given(SAYINGS, NOT_OF_COMPANY)
def test_a_new_trainer_is_the_company_s_only_if_the_service_says_so(said: SaidTrainer, links: list[Link]) -> None:
    found = place(said, world(*links), None)
    if isinstance(found, Placement) and found.row.operator_id == COMPANY_ID:
        assert said.franchise is None


@given(SAYINGS, st.one_of(st.none(), st.just(KNOWN)))
def test_whoever_is_placed_fits_the_constraints_of_the_roster(said: SaidTrainer, known: Known | None) -> None:
    found = place(said, WORLD, known)
    if isinstance(found, Placement):
        zones = [zone for zone in ZONES if zone.id in found.row.zone_ids]
        assert {zone.operator_id for zone in zones} <= {found.row.operator_id}
        assert {zone.time_zone for zone in zones} <= {found.row.time_zone}
        assert found.row.name


@given(SAYINGS)
def test_placing_again_what_was_placed_changes_nothing(said: SaidTrainer) -> None:
    first = place(said, WORLD, None)
    if isinstance(first, Placement):
        again = place(said, WORLD, Known(KNOWN.trainer_id, first.row))
        assert again == replace(first, moved=False)
