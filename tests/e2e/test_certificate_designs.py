"""An admin designs certificates with the mouse and with the keyboard, with and without JavaScript."""

from __future__ import annotations

import re
from pathlib import Path

from playwright.sync_api import expect

from tests.e2e.conftest import Visit
from tests.e2e.test_pages import faults_of
from tests.jobs.designed import logo, signature
from tests.make import Make

DRAWN = 90_000
"""Milliseconds within which a busy machine has drawn a preview."""


def test_an_admin_designs_and_sees_it_at_once(make: Make, visit: Visit, tmp_path: Path) -> None:
    franchise = make.franchise(f"Penna Tutors {make.number()}")
    (tmp_path / "logo.png").write_bytes(logo())
    (tmp_path / "signature.png").write_bytes(signature())
    (tmp_path / "drawing.svg").write_text("<svg xmlns='http://www.w3.org/2000/svg'><script>1</script></svg>")
    admin = visit(make.admin())
    page = admin.page
    page.goto("/certificates")
    admin.follow(page.get_by_role("link", name="Designs"))
    found = faults_of(admin, "designs")
    page.goto(f"/certificates/designs/{franchise}")
    found += faults_of(admin, "design-none")
    admin.follow(page.get_by_role("link", name="Change the design"))
    admin.mark()
    page.get_by_label("Title").fill("Certificate of Merit")
    page.get_by_label("Title").press("Tab")
    picture = page.locator("#design-preview img")
    expect(picture).to_be_visible(timeout=DRAWN)
    first = picture.get_attribute("src")
    admin.assert_not_reloaded()
    expect(page.get_by_label("Title")).to_have_value("Certificate of Merit")
    found += faults_of(admin, "design-edit")

    page.get_by_label("Name on the preview").fill("Asha 中文")
    page.get_by_label("Name on the preview").press("Tab")
    expect(page.locator("#design-preview")).to_contain_text("has to be mended")
    page.locator("#logo").set_input_files(tmp_path / "drawing.svg")
    page.get_by_role("button", name="Save the draft").click()
    summary = page.locator("[data-error-summary]")
    expect(summary).to_be_focused()
    expect(summary).to_contain_text("No font of the certificates can set this: 中 文")
    found += faults_of(admin, "design-wrong")
    page.get_by_label("Name on the preview").fill("Venkata Satyanarayana Subrahmanya " * 3)
    page.get_by_role("button", name="Save the draft").click()
    expect(summary).to_contain_text("This is no PNG, JPEG or WebP picture.")
    page.locator("#logo").set_input_files(tmp_path / "logo.png")
    page.locator("#signature").set_input_files(tmp_path / "signature.png")
    page.get_by_label("Who signs").fill("Dr. Vasundhara Rao")
    page.get_by_label("What they are").fill("Head of Music")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Saved as a draft")
    expect(picture).to_be_visible(timeout=DRAWN)
    assert picture.get_attribute("src") != first
    expect(page.get_by_alt_text("The logo")).to_be_visible()
    found += faults_of(admin, "design-saved")
    with page.expect_download() as download:
        page.get_by_role("link", name="Download as PDF").click()
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF-")

    page.get_by_role("link", name="Hindi").click()
    expect(page.get_by_label("Title")).to_have_value("पूर्णता प्रमाणपत्र")
    page.goto(f"/certificates/designs/{franchise}")
    page.get_by_role("button", name="Publish as a new version").click()
    expect(page.locator("main")).to_contain_text("Own, version 1")
    found += faults_of(admin, "design-published")
    page.get_by_role("link", name="Version 1").first.click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Version 1")
    found += faults_of(admin, "design-version")
    assert not found, "\n".join(found)


def test_a_design_is_made_without_javascript(make: Make, visit: Visit) -> None:
    franchise = make.franchise(f"Penna Tutors {make.number()}")
    page = visit(make.admin(), javascript=False).page
    page.goto(f"/certificates/designs/{franchise}/edit")
    page.get_by_label("Title").fill("Certificate of Honour")
    page.get_by_role("button", name="Draw without saving").click()
    expect(page).to_have_url(re.compile("/preview$"))
    picture = page.locator("#design-preview img")
    for _ in range(45):
        page.wait_for_load_state("load")
        if picture.count():
            break
        page.wait_for_timeout(2_000)
        page.get_by_role("link", name="Look again").click()
    expect(picture).to_be_visible()
    page.get_by_role("link", name="The draft").click()
    page.get_by_label("Title").fill("Certificate of Honour")
    page.get_by_role("button", name="Save the draft").click()
    expect(page.get_by_role("alert")).to_contain_text("Saved as a draft")
    page.get_by_role("link", name="Certificate design of").click()
    page.get_by_role("button", name="Publish as a new version").click()
    expect(page.locator("main")).to_contain_text("Own, version 1")
