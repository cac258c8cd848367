"""The franchise of the booking tests, and how somebody on the telephone fills the one page in."""

from __future__ import annotations

from datetime import time
from typing import Unpack
from uuid import UUID

from playwright.sync_api import Page, expect

from tests.make import EVERY_DAY, Given, Make
from webapp.core.geo import Location
from webapp.trainers.rules import WorkingHours

TELUGU, HINDI = "అరుణ్ కుమార్", "दिव्या शर्मा"
NEAR, FURTHER = "Lakshmi Ravulapalli", "Ravi Teja"


class Scene:
    """A franchise with a zone, a course and three trainers, and the people of this story."""

    def __init__(self, make: Make) -> None:
        self.franchise_name = f"Godavari Tutors {make.number()}"
        self.course_name = f"Spoken English {make.number()}"
        self.franchise = make.franchise(self.franchise_name)
        self.center = make.place_of(self.franchise)
        self.zone = make.zone(operator_id=self.franchise, name="Rajahmundry Central", radius_km=5.0)
        self.course = make.course(self.course_name)
        near, further = (Location(self.center.lat + north, self.center.lng) for north in (0.004, 0.02))
        mornings = tuple(WorkingHours(weekday, time(7), time(11)) for weekday in range(7))
        self.trainer = self._trainer(make, NEAR, near)
        self._trainer(make, FURTHER, further)
        self._trainer(make, "Anand Mornings", near, mornings)
        self.staff = make.staff(self.franchise)
        self.manager = make.manager(self.franchise)
        self.other_manager = make.manager(self.franchise)

    def lessons(self, **more: Unpack[Given]) -> Given:
        """A booking of this franchise, zone and course."""
        return {"operator_id": self.franchise, "zone_id": self.zone, "course_id": self.course, **more}

    def _trainer(self, make: Make, name: str, base: Location, hours: tuple[WorkingHours, ...] = EVERY_DAY) -> UUID:
        return make.trainer((self.zone,), (self.course,), operator_id=self.franchise, name=name, base=base, hours=hours)


def fill_course(page: Page, scene: Scene, *, timeslot: str = "16:00", script: bool = True) -> None:
    """Fill the one page in as somebody on the telephone does, from top to bottom."""
    page.get_by_label("Guardian").fill("లక్ష్మీ దేవి")
    page.get_by_label("Phone").fill("98480 22338")
    page.get_by_label("Agrees to be sent messages").check()
    page.get_by_label("Student", exact=True).fill(TELUGU)
    page.get_by_label("Second student").fill(HINDI)
    page.get_by_label("Address").fill("14 Danavaipeta Main Road")
    page.get_by_label("Location").fill(f"{scene.center.lat + 0.003:.4f}, {scene.center.lng:.4f}")
    if script:
        expect(page.locator("#plan")).to_contain_text("Rajahmundry Central")
        expect(page.locator("#plan")).to_contain_text(scene.franchise_name)
    page.get_by_label("Course", exact=True).select_option(scene.course_name)
    page.get_by_label("Class").select_option("one_on_two")
    page.get_by_label("Days").select_option("weekday_daily")
    page.get_by_label("Sessions", exact=True).select_option("30")
    page.get_by_label("First day").fill("2027-01-04")
    page.get_by_label("Time", exact=True).fill(timeslot)
