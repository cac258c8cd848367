"""Designing certificates on pages: with htmx and without JavaScript, with good pictures and bad ones."""

from __future__ import annotations

import io
import re
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest
from flask import Flask
from PIL import Image
from werkzeug.test import TestResponse

from tests.jobs.builders import PlainDrawer, PlainKeys, completed_booking, promise, rows
from tests.jobs.designed import logo, png, signature
from tests.make import Make
from tests.web.client import NOW, Bell, DeskClient
from webapp.certificates import jobs as certificates
from webapp.certificates.designs import jobs, queries
from webapp.certificates.designs.built_in import built_in_wording, first_draft
from webapp.certificates.designs.rules import WORDS, Design
from webapp.certificates.pdf import CertificatePayload, RenderFailed
from webapp.clients.files import store_from_url
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.core.ids import COMPANY_ID
from webapp.core.job_names import JobName
from webapp.db.job_context import JobContext
from webapp.db.work import Database

ENGLISH = built_in_wording()["en"]


def form(seen: int = 0, language: str = "en", **more: object) -> dict[str, object]:
    """What a browser sends when the form is left as it is, but for ``more``."""
    words = built_in_wording().get(language, ENGLISH)
    colours = first_draft().colours
    sent = {name: getattr(words, name) for name in WORDS} | {
        "seen": str(seen),
        "ink": colours.ink,
        "name": colours.name,
        "ornament": colours.ornament,
        "signatory_name": "",
        "signatory_title": "",
        "sample": "Asha Rao",
    }
    return sent | more


def upload(content: bytes, name: str = "picture.png") -> tuple[io.BytesIO, str]:
    return io.BytesIO(content), name


def save(client: DeskClient, data: dict[str, object], operator_id: UUID = COMPANY_ID, **more: object) -> TestResponse:
    return client.post(
        "certificate_designs.edit", operator_id=operator_id, data=data, content_type="multipart/form-data", **more
    )


def draft(db: Database, operator_id: UUID = COMPANY_ID) -> Design:
    with db.read_only() as session:
        found = queries.designed(session, operator_id, visible_to=SYSTEM).draft
    assert found is not None
    return found.design


@pytest.fixture
def ctx(db: Database, settings: Settings) -> JobContext:
    return JobContext(settings, db, lambda: NOW)


@pytest.fixture
def admin(client: DeskClient, make: Make) -> DeskClient:
    client.sign_in(make.admin())
    return client


def test_an_admin_designs_looks_publishes_and_goes_back(
    admin: DeskClient, make: Make, db: Database, ctx: JobContext, bells: list[Bell]
) -> None:
    ours = make.franchise("Zonedesk Guntur")
    page = admin.get("certificate_designs.show", operator_id=ours).text
    assert "Nobody has designed certificates yet" in page
    bells.clear()
    answer = save(admin, form(title="Certificate of Merit", signatory_name="Dr. Rao"), ours)
    assert (answer.status_code, bells) == (303, [(JobName.PREVIEW_DESIGNS, {})])
    assert draft(db, ours).wording["en"].title == "Certificate of Merit"
    assert jobs.preview(ctx, drawer=PlainDrawer()) == 1
    assert "/previews/" in admin.get("certificate_designs.edit", operator_id=ours).text

    shown = admin.get("certificate_designs.show", operator_id=ours).text
    assert "Go on with the draft" in shown
    assert admin.post("certificate_designs.publish", operator_id=ours, data={"seen": "1"}).status_code == 303
    assert "Own, version 1" in admin.get("certificate_designs.show", operator_id=ours).text
    save(admin, form(title="Certificate of Honour"), ours)
    admin.post("certificate_designs.publish", operator_id=ours, data={"seen": "1"})
    version = admin.get("certificate_designs.version", operator_id=ours, number=1).text
    assert "Certificate of Merit" in version
    assert "Dr. Rao" in version
    assert admin.post("certificate_designs.go_back", operator_id=ours, number=1).status_code == 303
    shown = admin.get("certificate_designs.show", operator_id=ours).text
    assert "Own, version 3" in shown
    assert "as version 1" in shown
    assert admin.post("certificate_designs.stop", operator_id=ours).status_code == 303
    assert "The built-in one" in admin.get("certificate_designs.index").text
    assert admin.statements <= 12


def test_each_language_is_written_by_itself_and_one_left_empty_is_left_out(admin: DeskClient, db: Database) -> None:
    words = form(language="te", title="ధ్రువపత్రం")
    assert admin.post("/certificates/designs/" + str(COMPANY_ID) + "/edit?language=te", data=words).status_code == 303
    assert draft(db).wording["te"].title == "ధ్రువపత్రం"
    assert draft(db).wording["en"] == ENGLISH
    address = f"/certificates/designs/{COMPANY_ID}/edit?language=es"
    assert "Certificate of Completion" not in admin.get(address).text
    assert admin.post(address, data=form(seen=1, title="Certificado")).status_code == 303
    assert draft(db).wording["es"].title == "Certificado"
    nothing = dict.fromkeys(WORDS, "")
    assert admin.post(address, data=form(seen=2) | nothing).status_code == 303
    assert "es" not in draft(db).wording
    refused = admin.post(f"/certificates/designs/{COMPANY_ID}/edit?language=en", data=form(seen=3) | nothing)
    assert refused.status_code == 422
    assert admin.get(f"/certificates/designs/{COMPANY_ID}/edit?language=../x").status_code == 200


@pytest.mark.parametrize("htmx", [True, False])
def test_what_is_wrong_is_said_at_its_field_and_nothing_is_kept(admin: DeskClient, db: Database, htmx: bool) -> None:
    wrong = form(
        title="x" * 61, span="no places", ink="#777777", signatory_name="Asha 中文", opening="{first}", sample="😀"
    )
    answer = save(admin, wrong, htmx=htmx)
    assert answer.status_code == 422
    for sentence in (
        "Use at most 60 characters",
        "Write each of these exactly once: {first} {last} {sessions}",
        "its contrast is 4.4 to 1, at least 7.0 is needed",
        "No font of the certificates can set this: 中 文",
        "Leave out the braces",
        "No font of the certificates can set this: 😀",
    ):
        assert sentence in answer.text
    assert answer.text.lstrip().startswith("<form") == htmx
    assert rows(db, "SELECT count(*) FROM certificate_design_drafts") == [(0,)]
    assert rows(db, "SELECT count(*) FROM certificate_previews") == [(0,)]


def test_pictures_are_drawn_anew_kept_by_their_hash_and_shown(
    admin: DeskClient, db: Database, settings: Settings
) -> None:
    secret = png(Image.open(io.BytesIO(logo()))) + b"<script>alert(1)</script>"
    assert save(admin, form(logo=upload(secret), signature=upload(signature()))).status_code == 303
    kept = draft(db)
    assert kept.logo is not None
    content = store_from_url(settings.certificate_store_url).get(kept.logo)
    assert content.startswith(b"\x89PNG")
    assert b"script" not in content
    with Image.open(io.BytesIO(content)) as image:
        assert image.size == (640, 320)
    answer = admin.get("certificate_designs.picture", operator_id=COMPANY_ID, sha256=kept.logo)
    assert (answer.mimetype, answer.data) == ("image/png", content)
    assert kept.logo in admin.get("certificate_designs.edit", operator_id=COMPANY_ID).text
    assert save(admin, form(seen=1, remove_logo="y")).status_code == 303
    assert (draft(db).logo, draft(db).signature) == (None, kept.signature)


def test_a_store_that_is_full_is_said_and_what_was_typed_stays(
    admin: DeskClient, app: Flask, settings: Settings, db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder can be made below this")
    full = settings.model_copy(update={"certificate_store": f"file://{tmp_path}/file/store"})
    monkeypatch.setitem(app.extensions, "settings", full)
    answer = save(admin, form(title="Certificate of Merit", logo=upload(logo())))
    assert answer.status_code == 409
    assert "The picture could not be kept" in answer.text
    assert "Certificate of Merit" in answer.text
    assert rows(db, "SELECT count(*) FROM certificate_design_drafts") == [(0,)]


def _bomb() -> bytes:
    """A PNG of 100 megapixels in a few hundred bytes."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 10_000, 10_000, 1, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def _moving(kind: str) -> bytes:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, kind, save_all=True, append_images=frames[1:], duration=80)
    return out.getvalue()


BAD = {
    "100 megapixels": (_bomb(), "too many pixels"),
    "svg with a script": (b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>', "no PNG, JPEG"),
    "svg called png": (b'<?xml version="1.0"?><svg onload="alert(1)"/>', "no PNG, JPEG"),
    "gif": (_moving("GIF"), "no PNG, JPEG"),
    "moving png": (_moving("PNG"), "This picture moves"),
    "moving webp": (_moving("WEBP"), "This picture moves"),
    "pdf": (b"%PDF-1.7 ...", "no PNG, JPEG"),
    "cut short": (logo()[:600], "cannot be read"),
    "magic alone": (b"\x89PNG\r\n\x1a\n", "cannot be read"),
    "text": (b'Typst #image("/etc/passwd")', "no PNG, JPEG"),
    "nothing": (b"", "Choose a picture"),
    "over a megabyte": (b"\x89PNG\r\n\x1a\n" + b"x" * 1_200_000, "larger than 1024 kB"),
}


@pytest.mark.parametrize("part", ["logo", "signature"])
@pytest.mark.parametrize("what", BAD)
def test_a_bad_picture_is_refused_in_words_and_nothing_is_kept(
    admin: DeskClient, db: Database, what: str, part: str
) -> None:
    content, sentence = BAD[what]
    answer = save(admin, form() | {part: upload(content, "../../etc/logo.png")})
    answer.request.environ["wsgi.input"].close()  # a file of the test client's own, which it leaves open
    assert answer.status_code == 422
    assert sentence in answer.text
    assert f'id="{part}-error"' in answer.text
    assert rows(db, "SELECT count(*) FROM certificate_design_drafts") == [(0,)]


def test_the_preview_is_promised_from_the_form_without_saving_and_polled_until_it_is_there(
    admin: DeskClient, db: Database, ctx: JobContext, bells: list[Bell]
) -> None:
    bells.clear()
    answer = admin.post("certificate_designs.draw", operator_id=COMPANY_ID, data=form(title="Only tried"), htmx=True)
    assert answer.status_code == 200
    assert answer.text.lstrip().startswith('<div id="design-preview"')
    assert "every 2s" in answer.text
    assert bells == [(JobName.PREVIEW_DESIGNS, {})]
    assert rows(db, "SELECT count(*) FROM certificate_design_drafts") == [(0,)]
    poll = admin.get("certificate_designs.preview", operator_id=COMPANY_ID, htmx=True)
    assert "every 2s" in poll.text
    assert admin.statements <= 6
    drawer = PlainDrawer()
    jobs.preview(ctx, drawer=drawer)
    assert drawer.looks[0].design.wording["en"].title == "Only tried"
    done = admin.get("certificate_designs.preview", operator_id=COMPANY_ID, htmx=True).text
    assert "hx-trigger" not in done
    picture = re.search(r'src="([^"]+/png)"', done)
    assert picture is not None
    answer = admin.get(picture[1])
    assert (answer.mimetype, answer.data[:4]) == ("image/png", b"\x89PNG")
    assert "no-store" in answer.headers["Cache-Control"]
    file = admin.get(picture[1].replace("/png", "/pdf"))
    assert (file.mimetype, file.data[:4]) == ("application/pdf", b"%PDF")
    assert "attachment" in file.headers["Content-Disposition"]
    assert admin.get(picture[1].replace("/png", "/svg")).status_code == 404


def test_a_change_that_is_drawn_late_does_not_take_the_place_of_what_was_saved(admin: DeskClient, db: Database) -> None:
    save(admin, form(title="Saved", logo=upload(logo())))
    for htmx in (True, False):
        late = form(seen=0, title="Typed before it was saved")
        answer = admin.post("certificate_designs.draw", operator_id=COMPANY_ID, data=late, htmx=htmx)
        assert answer.status_code == (200 if htmx else 303)
    said = "SELECT content -> 'wording' -> 'en' ->> 'title', state FROM certificate_previews"
    assert rows(db, said) == [("Saved", "waiting")]
    admin.post("certificate_designs.draw", operator_id=COMPANY_ID, data=form(seen=1, title="Typed now"))
    assert sorted(rows(db, said)) == [("Saved", "overtaken"), ("Typed now", "waiting")]


def test_without_javascript_a_button_leads_to_a_page_that_can_be_loaded_again(
    admin: DeskClient, db: Database, ctx: JobContext
) -> None:
    answer = admin.post("certificate_designs.draw", operator_id=COMPANY_ID, data=form())
    assert answer.status_code == 303
    page = admin.get(answer.location).text
    assert "being drawn" in page
    assert "Look again" in page
    jobs.preview(ctx, drawer=PlainDrawer(fails=RenderFailed("…", code="name-too-long")))
    assert "The name is too long for its place" in admin.get(answer.location).text


@pytest.mark.parametrize("htmx", [True, False])
def test_a_form_that_is_wrong_is_not_drawn(admin: DeskClient, db: Database, htmx: bool) -> None:
    answer = admin.post("certificate_designs.draw", operator_id=COMPANY_ID, data=form(title=""), htmx=htmx)
    assert answer.status_code == 422
    assert ("has to be mended" if htmx else "Fill this in, or leave") in answer.text
    assert rows(db, "SELECT count(*) FROM certificate_previews") == [(0,)]


def test_a_preview_is_its_person_s_alone(
    admin: DeskClient, new_client: Callable[[], DeskClient], make: Make, ctx: JobContext, db: Database
) -> None:
    admin.post("certificate_designs.draw", operator_id=COMPANY_ID, data=form())
    jobs.preview(ctx, drawer=PlainDrawer())
    ((preview_id,),) = rows(db, "SELECT id FROM certificate_previews")
    other = new_client()
    other.sign_in(make.admin())
    assert admin.get("certificate_designs.preview_file", preview_id=preview_id, kind="png").status_code == 200
    assert other.get("certificate_designs.preview_file", preview_id=preview_id, kind="png").status_code == 404
    assert "A preview is drawn when" in other.get("certificate_designs.preview", operator_id=COMPANY_ID).text


def test_two_people_at_one_draft_do_not_write_over_each_other(admin: DeskClient, db: Database) -> None:
    save(admin, form(title="First"))
    answer = save(admin, form(title="Second"))
    assert answer.status_code == 409
    assert "Somebody changed this draft" in answer.text
    assert "Second" in answer.text, "what was typed stays"
    for seen in ("0", "x", "", "9" * 30, "-1", "٣"):
        assert admin.post("certificate_designs.publish", operator_id=COMPANY_ID, data={"seen": seen}).status_code == 409
    assert draft(db).wording["en"].title == "First"
    for seen in ("x", "٣", "9" * 30):
        assert save(admin, form() | {"seen": seen}).status_code == 409


def test_managers_and_auditors_look_and_staff_do_not(
    admin: DeskClient, new_client: Callable[[], DeskClient], make: Make
) -> None:
    ours, theirs = make.franchise(), make.franchise()
    for operator_id in (ours, theirs):
        save(admin, form(title="Merit", logo=upload(logo())), operator_id)
        admin.post("certificate_designs.publish", operator_id=operator_id, data={"seen": "1"})
    manager, staff, auditor = new_client(), new_client(), new_client()
    manager.sign_in(make.manager(ours))
    staff.sign_in(make.staff(ours))
    auditor.sign_in(make.auditor())
    assert staff.get("certificate_designs.index").status_code == 403
    assert "Designs" not in staff.get("certificates.index").text
    assert "Designs" in manager.get("certificates.index").text
    assert str(theirs) not in manager.get("certificate_designs.index").text
    assert str(theirs) in auditor.get("certificate_designs.index").text
    for looker, operator_id, status in ((manager, ours, 200), (manager, theirs, 404), (auditor, theirs, 200)):
        assert looker.get("certificate_designs.show", operator_id=operator_id).status_code == status
        page = looker.get("certificate_designs.version", operator_id=operator_id, number=1)
        assert page.status_code == status
        assert "Use this version again" not in page.text
    for looker in (manager, auditor, staff):
        assert looker.get("certificate_designs.edit", operator_id=ours).status_code == 403
        assert looker.post("certificate_designs.publish", operator_id=ours, data={"seen": "1"}).status_code == 403


def test_a_franchise_begins_with_what_its_certificates_look_like_today(admin: DeskClient, make: Make) -> None:
    ours = make.franchise()
    save(admin, form(title="The company’s own words", logo=upload(logo())))
    admin.post("certificate_designs.publish", operator_id=COMPANY_ID, data={"seen": "1"})
    page = admin.get("certificate_designs.edit", operator_id=ours).text
    assert "The company’s own words" in page
    assert f"/certificates/designs/{COMPANY_ID}/pictures/" in page


def test_pages_of_nobody_answer_404(admin: DeskClient, make: Make) -> None:
    absent = "01920000-0000-7000-8000-000000000001"
    for path in ("", "/edit", "/preview", "/versions/1", f"/pictures/{'a' * 64}", "/pictures/..%2f..%2fetc"):
        assert admin.get(f"/certificates/designs/{absent}{path}").status_code == 404
    for path in (
        "/versions/0",
        "/versions/99999999999999999999",
        "/versions/2147483648",
        "/versions/-1",
        "/versions/x",
    ):
        assert admin.get(f"/certificates/designs/{COMPANY_ID}{path}").status_code == 404
    assert admin.get(f"/certificates/designs/previews/{absent}/png").status_code == 404
    assert admin.post("certificate_designs.go_back", operator_id=COMPANY_ID, number=99999999999999).status_code == 404


def test_a_certificate_that_no_font_can_set_says_which_characters(
    client: DeskClient, make: Make, db: Database, ctx: JobContext, app: Flask
) -> None:
    class Refusing:
        def render(self, payload: CertificatePayload) -> bytes:
            raise RenderFailed("student_name …", code="name-no-font")

    (certificate_id,) = promise(db, completed_booking(make, db, "小美 Asha"), now=NOW)
    certificates.issue(ctx, renderer=Refusing(), keys=PlainKeys())
    client.sign_in(make.staff())
    page = client.get("certificates.show", certificate_id=certificate_id).text
    assert "characters that no font of the desk can set: 小 美" in page
