"""The contract as deployed today: everybody is listed, and asked for one by one where something may have changed.

A trainer is asked for when they are new, when their entry in the list reads otherwise than last time, when a message
named them, or when nobody asked for a day. Beyond the new ones a run asks for five hundred at most.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from types import MappingProxyType
from typing import Final, Literal

from sqlalchemy import or_, select, update

from webapp.clients.trainer_service.said import (
    UNSAID,
    LegacyPage,
    LegacyRow,
    Said,
    SaidTrainer,
    ServiceFailed,
    UnreadableTrainer,
    Unsaid,
)
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceRecord, ServiceState, SyncRun
from webapp.trainers.sync_rules import Contract
from webapp.trainers.syncing import messages, progress
from webapp.trainers.syncing.applying import apply, mark_seen, said_before
from webapp.trainers.syncing.asking import Answers, ask_for
from webapp.trainers.syncing.cursors import AGED, MISSED
from webapp.trainers.syncing.heard import Heard
from webapp.trainers.syncing.lists import Place
from webapp.trainers.syncing.placing import UNREADABLE
from webapp.trainers.syncing.progress import Learned
from webapp.trainers.syncing.records import Record, read_records
from webapp.trainers.syncing.stage import Stage

MOST_ASKED: Final = 500
LONG_AGO: Final = timedelta(hours=24)
AT_A_TIME: Final = 20
"""Trainers that are asked for before what was heard of them is written."""
_NAMELESS: Final = UnreadableTrainer(None, (("trainerId", "missing"),))
LEARNED: Final = Learned(Contract.LEGACY)


@dataclass(slots=True)
class Sorted:
    """A page of the list, by what is to be done with each of its trainers."""

    spent: int
    """How many were asked for beyond the new ones so far."""
    ask: list[LegacyRow] = field(default_factory=list)
    late: list[LegacyRow] = field(default_factory=list)
    """Whose entry changed, but so many were asked for that this has to wait: the entry itself still counts."""
    again: list[str] = field(default_factory=list)
    """Of whom something was left out, or held back: perhaps the desk knows it by now."""
    same: list[Record] = field(default_factory=list)


def take_first(stage: Stage, page: LegacyPage) -> str:
    """Apply the answer that told the contract, which is the list's first page; returns where it goes on."""
    stage.become_full()
    return _take(stage, page, Place())


def take_next(stage: Stage, place: Place) -> str:
    """Ask for a page of the list and apply it; returns where it goes on."""
    return _take(stage, stage.service.legacy_page(place.number), place)


def _take(stage: Stage, page: LegacyPage, place: Place) -> str:
    following = _following(stage, page, place)
    rows = {row.service_id: row for row in page.rows}
    with stage.database.read_only() as db:
        found = _sorted(rows.values(), read_records(db, rows), messages.named(db, stage.claim.started_at), place.spent)
    for some in _chunks([row.service_id for row in found.ask]):
        hear(stage, ask_for(stage, some), rows=rows, cursor=str(place))
    then = f"{AGED}{found.spent}" if following is None else str(replace(following, spent=found.spent))

    def task(work: Work, run: SyncRun, _state: ServiceState) -> None:
        now = stage.now()
        late = [row.service_id for row in found.late]
        before = said_before(work.db, [*found.again, *late])
        heard = [Heard(before[id_], again=True) for id_ in found.again if id_ in before]
        heard += [Heard(_as_listed(before[id_], rows[id_])) for id_ in late if id_ in before]
        counts = apply(work, [*heard, *[Heard(_NAMELESS)] * page.unreadable], stage.cause, now=now)
        mark_seen(work, [*(one.service_id for one in found.same), *found.again, *late], stage.cause, now=now)
        counts.seen += len(found.same)
        counts.unchanged += sum(one.refused_code is None for one in found.same)
        progress.advance(run, cursor=then, now=now, counts=counts, learned=LEARNED, pages=1)

    stage.write(task)
    return then


def _following(stage: Stage, page: LegacyPage, place: Place) -> Place | None:
    """Where the list goes on after a page, if it does. After a list that never ends nobody goes on from its page."""
    try:
        return place.after(page)
    except ServiceFailed:
        stage.write(lambda _work, run, _state: progress.advance(run, cursor=None, now=stage.now(), learned=LEARNED))
        raise


def _sorted(rows: Collection[LegacyRow], known: dict[str, Record], told: Collection[str], spent: int) -> Sorted:
    found = Sorted(spent)
    for row in rows:
        old = known.get(row.service_id)
        if old is None or old.gone_at is not None or row.service_id in told:
            found.ask.append(row)
        elif old.row != row.digest:
            if found.spent < MOST_ASKED:
                found.ask.append(row)
                found.spent += 1
            else:
                found.late.append(row)
        elif old.refused_code != UNREADABLE and (old.refused_code or old.notes or not old.digest):
            found.again.append(row.service_id)
        else:
            found.same.append(old)
    return found


def take_aged(stage: Stage, spent: int) -> str:
    """Ask for those whom nobody asked for in a day, the longest ago first; returns where the run goes on."""
    began = stage.claim.started_at
    due = (
        select(ServiceRecord.service_id)
        .where(
            ServiceRecord.gone_at.is_(None),
            ServiceRecord.seen_run == stage.claim.run_id,
            ServiceRecord.detail_at < began,
            or_(ServiceRecord.detail_at < began - LONG_AGO, ServiceRecord.refused_code == UNREADABLE),
        )
        .order_by(ServiceRecord.detail_at, ServiceRecord.service_id)
        .limit(min(AT_A_TIME, MOST_ASKED - spent))
    )
    with stage.database.read_only() as db:
        ids = [*db.scalars(due)]
        before = said_before(db, ids)
    if not ids:
        stage.write(lambda _work, run, _state: progress.advance(run, cursor=MISSED, now=stage.now()))
        return MISSED
    then = f"{AGED}{spent + len(ids)}"
    hear(stage, ask_for(stage, ids), before=before, cursor=then, listed=True)
    return then


def hear(
    stage: Stage,
    answers: Answers,
    *,
    cursor: str | None,
    rows: Mapping[str, LegacyRow] = MappingProxyType({}),
    before: Mapping[str, SaidTrainer] = MappingProxyType({}),
    listed: bool = False,
    settled: Collection[str] = (),
) -> None:
    """Write what came of asking, and only then see to what went wrong with it.

    Who was ``listed`` was counted then. ``settled``: the messages that were looked into by asking.
    """
    heard = [
        as_heard(stage, said, before.get(id_), rows.get(id_)) for id_, said in answers.said.items() if said is not None
    ]
    unknown = [id_ for id_, said in answers.said.items() if said is None]

    def task(work: Work, run: SyncRun, _state: ServiceState) -> None:
        counts = apply(work, heard, stage.cause, now=stage.now())
        if listed:
            counts.seen = counts.unchanged = 0
        if unknown:  # listed, and yet not there: that is found out no sooner than tomorrow
            asked = update(ServiceRecord).where(ServiceRecord.service_id.in_(unknown)).values(detail_at=stage.now())
            work.db.execute(asked.execution_options(synchronize_session=False))
        messages.settle(work.db, settled, now=stage.now())
        progress.advance(run, cursor=cursor, now=stage.now(), counts=counts, learned=LEARNED)

    stage.write(task)
    if answers.failure is not None:
        raise answers.failure
    stage.check_time()


def as_heard(stage: Stage, said: Said, before: SaidTrainer | None, row: LegacyRow | None = None) -> Heard:
    """What was said of a trainer who was asked for. What stands in the list alone was said there: now, or before."""
    if isinstance(said, SaidTrainer):
        if row is not None:
            said = _filled(said, name=row.name, available=row.available)
        elif before is not None:
            said = _filled(said, name=before.name, available=before.available)
    return Heard(said, row.digest if row is not None else None, asked_at=stage.now())


def _as_listed(said: SaidTrainer, row: LegacyRow) -> SaidTrainer:
    """A trainer with what their entry in the list says instead of what was said of them before."""
    return replace(
        said,
        name=said.name if row.name is UNSAID else row.name,
        available=said.available if row.available is UNSAID else row.available,
    )


def _filled(
    said: SaidTrainer, *, name: str | Literal[Unsaid.UNSAID], available: bool | Literal[Unsaid.UNSAID]
) -> SaidTrainer:
    """A trainer with what was not said of them."""
    return replace(
        said,
        name=name if said.name is UNSAID else said.name,
        available=available if said.available is UNSAID else said.available,
    )


def _chunks(ids: Sequence[str]) -> Iterator[Sequence[str]]:
    for begin in range(0, len(ids), AT_A_TIME):
        yield ids[begin : begin + AT_A_TIME]
