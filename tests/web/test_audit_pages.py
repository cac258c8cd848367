"""The audit log as auditors see it: searched, opened, exported, and its chain computed again."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import text

from tests.make import Make, Person
from tests.services import ROOT
from tests.web.client import NOW, DeskClient
from webapp.audit import exporting, sealing, views
from webapp.audit import service as audit
from webapp.audit.queries.log import Place
from webapp.audit.service import Origin, origin
from webapp.core.actor import SYSTEM, Actor, Role
from webapp.core.ids import COMPANY_ID, new_id
from webapp.db.work import Database

SCRIPT = ROOT / "scripts" / "verify_audit_export.py"


@pytest.fixture
def auditor(client: DeskClient, make: Make) -> Person:
    """An auditor at the log."""
    return client.sign_in(make.auditor())


def write(
    db: Database,
    what: str = "booking.edited",
    *,
    by: Actor = SYSTEM,
    at: datetime = NOW,
    kind: str = "booking",
    subject: UUID | None = None,
    operator_id: UUID = COMPANY_ID,
    **sides: Any,
) -> UUID:
    """One entry; its id."""
    made = audit.entry(what, kind, subject or new_id(), operator_id=operator_id, by=by, at=at, **sides)
    with db.unit_of_work() as work:
        work.db.add(made)
    return made.id


def listed(page: str) -> list[str]:
    """The ids of the entries a page shows, in order."""
    return re.findall(r'<li id="entry-([0-9a-f-]{36})">', page)


# Who may.


@pytest.mark.parametrize("role", [Role.FRANCHISE_STAFF, Role.FRANCHISE_MANAGER, Role.COMPANY_STAFF])
def test_only_admins_and_auditors_see_the_log(client: DeskClient, make: Make, role: Role) -> None:
    client.sign_in(make.user(role))
    assert client.get("audit.index").status_code == 403
    assert client.get("audit.export").status_code == 403
    assert client.post("audit.export_file").status_code == 403
    assert client.post("audit.verify_chain").status_code == 403
    assert "/audit" not in client.get("desk.home").text


@pytest.mark.parametrize("role", [Role.ADMIN, Role.AUDITOR])
def test_the_navigation_leads_there(client: DeskClient, make: Make, role: Role) -> None:
    client.sign_in(make.user(role))
    assert 'href="/audit"' in client.get("desk.home").text
    assert client.get("audit.index").status_code == 200
    assert client.statements <= 12


# Searching.


def test_a_person_is_found_by_name_by_address_and_by_id(
    client: DeskClient, make: Make, db: Database, auditor: Person
) -> None:
    asha = make.user(Role.ADMIN, name="Asha Rao", email="asha@example.org")
    hers = write(db, by=asha.actor)
    write(db, by=make.admin().actor)
    write(db, by=SYSTEM)
    for who in ("asha r", "ASHA@example.org", str(asha.id)):
        assert listed(client.get("audit.index", who=who).text) == [str(hers)], who
    page = client.get("audit.index", who="nobody at all")
    assert listed(page.text) == []
    assert "No entry fits these filters." in page.text


def test_what_the_desk_did_by_itself_is_found(client: DeskClient, make: Make, db: Database, auditor: Person) -> None:
    by_itself = write(db, "assignment.expired", by=SYSTEM, at=NOW + timedelta(hours=1))
    write(db, "assignment.expired", by=make.admin().actor)
    page = client.get("audit.index", who="System", what="assignment.expired")
    assert listed(page.text) == [str(by_itself)]
    assert "The desk by itself" in page.text


def test_a_thing_and_an_entry_are_found_by_id(client: DeskClient, db: Database, auditor: Person) -> None:
    booking = new_id()
    first, second = write(db, subject=booking), write(db, subject=booking, at=NOW + timedelta(minutes=1))
    write(db)
    assert listed(client.get("audit.index", subject=booking).text) == [str(second), str(first)]
    assert listed(client.get("audit.index", subject=first).text) == [str(first)]
    page = client.get("audit.index", subject="42")
    assert page.status_code == 422
    assert "Give the whole id" in page.text


def test_what_happened_is_found_by_how_it_begins_and_things_by_their_kind(
    client: DeskClient, db: Database, auditor: Person
) -> None:
    placed, cancelled = write(db, "thing.placed", kind="thing"), write(db, "thing.put_off", kind="thing")
    other = write(db, "zone.changed", kind="zone")
    assert set(listed(client.get("audit.index", what="thing.p").text)) == {str(placed), str(cancelled)}
    assert listed(client.get("audit.index", what="thing.pl").text) == [str(placed)]
    assert set(listed(client.get("audit.index", kind="thing").text)) == {str(placed), str(cancelled)}
    assert str(other) in listed(client.get("audit.index", what="zone.").text)
    assert listed(client.get("audit.index", what="%").text) == []
    assert client.get("audit.index", kind="dragon").status_code == 422


def test_days_are_days_of_the_zone_that_was_chosen(
    client: DeskClient, make: Make, db: Database, auditor: Person
) -> None:
    make.zone(time_zone="Asia/Kolkata")
    late = write(db, "thing.done", at=datetime(2027, 3, 1, 20, tzinfo=UTC))
    in_india = client.get("audit.index", what="thing.", since="2027-03-02", until="2027-03-02", zone="Asia/Kolkata")
    assert listed(in_india.text) == [str(late)]
    assert "Tue 2 Mar 2027, 01:30 IST" in in_india.text
    assert "times in Asia/Kolkata" in in_india.text
    assert listed(client.get("audit.index", what="thing.", since="2027-03-02").text) == []
    assert listed(client.get("audit.index", what="thing.", until="2027-03-01").text) == [str(late)]
    for bad in ({"since": "yesterday"}, {"since": "2027-03-02", "until": "2027-03-01"}, {"until": "9999-12-31"}):
        assert client.get("audit.index", **bad).status_code == 422
    assert client.get("audit.index", zone="Mars/Olympus").status_code == 422


def test_entries_of_one_operator(client: DeskClient, make: Make, db: Database, auditor: Person) -> None:
    franchise = make.franchise("Vizag Learning")
    theirs = write(db, "thing.done", operator_id=franchise)
    write(db, "thing.done")
    page = client.get("audit.index", operator=franchise, what="thing.done")
    assert listed(page.text) == [str(theirs)]
    assert "Vizag Learning" in page.text


def test_pages_follow_each_other_without_losing_or_repeating_anything(
    client: DeskClient, db: Database, auditor: Person
) -> None:
    """Forty entries of three instants: the place of the last one, not its time, is where the next page begins."""
    written = [write(db, "thing.done", at=NOW + timedelta(seconds=n // 15)) for n in range(40)]
    first = client.get("audit.index", what="thing.done")
    assert "behind=" not in first.request.full_path
    older = re.search(r'rel="next" href="([^"]+)"', first.text)
    assert older is not None
    address = older[1].replace("&amp;", "&")
    assert "what=thing.done" in address
    second = client.get(address)
    shown = [*listed(first.text), *listed(second.text)]
    assert len(listed(first.text)) == views.PAGE
    assert shown == [str(id_) for id_ in sorted(written, key=lambda id_: (written.index(id_) // 15, id_), reverse=True)]
    assert "Older" not in second.text
    assert "Newest" in second.text
    nothing = client.get("audit.index", what="thing.done", behind=str(Place(NOW - timedelta(days=1), new_id())))
    assert "Nothing is older than this." in nothing.text


@pytest.mark.parametrize("rubbish", ["x", "1", "-", "9" * 30 + "-x", "99999999999999999-" + "0" * 32, "１-x"])
def test_a_page_that_begins_nowhere_begins_at_the_top(
    client: DeskClient, db: Database, auditor: Person, rubbish: str
) -> None:
    written = write(db, "thing.done")
    assert Place.read(rubbish) is None or rubbish.startswith("9")
    assert client.get("audit.index", what="thing.done", behind=rubbish).status_code == 200
    assert str(written) in client.get("audit.index", what="thing.done", behind="rubbish").text


def test_a_place_reads_back_to_the_microsecond() -> None:
    place = Place(datetime(2027, 1, 1, 3, 30, 0, 123457, tzinfo=UTC), new_id())
    assert Place.read(str(place)) == place


def test_htmx_gets_the_list_alone(client: DeskClient, db: Database, auditor: Person) -> None:
    write(db, "thing.done")
    fragment = client.get("audit.index", what="thing.done", htmx=True)
    assert fragment.text.lstrip().startswith('<div id="audit-list">')


# One entry.


def test_before_and_after_stand_side_by_side_with_a_word_for_each_change(
    client: DeskClient, make: Make, db: Database, auditor: Person
) -> None:
    booking = make.booking()
    with origin(Origin("web", "request-7", "203.0.113.9")):
        write(
            db,
            "booking.thing",
            subject=booking.id,
            by=make.user(Role.ADMIN, name="Asha Rao").actor,
            before={"status": "held", "trainer": "Lakshmi", "gone": 1, "same": [1, 2]},
            after={"status": "<b>booked</b>", "trainer": "లక్ష్మీ", "same": [1, 2], "new": {"km": 1.5}},
        )
    page = client.get("audit.index", what="booking.thing").text
    table = page[page.index("zd-log-body") :]
    rows = dict(re.findall(r'<th scope="row"[^>]*>(\w+)</th>(.*?)</tr>', table, re.DOTALL))
    for name, word in {"status": "Changed", "trainer": "Changed", "gone": "Gone", "same": "Same", "new": "New"}.items():
        assert f"<span>{word}</span>" in rows[name], name
        assert "<svg" in rows[name], "an icon stands beside the word"
    assert "&lt;b&gt;booked" in rows["status"]
    for shown in ("203.0.113.9", "request-7", "On a page", "Asha Rao", f"/bookings/{booking.id}", "Not sealed yet"):
        assert shown in table


def test_an_entry_without_fields_says_so(client: DeskClient, db: Database, auditor: Person) -> None:
    write(db, "thing.done", kind="thing")
    assert "This entry tells no fields" in client.get("audit.index", what="thing.done").text


def test_a_filter_that_finds_nothing_says_so(client: DeskClient, db: Database, auditor: Person) -> None:
    assert "No entry fits these filters." in client.get("audit.index", since="2100-01-01").text


# The chain.


def test_verify_says_that_the_chain_is_whole_and_where_it_ends(
    client: DeskClient, db: Database, auditor: Person
) -> None:
    write(db)
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    page = client.get("audit.index").text
    assert f"{sealed.position} entries are sealed." in page
    for htmx in (False, True):
        answer = client.post("audit.verify_chain", htmx=htmx)
        assert answer.status_code == 200
        assert "Whole" in answer.text
        assert sealed.name in answer.text
    assert answer.text.lstrip().startswith('<section id="audit-chain"')
    told = client.get("audit.index", what="audit.verified")
    assert len(listed(told.text)) == 2, "and that somebody looked is written down"
    assert auditor.name in told.text


def test_verify_compares_with_a_noted_head(client: DeskClient, db: Database, auditor: Person) -> None:
    write(db)
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    assert "Whole" in client.post("audit.verify_chain", data={"head": sealed.name}).text
    cut = client.post("audit.verify_chain", data={"head": f"{sealed.position + 5}:{'ab' * 32}"})
    assert "The chain ends before the head you noted down" in cut.text
    other = client.post("audit.verify_chain", data={"head": f"1:{'ab' * 32}"})
    assert "the chain was made anew" in other.text
    for bad in ("x", "12:34", "0:" + "ab" * 32, "ab" * 31):
        answer = client.post("audit.verify_chain", data={"head": bad})
        assert answer.status_code == 422
        assert "64 hexadecimal digits" in answer.text


def test_verify_names_the_first_broken_entry(client: DeskClient, db: Database, auditor: Person) -> None:
    """A seal that is none: all that the serving role can do to the chain (the rest is in the room's own tests)."""
    write(db)
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    bad = write(db)
    with db.unit_of_work() as work:
        work.db.execute(
            text("INSERT INTO audit_seals VALUES (:position, :company, :entry, sha256(''), now())"),
            {"position": sealed.position + 1, "company": COMPANY_ID, "entry": bad},
        )
    answer = client.post("audit.verify_chain")
    assert "Broken" in answer.text
    assert f"The entry at position {sealed.position + 1} and its seal do not fit" in answer.text
    assert f"/audit?subject={bad}" in answer.text
    told = client.get("audit.index", what="audit.verified").text
    assert "unmatched" in told


def test_a_long_chain_is_verified_step_by_step(
    client: DeskClient, db: Database, auditor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(3):
        write(db)
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    monkeypatch.setattr("webapp.audit.verifying.CHUNK", sealed.position - 1)
    monkeypatch.setattr(views, "STEP_SECONDS", -1.0)
    part = client.post("audit.verify_chain", htmx=True, data={"head": sealed.name})
    assert "Whole so far" in part.text
    assert 'hx-trigger="load, submit"' in part.text
    behind = re.search(r'name="behind" value="(\d+)"', part.text)
    assert behind is not None
    assert int(behind[1]) == sealed.position - 1
    assert f'name="head" value="{sealed.name}"' in part.text
    monkeypatch.setattr(views, "STEP_SECONDS", 60.0)
    rest = client.post("audit.verify_chain", data={"head": sealed.name, "behind": behind[1]})
    assert f"From position {sealed.position} to {sealed.position} every entry" in rest.text
    assert client.post("audit.verify_chain", data={"behind": "999999"}).status_code == 404


# Export.


def rows_of(content: bytes) -> list[dict[str, str]]:
    """The rows of an exported CSV file."""
    return list(csv.DictReader(io.StringIO(content.decode("utf-8-sig"), newline="")))


def test_the_csv_export_holds_what_the_list_holds_and_no_formula(
    client: DeskClient, make: Make, db: Database, auditor: Person
) -> None:
    evil = make.user(Role.ADMIN, name="=HYPERLINK(1)")
    hers = [write(db, "thing.done", by=evil.actor, after={"n": n}, at=NOW + timedelta(n)) for n in range(3)]
    write(db, "other.done")
    page = client.get("audit.export", what="thing.done")
    assert "3 entries, newest first." in page.text
    assert client.statements <= 12
    answer = client.post("/audit/export?what=thing.done", data={"as": "csv"})
    assert answer.mimetype == "text/csv"
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="audit-2027-01-01')
    assert answer.headers["Cache-Control"] == "no-store"
    rows = rows_of(answer.data)
    assert [row["id"] for row in rows] == [str(id_) for id_ in reversed(hers)]
    assert {row["actor_name"] for row in rows} == {"'=HYPERLINK(1)"}
    assert rows[0]["after"] == '{"n": 2}'
    assert rows[0]["operator"]


def test_an_export_is_written_into_the_log_and_is_not_in_itself(
    client: DeskClient, db: Database, auditor: Person
) -> None:
    write(db, "thing.done")
    rows = rows_of(client.post("/audit/export?who=system", data={"as": "csv"}).data)
    told = client.get("audit.index", what="audit.exported")
    assert len(listed(told.text)) == 1
    assert f"<strong>{len(rows)}</strong>" in told.text or f">{len(rows)}<" in told.text
    assert "&#34;who&#34;: &#34;system&#34;" in told.text
    again = rows_of(client.post("/audit/export?what=audit.exported", data={"as": "csv"}).data)
    assert len(again) == 1, "the first export, not the one that is being made"


def test_an_export_has_a_limit_and_says_so(
    client: DeskClient, db: Database, auditor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(4):
        write(db, "thing.done")
    monkeypatch.setattr(exporting, "MOST", 3)
    page = client.get("audit.export", what="thing.done")
    assert "more than 3 entries" in page.text
    refused = client.post("/audit/export?what=thing.done")
    assert (refused.status_code, refused.location) == (303, "/audit/export?what=thing.done")
    assert client.get("audit.export", what="nothing.ever").text.count("The filter finds nothing.") == 1
    assert client.get("audit.export", since="rubbish").status_code == 422


def test_an_export_of_many_pages_loses_nothing(
    client: DeskClient, db: Database, auditor: Person, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exporting, "PAGE", 4)
    written = {str(write(db, "thing.done")) for _ in range(10)}
    rows = rows_of(client.post("/audit/export?what=thing.done", data={"as": "csv"}).data)
    assert len(rows) == 10
    assert {row["id"] for row in rows} == written


def test_an_export_asks_for_a_fresh_second_factor_first(
    client: DeskClient, db: Database, auditor: Person, at: Callable[[datetime], None]
) -> None:
    assert client.get("audit.export").status_code == 200
    at(NOW + timedelta(minutes=11))
    for answer in (client.get("audit.export", what="x"), client.post("audit.export_file", data={"as": "csv"})):
        assert (answer.status_code, answer.location.partition("?")[0]) == (303, "/confirm")
    assert client.get("audit.index").status_code == 200, "reading the log does not"


def recomputed(folder: Path, content: bytes, *more: str) -> subprocess.CompletedProcess[str]:
    """What the stand-alone script says of an export: it knows nothing of the application."""
    file = folder / "audit.jsonl"
    file.write_bytes(content)
    command = [sys.executable, "-I", str(SCRIPT), str(file), *more]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=folder)


def test_a_third_party_computes_the_chain_from_an_export(
    client: DeskClient, make: Make, db: Database, auditor: Person, tmp_path: Path
) -> None:
    make.booking(household=make.household("అరుణ్", guardian='Lakshmi "L" \\ Devi'))
    write(db, after={"n": 1.50, "deep": [{"é": None, "a": [True, 1e-7, 12345678901234567890]}], "text": "\u2028\t"})
    sealed = sealing.seal_new(db, now=NOW)
    assert sealed is not None
    content = client.post("audit.export_file", data={"as": "jsonl"}).data
    good = recomputed(tmp_path, content, sealed.name)
    assert (good.returncode, good.stderr) == (0, "")
    assert sealed.name in good.stdout
    assert recomputed(tmp_path, content, f"{sealed.position}:{'00' * 32}").returncode == 1

    lines = [json.loads(line) for line in content.splitlines()]
    assert {"entry", "seal"} == set(lines[0])
    sealed_lines = [line for line in lines if line["seal"]["position"]]
    spoils: tuple[Callable[[Any], object], ...] = (
        lambda line: line["entry"].update(what="nothing.happened"),
        lambda line: line["entry"].pop("actor_name"),
        lambda line: line["seal"].update(hash="00" * 32),
        lambda line: line["seal"].update(previous="00" * 32),
    )
    for spoil in spoils:
        spoilt = json.loads(json.dumps(sealed_lines))
        spoil(spoilt[2])
        place = spoilt[2]["seal"]["position"]
        bad = recomputed(tmp_path, "\n".join(json.dumps(line) for line in spoilt).encode())
        assert bad.returncode == 1
        assert f"position {place}" in bad.stderr
    shortened = [line for line in content.splitlines() if b'"position":2,' not in line]
    assert len(shortened) == len(lines) - 1
    gap = recomputed(tmp_path, b"\n".join(shortened))
    assert gap.returncode == 0, "a part of the log is a fair export"
    assert "1 gap(s)" in gap.stdout
