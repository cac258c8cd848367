"""Pages of zone files: sending one, reading the report, having it written, and taking zones out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from tests.jobs.builders import rows
from tests.make import Make, Person
from tests.web.client import DeskClient
from webapp.config import Settings
from webapp.core import clock
from webapp.core.actor import SYSTEM
from webapp.core.geo import Location
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.trainers.queries import worked_in
from webapp.web.limits import limiter
from webapp.zones import jobs, service
from webapp.zones.files.said import MAX_BYTES
from webapp.zones.rules import ZoneCommand

HEAD = "name,label,time_zone,center_lat,center_lng,radius_km\n"
ONE = "VSP-01,Central,Asia/Kolkata,17.6868,83.2185,3\n"
BAD = 'VSP-02,,Asia/Kolkata,17.6868,83.2185,"12,5"\n'


def send(client: DeskClient, content: bytes | str, *, htmx: bool = False, **fields: str) -> TestResponse:
    """Send a file as a browser does. By hand: Werkzeug's builder leaves the file of a large body open."""
    fields["csrf_token"] = client.csrf_token()
    parts = [f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{fields[name]}\r\n' for name in fields]
    parts.append('--x\r\nContent-Disposition: form-data; name="file"; filename="zones.csv"\r\n\r\n')
    data = content.encode() if isinstance(content, str) else content
    return client.post(
        "zone_files.send",
        data="".join(parts).encode() + data + b"\r\n--x--\r\n",
        content_type="multipart/form-data; boundary=x",
        htmx=htmx,
        csrf=False,
    )


@pytest.fixture
def work_off(db: Database, settings: Settings) -> Callable[[], None]:
    """Does what waits."""

    def work() -> None:
        jobs.import_zones(JobContext(settings, db, clock.now), worked_in=worked_in)

    return work


@pytest.fixture
def manager(client: DeskClient, make: Make) -> Person:
    """A franchise's manager at the desk."""
    return client.sign_in(make.manager(make.franchise("Vizag Learning")))


def import_of(response: TestResponse) -> str:
    where = response.headers.get("HX-Redirect") or response.headers["Location"]
    assert "/zones/imports/" in where
    return where


@pytest.mark.parametrize("htmx", [False, True])
def test_a_manager_sends_a_file_reads_the_report_and_has_it_written(
    client: DeskClient, manager: Person, work_off: Callable[[], None], db: Database, htmx: bool
) -> None:
    assert "Import zones" in client.get("zones.index").text
    form = client.get("zone_files.new")
    assert 'type="file"' in form.text
    assert "Whose zones these are" not in form.text, "a manager's are their own operator's"
    where = import_of(send(client, HEAD + ONE, htmx=htmx))
    waiting = client.get(where, htmx=htmx)
    assert 'hx-trigger="every 2s"' in waiting.text
    work_off()
    report = client.get(where, htmx=htmx)
    assert 'hx-trigger="every' not in report.text, "a finished look asks no more"
    assert "Write 1 zone, all or nothing" in report.text
    assert "VSP-01" in report.text
    asked = client.post(f"{where}/write", data={"mode": "all"}, htmx=htmx)
    assert import_of(asked) == where
    assert "Being written" in client.get(where).text
    work_off()
    assert "Written" in client.get(where).text
    assert rows(db, "SELECT operator_id, name FROM zones") == [(manager.operator_id, "VSP-01")]
    again = import_of(send(client, HEAD + ONE))
    work_off()
    assert "There is nothing to write: the zones are as the file says." in client.get(again).text
    assert client.get("zone_files.index").text.count("/zones/imports/0") == 2


def test_bad_rows_are_told_by_line_and_column_and_only_good_ones_can_be_written(
    client: DeskClient, manager: Person, work_off: Callable[[], None], db: Database
) -> None:
    where = import_of(send(client, HEAD + ONE + BAD))
    work_off()
    page = client.get(where).text
    assert "12,5 is not a number like 17.6868." in page
    assert "<code>radius_km</code>" in page
    assert "all or nothing" not in page
    assert "Write only the 1 good zone" in page
    only_bad = client.get(f"{where}?verdict=bad").text
    assert "VSP-02" in only_bad
    assert "VSP-01" not in only_bad
    assert "No row came to this" in client.get(f"{where}?verdict=same").text
    assert client.post(f"{where}/write", data={"mode": "all"}).status_code == 409
    assert client.post(f"{where}/write", data={"mode": "some"}).status_code == 400
    client.post(f"{where}/write", data={"mode": "good"})
    work_off()
    assert rows(db, "SELECT name FROM zones") == [("VSP-01",)]


def test_a_long_report_has_pages_that_keep_the_filter(
    client: DeskClient, manager: Person, work_off: Callable[[], None]
) -> None:
    many = "".join(BAD.replace("VSP-02", f"Area {n}") for n in range(30))
    where = import_of(send(client, HEAD + ONE + many))
    work_off()
    page = client.get(f"{where}?verdict=bad")
    assert "1–25 of 30 rows" in page.text
    assert "verdict=bad&amp;page=2" in page.text
    assert "26–30 of 30 rows" in client.get(f"{where}?verdict=bad&page=2").text
    assert "Nothing on this page" in client.get(f"{where}?verdict=bad&page=9").text
    assert client.statements <= 12


def test_an_admin_chooses_whose_zones_they_are(
    client: DeskClient, make: Make, work_off: Callable[[], None], db: Database
) -> None:
    franchise = make.franchise("Vizag Learning")
    client.sign_in(make.admin())
    refused = send(client, HEAD + ONE)
    assert refused.status_code == 422
    assert "Choose whose zones these are." in refused.text
    assert send(client, HEAD + ONE, operator=str(new_id())).status_code == 422
    where = import_of(send(client, HEAD + ONE, operator=str(franchise)))
    work_off()
    client.post(f"{where}/write", data={"mode": "all"})
    work_off()
    assert rows(db, "SELECT operator_id FROM zones") == [(franchise,)]


def test_who_may_not_write_zones_sends_nothing_and_sees_no_foreign_import(
    client: DeskClient, manager: Person, make: Make, new_client: Callable[[], DeskClient]
) -> None:
    where = import_of(send(client, HEAD + ONE))
    other = new_client()
    other.sign_in(make.manager(make.franchise()))
    assert other.get(where).status_code == 404
    assert other.post(f"{where}/write", data={"mode": "all"}).status_code == 404
    assert "No file was imported yet" in other.get("zone_files.index").text
    for person in (make.staff(manager.operator_id), make.staff(), make.auditor()):
        other.sign_in(person)
        assert other.get("zone_files.new").status_code == 403
        assert send(other, HEAD + ONE).status_code == 403
        assert other.get(where).status_code == 403
    # A manager who names another operator in the form imports their own all the same.
    foreign = import_of(send(client, HEAD + ONE, operator=str(COMPANY_ID)))
    assert "Vizag Learning" in client.get(foreign).text


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "The file is empty."),
        (b"\xef\xbb\xbf \n", "The file is empty."),
        ((HEAD + ONE).replace("Central", "Caf\xe9").encode("latin-1"), "not UTF-8"),
        ((HEAD + ONE).encode("utf-16"), "not UTF-8"),
        (b"name,radius\nA,3\n", "radius: This column is not known."),
        (b"\x89PNG\r\n\x1a\n\x00\x00", "not UTF-8"),
        (HEAD.encode(), "The file has a heading but no zones."),
        (b'"name', "lone quote"),
        (b"x" * (MAX_BYTES + 1), "larger than 10 MiB"),
    ],
)
@pytest.mark.parametrize("htmx", [False, True])
def test_what_is_no_file_of_zones_is_refused_in_words_and_nothing_is_kept(
    client: DeskClient, manager: Person, db: Database, content: bytes, said: str, htmx: bool
) -> None:
    answer = send(client, content, htmx=htmx)
    assert answer.status_code == 422
    assert said in answer.text
    assert rows(db, "SELECT id FROM zone_imports") == []


def test_no_file_at_all_is_a_field_error(client: DeskClient, manager: Person) -> None:
    answer = client.post("zone_files.send", data={})
    assert answer.status_code == 422
    assert "Choose a file." in answer.text


@pytest.mark.parametrize("htmx", [False, True])
def test_two_hundred_megabytes_are_refused_before_they_are_read(
    client: DeskClient, manager: Person, htmx: bool
) -> None:
    class Endless(io.RawIOBase):
        """A body that must not be read."""

        def readable(self) -> bool:
            return True

        def readinto(self, _buffer: Any) -> int:
            raise AssertionError("it was read")

    answer = client.post(
        "zone_files.send",
        content_type="multipart/form-data; boundary=x",
        environ_overrides={"wsgi.input": Endless(), "CONTENT_LENGTH": str(200 * 1024**2)},
        htmx=htmx,
        csrf=False,
    )
    assert answer.status_code == 413
    assert "larger than the desk accepts" in answer.text


def test_a_stranger_may_send_no_more_than_before(app: Flask, new_client: Callable[[], DeskClient]) -> None:
    anonymous = new_client()
    answer = send(anonymous, b"x" * (3 * 1024**2))
    assert answer.status_code == 413


# Taking zones out


def draw(db: Database, *commands: ZoneCommand) -> list[UUID]:
    with db.unit_of_work() as work:
        return [service.create(work, command, by=SYSTEM, now=clock.now()) for command in commands]


RING = (Location(-17.5, 83.25), Location(-17.5, 83.5), Location(-17.25, 83.5000000001))


def circle(name: str, franchise: UUID | None = None, **more: Any) -> ZoneCommand:
    return ZoneCommand(name, franchise, "Asia/Kolkata", Location(-17.6868, 83.2185), 0.1 + 0.2, **more)


def test_the_csv_holds_all_pages_of_the_list_and_no_formula(client: DeskClient, make: Make, db: Database) -> None:
    draw(db, *(circle(f"Area {n:03}") for n in range(30)), circle("=SUM(A1)", label="'=x"))
    draw(db, ZoneCommand("Ring", None, "UTC", ring=RING, max_travel_km=7.5, active=False))
    client.sign_in(make.admin())
    answer = client.get("zone_files.export_csv")
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="zones-2027-01-01-')
    assert answer.headers["Cache-Control"] == "no-store"
    found = list(csv.DictReader(io.StringIO(answer.data.decode("utf-8-sig"))))
    assert len(found) == 32
    assert (found[0]["name"], found[0]["label"]) == ("'=SUM(A1)", "''=x")
    assert found[1]["center_lat"] == "-17.6868"
    assert found[-1]["corners"].startswith("POLYGON ((83.25 -17.5, 83.5 -17.5, 83.5000000001 -17.25, ")
    assert found[-1]["active"] == "no"
    assert rows(db, "SELECT after FROM audit_entries WHERE what = 'zones.exported'") == [
        ({"as": "csv", "count": 32, "searched": False, "one_operator": False},)
    ]


def test_files_hold_what_the_filter_finds_and_nothing_foreign(client: DeskClient, make: Make, db: Database) -> None:
    franchise = make.franchise("Vizag Learning")
    draw(db, circle("North"), circle("South"), circle("North", franchise), circle("West", franchise))
    client.sign_in(make.manager(franchise))

    def names(**asked: Any) -> list[str]:
        told = json.loads(client.get("zone_files.export_geojson", **asked).data)
        assert told["type"] == "FeatureCollection"
        return [f"{one['properties']['name']}, {one['properties']['operator']}" for one in told["features"]]

    assert names() == ["North, Vizag Learning", "West, Vizag Learning"]
    assert names(q="nor") == ["North, Vizag Learning"]
    assert names(q="=no such") == []
    refused = client.get("zone_files.export_geojson", operator=str(COMPANY_ID))
    assert refused.headers["Location"].startswith("/zones?operator="), "the list says that it is not to be chosen"
    client.sign_in(make.admin())
    assert len(names()) == 4
    assert len(names(operator=str(franchise))) == 2
    assert f"/zones/export.csv?operator={franchise}" in client.get("zones.index", operator=str(franchise)).text


def test_staff_take_no_files(client: DeskClient, make: Make) -> None:
    client.sign_in(make.staff())
    assert "/zones/export" not in client.get("zones.index").text
    assert client.get("zone_files.export_csv").status_code == 403
    assert client.get("zone_files.export_geojson").status_code == 403


def test_files_are_counted_as_other_exports_are(
    app: Flask, client: DeskClient, make: Make, settings: Settings, fresh_limits: None
) -> None:
    assert limiter.enabled
    client.sign_in(make.admin())
    app.extensions["settings"] = settings.model_copy(update={"export_rate": "2 per hour"})
    try:
        answers = [client.get("zone_files.export_csv").status_code, client.get("zone_files.export_geojson").status_code]
        assert [*answers, client.get("zone_files.export_csv").status_code] == [200, 200, 429]
    finally:
        app.extensions["settings"] = settings


@pytest.mark.parametrize("endpoint", ["zone_files.export_csv", "zone_files.export_geojson"])
def test_what_is_taken_out_and_brought_in_again_changes_nothing(
    client: DeskClient, make: Make, db: Database, work_off: Callable[[], None], endpoint: str
) -> None:
    drawn = [circle("=SUM(A1)", label="'=x"), circle("'=x"), circle("''-y"), circle("-1"), circle("'plain", label="@b")]
    draw(db, *drawn, circle("Retired", active=False, travel_buffer_minutes=20))
    draw(db, ZoneCommand("Ring", None, "UTC", ring=RING, max_travel_km=1 / 3, label="“Ü”, \\ {x};"))
    client.sign_in(make.admin())
    before = rows(db, "SELECT xmin, ctid FROM zones ORDER BY id"), rows(db, "SELECT version FROM zone_set")
    taken = client.get(endpoint).data
    where = import_of(send(client, taken, operator=str(COMPANY_ID)))
    work_off()
    assert rows(db, "SELECT DISTINCT verdict, faults FROM zone_import_rows") == [("same", [])], client.get(where).text
    assert (rows(db, "SELECT xmin, ctid FROM zones ORDER BY id"), rows(db, "SELECT version FROM zone_set")) == before
    other = make.franchise("Vizag Learning")
    foreign = import_of(send(client, taken, operator=str(other)))
    work_off()
    assert "choose that operator" in client.get(foreign).text, "whose zones they are is not changed by a file"
