"""The deployed contract, asked for those alone whom messages named.

The list alone says of somebody whether they are available. So whoever is new takes a look at everybody, and so do more
messages than asking one by one is worth.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from webapp.clients.trainer_service.said import UNSAID, SaidTrainer
from webapp.trainers.sync_models import ServiceRecord
from webapp.trainers.syncing import messages, progress
from webapp.trainers.syncing.applying import said_before
from webapp.trainers.syncing.asking import Answers, ask_for
from webapp.trainers.syncing.cursors import AGAIN, TOLD
from webapp.trainers.syncing.deployed import AT_A_TIME, LEARNED, hear
from webapp.trainers.syncing.stage import Stage

MOST_TOLD: Final = 300
"""A list and whose entries changed is read sooner than more than these."""


def take(stage: Stage, after: str) -> str | None:
    """Ask for some of whom messages named, from an id on.

    Returns where the run goes on; nothing when it has become one for everybody, which begins with the list.
    """
    with stage.database.read_only() as db:
        told = messages.named(db, stage.claim.started_at, after=after)
        some = [*told][:AT_A_TIME]
        before = {id_: said for id_, said in said_before(db, some).items() if id_ in _here(db, some)}
    if len(told) > MOST_TOLD:
        _widen(stage)
        return None
    if not some:
        stage.write(lambda _work, run, _state: progress.advance(run, cursor=AGAIN, now=stage.now(), learned=LEARNED))
        return AGAIN
    answers = ask_for(stage, some)
    if any(_is_unlisted(answers, id_) for id_ in some if id_ not in before):
        _widen(stage)
        return None
    then = f"{TOLD}{some[-1] if len(answers.said) == len(some) else after}"
    settled = [message for id_ in answers.said for message in told[id_]]
    hear(stage, answers, before=before, cursor=then, settled=settled)
    return then


def _here(db: Session, ids: list[str]) -> set[str]:
    here = select(ServiceRecord.service_id).where(ServiceRecord.service_id.in_(ids), ServiceRecord.gone_at.is_(None))
    return set(db.scalars(here))


def _is_unlisted(answers: Answers, service_id: str) -> bool:
    """Whether of somebody new it was not said whether they are available."""
    said = answers.said.get(service_id)
    return isinstance(said, SaidTrainer) and said.available is UNSAID


def _widen(stage: Stage) -> None:
    """Look at everybody instead, from the beginning."""
    stage.write(lambda _work, run, _state: progress.advance(run, cursor=None, now=stage.now(), learned=LEARNED))
    stage.become_full()
    stage.check_time()
