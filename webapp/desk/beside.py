"""Answers what the pages of lower rooms ask about higher ones (see ``web.beside``)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from flask import Flask
from sqlalchemy.orm import Session

from webapp.accounts.mentions import staff_by_operator
from webapp.accounts.queries.named import people_called
from webapp.audit import views as audit_pages
from webapp.bookings import mentions as bookings
from webapp.core.actor import Actor
from webapp.core.intervals import Interval
from webapp.courses import views as course_pages
from webapp.desk.places import find_town
from webapp.households import views as household_pages
from webapp.operators import queries as operators
from webapp.operators import views as operator_pages
from webapp.schedule.queries import booked_from, slots_of_trainer
from webapp.trainers import queries as trainers
from webapp.trainers import questions as trainer_pages
from webapp.trainers.mentions import blocks_of_household
from webapp.trainers.placed import trainers_in
from webapp.trainers.week import WeekSlot
from webapp.zones import addresses as zone_addresses
from webapp.zones import queries as zones
from webapp.zones import questions as zone_pages


def register(app: Flask) -> None:
    """Hand every answer in."""
    zone_addresses.FIND_TOWN.answer_with(app, find_town)
    zone_pages.TRAINERS_OF.answer_with(app, _trainers_of_zone)
    zone_pages.TRAINERS_BY.answer_with(app, _trainers_by_zone)
    zone_pages.BOOKINGS_BY.answer_with(app, bookings.live_by_zone)
    zone_pages.BOOKINGS_IN.answer_with(app, bookings.live_in)
    zone_pages.TRAINERS_IN.answer_with(app, trainers_in)
    trainer_pages.SLOTS_OF.answer_with(app, _slots_of_trainer)
    trainer_pages.BOOKED_FROM.answer_with(app, _booked_from)
    trainer_pages.FIND_TOWN.answer_with(app, find_town)
    household_pages.BOOKINGS_OF.answer_with(app, bookings.bookings_of_household)
    household_pages.APART_FROM.answer_with(app, blocks_of_household)
    course_pages.TRAINERS_BY.answer_with(app, _trainers_by_course)
    course_pages.BOOKINGS_BY.answer_with(app, bookings.live_by_course)
    operator_pages.ZONES_BY.answer_with(app, _zones_by_operator)
    operator_pages.TRAINERS_BY.answer_with(app, _trainers_by_operator)
    operator_pages.STAFF_BY.answer_with(app, staff_by_operator)
    operator_pages.BOOKINGS_BY.answer_with(app, bookings.live_by_operator)
    audit_pages.PEOPLE_CALLED.answer_with(app, _people_called)
    audit_pages.OPERATORS.answer_with(app, _operators)
    audit_pages.TIME_ZONES.answer_with(app, _time_zones)


def _trainers_of_zone(db: Session, zone_id: UUID, actor: Actor) -> Mapping[UUID, str]:
    return {trainer.id: trainer.name for trainer in trainers.trainers_of_zone(db, zone_id, visible_to=actor)}


def _trainers_by_zone(db: Session, zone_ids: Collection[UUID], actor: Actor) -> Mapping[UUID, int]:
    return trainers.trainers_by_zone(db, zone_ids, visible_to=actor)


def _trainers_by_course(db: Session, actor: Actor) -> Mapping[UUID, int]:
    return trainers.trainers_by_course(db, visible_to=actor)


def _trainers_by_operator(db: Session, actor: Actor) -> Mapping[UUID, int]:
    return trainers.trainers_by_operator(db, visible_to=actor)


def _zones_by_operator(db: Session, actor: Actor) -> Mapping[UUID, int]:
    return zones.zones_by_operator(db, visible_to=actor)


def _slots_of_trainer(db: Session, trainer_id: UUID, period: Interval, actor: Actor) -> tuple[WeekSlot, ...]:
    slots = slots_of_trainer(db, trainer_id, period, visible_to=actor)
    named = bookings.references(db, {slot.booking_id for slot in slots}, actor)
    return tuple(
        WeekSlot(slot.booking_id, named[slot.booking_id], slot.status.value, slot.period)
        for slot in slots
        if slot.booking_id in named
    )


def _booked_from(db: Session, trainer_id: UUID, since: datetime, actor: Actor) -> tuple[Interval, ...]:
    return booked_from(db, trainer_id, since, visible_to=actor)


def _people_called(db: Session, text: str, actor: Actor) -> frozenset[UUID]:
    return people_called(db, text, visible_to=actor)


def _operators(db: Session, actor: Actor) -> Mapping[UUID, str]:
    return {operator.id: operator.name for operator in operators.operators_index(db, visible_to=actor)[0]}


def _time_zones(db: Session, actor: Actor) -> tuple[str, ...]:
    return zones.time_zones(db, visible_to=actor)
