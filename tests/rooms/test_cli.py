"""The commands: what they make and change, and how they refuse."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, time
from math import cos, sin
from pathlib import Path

import click
import pytest
from click.testing import Result
from flask import Flask
from sqlalchemy import func, select

from tests.make import HOME, PASSWORD, Make
from tests.web.client import NOW, Bell, DeskClient
from webapp.accounts import second_factors
from webapp.accounts.models import Letter, SignInSession, User
from webapp.accounts.totp import DeskTotp
from webapp.assignments.models import Assignment
from webapp.audit.models import AuditEntry
from webapp.cli import values
from webapp.core.actor import SYSTEM, Role
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.courses.models import Course
from webapp.db.work import Database
from webapp.operators.models import Operator
from webapp.trainers.models import TimeOff, Trainer, TrainerBlock
from webapp.trainers.queries import as_command
from webapp.trainers.rules import WorkingHours
from webapp.zones.models import Zone
from webapp.zones.rules import ZoneKind

Run = Callable[..., Result]
VIZAG = ("--lat", "17.6868", "--lng", "83.2185", "--radius-km", "3", "--time-zone", "Asia/Kolkata")
RING = "17.6,83.1 17.6,83.3 17.8,83.3 17.8,83.1"


@pytest.fixture
def run(app: Flask, db: Database) -> Run:
    """Runs a command that must succeed, or with ``refused=True`` must fail in words."""

    def invoke(*args: str, refused: bool = False, typed: str = "") -> Result:
        done = app.test_cli_runner().invoke(args=list(args), input=typed)
        assert (done.exit_code != 0) == refused, done.output
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done

    return invoke


def told(db: Database, subject: str) -> list[tuple[str, str, str]]:
    """What the audit says of one kind of thing: what happened, by whom, from where."""
    with db.read_only() as session:
        rows = session.scalars(
            select(AuditEntry).where(AuditEntry.subject_kind == subject).order_by(AuditEntry.at, AuditEntry.id)
        )
        return [(row.what, row.actor_name, row.source) for row in rows]


# Users


def test_a_person_changes_role_name_and_language(run: Run, make: Make, db: Database) -> None:
    make.user(email="asha@example.org")
    options = ["--role", "auditor", "--name", "Asha Rao", "--locale", "te"]
    assert "changed" in run("user", "change", "ASHA@example.org", *options).output
    with db.read_only() as session:
        user = session.scalars(select(User).where(User.email == "asha@example.org")).one()
        assert (user.role, user.name, user.locale, user.active) == (Role.AUDITOR, "Asha Rao", "te", True)
        entry = session.scalars(select(AuditEntry).where(AuditEntry.what == "account.changed")).one()
    assert (entry.before, entry.after) == (
        {"role": "company_staff", "locale": "en"},
        {"changed": ["name", "role", "locale"], "role": "auditor", "locale": "te"},
    )
    assert "nothing changed" in run("user", "change", "asha@example.org", *options).output


def test_whoever_gets_another_role_signs_in_anew_and_whoever_gets_another_name_does_not(
    run: Run, make: Make, client: DeskClient
) -> None:
    person = client.sign_in(make.user())
    run("user", "change", person.email, "--name", "Asha Rao", "--locale", "te")
    assert client.get("courses.index").status_code == 200
    run("user", "change", person.email, "--role", "auditor")
    assert client.get("courses.index").status_code == 303


def test_whoever_is_switched_off_is_signed_out_and_stays_out(
    run: Run, make: Make, client: DeskClient, db: Database
) -> None:
    person = client.sign_in(make.user())
    run("user", "change", person.email, "--inactive")
    assert client.get("courses.index").status_code == 303
    with db.read_only() as session:
        assert session.scalar(select(func.count()).select_from(SignInSession)) == 0
    run("user", "change", person.email, "--active")
    assert client.get("courses.index").status_code == 303


def test_whoever_moves_to_another_operator_is_signed_out(
    run: Run, make: Make, client: DeskClient, db: Database
) -> None:
    franchise = make.franchise("Coastal Tutors")
    person = client.sign_in(make.user())
    run("user", "change", person.email, "--role", "franchise_staff", "--operator", "Coastal Tutors")
    assert client.get("courses.index").status_code == 303
    with db.read_only() as session:
        assert session.scalar(select(User.operator_id).where(User.id == person.id)) == franchise


def test_a_new_password_ends_every_sign_in(run: Run, make: Make, client: DeskClient, db: Database) -> None:
    person = client.sign_in(make.user())
    password = run("user", "password", person.email).output.split("Password: ")[1].strip()
    assert client.get("courses.index").status_code == 303
    assert client.post("/sign-in", data={"email": person.email, "password": PASSWORD}).status_code == 422
    assert client.post("/sign-in", data={"email": person.email, "password": password}).status_code == 303
    assert ("account.password_reset", "system", "cli") in told(db, "user")


def test_somebody_is_signed_out_of_every_browser(run: Run, make: Make, client: DeskClient, db: Database) -> None:
    person = client.sign_in(make.user())
    assert "signed out of 1 browsers" in run("user", "sign-out", person.email).output
    assert client.get("courses.index").status_code == 303
    assert ("account.signed_out_everywhere", "system", "cli") in told(db, "user")


def test_whoever_lost_phone_and_codes_starts_with_the_password(
    run: Run, make: Make, client: DeskClient, db: Database
) -> None:
    person = client.sign_in(make.admin())
    shown = run("user", "second-factor", person.email).output.splitlines()[1].split()
    assert shown == ["yes", "0", "0"]
    assert client.get("courses.index").status_code == 200  # telling is not taking
    run("user", "second-factor", person.email, "--reset")
    assert client.get("courses.index").status_code == 303
    answer = client.post("/sign-in", data={"email": person.email, "password": PASSWORD})
    assert answer.location == "/sign-in/set-up"
    assert ("account.second_factors_reset", "system", "cli") in told(db, "user")
    with db.read_only() as session:
        letter = session.scalars(select(Letter)).one()
        assert (letter.kind.value, letter.email) == ("second_factor_changed", person.email)


def test_totp_secrets_move_to_another_key(make: Make, db: Database) -> None:
    old, new = DeskTotp(["o" * 40]), DeskTotp(["n" * 40, "o" * 40])
    people = [make.admin() for _ in range(3)]
    with db.unit_of_work() as work:
        for person in people[:2]:
            second_factors.hand_out_totp(work, person.id, old.new_secret(person.id), by=SYSTEM, now=NOW)
    with db.unit_of_work() as work:
        assert new.seal_all_anew(work) == (2, 1)  # one is under the app's own key, which is not among these
    with db.unit_of_work() as work:
        assert DeskTotp(["n" * 40]).seal_all_anew(work) == (0, 1)


def test_the_command_says_which_secrets_cannot_be_read(run: Run, make: Make, db: Database) -> None:
    person = make.admin()
    assert "0 encrypted anew." in run("user", "seal-anew").output
    with db.unit_of_work() as work:
        sealed = DeskTotp(["lost" * 10]).new_secret(person.id)
        second_factors.hand_out_totp(work, person.id, sealed, by=SYSTEM, now=NOW)
    assert "1 cannot be read" in run("user", "seal-anew", refused=True).output


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["user", "change", "nobody@example.org", "--inactive"], "There is no account with the address"),
        (["user", "change", "rubbish", "--inactive"], "Enter an e-mail address"),
        (["user", "change", "asha@example.org", "--email", "ravi@example.org"], "already an account"),
        (["user", "change", "asha@example.org", "--role", "franchise_staff"], "does not belong"),
        (["user", "change", "asha@example.org", "--operator", "Nobody"], "no operator named Nobody"),
        (["user", "password", "nobody@example.org"], "There is no account with the address"),
    ],
)
def test_users_are_refused_in_one_sentence(run: Run, make: Make, db: Database, args: list[str], sentence: str) -> None:
    make.user(email="asha@example.org")
    make.user(email="ravi@example.org")
    before = told(db, "user")
    assert sentence in run(*args, refused=True).output
    assert told(db, "user") == before


def test_users_are_listed_by_operator(run: Run, make: Make) -> None:
    make.user(email="asha@example.org")
    make.user(Role.FRANCHISE_MANAGER, operator_id=make.franchise("Coastal Tutors"), email="ravi@example.org")
    everybody = run("user", "list").output
    assert everybody.index("asha@example.org") < everybody.index("ravi@example.org")
    some = run("user", "list", "--operator", "coastal tutors").output
    assert "ravi@example.org" in some
    assert "asha@example.org" not in some


# Operators and courses


def test_a_franchise_is_founded_changed_and_listed(run: Run, db: Database) -> None:
    run("operator", "create", "Coastal Tutors", "--auto-approve")
    run("operator", "change", "coastal tutors", "--name", "Coast Tutors", "--approve-by-hand", "--two-eyes")
    with db.read_only() as session:
        row = session.scalars(select(Operator).where(Operator.id != COMPANY_ID)).one()
        assert (row.name, row.auto_approve, row.four_eyes, row.active) == ("Coast Tutors", False, False, True)
    assert told(db, "operator") == [("operator.created", "system", "cli"), ("operator.changed", "system", "cli")]
    assert "Coast Tutors" in run("operator", "list").output


def test_the_people_of_a_franchise_that_is_switched_off_cannot_go_on(run: Run, make: Make, client: DeskClient) -> None:
    client.sign_in(make.manager(make.franchise("Coastal Tutors")))
    assert client.get("courses.index").status_code == 200
    run("operator", "change", "Coastal Tutors", "--inactive")
    assert client.get("courses.index").status_code == 303


def test_the_company_cannot_be_switched_off(run: Run) -> None:
    assert "cannot be switched off" in run("operator", "change", "The company", "--inactive", refused=True).output


def test_a_course_is_added_renamed_retired_and_listed(run: Run, db: Database) -> None:
    run("course", "create", "Mathematics", "--description", "Classes 6 to 10.")
    run("course", "change", "mathematics", "--name", "Maths", "--inactive", "--description", "All classes.")
    with db.read_only() as session:
        course = session.scalars(select(Course)).one()
        assert (course.name, course.active, course.description) == ("Maths", False, "All classes.")
    assert "nothing changed" in run("course", "change", "Maths", "--inactive").output
    assert "All classes." in run("course", "list").output
    assert "already a course" in run("course", "create", "MATHS", refused=True).output
    assert "no course named Latin" in run("course", "change", "Latin", "--active", refused=True).output


# Zones


def test_a_circle_is_drawn_and_changed(run: Run, make: Make, db: Database) -> None:
    franchise = make.franchise("Coastal Tutors")
    run("zone", "create", "Beach", *VIZAG, "--operator", "Coastal Tutors", "--label", "Ward 3", "--buffer", "15")
    run("zone", "change", "BEACH", "--operator", "Coastal Tutors", "--radius-km", "4.5", "--name", "Shore")
    with db.read_only() as session:
        zone = session.scalars(select(Zone)).one()
        assert (zone.operator_id, zone.name, zone.label) == (franchise, "Shore", "Ward 3")
        assert (zone.radius_km, zone.travel_buffer_minutes, zone.time_zone) == (4.5, 15, "Asia/Kolkata")
    assert told(db, "zone") == [("zone.created", "system", "cli"), ("zone.changed", "system", "cli")]
    assert "Shore" in run("zone", "list", "--operator", "Coastal Tutors").output


def test_a_polygon_is_drawn_from_corners_or_from_a_file(run: Run, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "ring.geojson"
    corners = [[83.1, 17.6], [83.3, 17.6], [83.3, 17.8], [83.1, 17.8], [83.1, 17.6]]
    feature = {"type": "Feature", "properties": {}, "geometry": {"type": "Polygon", "coordinates": [corners]}}
    file.write_text(json.dumps({"type": "FeatureCollection", "features": [feature]}), encoding="utf-8")
    for name, ring in (("Typed", RING), ("Read", str(file))):
        run("zone", "create", name, "--ring", ring, "--max-travel-km", "8", "--time-zone", "Asia/Kolkata")
    with db.read_only() as session:
        typed, read = session.scalars(select(Zone).order_by(Zone.name.desc())).all()
        assert typed.ring is not None
        assert read.ring is not None
        assert set(typed.ring) == set(read.ring)
        assert len(read.ring) == 4
        assert (read.kind, read.max_travel_km, read.radius_km) == (ZoneKind.POLYGON, 8.0, None)


def test_a_ring_of_many_corners_is_simplified_when_asked(run: Run, db: Database) -> None:
    many = " ".join(f"{17 + sin(n / 300) / 10},{83 + cos(n / 300) / 10}" for n in range(1885))
    asked = ("zone", "create", "Round", "--ring", many, "--max-travel-km", "8", "--time-zone", "Asia/Kolkata")
    assert "1885 corners are left and at most 1000 are kept" in run(*asked, refused=True).output
    run(*asked, "--simplify-m", "10")
    with db.read_only() as session:
        (ring,) = session.scalars(select(Zone.ring)).all()
    assert ring is not None
    assert 20 < len(ring) < 200


def test_a_circle_becomes_a_polygon_and_back(run: Run, db: Database) -> None:
    run("zone", "create", "Beach", *VIZAG)
    run("zone", "change", "Beach", "--ring", RING, "--max-travel-km", "8")
    with db.read_only() as session:
        assert session.scalar(select(Zone.kind)) is ZoneKind.POLYGON
    run("zone", "change", "Beach", "--lat", "17.7", "--lng", "83.2", "--radius-km", "2")
    with db.read_only() as session:
        assert session.scalar(select(Zone.kind)) is ZoneKind.CIRCLE


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["create", "B", "--lat", "1", "--lng", "2", "--radius-km", "3"], "Missing option '--time-zone'"),
        (["create", "B", "--lat", "91", "--lng", "2", "--radius-km", "3", "--time-zone", "UTC"], "no such place"),
        (["create", "B", "--lat", "1", "--radius-km", "3", "--time-zone", "UTC"], "both --lat and --lng"),
        (["create", "B", "--radius-km", "3", "--time-zone", "UTC"], "A circle needs a centre"),
        (["create", "B", *VIZAG, "--ring", RING], "A circle has"),
        (["create", "B", "--ring", RING, "--time-zone", "UTC"], "how far trainers may travel"),
        (["create", "B", "--ring", "1,1 1,2", "--max-travel-km", "3", "--time-zone", "UTC"], "three corners"),
        (["create", "B", "--ring", "1,1 x", "--max-travel-km", "3", "--time-zone", "UTC"], "not a place like"),
        (["create", "B", "--ring", "nowhere.geojson", "--time-zone", "UTC"], "cannot be read"),
        (["create", "Beach", *VIZAG], "already a zone named Beach"),
        (["create", "B", *VIZAG[:-1], "Mars/Base"], "time zone is not known"),
        (["create", "B", *VIZAG, "--operator", "Nobody"], "no operator named Nobody"),
        (["change", "Beach", "--max-travel-km", "3"], "Only a polygon"),
        (["change", "Beach", "--simplify-m", "3"], "Only a --ring is simplified"),
        (["change", "Beach", "--ring", "1,1 2,2 1,2 2,1.5", "--simplify-m", "3"], "crosses or touches itself near 1.6"),
        (["change", "Hill", "--inactive"], "no zone named Hill"),
    ],
)
def test_zones_are_refused_in_one_sentence(run: Run, make: Make, db: Database, args: list[str], sentence: str) -> None:
    make.zone(name="Beach")
    assert sentence in run("zone", *args, refused=True).output
    with db.read_only() as session:
        assert session.scalars(select(Zone.name)).all() == ["Beach"]


def test_zones_are_imported_under_both_names(run: Run, db: Database, tmp_path: Path) -> None:
    file = tmp_path / "zones.csv"
    file.write_text("name,label,time_zone,center_lat,center_lng,radius_km\nA,,Asia/Kolkata,17,83,3\n", encoding="utf-8")
    assert "1 created" in run("zones", "import", str(file)).output
    assert "1 unchanged" in run("zone", "import", str(file)).output


# Trainers


def test_a_trainer_is_put_on_the_roster_with_all_they_need(run: Run, make: Make, db: Database) -> None:
    maths, zone = make.course("Maths"), make.zone(name="Beach")
    run(
        *("trainer", "create", "Lakshmi Rao", "--course", "maths", "--zone", "beach", "--base", "17.6868,83.2185"),
        *("--hours", "mon-fri 07:00-12:00", "--hours", "sat,sun 9:00-24:00", "--gender", "female", "--language", "te"),
    )
    with db.read_only() as session:
        command = as_command(session, session.scalars(select(Trainer.id)).one())
    assert (command.course_ids, command.zone_ids, command.base) == ((maths,), (zone,), HOME)
    assert len(command.hours) == 7
    assert WorkingHours(6, time(9), time(0)) in command.hours
    assert told(db, "trainer") == [("trainer.created", "system", "cli")]


def test_what_a_change_does_not_name_stays(run: Run, make: Make, db: Database) -> None:
    make.course("Science")
    trainer = make.trainer((make.zone(),), (make.course("Maths"),), name="Lakshmi Rao")
    with db.read_only() as session:
        before = as_command(session, trainer)
    run("trainer", "change", "lakshmi  RAO", "--course", "Maths", "--course", "Science", "--no-base", "--inactive")
    with db.read_only() as session:
        after = as_command(session, trainer)
    assert (after.base, after.active, len(after.course_ids)) == (None, False, 2)
    assert (after.hours, after.zone_ids, after.languages) == (before.hours, before.zone_ids, before.languages)
    run("trainer", "change", str(trainer), "--no-hours", "--base", "17.7,83.2", "--active")
    with db.read_only() as session:
        assert (as_command(session, trainer).hours, as_command(session, trainer).active) == ((), True)


def test_two_trainers_of_one_name_are_told_apart_by_id(run: Run, make: Make) -> None:
    zone, course = make.zone(), make.course()
    first, second = (make.trainer((zone,), (course,), name="Ravi Kumar") for _ in range(2))
    refused = run("trainer", "change", "Ravi Kumar", "--inactive", refused=True).output
    assert str(first) in refused
    assert str(second) in refused
    run("trainer", "change", str(second), "--inactive")
    assert run("trainer", "list").output.count("Ravi Kumar") == 2


def test_time_off_is_wall_clock_and_its_last_day_counts_whole(run: Run, make: Make, db: Database) -> None:
    make.trainer((make.zone(),), (make.course(),), name="Ravi Kumar")
    run("trainer", "off", "Ravi Kumar", "--from", "2027-01-04", "--until", "2027-01-05", "--reason", "Fever")
    run("trainer", "off", "Ravi Kumar", "--from", "2027-02-01 14:00", "--until", "2027-02-01 18:30")
    with db.read_only() as session:
        periods = session.scalars(select(TimeOff.period).order_by(TimeOff.period)).all()
    found = [(p.lower.astimezone(UTC), p.upper.astimezone(UTC)) for p in periods if p.lower and p.upper]
    assert found == [
        (datetime(2027, 1, 3, 18, 30, tzinfo=UTC), datetime(2027, 1, 5, 18, 30, tzinfo=UTC)),
        (datetime(2027, 2, 1, 8, 30, tzinfo=UTC), datetime(2027, 2, 1, 13, 0, tzinfo=UTC)),
    ]


def test_a_trainer_and_a_family_are_kept_apart(run: Run, make: Make, db: Database) -> None:
    trainer = make.trainer((make.zone(),), (make.course(),), name="Ravi Kumar")
    family = make.household().household_id
    foreign = make.household(operator_id=make.franchise()).household_id
    run("trainer", "block", "Ravi Kumar", "--household", str(family), "--reason", "They quarrelled.")
    refused = run("trainer", "block", "Ravi Kumar", "--household", str(foreign), "--reason", "x", refused=True)
    assert "no family" in refused.output
    with db.read_only() as session:
        blocks = session.execute(select(TrainerBlock.trainer_id, TrainerBlock.household_id)).all()
    assert [tuple(row) for row in blocks] == [(trainer, family)]


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (["create", "New", "--zone", "Beach", "--course", "Latin"], "no course named Latin"),
        (["create", "New", "--zone", "Hill", "--course", "Maths"], "no zone named Hill"),
        (["create", "New", "--course", "Maths"], "at least one zone"),
        (["create", "New", "--zone", "Beach", "--hours", "someday 7:00-9:00"], "weekdays are mon"),
        (["create", "New", "--zone", "Beach", "--hours", "mon 9:00-7:00"], "end after they start"),
        (["create", "New", "--zone", "Beach", "--hours", "mon 9:00-25:00"], "not a time like"),
        (["create", "New", "--zone", "Beach", "--hours", "always"], "is not like"),
        (["create", "New", "--zone", "Beach", "--base", "here"], "not a place like"),
        (["change", "Nobody", "--inactive"], "no trainer Nobody"),
        (["change", "01920000-0000-7000-8000-000000000001", "--inactive"], "no trainer 01920000"),
        (["change", "Ravi Kumar", "--no-base", "--base", "1,2"], "or say that there is none"),
        (["change", "Ravi Kumar", "--zone", "Far"], "no zone named Far"),
        (["off", "Ravi Kumar", "--from", "2027-01-05", "--until", "2027-01-03"], "end after it starts"),
        (["off", "Ravi Kumar", "--from", "soon", "--until", "2027-01-03"], "is not a day like"),
    ],
)
def test_trainers_are_refused_in_one_sentence(
    run: Run, make: Make, db: Database, args: list[str], sentence: str
) -> None:
    make.zone(name="Far", operator_id=make.franchise())
    make.trainer((make.zone(name="Beach"),), (make.course("Maths"),), name="Ravi Kumar")
    before = told(db, "trainer")
    assert sentence in run("trainer", *args, refused=True).output
    assert told(db, "trainer") == before


# Sweep, and a database that is not there


def test_sweeping_does_the_periodic_work_once(run: Run, make: Make, db: Database, bells: list[Bell]) -> None:
    zone, course = make.zone(), make.course()
    booking = make.booking(zone_id=zone, course_id=course)
    make.proposal(booking, make.trainer((zone,), (course,)), now=datetime(2026, 12, 1, tzinfo=UTC))
    output = run("sweep").output
    assert all(f"{job.value}: done" in output for job in JobName)
    with db.read_only() as session:
        statuses = session.scalars(select(Assignment.status).order_by(Assignment.id)).all()
    # The trainer is free again, so the waitlist finds the booking the same one.
    assert statuses == ["expired", "proposed"]


def test_a_database_that_does_not_answer_is_said_in_one_sentence(app: Flask, db: Database) -> None:
    from webapp.db import work
    from webapp.db.work import connect

    nowhere = Database(connect("postgresql+psycopg://nobody@127.0.0.1:1/nothing"), lambda job, ids: None)
    work.bind(nowhere)
    done = app.test_cli_runner().invoke(args=["user", "list"])
    work.bind(db)
    assert done.exit_code == 1
    assert done.output.startswith("Error: The database does not answer:")
    assert len(done.output.splitlines()) == 1


# Values


@pytest.mark.parametrize(
    ("typed", "days"),
    [("mon-sun 7:00-9:00", range(7)), ("sat-mon 7:00-9:00", (5, 6, 0)), ("Tue,THU 7:00-9:00", (1, 3))],
)
def test_weekdays_are_typed_as_people_say_them(typed: str, days: range | tuple[int, ...]) -> None:
    assert [period.weekday for period in values.hours(typed)] == list(days)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("{", "not JSON"),
        ('{"type": "Point", "coordinates": [83, 17]}', "not GeoJSON with one polygon"),
        ('{"type": "Polygon", "coordinates": [[[200, 17]]]}', "not GeoJSON with one polygon"),
        ('{"type": "FeatureCollection", "features": []}', "not GeoJSON with one polygon"),
        ('{"type": "Polygon", "coordinates": [[[83, 17]], [[83, 17]]]}', "has holes"),
        ("[]", "not GeoJSON with one polygon"),
    ],
)
def test_a_file_that_is_no_ring_is_refused(tmp_path: Path, content: str, sentence: str) -> None:
    file = tmp_path / "ring.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(click.BadParameter, match=sentence):
        values.ring(str(file))


def test_a_place_is_two_numbers_on_earth() -> None:
    assert values.place("17.5, -83") == Location(17.5, -83.0)
    for rubbish in ("", "1", "1,2,3", "91,0", "nan,0", "0,181"):
        with pytest.raises(click.BadParameter):
            values.place(rubbish)
