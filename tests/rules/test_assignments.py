"""Who can take a whole booking, why not, and in which order (rules T1 to T11, A4 and A5)."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from datetime import date, time, timedelta
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.rules.builders import (
    COURSE,
    EVERY_DAY,
    HOME,
    KOLKATA,
    NEW_YORK,
    NOW,
    OTHER_COURSE,
    OTHER_OPERATOR,
    OTHER_ZONE,
    ZONE,
    a_hybrid_request,
    a_need,
    a_request,
    a_slot_before,
    a_trainer,
    a_verdict,
    an_actor,
    clock_time,
    utc,
)
from webapp.assignments.fixes import MoveSession
from webapp.assignments.reasons import FACTS, SENTENCES, Fact, plain_km
from webapp.assignments.rules import (
    HOLD_HOURS,
    MOVES,
    AssignmentStatus,
    CourseNeed,
    Preference,
    Reason,
    ReasonCode,
    TrainerFacts,
    Verdict,
    assess,
    hold_expires_at,
    may_decide,
    moved,
    rank,
)
from webapp.bookings.rules import DeliveryMode, plan_sessions
from webapp.core.actor import SYSTEM, Role
from webapp.core.errors import Conflict, Forbidden, RuleBroken
from webapp.core.geo import Location, distance_km
from webapp.core.intervals import Interval
from webapp.trainers.rules import WorkingHours, open_periods

SIX_KM_NORTH = Location(HOME.lat + 6.2 / 111.195, HOME.lng)
FACTS_OF_SOME: dict[str, Fact] = {"count": 3, "total": 30, "first": "2027-01-12T09:00"}


def reasons(trainer: TrainerFacts, need: CourseNeed | None = None) -> list[str]:
    return [str(reason) for reason in assess(need or a_need(), trainer).reasons]


# ── T1 to T8, T10: one failed rule each ──


def test_a_trainer_with_nothing_in_the_way_is_eligible() -> None:
    verdict = assess(a_need(), a_trainer())
    assert verdict.eligible
    assert (verdict.reasons, verdict.distance_km, verdict.preferences_met) == ((), 0.0, 0)


@pytest.mark.parametrize(
    ("changes", "code", "sentence"),
    [
        ({"active": False}, "inactive", "Not active"),
        ({"course_ids": frozenset({OTHER_COURSE})}, "not_certified", "Not certified for this course"),
        ({"course_ids": frozenset()}, "not_certified", "Not certified for this course"),
        (
            {"course_ids": frozenset({COURSE, OTHER_COURSE, UUID(int=23), UUID(int=24)})},
            "too_many_courses",
            "Certified for 4 courses, limit 3",
        ),
        ({"operator_id": OTHER_OPERATOR}, "other_operator", "Works for another operator"),
        ({"zone_ids": frozenset({OTHER_ZONE})}, "other_zone", "Does not work in this zone"),
        ({"base": None}, "no_location", "No base location known"),
        ({"base": SIX_KM_NORTH}, "too_far", "6.2 km away, limit 3 km"),
        ({"hours": ()}, "no_hours", "No working hours known"),
        (
            {"hours": EVERY_DAY[:6]},
            "outside_hours",
            "Outside working hours in 2 of 10 sessions, first 10 Jan 18:20",
        ),
        (
            {"away": (Interval(utc(2027, 1, 12), utc(2027, 1, 14)),)},
            "off",
            "Away in 2 of 10 sessions, first 12 Jan 18:20",
        ),
        (
            {"busy": (Interval(utc(2027, 1, 19, 13, 20), utc(2027, 1, 19, 14)),)},
            "busy",
            "Busy in 1 of 10 sessions, first 19 Jan 18:20",
        ),
        ({"blocked": True}, "blocked", "Kept apart from this family"),
    ],
)
def test_t11_each_failed_rule_is_named_with_its_facts(changes: dict[str, Any], code: str, sentence: str) -> None:
    verdict = assess(a_need(), a_trainer(**changes))
    assert not verdict.eligible
    assert [(reason.code.value, str(reason)) for reason in verdict.reasons] == [(code, sentence)]


def test_t11_every_failed_rule_is_told_and_not_the_first_alone() -> None:
    away = Interval(utc(2027, 1, 1), utc(2027, 3, 1))
    hopeless = a_trainer(
        active=False,
        course_ids=frozenset(UUID(int=n) for n in range(90, 95)),
        operator_id=OTHER_OPERATOR,
        zone_ids=frozenset(),
        base=SIX_KM_NORTH,
        hours=(WorkingHours(0, time(9), time(10)),),
        away=(away,),
        busy=(away,),
        taken=(a_slot_before(a_need().sessions[0]),),
        blocked=True,
    )
    told = {reason.code for reason in assess(a_need(), hopeless).reasons}
    assert told == set(ReasonCode) - {ReasonCode.NO_LOCATION, ReasonCode.NO_HOURS}
    assert {reason.code for reason in assess(a_need(), replace(hopeless, base=None, hours=())).reasons} == (
        set(ReasonCode) - {ReasonCode.TOO_FAR, ReasonCode.OUTSIDE_HOURS}
    )


def test_t3_the_limit_of_courses_is_a_setting() -> None:
    trainer = a_trainer(course_ids=frozenset({COURSE, OTHER_COURSE}))
    assert assess(a_need(), trainer, max_courses=2).eligible
    assert str(assess(a_need(), trainer, max_courses=1).reasons[0]) == "Certified for 2 courses, limit 1"


def test_t4_a_session_that_touches_a_taken_slot_is_free() -> None:
    before = Interval(utc(2027, 1, 10, 12, 10), utc(2027, 1, 10, 12, 50))
    after = Interval(utc(2027, 1, 10, 13, 30), utc(2027, 1, 10, 14, 10))
    assert reasons(a_trainer(busy=(after, before))) == []


def test_t4_online_sessions_take_the_trainer_too() -> None:
    need = a_need(a_hybrid_request())
    online = need.sessions[0].period
    assert reasons(a_trainer(busy=(online,)), need) == ["Busy in 1 of 30 sessions, first 4 Jan 16:00"]


def test_t8_a_trainer_exactly_at_the_limit_is_within_reach() -> None:
    away_km = distance_km(SIX_KM_NORTH, HOME)
    assert reasons(a_trainer(base=SIX_KM_NORTH), a_need(reach_km=away_km)) == []
    assert len(reasons(a_trainer(base=SIX_KM_NORTH), a_need(reach_km=away_km - 0.001))) == 1


def test_t8_a_distance_is_never_worded_as_its_own_limit() -> None:
    assert [plain_km(km) for km in (3.0, 3.001, 6.2, 0.0, 120.0)] == ["3", "3.001", "6.2", "0", "120"]


# ── T5: working hours ──


def test_t5_touching_hours_hold_a_session_across_their_border() -> None:
    split = tuple(
        WorkingHours(day, *ends) for day in range(7) for ends in ((time(18, 30), time(21)), (time(9), time(18, 30)))
    )
    assert reasons(a_trainer(hours=split)) == []


def test_t5_a_minute_between_two_periods_is_outside() -> None:
    split = tuple(
        WorkingHours(day, *ends) for day in range(7) for ends in ((time(9), time(18, 30)), (time(18, 31), time(21)))
    )
    assert reasons(a_trainer(hours=split)) == ["Outside working hours in 10 of 10 sessions, first 10 Jan 18:20"]


def test_t5_hours_may_end_at_midnight_with_the_last_session() -> None:
    late = a_need(a_request(timeslot=time(23, 20)))
    until = {ends: tuple(WorkingHours(day, time(12), ends) for day in range(7)) for ends in (time(0), time(23, 59))}
    assert reasons(a_trainer(hours=until[time(0)]), late) == []
    assert len(reasons(a_trainer(hours=until[time(23, 59)]), late)) == 1


def test_t5_hours_are_those_of_the_trainers_own_time_zone() -> None:
    nine_to_five = tuple(WorkingHours(day, time(9), time(17)) for day in range(7))
    in_new_york = a_trainer(hours=nine_to_five, time_zone=NEW_YORK)
    assert reasons(in_new_york) == ["Outside working hours in 10 of 10 sessions, first 10 Jan 18:20"]
    evening = a_need(a_request(timeslot=time(20)))  # 09:30 in New York
    assert reasons(in_new_york, evening) == []


def test_t5_on_the_night_clocks_go_back_hours_count_in_real_time() -> None:
    # 01:40 to 01:20, an hour of the wall clock repeated in between; hours until 01:50 end before that.
    need = a_need(a_request(start_date=date(2027, 11, 7), timeslot=time(1, 40), time_zone=NEW_YORK))
    until = {ends: tuple(WorkingHours(d, time(1), ends) for d in range(7)) for ends in (time(1, 50), time(2, 20))}
    short, long = (a_trainer(hours=until[ends], time_zone=NEW_YORK) for ends in (time(1, 50), time(2, 20)))
    assert reasons(short, need) == ["Outside working hours in 10 of 10 sessions, first 7 Nov 01:40"]
    assert reasons(long, need) == []


def test_t5_a_session_in_the_repeated_hour_is_later_than_hours_that_start_in_the_first() -> None:
    # The second session of that Sunday starts at 01:20 for the second time, after 01:30 was there for the first time.
    sundays = a_request(
        delivery_mode=DeliveryMode.SUNDAY_ONLY, start_date=date(2027, 11, 7), timeslot=time(1, 40), time_zone=NEW_YORK
    )
    need = a_need(sessions=plan_sessions(sundays)[:2], time_zone=NEW_YORK)
    from_half_past_one = a_trainer(hours=(WorkingHours(6, time(1, 30), time(3)),), time_zone=NEW_YORK)
    assert reasons(from_half_past_one, need) == []


weeks = st.lists(
    st.tuples(st.integers(0, 6), st.integers(0, 23), st.integers(1, 12)).map(
        lambda p: WorkingHours(p[0], time(p[1], 30 * (p[2] % 2)), time((p[1] + p[2]) % 24 if p[1] + p[2] < 24 else 0))
    ),
    min_size=1,
    max_size=20,
)


@given(
    weeks.map(lambda week: tuple(h for h in week if h.start_minute < h.end_minute)),
    st.sampled_from([KOLKATA, NEW_YORK, "Europe/Berlin", "Australia/Lord_Howe", "America/Santiago"]),
    st.sampled_from([date(2027, 1, 4), date(2027, 3, 1), date(2027, 3, 28), date(2027, 9, 5), date(2027, 11, 1)]),
    st.integers(0, 94).map(lambda quarter: clock_time(15 * quarter)),
    st.sampled_from(DeliveryMode),
)
def test_t5_the_quick_answer_is_that_of_looking_at_every_session(
    week: tuple[WorkingHours, ...], time_zone: str, start: date, timeslot: time, mode: DeliveryMode
) -> None:
    request = a_hybrid_request(delivery_mode=mode, start_date=start, timeslot=timeslot, time_zone=time_zone)
    need = a_need(replace(request, timeslot=min(timeslot, time(22, 30))))
    outside = []
    for session in need.sessions:
        on = session.starts_at.astimezone(ZoneInfo(time_zone)).date()
        if not any(working.contains(session.period) for working in open_periods(week, on, time_zone)):
            outside.append(session)
    found = list(assess(need, a_trainer(hours=week, time_zone=time_zone)).reasons)
    if not week:
        assert [r.code for r in found] == [ReasonCode.NO_HOURS]
    elif outside:
        first = outside[0].starts_at.astimezone(ZoneInfo(time_zone))
        facts: dict[str, Fact] = {"count": len(outside), "total": 30, "first": f"{first:%Y-%m-%dT%H:%M}"}
        assert found == [Reason(ReasonCode.OUTSIDE_HOURS, facts)]
    else:
        assert found == []


@given(st.lists(st.tuples(st.integers(-300, 16000), st.integers(1, 3000)), max_size=10))
def test_t4_the_busy_sessions_are_those_that_overlap(taken: list[tuple[int, int]]) -> None:
    need = a_need()
    start = need.sessions[0].starts_at
    busy = tuple(
        Interval(start + timedelta(minutes=at), start + timedelta(minutes=at + length)) for at, length in taken
    )
    hit = [s for s in need.sessions if any(s.period.overlaps(period) for period in busy)]
    found = assess(need, a_trainer(busy=busy)).reasons
    assert [reason.facts["count"] for reason in found] == ([len(hit)] if hit else [])


# ── the need ──


def test_a_need_puts_its_sessions_in_order() -> None:
    sessions = plan_sessions(a_request())
    need = a_need(sessions=sessions[::-1])
    assert (need.sessions, need.total) == (sessions, 10)
    assert need == a_need()


def test_a_need_without_sessions_or_with_overlapping_ones_is_a_bug() -> None:
    sessions = plan_sessions(a_request())
    for unsound in ((), (*sessions, sessions[3])):
        with pytest.raises(RuleBroken, match="do not overlap"):
            a_need(sessions=unsound)


# ── T10: preferences ──


def test_t10_each_wish_that_is_met_is_told() -> None:
    trainer = a_trainer(languages=frozenset({"te", "en"}), gender="female", taught_students=True)
    need = a_need(
        prefers_language="te",
        prefers_gender="female",
        prefers_taught_before=True,
        prefers_trainers=frozenset({trainer.id}),
    )
    verdict = assess(need, trainer)
    assert (verdict.preferences, verdict.preferences_met) == (tuple(Preference), 4)


def test_t10_wishes_never_refuse_and_nobody_meets_a_wish_not_made() -> None:
    picky = a_need(
        prefers_language="hi",
        prefers_gender="male",
        prefers_taught_before=True,
        prefers_trainers=frozenset({UUID(int=7)}),
    )
    verdict = assess(picky, a_trainer(languages=frozenset({"te"}), gender="female"))
    assert verdict.eligible
    assert verdict.preferences == ()
    assert assess(a_need(), a_trainer(languages=frozenset({"te"}), taught_students=True)).preferences == ()
    assert assess(a_need(), a_trainer(gender=None)).preferences == ()


# ── ranking ──


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"preferences": (Preference.GENDER,), "distance_km": 2.9}, {"distance_km": 0.1}),
        ({"distance_km": 0.499, "booked_minutes": 400}, {"distance_km": 0.5}),
        ({"distance_km": 0.999, "booked_minutes": 40}, {"distance_km": 0.5, "booked_minutes": 80}),
        ({"booked_minutes": 40}, {"booked_minutes": 80, "taught_before": True}),
        ({"taught_before": True}, {"taught_before": False}),
        ({}, {"trainer_id": UUID(int=101)}),
    ],
)
def test_the_eligible_are_ranked_rule_by_rule(better: dict[str, Any], worse: dict[str, Any]) -> None:
    # Ids speak against the better one unless the ids themselves decide.
    first = a_verdict(trainer_id=UUID(int=100 if not better else 300), **better)
    second = a_verdict(**{"trainer_id": UUID(int=200)} | worse)
    assert rank([second, first]) == rank([first, second]) == [first, second]


def test_those_who_cannot_come_last_fewest_reasons_first_then_by_name() -> None:
    one, two = Reason(ReasonCode.INACTIVE), Reason(ReasonCode.OTHER_ZONE)
    able = a_verdict(name="Zara", distance_km=2.9)
    bela = a_verdict(name="bela", reasons=(one,), trainer_id=UUID(int=1))
    chitra = a_verdict(name="Chitra", reasons=(two,), distance_km=None)
    twice = a_verdict(name="Anu", reasons=(one, two))
    assert rank([twice, chitra, bela, able]) == [able, bela, chitra, twice]


def test_steps_of_distance_are_whole_500_m() -> None:
    steps = [a_verdict(distance_km=km).distance_step for km in (0.0, 0.499, 0.5, 1.0, 1.499, 2.999, 3.0)]
    assert steps == [0, 0, 1, 2, 2, 5, 6]
    assert a_verdict(distance_km=None).distance_step == 0


@given(
    st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3), st.booleans(), st.booleans()), max_size=10), st.randoms()
)
def test_the_order_does_not_depend_on_the_order_of_asking(
    drawn: list[tuple[int, int, bool, bool]], shuffler: random.Random
) -> None:
    verdicts = [
        a_verdict(
            trainer_id=UUID(int=n),
            distance_km=km / 2,
            booked_minutes=minutes,
            taught_before=taught,
            reasons=() if able else (Reason(ReasonCode.INACTIVE),),
        )
        for n, (km, minutes, taught, able) in enumerate(drawn)
    ]
    shuffled = list(verdicts)
    shuffler.shuffle(shuffled)
    assert rank(shuffled) == rank(verdicts)
    assert [v.eligible for v in rank(verdicts)] == sorted((v.eligible for v in verdicts), reverse=True)


# ── T11: reasons that are stored and said ──


@pytest.mark.parametrize("code", list(ReasonCode))
def test_t11_every_reason_survives_storing_and_has_a_sentence_for_all_its_facts(code: ReasonCode) -> None:
    facts: dict[str, Fact] = {name: FACTS_OF_SOME.get(name, 4) for name in FACTS[code]}
    reason = Reason(code, facts)
    assert Reason.from_json(json.loads(json.dumps(reason.to_json()))) == reason
    sentence, words = reason.sentence()
    assert sentence == SENTENCES[code]
    assert all(f"%({name})s" in sentence for name in words)
    assert set(words) == FACTS[code]
    assert "%" not in str(reason)


def test_t11_the_words_of_the_domain() -> None:
    assert str(Reason(ReasonCode.BUSY, FACTS_OF_SOME)) == "Busy in 3 of 30 sessions, first 12 Jan 09:00"
    assert str(Reason(ReasonCode.TOO_FAR, {"km": 6.2, "limit_km": 3.0})) == "6.2 km away, limit 3 km"


def test_t11_one_session_is_not_counted() -> None:
    one: dict[str, Fact] = {"count": 1, "total": 1, "first": "2027-01-12T09:00"}
    assert str(Reason(ReasonCode.BUSY, one)) == "Busy on 12 Jan 09:00"
    tight = Reason(ReasonCode.TRAVEL, one | {"gap": 10, "need": 25})
    assert str(tight) == "Too little time for the way before or after 12 Jan 09:00: 10 min, 25 min needed"


def test_t11_a_page_words_moments_and_distances_its_own_way() -> None:
    _, words = Reason(ReasonCode.BUSY, FACTS_OF_SOME).sentence(moment=lambda local: f"{local:%d.%m.}")
    assert words["first"] == "12.01."
    _, words = Reason(ReasonCode.TOO_FAR, {"km": 6.2, "limit_km": 3.0}).sentence(
        km=lambda km: f"{km:.1f}".replace(".", ",")
    )
    assert words == {"km": "6,2", "limit_km": "3,0"}


@pytest.mark.parametrize(
    ("code", "facts"),
    [
        (ReasonCode.BUSY, {"count": 3, "total": 30}),
        (ReasonCode.BUSY, FACTS_OF_SOME | {"student": "Ravi"}),
        (ReasonCode.BLOCKED, {"because": "a complaint"}),
    ],
)
def test_t11_a_reason_tells_nothing_beyond_its_facts(code: ReasonCode, facts: dict[str, Fact]) -> None:
    with pytest.raises(ValueError, match="carries"):
        Reason(code, facts)


def test_t11_an_unknown_stored_reason_is_an_error() -> None:
    with pytest.raises(ValueError, match="gossip"):
        Reason.from_json({"code": "gossip", "facts": {}})


def test_t11_a_verdict_survives_storing() -> None:
    need = a_need(prefers_gender="female")
    for trainer in (a_trainer(gender="female"), a_trainer(base=None, away=(Interval(NOW, utc(2028, 1, 1)),))):
        verdict = assess(need, trainer)
        assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_t11_a_verdict_with_a_fix_survives_storing() -> None:
    fix = MoveSession(free=9, total=10, number=4, on=date(2027, 1, 13), to_time=time(10, 20))
    verdict = a_verdict(free=9, total=10, fix=fix)
    assert Verdict.from_json(json.loads(json.dumps(verdict.to_json()))) == verdict


def test_t11_a_verdict_stored_before_fixes_were_kept_can_still_be_read() -> None:
    stored = a_verdict(free=10, total=10).to_json()
    for name in ("free", "total", "fix"):
        del stored[name]
    assert Verdict.from_json(stored) == a_verdict()


def test_t11_a_verdict_counts_the_sessions_with_nothing_in_the_way() -> None:
    trainer = a_trainer(
        away=(Interval(utc(2027, 1, 12), utc(2027, 1, 14)),),
        busy=(Interval(utc(2027, 1, 13), utc(2027, 1, 15)),),
        active=False,
    )
    assert (assess(a_need(), trainer).free, assess(a_need(), trainer).total) == (7, 10)
    assert assess(a_need(), a_trainer(hours=())).free == 0


def test_t11_nothing_tells_whom_a_trainer_teaches() -> None:
    stored = assess(a_need(), a_trainer(busy=(Interval(utc(2027, 1, 10), utc(2027, 1, 11)),))).to_json()
    assert set(stored) == {
        "trainer_id",
        "name",
        "reasons",
        "distance_km",
        "preferences",
        "booked_minutes",
        "taught_before",
        "free",
        "total",
        "fix",
    }
    assert stored["reasons"] == [{"code": "busy", "facts": {"count": 1, "total": 10, "first": "2027-01-10T18:20"}}]


# ── A4, A5 and the life of an assignment ──


def test_a4_a_hold_ends_after_its_hours_or_with_the_first_session() -> None:
    assert hold_expires_at(NOW, NOW + timedelta(days=9)) == NOW + timedelta(hours=HOLD_HOURS)
    assert hold_expires_at(NOW, NOW + timedelta(hours=5)) == NOW + timedelta(hours=5)
    assert hold_expires_at(NOW, NOW + timedelta(days=9), hold_hours=2) == NOW + timedelta(hours=2)


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.COMPANY_STAFF, Role.AUDITOR, None])
def test_a4_only_managers_and_admins_decide(role: Role | None) -> None:
    with pytest.raises(Forbidden) as refused:
        may_decide(UUID(int=51), an_actor(role), four_eyes=False)
    assert refused.value.code == "approve-role"


@pytest.mark.parametrize("role", [Role.FRANCHISE_MANAGER, Role.ADMIN])
def test_a5_nobody_approves_what_they_proposed_unless_the_setting_allows_it(role: Role) -> None:
    manager = an_actor(role)
    may_decide(UUID(int=51), manager, four_eyes=True)
    may_decide(manager.id, manager, four_eyes=False)
    may_decide(manager.id, manager, four_eyes=True, approve=False)
    with pytest.raises(Forbidden) as refused:
        may_decide(manager.id, manager, four_eyes=True)
    assert refused.value.code == "own-proposal"


def test_a4_the_desk_itself_approves_also_what_it_proposed() -> None:
    may_decide(SYSTEM.id, SYSTEM, four_eyes=True)
    may_decide(UUID(int=51), SYSTEM, four_eyes=True)


def test_an_assignment_lives_as_drawn() -> None:
    assert set(MOVES) == set(AssignmentStatus)
    ends = {to for to in AssignmentStatus if to in MOVES[AssignmentStatus.PROPOSED]}
    assert ends == {"approved", "rejected", "expired", "withdrawn"}
    assert moved(AssignmentStatus.APPROVED, AssignmentStatus.REPLACED) is AssignmentStatus.REPLACED
    with pytest.raises(Conflict, match="is rejected and cannot become approved") as refused:
        moved(AssignmentStatus.REJECTED, AssignmentStatus.APPROVED)
    assert refused.value.code == "assignment-move"


def test_t7_and_t6_hold_for_trainers_of_several_zones() -> None:
    assert reasons(a_trainer(zone_ids=frozenset({ZONE, OTHER_ZONE}))) == []
