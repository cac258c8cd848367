"""Going through a page of trainers: what each of them needs to be written. Asks nobody and writes nothing itself."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any
from uuid import UUID

from webapp.audit.service import entry, plain
from webapp.clients.trainer_service.said import UNSAID, Said, SaidTrainer, UnreadableTrainer
from webapp.core.ids import new_id
from webapp.trainers.sync_rules import ChangeKind, Owned
from webapp.trainers.syncing.differences import FACTS, changed_fields, columns_of, facts_of
from webapp.trainers.syncing.heard import Cause, Counts, Heard, Word
from webapp.trainers.syncing.placing import UNREADABLE, Known, OnRoster, Placement, Refusal
from webapp.trainers.syncing.records import ROW, Record
from webapp.trainers.syncing.writing import Writes


class Page:
    """Gathers what is to be written, and counts."""

    def __init__(self, cause: Cause, now: datetime) -> None:
        self.counts = Counts()
        self.writes = Writes()
        self._cause = cause
        self._now = now
        self._words: dict[str, Word] = {}

    def is_same(self, heard: Heard, old: Record | None) -> bool:
        """Whether this was said before and nothing of it is open: then it is only seen.

        A full run looks once more at what was left out of a trainer: by now the desk may know it.
        """
        if heard.again or old is None or old.gone_at is not None or not self._is_repeated(heard, old):
            return False
        readable = isinstance(heard.said, SaidTrainer)
        if readable and (old.refused_code is not None or (self._cause.full and old.notes)):
            return False
        self._seen(heard, old, {})
        if readable:
            self.counts.unchanged += 1
        else:
            self.counts.refused += 1
        return True

    def settle(self, heard: Heard, old: Record | None, known: Known | None, result: Placement | Refusal) -> None:
        """Gather what comes of one trainer."""
        if isinstance(result, Refusal):
            self._refuse(heard, old, known, result)
        else:
            self._place(heard, old, known, result)

    def refuse_nameless(self, said: Said) -> None:
        """An entry that does not even say whom it is about: nothing is kept of it but that there was one."""
        self.counts.refused += 1
        self._change(ChangeKind.REFUSED, "", None, "", {"code": UNREADABLE, "facts": _problems(said)})

    def _refuse(self, heard: Heard, old: Record | None, known: Known | None, refusal: Refusal) -> None:
        self.counts.refused += 1
        facts = plain(refusal.facts)
        trainer_id = known.trainer_id if known is not None else None
        if known is not None and known.held_back != refusal.code:
            self.writes.held_back.append({"id": trainer_id, "held_back_code": refusal.code})
        is_old = old is not None and (old.refused_code, old.refused_facts, old.gone_at) == (refusal.code, facts, None)
        if old is not None and is_old and self._is_repeated(heard, old):
            self._seen(heard, old, {})
            return
        since = old.refused_at if old is not None and old.refused_code == refusal.code else self._now
        outcome = {"refused_code": refusal.code, "refused_facts": facts, "refused_at": since, "notes": []}
        self._record(heard, old, {"trainer_id": trainer_id, **outcome})
        if not is_old:
            told = {"code": refusal.code, "facts": facts} | ({"first": True} if old is None else {})
            self._change(ChangeKind.REFUSED, _id(heard), trainer_id, _name(heard.said, known), told)

    def _place(self, heard: Heard, old: Record | None, known: Known | None, placement: Placement) -> None:
        if known is None or placement.moved:
            trainer_id = self._add(_id(heard), known, placement.row)
            self.counts.added += 1
        else:
            trainer_id = known.trainer_id
            if self._amend(_id(heard), known, placement.row):
                self.counts.changed += 1
            else:
                self.counts.unchanged += 1
        notes = [{"kind": kind, "name": name} for kind, name in placement.notes]
        settled = old is not None and (old.trainer_id, old.refused_code, old.notes, old.gone_at) == (
            trainer_id,
            None,
            notes,
            None,
        )
        if old is not None and settled and self._is_repeated(heard, old):
            self._seen(heard, old, {})
            return
        outcome: dict[str, Any] = {"refused_code": None, "refused_facts": {}, "refused_at": None, "notes": notes}
        self._record(heard, old, {"trainer_id": trainer_id, "placed_at": self._now, **outcome})

    def _add(self, service_id: str, known: Known | None, row: OnRoster) -> UUID:
        trainer_id = new_id()
        self.writes.add(columns_of(trainer_id, row) | {"service_id": service_id, "created_at": self._now})
        for replace_list in self._lists().values():
            replace_list(trainer_id, row)
        moved: dict[str, Any] = {}
        if known is not None:
            moved = {"moved_from": known.row.operator_id}
            self.writes.moved.append({"id": trainer_id, "were": known.trainer_id})
            after = {"active": False, "moved_to": row.operator_id}
            self._audit("trainer.left", known.trainer_id, known.row, {"active": known.row.active}, after)
        facts = {name: value for name, value in facts_of(row).items() if value or name == "active"}
        self._audit("trainer.created", trainer_id, row, None, {"service_id": service_id, **facts, **moved})
        self._change(ChangeKind.ADDED, service_id, trainer_id, row.name, moved)
        return trainer_id

    def _amend(self, service_id: str, known: Known, row: OnRoster) -> bool:
        """Change whoever is on the roster; whether anything of it is worth telling."""
        before = known.row
        fields = changed_fields(before, row)
        for own, replace_list in self._lists().items():
            if own in fields:
                replace_list(known.trainer_id, row)
        if Owned.TIME_OFF in before.owned - row.owned:
            self.writes.own_time_off.append(known.trainer_id)
        worth_telling = bool(fields or known.left or known.held_back)
        if worth_telling or before.owned != row.owned:
            self.writes.changed.append(columns_of(known.trainer_id, row))
        if not worth_telling:
            return False
        was, is_now = (
            {name: facts_of(side)[name] for name in map(FACTS.__getitem__, fields)} for side in (before, row)
        )
        told: dict[str, Any] = {"fields": [own.value for own in fields]}
        if known.held_back:
            was["held_back"], is_now["held_back"], told["released"] = known.held_back, None, known.held_back
        kind = ChangeKind.RETURNED if known.left else ChangeKind.CHANGED
        self._audit(f"trainer.{kind.value}", known.trainer_id, row, was, is_now)
        self._change(kind, service_id, known.trainer_id, row.name, told)
        return True

    def _lists(self) -> dict[Owned, Any]:
        return {
            Owned.COURSES: self.writes.list_courses,
            Owned.ZONES: self.writes.list_zones,
            Owned.HOURS: self.writes.list_hours,
            Owned.TIME_OFF: self.writes.list_away,
        }

    def _word(self, heard: Heard) -> Word:
        found = self._words.get(_id(heard))
        if found is None:
            found = self._words[_id(heard)] = Word.of(heard.said)
        return found

    def _is_repeated(self, heard: Heard, old: Record) -> bool:
        """Whether it is what was said before, word for word, or cannot be read in the same way."""
        if isinstance(heard.said, UnreadableTrainer):
            return old.refused_code == UNREADABLE and old.refused_facts == _problems(heard.said)
        return old.digest == self._word(heard).digest

    def _seen(self, heard: Heard, old: Record, outcome: Mapping[str, Any]) -> None:
        """Note that nothing has changed, in as little as possible."""
        if heard.asked_at is not None:
            self._record(heard, old, outcome)
        elif not heard.again and (self._cause.full or old.missed_runs):
            self.writes.seen.append(old.service_id)

    def _record(self, heard: Heard, old: Record | None, outcome: Mapping[str, Any]) -> None:
        """Keep what was said and what came of it; what ``outcome`` does not name stays as it was."""
        word, said, full = self._word(heard), heard.said, self._cause.full
        is_new = old is None or word.digest not in ("", old.digest)
        updated_at = said.updated_at if isinstance(said, SaidTrainer) else None
        row = heard.row or (old.row if old is not None else None)
        kept: dict[str, Any] = {
            "service_id": said.service_id,
            "trainer_id": old.trainer_id if old else None,
            "said": word.said | ({ROW: row} if row else {}),
            "digest": word.digest,
            "updated_at": updated_at or (old.updated_at if old else None),
            "said_at": self._now if is_new or old is None else old.said_at,
            "placed_at": old.placed_at if old else None,
            "detail_at": heard.asked_at or (old.detail_at if old else None),
            "refused_code": old.refused_code if old else None,
            "refused_facts": old.refused_facts if old else {},
            "refused_at": old.refused_at if old else None,
            "notes": old.notes if old else [],
            "seen_run": self._cause.run_id if full and not heard.again else old.seen_run if old else None,
            "missed_runs": old.missed_runs if old and heard.again else 0,
            "gone_at": old.gone_at if old and heard.again else None,
        }
        self.writes.records.append(kept | dict(outcome))

    def _audit(
        self, what: str, trainer_id: UUID, row: OnRoster, before: Mapping[str, Any] | None, after: Mapping[str, Any]
    ) -> None:
        told = {**after, **self._cause.facts}
        by, now = self._cause.by, self._now
        self.writes.entries.append(
            entry(what, "trainer", trainer_id, operator_id=row.operator_id, by=by, before=before, after=told, at=now)
        )

    def _change(
        self, kind: ChangeKind, service_id: str, trainer_id: UUID | None, name: str, facts: Mapping[str, Any]
    ) -> None:
        if self._cause.run_id is None:
            return
        self.writes.changes.append(
            {
                "id": new_id(),
                "run_id": self._cause.run_id,
                "at": self._now,
                "kind": kind,
                "service_id": service_id,
                "trainer_id": trainer_id,
                "name": name,
                "facts": facts,
            }
        )


def _problems(said: Said) -> dict[str, Any]:
    return {"problems": [list(problem) for problem in getattr(said, "problems", ())]}


def _id(heard: Heard) -> str:
    return heard.said.service_id or ""


def _name(said: Said, known: Known | None) -> str:
    if known is not None:
        return known.row.name
    return said.name if isinstance(said, SaidTrainer) and said.name is not UNSAID else ""
