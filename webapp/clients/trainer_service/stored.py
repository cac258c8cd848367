"""What was said of a trainer, as it is kept: in the bulk contract's own words, with unsaid fields left out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from datetime import datetime, time
from typing import Any

from webapp.clients.trainer_service.entries import read_trainer
from webapp.clients.trainer_service.said import UNSAID, SaidTrainer


def as_json(said: SaidTrainer) -> dict[str, Any]:
    """An object of JSON that ``from_json`` reads back as the same trainer."""
    kept: dict[str, Any] = {
        "trainerId": said.service_id,
        "updatedAt": UNSAID if said.updated_at is None else _instant(said.updated_at),
        "name": said.name,
        "available": said.available,
        "franchiseId": said.franchise,
        "zoneIds": said.zones if said.zones is UNSAID else list(said.zones),
        "certifiedCourses": said.courses if said.courses is UNSAID else list(said.courses),
        "location": _place(said),
        "workingHours": UNSAID
        if said.hours is UNSAID
        else [{"weekday": one.weekday, "starts": _wall(one.starts), "ends": _wall(one.ends)} for one in said.hours],
        "timeOff": UNSAID
        if said.time_off is UNSAID
        else [
            {"startsAt": _instant(one.starts_at), "endsAt": _instant(one.ends_at), "reason": one.reason}
            for one in said.time_off
        ],
    }
    return {key: value for key, value in kept.items() if value is not UNSAID}


def from_json(kept: Mapping[str, Any]) -> SaidTrainer:
    """What ``as_json`` made, read back. Raises ``ValueError`` for anything else."""
    said = read_trainer(dict(kept))
    if not isinstance(said, SaidTrainer):
        raise ValueError("this is no trainer that was kept")
    return said


def digest(kept: Mapping[str, Any]) -> str:
    """SHA-256 of an object of JSON, whatever the order of its keys: the same text means that the same is said."""
    text = json.dumps(kept, sort_keys=True, separators=(",", ":"), default=lambda _unsayable: "said twice")
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def _place(said: SaidTrainer) -> Any:
    if said.base is UNSAID or said.base is None:
        return said.base
    return {"latitude": said.base.lat, "longitude": said.base.lng}


def _instant(at: datetime) -> str:
    return at.isoformat().replace("+00:00", "Z")


def _wall(at: time) -> str:
    return at.strftime("%H:%M")
