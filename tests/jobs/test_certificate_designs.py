"""Certificates in a design of an operator's own: golden pages, pictures, colours, the longest words that are taken."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
import pypdfium2
import pytest
import zxingcpp
from pypdf import PdfReader

from tests.jobs.designed import DESIGN, PAYLOAD, PICTURES, Drawn, Order, draw
from tests.jobs.golden_pages import PAGES, Pixels, differing, golden, pixels
from webapp.certificates.designs.rules import FALLBACK_LANGUAGE, LIMITS, LONGEST_SIGNATORY, PLACES, WORDS, Wording


@pytest.fixture(scope="module")
def pages() -> dict[str, Drawn]:
    """Every golden page, drawn now by one process."""
    return dict(zip(PAGES, draw(list(PAGES.values())), strict=True))


@pytest.mark.parametrize("name", PAGES)
def test_a_page_looks_as_it_did_when_somebody_last_looked_at_it(pages: dict[str, Drawn], name: str) -> None:
    assert differing(pixels(pages[name].pdf), golden(name)) == 0


def lines(page: Pixels) -> list[tuple[int, int]]:
    """From which row to which each line of words in the middle of a page reaches, title to who taught it."""
    inked = [bool(row.sum() > 2) for row in page[:, 200:640] < 120]
    edges = [row for row in range(100, 420) if inked[row] != inked[row - 1]]
    return [(top - 2, bottom + 2) for top, bottom in zip(edges[::2], edges[1::2], strict=True) if bottom - top > 6]


@pytest.mark.parametrize("name", PAGES)
def test_a_line_that_moved_by_a_millimetre_is_seen(name: str) -> None:
    """The negative control: each line of a page kept is moved down, and then right, by three pixels."""
    page = golden(name)
    assert len(lines(page)) >= 6
    for top, bottom in (*lines(page), (470, 555)):
        for axis in (0, 1):
            moved = page.copy()
            moved[top : bottom + 3, 60:780] = np.roll(page[top : bottom + 3, 60:780], 3, axis=axis)
            assert differing(page, moved) > 0, (top, axis)


def test_a_word_that_changed_and_a_line_that_is_gone_are_seen(pages: dict[str, Drawn]) -> None:
    without_signatory, other_year, without_logo = draw(
        [
            Order(design=replace(DESIGN, signatory_name="")),
            Order(replace(PAYLOAD, awarded_on=PAYLOAD.awarded_on.replace(year=2027))),
            Order(pictures={part: png for part, png in PICTURES.items() if part == "signature"}),
        ]
    )
    for drawn in (without_signatory, other_year, without_logo):
        assert differing(pixels(drawn.pdf), golden("latin")) > 0
    assert differing(golden("latin"), golden("plain")) > 100


def test_it_is_one_tagged_page_for_archives_with_our_fonts_inside(pages: dict[str, Drawn]) -> None:
    for drawn in pages.values():
        reader = PdfReader(io.BytesIO(drawn.pdf))
        assert len(reader.pages) == 1
        assert "/StructTreeRoot" in reader.root_object
        packet = reader.root_object["/Metadata"].get_object().get_data().decode()  # type: ignore[union-attr]
        assert "<pdfaid:part>2</pdfaid:part>" in packet
        for reference in reader.pages[0]["/Resources"]["/Font"].values():  # type: ignore[index]  # untyped in pypdf
            assert "Noto" in reference.get_object()["/BaseFont"]


def test_who_signs_and_what_the_design_says_can_be_copied_out(pages: dict[str, Drawn]) -> None:
    text = " ".join(PdfReader(io.BytesIO(pages["latin"].pdf)).pages[0].extract_text().split())
    for part in (DESIGN.signatory_name, DESIGN.signatory_title, "Certificate of Completion", PAYLOAD.student_name):
        assert part in text
    assert "Authorised signatory" not in text


def test_the_pictures_are_in_the_file_and_say_what_they_are(pages: dict[str, Drawn]) -> None:
    assert len(PdfReader(io.BytesIO(pages["plain"].pdf)).pages[0].images) == 0
    assert len(PdfReader(io.BytesIO(pages["latin"].pdf)).pages[0].images) == 2


def test_a_phone_reads_the_code_in_the_design_s_ink(pages: dict[str, Drawn]) -> None:
    page = pypdfium2.PdfDocument(pages["latin"].pdf)[0].render(scale=2, grayscale=True).to_pil()
    assert [code.text for code in zxingcpp.read_barcodes(page)] == [PAYLOAD.verify_url]


def test_the_same_design_and_payload_give_the_same_bytes_in_another_process(pages: dict[str, Drawn]) -> None:
    (again,) = draw([PAGES["telugu"]])
    assert again.pdf == pages["telugu"].pdf


def _longest(letter: str, *, spaced: bool) -> Wording:
    """A wording that is as long as the form takes it, of wide letters, with its places."""
    texts = {}
    for name in WORDS:
        places = " ".join(f"{{{place}}}" for place in sorted(PLACES.get(name, ())))
        room = LIMITS[name] - len(places) - 1
        body = (f"{letter * 7} " * room)[:room] if spaced else letter * room
        texts[name] = f"{body} {places}".strip()
    return Wording(**texts)


@pytest.mark.parametrize("letter", ["W", "M", "ക്ഷ്മ", "ఔ", "ஔ", "ಔ", "ﷺ", "औ"])
def test_the_longest_words_that_are_taken_can_be_drawn(letter: str) -> None:
    """Of the widest letters of each script, in one word and in many."""
    orders = []
    for spaced in (True, False):
        words = _longest(letter[0] if len(letter) > 1 else letter, spaced=spaced)
        design = replace(
            DESIGN,
            wording={FALLBACK_LANGUAGE: words},
            signatory_name=(letter * LONGEST_SIGNATORY)[:LONGEST_SIGNATORY],
            signatory_title=(letter * LONGEST_SIGNATORY)[:LONGEST_SIGNATORY],
        ).checked()
        wide = "W" * 120
        named = replace(PAYLOAD, student_name=wide, course_name=wide, operator_name=wide, issued_by="M" * 120)
        orders += [Order(design=design), Order(design=design, payload=named)]
    assert [drawn.code for drawn in draw(orders)] == [None] * len(orders)


def test_a_layout_nobody_knows_and_a_design_without_its_operator_are_refused() -> None:
    unknown, none = draw(
        [Order(design=replace(DESIGN, layout=99)), Order(design=replace(DESIGN, layout=1), pictures={})]
    )
    assert (unknown.code, none.code) == ("no-design", None)
