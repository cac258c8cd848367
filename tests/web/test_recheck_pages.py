"""What people see of approvals that are looked at again: on the booking, the proposal, and the home page."""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from datetime import time, timedelta
from typing import Any

import pytest
from sqlalchemy import text

from tests.make import Make
from tests.rooms.test_replacing import Taught, rows
from tests.web.client import NOW, DeskClient
from tests.web.roster import ServedDesk
from webapp.assignments.jobs import recheck_approvals
from webapp.core.actor import Role
from webapp.core.clock import now as present
from webapp.db.job_context import JobContext
from webapp.db.tenancy import acting_for_nobody

HOUR = timedelta(hours=1)


def words(client: DeskClient, endpoint: str, **values: Any) -> str:
    """What a reader of a page reads."""
    page = client.get(endpoint, **values)
    assert page.status_code == 200
    return html.unescape(" ".join(re.sub(r"<[^>]+>", " ", page.text).split()))


class Scene:
    """A franchise whose manager approves a trainer of the service while the service has been silent for two hours."""

    def __init__(self, make: Make, client: DeskClient, served: ServedDesk) -> None:
        self.make, self.client, self.served = make, client, served
        self.operator_id = make.franchise()
        self.manager = make.manager(self.operator_id)
        zone_id, course_id = make.zone(operator_id=self.operator_id, name="North"), make.course("Maths")
        self.trainer_id = make.trainer((zone_id,), (course_id,), operator_id=self.operator_id, name="Lakshmi")
        self.do("UPDATE trainers SET service_id = 'T-1' WHERE id = :id", id=self.trainer_id)
        household = make.household("Arun", operator_id=self.operator_id, guardian="Sita Rao")
        staff = make.staff(self.operator_id).actor
        booking = make.booking(
            operator_id=self.operator_id, zone_id=zone_id, course_id=course_id, household=household, by=staff
        )
        made = make.proposal(booking, self.trainer_id, by=staff)
        assert made.assignment_id is not None
        self.taught = Taught(
            make, self.operator_id, staff, self.manager.actor, zone_id, course_id, self.trainer_id, booking
        )
        self.booking_id, self.assignment_id = booking.id, made.assignment_id
        served.ago(2 * HOUR)
        client.sign_in(self.manager)

    def do(self, sql: str, **places: object) -> None:
        """Write past the services, as the synchronisation does."""
        with self.served.database.unit_of_work() as work:
            work.db.execute(text(sql), places)

    def approve(self) -> None:
        """The manager presses the button."""
        answer = self.client.post("assignments.approve", assignment_id=self.assignment_id, data={"version": 1})
        assert answer.status_code == 303

    def heard(self) -> None:
        """The service has answered since, and the job has come round."""
        self.served.last_said(NOW + HOUR)
        with acting_for_nobody():
            recheck_approvals(JobContext(self.served.app.extensions["settings"], self.served.database, present))

    def leaves(self) -> None:
        """The trainer has left."""
        self.do("UPDATE trainers SET active = false, left_at = :at WHERE id = :id", at=NOW, id=self.trainer_id)

    def held_back(self) -> None:
        """What the service says of the trainer cannot be used."""
        self.do("UPDATE trainers SET held_back_at = :at, held_back_code = 'unreadable'", at=NOW)

    def booking(self) -> str:
        """The booking's page."""
        return words(self.client, "desk.booking", booking_id=self.booking_id)

    def proposal(self) -> str:
        """The proposal's page."""
        return words(self.client, "assignments.show", assignment_id=self.assignment_id)

    def home(self) -> str:
        """The home page."""
        return words(self.client, "desk.home")


@pytest.fixture
def scene(make: Make, client: DeskClient, served: ServedDesk) -> Scene:
    return Scene(make, client, served)


CARD = "Approvals on an old roster"


def test_an_approval_made_while_the_service_is_silent_says_that_it_is_checked_again(scene: Scene) -> None:
    assert "approvals made now are checked again" in scene.proposal()
    scene.approve()
    said = "Lakshmi was approved on trainers as of Fri 1 Jan 2027, 07:00 IST. That is checked again when"
    for page in (scene.booking(), scene.proposal()):
        assert "Will be checked again" in page
        assert said in page
    assert "on trainers that were not up to date: to be checked again" in scene.booking()
    assert CARD not in scene.home()
    scene.client.sign_in(scene.make.admin())
    assert "recheck_since" in words(scene.client, "audit.index", what="assignment.approved")


def test_an_approval_on_a_fresh_roster_says_nothing(scene: Scene) -> None:
    scene.served.last_said(NOW)
    scene.approve()
    for page in (scene.booking(), scene.proposal()):
        assert "checked again" not in page


def test_what_was_confirmed_is_history(scene: Scene) -> None:
    scene.approve()
    scene.heard()
    page = scene.booking()
    assert "Will be checked again" not in page
    assert "The desk checked Lakshmi again: nothing stands against it" in page
    assert "Checked again Lakshmi was checked again: nothing stands against it." in scene.proposal()
    assert CARD not in scene.home()


FAILED: dict[str, tuple[Callable[[Scene], None], str, str, str]] = {
    "left": (
        Scene.leaves,
        "Has left",
        "Lakshmi has left. The sessions that remain need somebody else.",
        "checked Lakshmi again: has left or is not active",
    ),
    "inactive": (
        lambda scene: scene.do("UPDATE trainers SET active = false"),
        "No longer active",
        "Lakshmi is no longer active. The sessions that remain need somebody else.",
        "checked Lakshmi again: has left or is not active",
    ),
    "not_certified": (
        lambda scene: scene.do("DELETE FROM trainer_courses"),
        "Not certified",
        "Lakshmi is not certified for this course. Replace the trainer, or have the certification entered",
        "checked Lakshmi again: not certified for this course",
    ),
    "not_in_zone": (
        lambda scene: scene.do("DELETE FROM trainer_zones"),
        "Not in this zone",
        "Lakshmi does not work in this zone. Replace the trainer, or have the zone entered",
        "checked Lakshmi again: does not work in this zone",
    ),
}


@pytest.mark.parametrize("outcome", FAILED)
def test_what_did_not_stand_is_told_on_all_three_pages(scene: Scene, outcome: str) -> None:
    change, short, long, history = FAILED[outcome]
    scene.approve()
    change(scene)
    scene.heard()
    booking, home = scene.booking(), scene.home()
    assert f"{short} {long}" in booking
    assert history in booking
    assert f"{short} {long}" in scene.proposal()
    assert CARD in home
    assert f"Sita Rao Maths, North Lakshmi {short} 10 next Mon 4 Jan 2027, 16:00 IST" in home
    page = scene.client.get("desk.home").text
    assert f'href="/bookings/{scene.booking_id}"' in page
    assert ('href="/cover">Needs cover' in page) is (outcome in ("left", "inactive"))
    assert (f'href="/bookings/{scene.booking_id}/replace"' in page) is (outcome not in ("left", "inactive"))


# -- in doubt ------------------------------------------------------------------------------------------------------

UNUSABLE = "The trainer service has answered since, but what it says of Lakshmi cannot be used."


def test_before_the_service_answers_nobody_has_to_settle_anything(scene: Scene) -> None:
    scene.approve()
    scene.held_back()
    for page in (scene.booking(), scene.proposal()):
        assert "Will be checked again" in page
        assert UNUSABLE not in page
    assert CARD not in scene.home()


@pytest.mark.parametrize("role", [Role.ADMIN, Role.FRANCHISE_MANAGER])
def test_whoever_is_held_back_cannot_be_checked_and_that_is_told(scene: Scene, role: Role) -> None:
    scene.approve()
    scene.held_back()
    scene.heard()
    admin = role is Role.ADMIN
    scene.client.sign_in(scene.make.admin() if admin else scene.manager)
    for page in (scene.booking(), scene.proposal()):
        assert "Cannot be checked" in page
        assert UNUSABLE in page
        assert "when the trainer service has answered" not in page
    home = scene.home()
    assert CARD in home
    assert "Sita Rao Maths, North Lakshmi Cannot be checked 10 next Mon 4 Jan 2027, 16:00 IST" in home
    assert scene.client.statements <= 12
    for endpoint, values in (
        ("desk.home", {}),
        ("desk.booking", {"booking_id": scene.booking_id}),
        ("assignments.show", {"assignment_id": scene.assignment_id}),
    ):
        page = scene.client.get(endpoint, **values).text
        assert ('/quarantine">Quarantine' in page) is admin, endpoint


def test_it_goes_when_the_quarantine_is_settled(scene: Scene) -> None:
    scene.approve()
    scene.held_back()
    scene.heard()
    scene.do("UPDATE trainers SET held_back_at = NULL, held_back_code = NULL")
    scene.heard()
    assert CARD not in scene.home()
    assert "Checked again" in scene.proposal()


def test_it_goes_when_the_last_session_is_over(scene: Scene, at: Callable[[Any], None]) -> None:
    scene.approve()
    scene.held_back()
    scene.heard()
    at(scene.taught.booking.sessions[-1].starts_at + timedelta(seconds=1))
    scene.client.sign_in(scene.manager)
    assert CARD not in scene.home()
    assert "Cannot be checked" not in scene.booking()


def test_whoever_was_not_named_waits_for_the_next_full_list(scene: Scene) -> None:
    scene.approve()
    scene.served.last_said(NOW + HOUR)
    for page in (scene.booking(), scene.proposal()):
        assert "again within minutes, or, where it did not name Lakshmi, after its next full list." in page
    assert CARD not in scene.home()


# -- who is told, and for how long ---------------------------------------------------------------------------------


@pytest.mark.parametrize("role", list(Role))
def test_those_who_decide_are_told_and_nobody_else_s_manager(scene: Scene, role: Role) -> None:
    scene.approve()
    scene.leaves()
    scene.heard()
    franchise = role in (Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER)
    scene.client.sign_in(scene.make.user(role, operator_id=scene.operator_id if franchise else None))
    assert (CARD in scene.home()) is (role in (Role.ADMIN, Role.FRANCHISE_MANAGER))
    assert scene.client.statements <= 12
    scene.client.sign_in(scene.make.manager())
    assert CARD not in scene.home()


def test_it_goes_when_the_trainer_was_replaced(scene: Scene) -> None:
    scene.approve()
    scene.leaves()
    scene.heard()
    other = scene.taught.trainer("Bela")
    made = scene.taught.replace(other)
    assert CARD in scene.home(), "a proposal is not an approval yet"
    scene.taught.approve(made)
    assert CARD not in scene.home()
    assert "Has left" not in scene.booking()


def test_it_goes_as_the_sessions_are_taken_over_or_taught(scene: Scene, at: Callable[[Any], None]) -> None:
    scene.approve()
    scene.leaves()
    scene.heard()
    made = scene.taught.substitute(scene.taught.ids(1, 2), scene.taught.trainer("Bela"))
    scene.taught.approve(made)
    assert "8 next Wed 6 Jan 2027, 16:00 IST" in scene.home()
    at(scene.taught.booking.sessions[-1].starts_at + timedelta(seconds=1))
    scene.client.sign_in(scene.manager)
    assert CARD not in scene.home()


def test_it_goes_when_the_booking_is_cancelled(scene: Scene) -> None:
    scene.approve()
    scene.leaves()
    scene.heard()
    (version,) = rows("SELECT version FROM bookings WHERE id = :id", id=scene.booking_id)[0]
    answer = scene.client.post(
        "desk.cancel",
        booking_id=scene.booking_id,
        data={"cancel-version": version, "cancel-reason": "They moved"},
    )
    assert answer.status_code == 303
    assert CARD not in scene.home()


def test_the_nearest_come_first_and_the_rest_is_counted(scene: Scene) -> None:
    scene.approve()
    scene.leaves()
    scene.heard()
    for number in range(6):
        another(scene, number)
    home = scene.home()
    assert "and 2 more" in home
    assert home.index("next Mon 4 Jan 2027, 07:00") < home.index("next Mon 4 Jan 2027, 08:00")
    assert scene.client.statements <= 12


def another(scene: Scene, number: int) -> None:
    """One more approval of the same operator that did not stand."""
    make, taught = scene.make, scene.taught
    trainer_id = taught.trainer(f"Trainer {number}")
    booking = make.booking(
        operator_id=scene.operator_id, zone_id=taught.zone_id, course_id=taught.course_id, timeslot=time(7 + number)
    )
    taught.approve(make.proposal(booking, trainer_id, by=taught.staff))
    scene.do(
        "UPDATE assignments SET recheck_since = :at, rechecked_at = :at, recheck_outcome = 'left'"
        " WHERE booking_id = :id",
        at=NOW,
        id=booking.id,
    )
