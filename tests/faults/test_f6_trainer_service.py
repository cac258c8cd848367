"""The trainer service is ill, then dead: pages stay quick and tell how old the roster is, bookings go on.

A whole desk is asked for twenty pages a second while the service, at the end of a bad line, is healthy, then answers
two seconds late and three times in ten not at all or with rubbish, heals, dies, and heals. The desk must ask an ill
service no more than a healthy one.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from tests.bench.report import Row, at_least, at_most
from tests.bench.trainer_service import RosterSizes, TrainerServiceBench
from tests.faults.page_views import (
    Visitors,
    asked_between,
    badges_of_fresh,
    good_percent,
    older_than,
    within_ms,
    without_badge,
)
from tests.faults.roster_desk import Deed, RosterDesk, roster_desk
from tests.faults.roster_story import HOOK_SECRET, RATE, Story, live
from tests.faults.world import FOLDER, SEED, FaultWorld, exactly, none_of, report, sized
from tests.services import ROOT, Servers

pytestmark = pytest.mark.faults

TRAINERS = 1000
HEALTHY_SECONDS = 60
ILL_SECONDS = sized(120, 600)
DEAD_SECONDS = sized(60, 600)
FRESH = timedelta(seconds=10)
LIMIT = timedelta(seconds=24)
"""Approvals on a roster older than this are looked at again."""
HEALED_WITHIN = 60.0
SETTINGS = {
    "TRAINER_SYNC_SECONDS": "3",
    "TRAINER_SERVICE_HOOK_SECRETS": HOOK_SECRET,
    "TRAINER_FRESH_SECONDS": str(int(FRESH.total_seconds())),
    "TRAINER_RECHECK_MINUTES": str(LIMIT.total_seconds() / 60),
}
KINDS = (
    *("500", "503", "429", "reset", "hang", "drip", "bad-json", "html", "wrong-types", "truncated", "wrong-length"),
    *("huge", "huge-chunked", "redirect"),
)
ERRORS = 0.3
LATE_MS = 2000


PARTS = ("f6_trainer_service", "f6_full_load", "f6_assignments")
ALL_OF_IT = ROOT / "var" / "bench" / "trainer_service.json"


def tell(part: str, *rows: Row) -> None:
    """``report`` a part, and keep the figures of all parts, as last measured, in one file."""
    try:
        report(part, *rows)
    finally:
        measured = [FOLDER / f"{name}.json" for name in PARTS]
        found = [row for path in measured if path.exists() for row in json.loads(path.read_text("utf-8"))["rows"]]
        ALL_OF_IT.parent.mkdir(parents=True, exist_ok=True)
        told = {"part": ALL_OF_IT.stem, "seed": SEED, "rows": found}
        ALL_OF_IT.write_text(json.dumps(told, indent=1) + "\n", "utf-8")


def fall_ill(desk: RosterDesk) -> None:
    """The service fails in every way by turns, behind a slow line."""
    desk.service.set(rates=dict.fromkeys(KINDS, ERRORS / len(KINDS)))
    desk.proxy.set(latency_ms=LATE_MS)


def heal(desk: RosterDesk) -> float:
    """All is well again; after how many seconds the roster is fresh."""
    desk.service.clear()
    desk.proxy.heal()
    return desk.until(lambda: desk.is_fresh(FRESH), 2 * HEALED_WITHIN)


def test_an_ill_and_a_dead_trainer_service_cost_nobody_a_page_a_booking_or_a_change(
    world: FaultWorld, tmp_path: Path
) -> None:
    with roster_desk(world, tmp_path, SETTINGS, trainers=TRAINERS) as desk:
        story = Story(desk.log)
        with desk.watched():
            # The first pages of a process take longer: nobody is measured by them.
            Visitors(desk.port, desk.visits, seed=SEED).look("first", seconds=5, rate=RATE)
            live(desk, story, "healthy", HEALTHY_SECONDS)
            fall_ill(desk)
            live(desk, story, "ill", ILL_SECONDS)
            met = desk.service.counts()
            healed = heal(desk)
            live(desk, story, "well", 20)
            desk.proxy.dead()
            live(desk, story, "dead", DEAD_SECONDS)
            revived = heal(desk)
            rechecked = desk.until(lambda: not desk.rows(OPEN_RECHECKS), HEALED_WITHIN)
            arrived = desk.until(lambda: not lost_changes(desk, story), HEALED_WITHIN)
        failed = sum(count for name, count in met.items() if name.startswith("fault "))
        print(f"calls a minute: {story.calls_a_minute}\nwhile it was ill: {met}")
        tell(
            "f6_trainer_service",
            *rows_of_pages(story),
            at_most("upstream calls, ill against healthy", calls_ratio(story, "ill"), "times", 1.1),
            Row("upstream calls, healthy", story.calls_a_minute["healthy"], "a minute"),
            at_least("  of its answers failed", failed, f"of {met['requests']}", 1),
            *rows_of_badges(story),
            at_most("ill, then healed: fresh after", healed, "s", HEALED_WITHIN),
            at_most("dead, then healed: fresh after", revived, "s", HEALED_WITHIN),
            at_most("dead, then healed: everything rechecked after", rechecked, "s", HEALED_WITHIN),
            at_most("changes of the service arrived after", arrived, "s", HEALED_WITHIN),
            *rows_of_deeds(desk, story),
            *none_of(world.breaches()),
        )


OPEN_RECHECKS = "SELECT id FROM assignments WHERE recheck_since IS NOT NULL AND rechecked_at IS NULL"


def calls_ratio(story: Story, phase: str) -> float:
    """How often the service was asked in a phase, against health."""
    return story.calls_a_minute[phase] / story.calls_a_minute["healthy"]


def rows_of_pages(story: Story) -> Iterator[Row]:
    """How pages did, and the probe of whoever watches over the desk."""
    for phase in ("healthy", "ill", "dead"):
        views = story.of(phase)
        yield at_least(f"{phase}: good pages of {len(views)}", good_percent(views), "%", 99.9)
        yield at_most(f"{phase}: 95th percentile", within_ms(views, 95), "ms", 500)
        yield Row(f"{phase}: median", within_ms(views, 50), "ms")
    yield at_least("good answers of /healthz", good_percent(story.health), "%", 99.9)
    yield at_most("/healthz, 99th percentile", within_ms(story.health, 99), "ms", 200)


def rows_of_badges(story: Story) -> Iterator[Row]:
    """Whether views tell how old the roster is, and only when it is old."""
    stale, expired = (older_than(story.views, story.log, than) for than in (FRESH, LIMIT))
    yield at_least("views of a stale roster", len(stale), "", RATE * DEAD_SECONDS / 2)
    yield exactly("  without a badge", len(without_badge(stale, "stale", "expired")), 0)
    yield at_least("views of an expired roster", len(expired), "", RATE * DEAD_SECONDS / 4)
    yield exactly("  without its badge", len(without_badge(expired, "expired")), 0)
    yield exactly("views of a fresh roster with a badge", len(badges_of_fresh(story.views, story.log, FRESH)), 0)


def rows_of_deeds(desk: RosterDesk, story: Story) -> Iterator[Row]:
    """What people did, and whether it is there."""
    every_one = [deed for deeds in story.proposals.values() for deed in deeds]
    for phase, deeds in story.proposals.items():
        refused = sum(deed.status != 303 for deed in deeds)
        yield exactly(f"{phase}: proposals of {len(deeds)} that were refused", refused, 0)
    dead = [deed for deed in story.proposals["dead"] if was_stale(story, deed)]
    yield at_least("dead: proposals on a stale roster", len(dead), "", 1)
    yield exactly("  sent on to a page without a badge", sum(deed.badge is None for deed in dead), 0)
    yield exactly("proposals lost", len(lost(desk, every_one, "assignments")), 0)
    yield exactly("approvals refused", sum(deed.status != 303 for deed in story.approvals), 0)
    old = [deed for deed in story.approvals if story.log.surely_older(deed.asked_at, deed.answered_at, LIMIT)]
    young = [deed for deed in story.approvals if story.log.surely_younger(deed.asked_at, deed.answered_at, LIMIT)]
    marked = {row[0] for row in desk.rows("SELECT booking_id FROM assignments WHERE recheck_since IS NOT NULL")}
    yield at_least("approvals on an expired roster", len(old), "", 1)
    yield exactly("  not marked to be rechecked", sum(deed.booking_id not in marked for deed in old), 0)
    yield exactly("approvals on a fresh roster marked all the same", sum(d.booking_id in marked for d in young), 0)
    yield exactly("marked and never rechecked", len(desk.rows(OPEN_RECHECKS)), 0)
    yield exactly(f"messages of {len(story.renamed)} changes that were refused", story.messages_refused, 0)
    yield exactly("changes of the service lost", len(lost_changes(desk, story)), 0)


def was_stale(story: Story, deed: Deed) -> bool:
    return story.log.surely_older(deed.asked_at, deed.answered_at, FRESH)


def lost(desk: RosterDesk, deeds: list[Deed], table: str) -> set[UUID]:
    """The bookings that were said to be proposed and are not."""
    there = {row[0] for row in desk.rows(f"SELECT booking_id FROM {table} WHERE status IN ('proposed', 'approved')")}
    return {deed.booking_id for deed in deeds if deed.status == 303} - there


def lost_changes(desk: RosterDesk, story: Story) -> set[tuple[str, str]]:
    """The names that the service has given and the desk has not."""
    known = desk.rows("SELECT service_id, name FROM trainers WHERE service_id IS NOT NULL")
    return {*story.renamed.items()} - {(str(service_id), str(name)) for service_id, name in known}


def test_a_roster_of_ten_thousand_is_loaded_with_few_requests_and_no_change_costs_one(servers: Servers) -> None:
    found = TrainerServiceBench(servers, RosterSizes(10_000), print).run()
    tell("f6_full_load", *found.rows)


def test_no_assignment_asks_the_trainer_service(world: FaultWorld, tmp_path: Path) -> None:
    """The roster is loaded, and not looked at again for an hour: whatever the service hears now, a booking asked."""
    number = sized(20, 100)
    with roster_desk(world, tmp_path, {"TRAINER_SYNC_SECONDS": "3600"}, trainers=TRAINERS) as desk:
        desk.service.reset_counts()
        proposed = [desk.propose() for _ in range(number)]
        approved = [desk.approve(deed.booking_id) for deed in proposed]
        asked = asked_between(desk.service.requests(), [deed.span for deed in (*proposed, *approved)])
        tell(
            "f6_assignments",
            exactly("proposed", sum(deed.status == 303 for deed in proposed), number),
            exactly("approved", sum(deed.status == 303 for deed in approved), number),
            exactly("requests to the trainer service meanwhile", asked, 0),
            exactly("requests to the trainer service at all", desk.service.asked, 0),
            *none_of(world.breaches()),
        )
