"""What the zones' pages show from higher rooms (see ``web.beside``); ``desk.beside`` hands the answers in."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final
from uuid import UUID

from sqlalchemy.orm import Session

from webapp.core.actor import Actor
from webapp.core.geo import Bounds
from webapp.web.beside import Question
from webapp.zones.effect import Placed

TRAINERS_OF: Final[Question[[Session, UUID, Actor], Mapping[UUID, str]]] = Question("zones.trainers_of")
TRAINERS_BY: Final[Question[[Session, Collection[UUID], Actor], Mapping[UUID, int]]] = Question("zones.trainers_by")
BOOKINGS_BY: Final[Question[[Session, Collection[UUID], Actor], Mapping[UUID, int]]] = Question("zones.bookings_by")
BOOKINGS_IN: Final[Question[[Session, UUID, Bounds, Actor], tuple[Placed, ...]]] = Question("zones.bookings_in")
"""The live bookings of a zone, and those at places in a box, that the actor may see."""
TRAINERS_IN: Final[Question[[Session, Bounds, Actor], tuple[Placed, ...]]] = Question("zones.trainers_in")
"""The active trainers with a base in a box that the actor may see."""
