"""Quarantine, and what the names of the trainer service mean here."""

from __future__ import annotations

import time
from typing import Any

import pytest
from sqlalchemy import insert, select

from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.sync_rows import add_link, add_record, put_on_roster
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database, unit_of_work
from webapp.trainers.models import Trainer
from webapp.trainers.sync_models import ServiceLink, ServiceRecord
from webapp.trainers.sync_rules import LinkKind

pytestmark = pytest.mark.usefixtures("service")

LINK = "trainer_service.link"


def links(db: Database) -> list[ServiceLink]:
    """The links as they are."""
    with db.read_only() as session:
        return list(session.scalars(select(ServiceLink)))


def test_nobody_in_quarantine_is_said_so(admin: DeskClient) -> None:
    add_record("T-1")
    assert "Nobody is in quarantine." in admin.get("trainer_service.quarantine").text


@pytest.mark.parametrize(
    ("code", "facts", "words"),
    [
        (
            "unreadable",
            {"problems": [["workingHours", "backwards"], ["name", "quite odd"], ["", "not-an-object"]]},
            ["cannot be read", "workingHours: ends before it begins", "name: quite odd", "is no object"],
        ),
        ("franchise-unknown", {"franchise": "F-9"}, ["Franchise “F-9” is none that the desk knows."]),
        ("franchise-unsaid", {}, ["does not say whose", "not taken for the company"]),
        ("zones-unknown", {"zones": ["Z-1", "Z-2"]}, ["“Z-1”, “Z-2”"]),
        ("no-time-zone", {}, ["No zone is said"]),
        ("quite-new", {}, ["quite-new"]),
    ],
)
def test_each_reason_is_told_in_words_with_its_facts(
    admin: DeskClient, code: str, facts: dict[str, Any], words: list[str]
) -> None:
    add_record("T-1", code=code, facts=facts)
    page = admin.get("trainer_service.quarantine")
    for sentence in words:
        assert sentence in page.text
    assert "Lakshmi Rao" in page.text
    assert "2 h ago" in page.text


def test_ids_of_ours_are_told_by_name(admin: DeskClient, make: Make) -> None:
    vizag, other = make.franchise("Vizag Learning"), make.franchise("Godavari Tutors")
    zone = make.zone(operator_id=other, name="Riverside")
    trainer = make.trainer((make.zone(operator_id=vizag),), (make.course(),), operator_id=vizag)
    put_on_roster(trainer, "T-1")
    add_record("T-1", code="operator-changed", facts={"from": str(vizag), "to": str(other)}, trainer_id=trainer)
    add_record("T-2", code="zone-of-another-operator", facts={"zones": [str(zone)]})
    add_record(
        "T-3", code="zones-time-zone", facts={"zones": [str(zone)], "time_zones": ["Asia/Dubai", "Asia/Kolkata"]}
    )
    page = admin.get("trainer_service.quarantine")
    assert "On the roster with Vizag Learning, said to belong to Godavari Tutors." in page.text
    assert "on the roster of Vizag Learning" in page.text
    assert f"/trainers/{trainer}" in page.text
    assert page.text.count("Riverside (Godavari Tutors)") == 2
    assert "Asia/Dubai, Asia/Kolkata" in page.text
    assert admin.statements <= 12


def test_the_list_is_narrowed_to_one_reason(admin: DeskClient) -> None:
    add_record("T-1", name="Anand", code="franchise-unsaid")
    add_record("T-2", name="Bela", code="no-time-zone")
    page = admin.get("trainer_service.quarantine", reason="no-time-zone")
    assert "Bela" in page.text
    assert "Anand" not in page.text
    page = admin.get("trainer_service.quarantine", reason="<script>alert(1)</script>")
    assert "Anand" in page.text
    assert "<script>alert" not in page.text


def test_a_franchise_is_settled_on_its_page(admin: DeskClient, make: Make, db: Database) -> None:
    vizag = make.franchise("Vizag Learning")
    make.zone(operator_id=vizag)
    for number in range(3):
        add_record(f"T-{number}", code="franchise-unknown", facts={"franchise": "F-9"})
    page = admin.get("trainer_service.quarantine")
    assert "/trainers/service/links/new?kind=franchise&amp;name=F-9" in page.text
    page = admin.get(LINK, kind="franchise", name="F-9")
    assert "Which operator is franchise F-9?" in page.text
    assert "This franchise is…" in page.text
    assert "3 trainers wait for this." in page.text
    done = admin.post(LINK, kind="franchise", name="F-9", data={"target": str(vizag)})
    assert (done.status_code, done.location) == (303, "/trainers/service/quarantine")
    page = admin.get(done.location)
    assert "Saved." in page.text
    assert "Nobody is in quarantine." in page.text
    assert admin.get("trainers.index").text.count("Lakshmi Rao") == 3
    (made,) = links(db)
    assert (made.kind, made.external_id, made.to_operator_id) == (LinkKind.FRANCHISE, "F-9", vizag)
    assert made.created_by_name


def test_zones_and_courses_are_settled_likewise(admin: DeskClient, make: Make, db: Database) -> None:
    zone, course = make.zone(name="Seaside"), make.course("Carnatic music")
    add_record("T-1", code="zones-unknown", facts={"zones": ["Z-1"]})
    add_record("T-2", notes=[{"kind": "course", "name": "Music (south)"}, {"kind": "zone", "name": "Z-2"}])
    page = admin.get("trainer_service.unlinked")
    for name in ("Z-1", "Z-2", "Music (south)"):
        assert name in page.text
    assert "Seaside" in admin.get(LINK, kind="zone", name="Z-1").text
    assert admin.post(LINK, kind="zone", name="Z-1", data={"target": str(zone)}).status_code == 303
    assert "Carnatic music" in admin.get(LINK, kind="course", name="Music (south)").text
    done = admin.post(LINK, kind="course", name="Music (south)", data={"target": str(course)})
    assert (done.status_code, done.location) == (303, "/trainers/service/names")
    assert {(link.kind, link.external_id) for link in links(db)} == {
        (LinkKind.ZONE, "Z-1"),
        (LinkKind.COURSE, "Music (south)"),
    }
    page = admin.get("trainer_service.unlinked")
    assert "Z-2" in page.text
    assert "Music (south)" not in page.text


def test_a_trainer_is_moved_only_by_somebody_who_says_that_they_mean_it(
    admin: DeskClient, make: Make, db: Database
) -> None:
    vizag, other = make.franchise("Vizag Learning"), make.franchise("Godavari Tutors")
    trainer = make.trainer((make.zone(operator_id=vizag),), (make.course(),), operator_id=vizag)
    make.zone(operator_id=other)
    put_on_roster(trainer, "T-1")
    facts = {"from": str(vizag), "to": str(other)}
    add_record("T-1", code="operator-changed", facts=facts, trainer_id=trainer)
    page = admin.get(LINK, kind="trainer", name="T-1")
    assert "Whose trainer is Lakshmi Rao?" in page.text
    assert "they leave Vizag Learning" in page.text
    assert "their remaining sessions need cover" in page.text
    refused = admin.post(LINK, kind="trainer", name="T-1", data={"target": str(other)})
    assert refused.status_code == 422
    assert "tick that you mean it" in refused.text
    assert links(db) == []
    done = admin.post(LINK, kind="trainer", name="T-1", data={"target": str(other), "moves": "y"})
    assert done.status_code == 303
    assert links(db)[0].to_operator_id == other
    assert "Nobody is in quarantine." in admin.get(done.location).text
    with db.read_only() as session:
        found = dict(session.execute(select(Trainer.operator_id, Trainer.active)).all())
    assert found == {vizag: False, other: True}


def test_a_trainer_who_stays_is_settled_without_more_ado(admin: DeskClient, make: Make, db: Database) -> None:
    vizag = make.franchise("Vizag Learning")
    trainer = make.trainer((make.zone(operator_id=vizag),), (make.course(),), operator_id=vizag)
    put_on_roster(trainer, "T-1")
    add_record("T-1", code="operator-changed", facts={"from": str(vizag), "to": str(COMPANY_ID)}, trainer_id=trainer)
    add_record("T-2", code="franchise-unsaid")
    for service_id in ("T-1", "T-2"):
        done = admin.post(LINK, kind="trainer", name=service_id, data={"target": str(vizag)})
        assert done.status_code == 303
    assert {link.external_id for link in links(db)} == {"T-1", "T-2"}


@pytest.mark.parametrize("htmx", [False, True])
def test_what_is_no_answer_changes_nothing(admin: DeskClient, make: Make, db: Database, htmx: bool) -> None:
    zone = make.zone()
    for data in ({}, {"target": "rubbish"}, {"target": str(new_id())}, {"target": str(zone)}):
        page = admin.post(LINK, kind="franchise", name="F-9", data=data, htmx=htmx)
        assert page.status_code == 422
        assert "Choose one from the list." in page.text
    assert links(db) == []


def test_which_name_is_asked_when_none_is_given_or_it_is_none(admin: DeskClient, db: Database) -> None:
    page = admin.get(LINK)
    assert "As the service writes it" in page.text
    assert "There is a problem" not in page.text
    for asked in (
        {"kind": "franchise"},
        {"kind": "planet", "name": "F-9"},
        {"kind": "zone", "name": " "},
        {"name": "x"},
    ):
        assert admin.get(LINK, **asked).status_code == 422
        assert admin.post(LINK, **asked).status_code == 422
    assert admin.get(LINK, kind="zone", name="a" * 129).status_code == 422
    assert admin.get(LINK, kind="zone", name="a\0b").status_code == 422
    assert links(db) == []


def test_a_name_is_kept_letter_by_letter(admin: DeskClient, make: Make, db: Database) -> None:
    name = "Cafe\u0301"  # not in its composed form: for the service that is another name
    done = admin.post(LINK, kind="franchise", name=name, data={"target": str(make.franchise())})
    assert done.status_code == 303
    assert links(db)[0].external_id == name


def test_who_has_settled_a_name_already_is_said(admin: DeskClient, make: Make) -> None:
    add_link(LinkKind.FRANCHISE, "F-9", make.franchise("Vizag Learning"), by="Asha Rao")
    page = admin.get(LINK, kind="franchise", name="F-9")
    assert "Asha Rao has said that this is Vizag Learning." in page.text


def test_htmx_is_led_on_once_a_name_is_settled(admin: DeskClient, make: Make) -> None:
    data = {"target": str(make.franchise())}
    done = admin.post(LINK, kind="franchise", name="F-9", data=data, htmx=True)
    assert (done.status_code, done.headers["HX-Redirect"]) == (200, "/trainers/service/quarantine")


def test_what_was_settled_is_listed_and_can_be_taken_back(admin: DeskClient, make: Make, db: Database) -> None:
    link = add_link(LinkKind.FRANCHISE, "F-9", make.franchise("Vizag Learning"), by="Asha Rao")
    add_link(LinkKind.ZONE, "Z-1", make.zone(name="Seaside"))
    add_link(LinkKind.COURSE, "Music", make.course("Carnatic music"))
    page = admin.get("trainer_service.links")
    for words in ("F-9", "Vizag Learning", "Asha Rao", "Seaside", "Carnatic music"):
        assert words in page.text
    asked = admin.get("trainer_service.unlink", link_id=link)
    assert "Nobody leaves the roster by this" in asked.text
    assert len(links(db)) == 3, "the page itself takes nothing back"
    assert admin.post("trainer_service.unlink", link_id=link).status_code == 303
    assert {one.external_id for one in links(db)} == {"Z-1", "Music"}
    assert "Taken back." in admin.get("trainer_service.links").text
    assert admin.get("trainer_service.unlink", link_id=link).status_code == 404


@pytest.mark.parametrize("htmx", [False, True])
def test_what_is_taken_back_twice_is_said_to_be_so(admin: DeskClient, make: Make, htmx: bool) -> None:
    link = add_link(LinkKind.FRANCHISE, "F-9", make.franchise())
    for said in ("Taken back.", "Taken back already."):
        done = admin.post("trainer_service.unlink", link_id=link, htmx=htmx)
        assert done.location == "/trainers/service/links" or done.headers["HX-Redirect"] == "/trainers/service/links"
        assert said in admin.get("trainer_service.links").text


EVIL = "<script>alert('x')</script>\"><img src=x onerror=alert(1)>"


def test_what_the_service_says_is_text_and_nothing_else(admin: DeskClient, make: Make) -> None:
    zone = "javascript:alert(1)//" + EVIL
    add_record(EVIL[:60], name=EVIL, code="franchise-unknown", facts={"franchise": EVIL})
    add_record("T-2", name=EVIL, code="zones-unknown", facts={"zones": [zone, EVIL]})
    add_record("T-3", name=EVIL, code="unreadable", facts={"problems": [[EVIL, EVIL]]})
    add_record("T-4", notes=[{"kind": "course", "name": EVIL}])
    add_link(LinkKind.COURSE, EVIL + "!", make.course())
    for address in ("", "/quarantine", "/names", "/links"):
        page = admin.get(f"/trainers/service{address}")
        assert page.status_code == 200
        assert "<script>alert" not in page.text
        assert "<img src=x" not in page.text
    page = admin.get(LINK, kind="franchise", name=EVIL)
    assert "&lt;script&gt;alert" in page.text
    assert "<img src=x" not in page.text


def test_the_longest_ids_do_not_break_a_page(admin: DeskClient, make: Make) -> None:
    add_record("i" * 64, name="N" * 200, code="zones-unknown", facts={"zones": ["z" * 128] * 5})
    add_record("T-2", code="franchise-unknown", facts={"franchise": "f" * 128})
    page = admin.get("trainer_service.quarantine")
    assert "2 more in the list of names" in page.text
    assert admin.get("trainer_service.unlinked").status_code == 200
    assert admin.post(LINK, kind="franchise", name="f" * 128, data={"target": str(make.franchise())}).status_code == 303


def test_ten_thousand_in_quarantine_are_shown_as_fast_as_one(admin: DeskClient) -> None:
    with unit_of_work() as work:
        rows = [
            {
                "service_id": f"T-{number:05}",
                "said": {"name": f"Trainer {number:05}"},
                "digest": "0" * 64,
                "said_at": NOW,
                "refused_code": "franchise-unknown",
                "refused_facts": {"franchise": f"F-{number % 997}"},
                "refused_at": NOW,
                "notes": [{"kind": "course", "name": f"Course {number % 89}"}],
            }
            for number in range(10_000)
        ]
        work.db.execute(insert(ServiceRecord), rows)
    for address, shown in (
        ("/quarantine", "1–25 of 10000 trainers"),
        ("/quarantine?page=400", "9976–10000 of 10000 trainers"),
        ("/names", "1–25 of 1086 names"),
        ("", '>10000</span><span class="zd-tile-label">In quarantine<'),
    ):
        began = time.perf_counter()
        page = admin.get(f"/trainers/service{address}")
        took = time.perf_counter() - began
        assert shown in page.text
        assert admin.statements <= 12
        assert took < 2, f"{address} took {took:.2f} s"
