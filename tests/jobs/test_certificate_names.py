"""Names as people, machines and pranksters write them: drawn whole and safely, or refused before they are drawn."""

from __future__ import annotations

import io
import unicodedata
from dataclasses import replace

import pytest
from fontTools.ttLib import TTFont
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pypdf import PdfReader

from scripts.font_coverage import coverage
from tests.jobs.designed import PAYLOAD, Drawn, Order, draw
from webapp.certificates.typeface import COVERAGE, FONTS, MOST_MARKS, printable_name, unsettable

REFUSED = {"name-no-font", "name-too-long", "name-empty"}
"""Why a name may be refused. Anything else is a name that was not looked at before it was drawn."""
HOSTILE = {
    "override": "\u202eoaR ahsA\u202c",
    "isolates": "\u2066\u2067Asha\u2069\u2069 Rao",
    "zero width": "A\u200bs\u200ch\u200da\ufeff Rao",
    "controls": "Asha\x00\x07\x1b[31m Rao\x7f\x85",
    "tags": "Asha\U000e0041\U000e007f",
    "typst": '#panic() #read("/etc/passwd") *b* _i_ $x^2$ @ref <label> \\ // no ~ -- --- \'q\' "q"',
    "typst image": '#image("/etc/passwd") #import "@preview/x:0.1.0"',
    "html": "<script>alert(1)</script>&amp;<img src=x onerror=alert(1)>",
    "svg": '"/><image href="file:///etc/passwd"/>',
    "places": "{first} {sessions} {operator.__class__} {0} %s %(x)s",
    "200 letters": ("Venkata Satyanarayana Subrahmanya " * 6)[:200],
    "200 in one word": "W" * 200,
    "newlines": "Asha\n\n\u2028\u2029Rao",
    "joiners": "श\u200dर\u200cमा రా\u200cమ می\u200cرود",
    "mixed": "Asha शर्मा శ్రీ தமிழ் ಕನ್ನಡ বাংলা ਪੰਜਾਬੀ ગુજરાતી മലയാളം ଓଡ଼ିଆ محمد",
    "digits": "४२ ೪೨ ٤٢ 42",
    "ligatures": "ﬁ ﷲ ﷺ",
    "four marks": "n\u0303\u0303\u0303\u0303\u0303",
    "soft hyphen": "Asha\u00ad\u00ad\u00adRao",
    "dots": "….·•",
}
REFUSALS = {
    "emoji": ("Asha 😀", "name-no-font"),
    "family of emoji": ("👩\u200d👩\u200d👧", "name-no-font"),
    "flag": ("🇮🇳", "name-no-font"),
    "chinese": ("陳小美", "name-no-font"),
    "many marks": ("Z" + "\u0301" * (MOST_MARKS + 2), "name-no-font"),
    "lone mark": ("\u0301Asha", "name-no-font"),
    "mark of another script": ("క\u0301", "name-no-font"),
    "500 letters": ("W" * 500, "name-too-long"),
    "nothing": ("\u202e\u200b\u2800\u3164", "name-empty"),
    "replacement": ("Asha \ufffd\ufffd 中", "name-no-font"),
}


def drawn_names(names: list[str]) -> list[Drawn]:
    return draw([Order(replace(PAYLOAD, student_name=name), pictures={}) for name in names])


@pytest.fixture(scope="module")
def hostile() -> dict[str, Drawn]:
    return dict(zip(HOSTILE, drawn_names(list(HOSTILE.values())), strict=True))


@pytest.mark.parametrize("name", HOSTILE)
def test_an_odd_name_is_printed_as_words_and_nothing_else(hostile: dict[str, Drawn], name: str) -> None:
    metadata = PdfReader(io.BytesIO(hostile[name].pdf)).metadata
    assert metadata is not None
    assert metadata.subject == f"{printable_name(HOSTILE[name])}, {PAYLOAD.course_name}"


@pytest.mark.parametrize("name", ["typst", "typst image", "html", "svg", "places"])
def test_what_looks_like_code_can_be_copied_out_as_it_was_written(hostile: dict[str, Drawn], name: str) -> None:
    text = PdfReader(io.BytesIO(hostile[name].pdf)).pages[0].extract_text()
    assert "".join(HOSTILE[name].split()) in "".join(text.split()).replace("\u200b", "")
    assert "root:" not in text


def test_names_that_cannot_be_set_are_refused_for_a_reason_that_the_page_can_say() -> None:
    found = drawn_names([name for name, _code in REFUSALS.values()])
    assert [drawn.code for drawn in found] == [code for _name, code in REFUSALS.values()]
    for drawn, (name, _code) in zip(found, REFUSALS.values(), strict=True):
        assert name not in drawn.why


def test_500_letters_in_words_are_fitted_or_refused_and_never_cut() -> None:
    words = ("Satyanarayana " * 40)[:500].strip()
    (drawn,) = drawn_names([words])
    assert drawn.code in (None, "name-too-long")
    if drawn.code is None:
        text = PdfReader(io.BytesIO(drawn.pdf)).pages[0].extract_text()
        assert text.replace("\n", " ").count("Satyanarayana") == words.count("Satyanarayana")


LETTERS = st.one_of(
    st.characters(codec="utf-8"),
    *(
        st.characters(min_codepoint=first, max_codepoint=last)
        for first, last in (
            (0x20, 0x24F),
            (0x2B0, 0x36F),
            (0x600, 0x6FF),
            (0x900, 0x97F),
            (0x980, 0xDFF),
            (0x200B, 0x206F),
            (0xFB50, 0xFDFF),
            (0x1F300, 0x1F64F),
        )
    ),
    st.sampled_from(list("#$*_`<>@\\/{}[]()\"'~-=+")),
)


@settings(max_examples=6, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.lists(st.text(LETTERS, min_size=1, max_size=24), min_size=60, max_size=80))
def test_any_name_is_drawn_or_refused_before_it_is_drawn(names: list[str]) -> None:
    """Typst refuses to write PDF/A with a character that no font has: a tofu would come back as ``not-drawable``."""
    for name, drawn in zip(names, drawn_names(names), strict=True):
        printed = printable_name(name)
        if drawn.code is None:
            assert printed
            assert not unsettable(printed)
        else:
            assert drawn.code in REFUSED, f"{printed!r} ({[hex(ord(c)) for c in printed]}): {drawn.why}"
            assert drawn.code != "name-no-font" or unsettable(printed)


SCRIPTS = {
    "NotoSerif-Regular": (0x41, 0x17F),
    "NotoSansDevanagari-Regular": (0x900, 0x97F),
    "NotoSerifBengali-Regular": (0x980, 0x9FF),
    "NotoSerifTamil-Regular": (0xB80, 0xBFF),
    "NotoSerifTelugu-Regular": (0xC00, 0xC7F),
    "NotoSerifKannada-Regular": (0xC80, 0xCFF),
    "NotoNaskhArabic-Regular": (0x620, 0x64A),
}


@pytest.mark.parametrize("font", SCRIPTS)
def test_every_letter_of_a_script_can_be_set(font: str) -> None:
    first, last = SCRIPTS[font]
    with TTFont(FONTS / f"{font}.ttf", lazy=True) as opened:
        had = set(opened.getBestCmap())
    letters = [chr(point) for point in range(first, last + 1) if unicodedata.category(chr(point))[0] in "LN"]
    letters = [letter for letter in letters if ord(letter) in had]
    assert len(letters) > 30
    (drawn,) = drawn_names(["".join(letters[:150])])
    assert drawn.code is None, drawn.why


def test_what_is_written_down_of_the_fonts_is_what_they_have() -> None:
    assert COVERAGE.read_text("ascii") == coverage()
