"""Ids, errors, moves, names, the clock and the table of roles."""

from __future__ import annotations

import threading
import unicodedata
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import an_actor, utc
from webapp.core import clock, moves
from webapp.core.actor import GRANTS, REACH, SYSTEM, Extent, Permission, Reach, Role
from webapp.core.errors import Conflict, Invalid, NotFound
from webapp.core.ids import COMPANY_ID, new_id
from webapp.core.job_names import JobName
from webapp.core.names import MAX_NAME, clean_name, name_key, search_words
from webapp.core.words import msgid

OF_THE_HOUSE = {
    Permission.AUDIT_READ,
    Permission.USER_READ,
    Permission.POLICY_READ,
    Permission.TRAINER_SYNC_READ,
    Permission.CERTIFICATE_DESIGN_READ,
}
"""Readings that are not part of desk work."""
READS = {permission for permission in Permission if permission.endswith(".read")} - OF_THE_HOUSE
DESK_WORK = {
    Permission.BOOKING_WRITE,
    Permission.ASSIGNMENT_PROPOSE,
    Permission.SESSION_ATTEND,
    Permission.HOUSEHOLD_WRITE,
    Permission.CERTIFICATE_SEND,
    Permission.CERTIFICATE_BATCH,
}


@pytest.fixture(autouse=True)
def _the_machines_clock_afterwards() -> Iterator[None]:
    yield
    clock.freeze(None)


# ── ids ──


def test_ids_are_version_7_and_sort_in_the_order_they_were_made() -> None:
    made = [new_id() for _ in range(2000)]
    assert made == sorted(set(made))
    assert {(one.version, one.variant) for one in made} == {(7, UUID(int=0x8 << 60).variant)}


def test_ids_carry_the_time_they_were_made() -> None:
    before = datetime.now(UTC) - timedelta(seconds=1)
    made_at = datetime.fromtimestamp((new_id().int >> 80) / 1000, UTC)
    assert before <= made_at <= datetime.now(UTC) + timedelta(seconds=1)


def test_ids_made_by_many_threads_are_all_different() -> None:
    made: list[UUID] = []
    threads = [threading.Thread(target=lambda: made.extend([new_id() for _ in range(500)])) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(set(made)) == 4000


def test_the_company_is_older_than_every_id() -> None:
    assert COMPANY_ID.version == 7
    assert new_id() > COMPANY_ID


# ── roles ──


@pytest.mark.parametrize(
    ("role", "more"),
    [
        (Role.FRANCHISE_STAFF, DESK_WORK),
        (
            Role.FRANCHISE_MANAGER,
            DESK_WORK
            | {
                Permission.CERTIFICATE_REISSUE,
                Permission.ASSIGNMENT_APPROVE,
                Permission.ZONE_WRITE,
                Permission.ZONE_EXPORT,
                Permission.TRAINER_WRITE,
                Permission.CERTIFICATE_DESIGN_READ,
                Permission.HOUSEHOLD_EXPORT,
                Permission.USER_READ,
                Permission.USER_WRITE,
            },
        ),
        (Role.COMPANY_STAFF, DESK_WORK),
        (Role.ADMIN, set(Permission)),
        (
            Role.AUDITOR,
            {
                Permission.ZONE_EXPORT,
                Permission.AUDIT_READ,
                Permission.AUDIT_VERIFY,
                Permission.AUDIT_EXPORT,
                Permission.USER_READ,
                Permission.TRAINER_SYNC_READ,
                Permission.CERTIFICATE_DESIGN_READ,
            },
        ),
    ],
)
def test_each_role_may_do_what_the_table_of_roles_says_and_no_more(role: Role, more: set[Permission]) -> None:
    assert GRANTS[role] == READS | more
    assert {permission for permission in Permission if an_actor(role).may(permission)} == READS | more


def test_an_auditor_changes_nothing() -> None:
    assert all(permission.endswith((".read", ".verify", ".export")) for permission in GRANTS[Role.AUDITOR])


def test_the_desk_itself_may_do_anything_and_somebody_without_a_role_nothing() -> None:
    assert all(SYSTEM.may(permission) for permission in Permission)
    assert not any(an_actor(None).may(permission) for permission in Permission)


def test_e2_only_admins_auditors_and_the_desk_see_every_operators_rows() -> None:
    assert {role for role in Role if an_actor(role).sees_everything} == {Role.ADMIN, Role.AUDITOR}
    assert SYSTEM.sees_everything
    own, other = UUID(int=7), UUID(int=8)
    reaching = {role for role in Role if an_actor(role, operator_id=own).reaches(other)}
    assert reaching == {Role.ADMIN, Role.AUDITOR}
    assert all(an_actor(role, operator_id=own).reaches(own) for role in Role)
    assert SYSTEM.reaches(other)
    assert not an_actor(None, operator_id=own).reaches(other)


def test_what_a_role_sees_is_what_the_table_of_reach_says(monkeypatch: pytest.MonkeyPatch) -> None:
    everything = Reach(rows=Extent.EVERY, enquiries=Extent.EVERY)
    monkeypatch.setitem(REACH, Role.FRANCHISE_STAFF, everything)
    assert an_actor(Role.FRANCHISE_STAFF).sees_everything
    monkeypatch.setitem(REACH, Role.ADMIN, Reach(rows=Extent.OWN, enquiries=Extent.OWN))
    assert not an_actor(Role.ADMIN).sees_everything
    assert not an_actor(Role.ADMIN).sees_all_enquiries


def test_the_tables_of_the_policy_know_every_role() -> None:
    assert set(GRANTS) == set(REACH) == set(Role)


def test_z4_demand_is_the_companys_to_read_too() -> None:
    seeing = {role for role in Role if an_actor(role).sees_all_enquiries}
    assert seeing == {Role.ADMIN, Role.AUDITOR, Role.COMPANY_STAFF}


# ── errors and moves ──


def test_a_refusal_words_itself() -> None:
    assert str(Conflict("taken", "Taken by %(who)s.", who="Asha")) == "Taken by Asha."
    assert str(Conflict("plain", "100 % taken.")) == "100 % taken."
    assert Invalid("empty", "Empty.", field="name").field == "name"
    assert NotFound().code == "not-found"


class Light(StrEnum):
    RED = "red"
    GREEN = "green"


def test_a_status_moves_only_through_its_table() -> None:
    table: dict[Light, frozenset[Light]] = {Light.RED: frozenset({Light.GREEN}), Light.GREEN: frozenset()}
    assert moves.moved(table, Light.RED, Light.GREEN, code="light", sentence="") is Light.GREEN
    with pytest.raises(Conflict, match="It is green, not red") as refused:
        moves.moved(table, Light.GREEN, Light.RED, code="light", sentence="It is %(is_)s, not %(to)s.")
    assert refused.value.code == "light"


def test_a_marked_sentence_is_itself_and_job_names_are_distinct() -> None:
    assert msgid("Busy") == "Busy"
    assert len(set(JobName)) == len(JobName.__members__)


# ── names ──


@pytest.mark.parametrize(
    "typed",
    [
        "Central",
        "  CENTRAL ",
        "cen\u200btral",
        "\ufeffcentral\u202e",
        "".join(chr(ord(letter) + 0xFEE0) for letter in "CENTRAL"),
    ],
)
def test_z1_names_that_look_the_same_have_one_key(typed: str) -> None:
    assert name_key(typed) == "central"


def test_z1_white_space_of_any_kind_counts_as_one_space() -> None:
    assert name_key("MVP\t\u00a0 Colony\n") == "mvp colony"


def test_z1_composed_and_decomposed_letters_are_the_same() -> None:
    assert name_key("Caf\u00e9") == name_key("Cafe\u0301")
    assert name_key("STRASSE") == name_key("Stra\u00dfe")


def test_z1_names_of_other_scripts_stay_apart() -> None:
    assert len({name_key("విశాఖ"), name_key("विशाख"), name_key("Visakha")}) == 3


@pytest.mark.parametrize("typed", ["", "   ", "\u200b\u200d", "\t\n", "\x00"])
def test_z1_a_name_with_nothing_to_see_is_refused_on_its_field(typed: str) -> None:
    for check in (name_key, clean_name):
        with pytest.raises(Invalid) as refused:
            check(typed, field="zone_name")
        assert (refused.value.code, refused.value.field) == ("name-empty", "zone_name")


@given(st.text(max_size=40))
def test_z1_the_key_of_a_key_and_of_a_clean_name_is_the_key(typed: str) -> None:
    try:
        key = name_key(typed)
    except Invalid:
        return
    assert name_key(key) == key
    assert name_key(clean_name(typed)) == key
    assert clean_name(clean_name(typed)) == clean_name(typed)
    assert unicodedata.is_normalized("NFKC", key)
    clean_name(typed).encode()


def test_a_clean_name_keeps_case_and_joiners_but_no_control_characters() -> None:
    assert clean_name("  Sri\x00  Devi\u202e ") == "Sri Devi"
    assert clean_name("क\u094d\u200dष") == "क\u094d\u200dष"


def test_a_name_is_at_most_120_characters_long() -> None:
    assert clean_name("x" * MAX_NAME) == "x" * MAX_NAME
    with pytest.raises(Invalid, match="at most 120 characters"):
        clean_name("x" * (MAX_NAME + 1))


def test_a_name_whose_key_would_be_far_longer_than_itself_is_refused() -> None:
    ligature = "\ufdfa"  # one character, eighteen in its key
    assert len(name_key(ligature)) == 18
    with pytest.raises(Invalid) as refused:
        clean_name(ligature * 20)
    assert refused.value.code == "name-too-long"


def test_words_searched_for_are_made_storable_and_short() -> None:
    assert search_words(" Sri\x00  Devi\u202e ") == "Sri Devi"
    assert search_words("") == ""
    assert len(search_words("x" * 500)) == MAX_NAME


# ── clock ──


def test_the_clock_can_be_frozen_and_let_go() -> None:
    clock.freeze(utc(2027, 1, 1))
    assert clock.now() == utc(2027, 1, 1)
    clock.freeze(None)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_clock_can_run_on_from_another_day() -> None:
    clock.start_at(utc(2030, 5, 1))
    first, second = clock.now(), clock.now()
    assert utc(2030, 5, 1) <= first <= second < utc(2030, 5, 1, 1)
    clock.start_at(None)
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_the_clock_refuses_a_naive_instant() -> None:
    with pytest.raises(ValueError, match="aware"):
        clock.start_at(utc(2030, 5, 1).replace(tzinfo=None))


def test_today_is_asked_of_a_time_zone() -> None:
    assert clock.today_in("Asia/Kolkata", utc(2027, 1, 1, 20)) == date(2027, 1, 2)
    assert clock.today_in("America/New_York", utc(2027, 1, 1, 4)) == date(2026, 12, 31)
