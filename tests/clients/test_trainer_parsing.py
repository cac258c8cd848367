"""What the trainer service says of one trainer, read whole or not at all, and whose the trainer is."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.clients.trainer_service import parsing
from webapp.clients.trainer_service.entries import franchise_of, read_trainer
from webapp.clients.trainer_service.said import (
    UNSAID,
    SaidAway,
    SaidHours,
    SaidTrainer,
    UnreadableTrainer,
)
from webapp.core.geo import Location

WHOLE: dict[str, Any] = {
    "trainerId": "T1",
    "name": "మీనా రావు",
    "available": True,
    "franchiseId": "F1",
    "zoneIds": ["Z2", "Z1", "Z2"],
    "certifiedCourses": ["Spoken English", 7],
    "location": {"latitude": 17.6868, "longitude": 83},
    "workingHours": [
        {"weekday": 6, "starts": "00:00", "ends": "00:00"},
        {"weekday": 0, "starts": "14:00", "ends": "24:00"},
        {"weekday": 0, "starts": "09:00", "ends": "14:00"},
    ],
    "timeOff": [{"startsAt": "2027-01-04T09:00:00+05:30", "endsAt": "2027-01-05T00:00:00Z", "reason": " At  home\n"}],
    "updatedAt": "2026-11-26T10:00:00.25Z",
}


def problems(**changed: Any) -> dict[str, str]:
    """What is wrong with an entry that was whole before."""
    read = read_trainer(WHOLE | changed)
    return dict(read.problems) if isinstance(read, UnreadableTrainer) else {}


def trainer(**changed: Any) -> SaidTrainer:
    """An entry that can be read."""
    read = read_trainer(WHOLE | changed)
    assert isinstance(read, SaidTrainer), read
    return read


# -- one trainer ---------------------------------------------------------------------------------------------------


def test_a_whole_entry_is_read_whole() -> None:
    assert trainer(nickname="ignored") == SaidTrainer(
        "T1",
        updated_at=datetime(2026, 11, 26, 10, 0, 0, 250_000, UTC),
        name="మీనా రావు",
        available=True,
        franchise="F1",
        zones=("Z1", "Z2"),
        courses=("7", "Spoken English"),
        base=Location(17.6868, 83.0),
        hours=(
            SaidHours(0, time(9), time(14)),
            SaidHours(0, time(14), time(0)),
            SaidHours(6, time(0), time(0)),
        ),
        time_off=(SaidAway(datetime(2027, 1, 4, 3, 30, tzinfo=UTC), datetime(2027, 1, 5, tzinfo=UTC), "At home"),),
    )


def test_what_is_left_out_is_unsaid_and_what_is_empty_is_said() -> None:
    assert read_trainer({"trainerId": "T1"}) == SaidTrainer("T1")
    empty = read_trainer({"trainerId": 1, "zoneIds": [], "certifiedCourses": [], "workingHours": [], "timeOff": []})
    assert empty == SaidTrainer("1", zones=(), courses=(), hours=(), time_off=())


def test_null_says_nothing_but_of_franchise_and_location() -> None:
    assert read_trainer({"trainerId": "T1"} | dict.fromkeys(WHOLE.keys() - {"trainerId"})) == SaidTrainer(
        "T1", franchise=None, base=None
    )


@pytest.mark.parametrize(
    ("field", "value", "where", "what"),
    [
        ("name", "", "name", "empty"),
        ("name", " \u200b ", "name", "empty"),
        ("name", "x" * 121, "name", "too-long"),
        ("name", 7, "name", "not-text"),
        ("available", "yes", "available", "not-true-or-false"),
        ("available", 1, "available", "not-true-or-false"),
        ("franchiseId", "", "franchiseId", "empty"),
        ("franchiseId", False, "franchiseId", "not-text"),
        ("franchiseId", ["F1"], "franchiseId", "not-text"),
        ("franchiseId", "F\u00001", "franchiseId", "not-an-id"),
        ("franchiseId", "F" * 129, "franchiseId", "too-long"),
        ("franchise", "F1", "franchiseId", "not-an-object"),
        ("franchise", {"id": "F2"}, "franchiseId", "contradictory"),
        ("zoneIds", "Z1", "zoneIds", "not-a-list"),
        ("zoneIds", {"Z1": 1}, "zoneIds", "not-a-list"),
        ("zoneIds", ["Z1", None], "zoneIds.1", "not-text"),
        ("zoneIds", ["Z"] * 501, "zoneIds", "too-many"),
        ("certifiedCourses", [" "], "certifiedCourses.0", "empty"),
        ("certifiedCourses", [{"name": "Hindi"}], "certifiedCourses.0", "not-text"),
        ("location", [17, 83], "location", "not-an-object"),
        ("location", {"latitude": 90.1, "longitude": 0}, "location.latitude", "out-of-range"),
        ("location", {"latitude": -90.1, "longitude": 0}, "location.latitude", "out-of-range"),
        ("location", {"latitude": 0, "longitude": 180.5}, "location.longitude", "out-of-range"),
        ("location", {"latitude": float("nan"), "longitude": 0}, "location.latitude", "out-of-range"),
        ("location", {"latitude": float("inf"), "longitude": 0}, "location.latitude", "out-of-range"),
        ("location", {"latitude": "17.7", "longitude": 0}, "location.latitude", "not-a-number"),
        ("location", {"latitude": True, "longitude": 0}, "location.latitude", "not-a-number"),
        ("location", {"latitude": 10**400, "longitude": 0}, "location.latitude", "not-a-number"),
        ("location", {"latitude": 17.7}, "location.longitude", "missing"),
        (
            "workingHours",
            [{"weekday": 7, "starts": "09:00", "ends": "10:00"}],
            "workingHours.0.weekday",
            "out-of-range",
        ),
        (
            "workingHours",
            [{"weekday": "1", "starts": "09:00", "ends": "10:00"}],
            "workingHours.0.weekday",
            "not-a-number",
        ),
        ("workingHours", [{"weekday": 1, "starts": "9:00", "ends": "10:00"}], "workingHours.0.starts", "not-a-time"),
        ("workingHours", [{"weekday": 1, "starts": "09:00", "ends": "24:30"}], "workingHours.0.ends", "not-a-time"),
        (
            "workingHours",
            [{"weekday": 1, "starts": "09:00:30", "ends": "10:00"}],
            "workingHours.0.starts",
            "not-a-time",
        ),
        ("workingHours", [{"weekday": 1, "starts": "10:00", "ends": "09:00"}], "workingHours.0", "backwards"),
        ("workingHours", [{"weekday": 1, "starts": "10:00", "ends": "10:00"}], "workingHours.0", "backwards"),
        (
            "workingHours",
            [{"weekday": 1, "starts": "09:00", "ends": "00:00"}, {"weekday": 1, "starts": "08:00", "ends": "09:01"}],
            "workingHours",
            "overlapping",
        ),
        ("timeOff", [{"startsAt": "2027-01-04T09:00:00Z"}], "timeOff.0.endsAt", "missing"),
        (
            "timeOff",
            [{"startsAt": "2027-01-04", "endsAt": "2027-01-05T00:00Z"}],
            "timeOff.0.startsAt",
            "not-an-instant",
        ),
        (
            "timeOff",
            [{"startsAt": "2027-01-04T09:00:00Z", "endsAt": "2027-01-04T09:00:00Z"}],
            "timeOff.0",
            "backwards",
        ),
        ("updatedAt", "2026-11-26T10:00:00", "updatedAt", "not-an-instant"),
        ("updatedAt", "0001-01-01T00:00:00+14:00", "updatedAt", "not-an-instant"),
        ("updatedAt", 1_700_000_000, "updatedAt", "not-text"),
        ("updatedAt", "1700000000", "updatedAt", "not-an-instant"),
        ("trainerId", "", "trainerId", "empty"),
        ("trainerId", None, "trainerId", "missing"),
        ("trainerId", True, "trainerId", "not-text"),
        ("trainerId", "T" * 65, "trainerId", "too-long"),
        ("trainerId", " T1", "trainerId", "not-an-id"),
        ("trainerId", "T\u202e1", "trainerId", "not-an-id"),
        ("trainerId", "..", "trainerId", "not-an-id"),
    ],
)
def test_each_wrong_field_is_named_without_its_value(field: str, value: Any, where: str, what: str) -> None:
    assert problems(**{field: value}) == {where: what}


def test_hours_that_touch_do_not_overlap_and_days_are_apart() -> None:
    day = [{"weekday": 1, "starts": "09:00", "ends": "12:00"}, {"weekday": 1, "starts": "12:00:00", "ends": "00:00"}]
    assert trainer(workingHours=[*day, {"weekday": 2, "starts": "00:00", "ends": "10:00"}]).hours is not UNSAID


def test_all_that_is_wrong_is_told_and_not_more_than_anybody_reads() -> None:
    assert problems(name="", available="no").keys() == {"name", "available"}
    assert len(problems(zoneIds=[None] * 300)) == 20


def test_an_entry_that_is_none_has_no_id() -> None:
    for entry in (None, 7, "T1", [WHOLE]):
        assert read_trainer(entry) == UnreadableTrainer(None, (("", "not-an-object"),))
    assert read_trainer({"name": "A"}) == UnreadableTrainer(None, (("trainerId", "missing"),))


def test_a_reason_is_no_ground_to_refuse_anybody() -> None:
    away = {"startsAt": "2027-01-04T09:00:00Z", "endsAt": "2027-01-05T00:00:00Z"}
    said = trainer(timeOff=[away | {"reason": "x\u0000" * 500}, away | {"reason": None}])
    assert said.time_off is not UNSAID
    assert [one.reason for one in said.time_off] == ["", "x" * 200]


# -- whose a trainer is --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "whose"),
    [
        ({}, UNSAID),
        ({"franchiseId": None}, None),
        ({"franchiseId": "F1"}, "F1"),
        ({"franchiseId": 12}, "12"),
        ({"franchise": None}, UNSAID),
        ({"franchise": {"id": None}}, UNSAID),
        ({"franchise": {"id": "F1"}}, "F1"),
        ({"franchise": {}}, UNSAID),
        ({"franchise": {"name": "North"}}, UNSAID),
        ({"franchiseId": None, "franchise": {"id": "F1"}}, "F1"),
        ({"franchiseId": "F1", "franchise": None}, "F1"),
        ({"franchiseId": "F1", "franchise": {"id": None}}, "F1"),
        ({"franchiseId": "12", "franchise": {"id": 12}}, "12"),
        ({"franchiseId": None, "franchise": None}, None),
        ({"franchiseId": None, "franchise": {}}, None),
        ({"franchiseId": None, "franchise": {"id": None}}, None),
        ({"franchiseId": None, "franchise": {"name": "North"}}, UNSAID),
        ({"franchise": {"id": None, "name": "North"}}, UNSAID),
    ],
)
def test_a_franchise_is_said_in_two_ways(entry: dict[str, Any], whose: object) -> None:
    assert franchise_of(entry) == whose


@given(
    st.sampled_from(["F1", 12]),
    st.booleans(),
    st.sets(st.sampled_from(["franchiseId", "franchise", "id", "name", "trainerId", "profile", "location"])),
)
def test_a_trainer_of_a_franchise_never_becomes_the_companys_whatever_is_left_out(
    whose: object, described: bool, dropped: set[str]
) -> None:
    """The property that the replaced desk broke. Fails as soon as anything missing is taken for null."""
    franchise = {"id": whose} | ({"name": "North"} if described else {})
    data: dict[str, Any] = {
        "franchiseId": whose,
        "franchise": {key: value for key, value in franchise.items() if key not in dropped},
        "trainerId": "T1",
        "profile": {"certifications": []},
        "location": None,
    }
    left = {key: value for key, value in data.items() if key not in dropped}
    for read in (parsing.legacy_trainer({"data": left}, "T1"), read_trainer(left)):
        if isinstance(read, SaidTrainer):
            assert read.franchise in (str(whose), UNSAID)
