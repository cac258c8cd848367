"""The last parts of a run: who was missed, who has left, who gets another chance; then it is done."""

from __future__ import annotations

from typing import Final

from sqlalchemy import select, text

from webapp.clients.trainer_service.said import Fault, ServiceFailed
from webapp.db.work import Work
from webapp.trainers.sync_models import ServiceRecord, ServiceState, SyncRun
from webapp.trainers.sync_rules import Contract
from webapp.trainers.syncing import leaving, progress
from webapp.trainers.syncing.applying import apply, remembered, said_before
from webapp.trainers.syncing.asking import ask_for
from webapp.trainers.syncing.cursors import AGAIN, LEAVE
from webapp.trainers.syncing.deployed import AT_A_TIME, as_heard
from webapp.trainers.syncing.heard import Counts, Heard
from webapp.trainers.syncing.placing import (
    FRANCHISE_UNKNOWN,
    FRANCHISE_UNSAID,
    NO_TIME_ZONE,
    OPERATOR_CHANGED,
    ZONE_OF_ANOTHER,
    ZONES_TIME_ZONE,
    ZONES_UNKNOWN,
)
from webapp.trainers.syncing.stage import Stage

BATCH: Final = 500
SUSPICIOUS: Final = 3
"""When so many are asked for and all are unknown, something on the way may be what answers; as many of those whom the
list names are asked for to tell."""
_OF_ZONES: Final = [ZONE_OF_ANOTHER, ZONES_TIME_ZONE, ZONES_UNKNOWN, NO_TIME_ZONE]
_OF_FRANCHISES: Final = [FRANCHISE_UNKNOWN, FRANCHISE_UNSAID, OPERATOR_CHANGED]

# Zones and courses change at the desk without anybody telling the run. A whole franchise that nobody has linked is left
# alone: nothing but a link helps it.
_HELPABLE: Final = text("""
SELECT r.service_id, r.said FROM trainer_service_records r
WHERE r.refused_at IS NOT NULL AND r.gone_at IS NULL AND r.service_id > :after
  AND (r.refused_code = ANY(:of_zones) OR (r.refused_code = ANY(:of_franchises) AND EXISTS (
      SELECT FROM trainer_service_links l
      WHERE (l.kind = 'trainer' AND l.external_id = r.service_id)
         OR (l.kind = 'franchise' AND l.external_id = r.said ->> 'franchiseId'))))
ORDER BY r.service_id LIMIT :limit
""")


def count_missed(stage: Stage) -> str:
    """Count whom the run did not see; returns where it goes on. Raises ``Shrunk``."""

    def task(work: Work, run: SyncRun, _state: ServiceState) -> None:
        leaving.count_missed(work.db, run)
        progress.advance(run, cursor=LEAVE, now=stage.now())

    stage.write(task)
    return LEAVE


def let_leave(stage: Stage) -> str:
    """Take those to have left whom two runs in a row missed; returns where the run goes on.

    A list may leave somebody out whom the deployed contract still knows: so it is asked before.
    """
    with stage.database.read_only() as db:
        legacy = db.get_one(SyncRun, stage.claim.run_id).contract is Contract.LEGACY
        ids = leaving.long_missed(db, limit=AT_A_TIME if legacy else leaving.BATCH)
        before = said_before(db, ids if legacy else ())
    answers = ask_for(stage, ids if legacy else ())
    if len(ids) >= SUSPICIOUS and [*answers.said.values()] == [None] * len(ids):
        _check_that_anybody_is_known(stage)
    there = [as_heard(stage, said, before.get(id_)) for id_, said in answers.said.items() if said is not None]
    gone = [id_ for id_, said in answers.said.items() if said is None] if legacy else ids

    def task(work: Work, run: SyncRun, _state: ServiceState) -> None:
        counts = apply(work, there, stage.cause, now=stage.now())
        counts.gone = leaving.leave(work, run, gone, now=stage.now())
        progress.advance(run, cursor=LEAVE if ids else AGAIN, now=stage.now(), counts=counts)

    stage.write(task)
    if answers.failure is not None:
        raise answers.failure
    return LEAVE if ids else AGAIN


def _check_that_anybody_is_known(stage: Stage) -> None:
    """Raise ``ServiceFailed`` where not even those whom the list names are known: then nobody has to have left."""
    listed = select(ServiceRecord.service_id).where(
        ServiceRecord.gone_at.is_(None), ServiceRecord.seen_run == stage.claim.run_id
    )
    with stage.database.read_only() as db:
        some = [*db.scalars(listed.order_by(ServiceRecord.service_id).limit(SUSPICIOUS))]
    answers = ask_for(stage, some)
    if answers.failure is not None:
        raise answers.failure
    if some and not any(answers.said.values()):
        stage.check_time()
        raise ServiceFailed(Fault.WRONG_SHAPE)


def look_again(stage: Stage, after: str) -> str | None:
    """Place those in quarantine whom a change at the desk may help, from an id on; then the run is done.

    Returns where it goes on, if it does.
    """

    def task(work: Work, run: SyncRun, state: ServiceState) -> str | None:
        now = stage.now()
        values = {"after": after, "limit": BATCH, "of_zones": _OF_ZONES, "of_franchises": _OF_FRANCHISES}
        waiting = [(row[0], row[1]) for row in work.db.execute(_HELPABLE, values)]
        if waiting:
            again = [Heard(said, again=True) for said in remembered(waiting).values()]
            found = apply(work, again, stage.cause, now=now)
            then = f"{AGAIN}{waiting[-1][0]}"
            progress.advance(run, cursor=then, now=now, counts=Counts(added=found.added, changed=found.changed))
            if len(waiting) == BATCH:
                return then
        progress.finish(work, run, state, stage.rhythm, now=now, etag=stage.etag)
        return None

    return stage.write(task)
