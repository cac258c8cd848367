"""What a design may say and which colours it may have."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.certificates.designs.built_in import built_in_design, built_in_wording, first_draft
from webapp.certificates.designs.looks import QUIET
from webapp.certificates.designs.rules import (
    INK_CONTRAST,
    LIMITS,
    PLACES,
    TEXT_CONTRAST,
    WORDS,
    Colours,
    Design,
    Wording,
    checked_colours,
    checked_wording,
    contrast,
    filled,
    lightened,
)
from webapp.certificates.pdf import LAYOUTS, TEMPLATES
from webapp.core.errors import Invalid

ENGLISH = built_in_wording()["en"]
COLOURS = st.tuples(*(st.integers(0, 255),) * 3).map(lambda parts: "#{:02x}{:02x}{:02x}".format(*parts))


def refused(words: Wording) -> tuple[str, str | None]:
    with pytest.raises(Invalid) as refusal:
        checked_wording(words)
    assert str(refusal.value)
    return refusal.value.code, refusal.value.field


def test_the_built_in_words_keep_every_rule_and_no_word_is_longer_than_the_form_takes() -> None:
    assert set(LIMITS) == set(WORDS)
    assert set(PLACES) <= set(WORDS)
    assert first_draft().checked() == first_draft()
    assert built_in_design().checked() == built_in_design()


def test_a_design_survives_its_column() -> None:
    design = replace(first_draft(), signatory_name="ఆశ", logo="a" * 64)
    assert Design.from_json(design.to_json(), logo=design.logo, signature=None) == design


def test_every_layout_has_its_file() -> None:
    for design in (built_in_design(), first_draft()):
        assert (TEMPLATES / LAYOUTS[design.layout]).is_file()


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("title", "", "wording-missing"),
        ("title", "\u200b\u202e", "wording-missing"),
        ("title", "x" * 61, "wording-too-long"),
        ("title", "Certificate {sessions}", "wording-braces"),
        ("opening", "This {", "wording-braces"),
        ("opening", "合格", "wording-no-font"),
        ("span", "from {first} to {last}", "wording-places"),
        ("span", "{sessions} {first} {last} {last}", "wording-places"),
        ("span", "{sessions} {first} {last} {operator}", "wording-places"),
        ("span", "{sessions.__class__} {first} {last}", "wording-places"),
        ("span", "{sessions!r} {first} {last}", "wording-places"),
        ("span", "{{sessions}} {first} {last}", "wording-places"),
        ("taught_by", "Taught by", "wording-places"),
        ("issuer", "{0}", "wording-places"),
    ],
)
def test_wording_that_breaks_a_rule_is_refused_at_its_field(name: str, text: str, code: str) -> None:
    assert refused(replace(ENGLISH, **{name: text})) == (code, name)


def test_places_may_stand_in_any_order_and_invisible_characters_go() -> None:
    words = checked_wording(replace(ENGLISH, span="{last}–{first}:\u202e {sessions}"))
    assert words.span == "{last}–{first}: {sessions}"
    assert filled(words.span, sessions="30", first="{last}", last="9 May") == "9 May–{last}: 30"


@given(st.text(max_size=60))
def test_any_wording_is_taken_or_refused_and_what_is_taken_can_be_filled(text: str) -> None:
    for name in WORDS:
        with suppress(Invalid):
            words = checked_wording(replace(ENGLISH, **{name: text}))
            filled(getattr(words, name), **dict.fromkeys(PLACES.get(name, ()), "x"))
            assert checked_wording(words) == words


def test_english_is_always_there() -> None:
    with pytest.raises(Invalid) as refusal:
        Design(wording={"hi": built_in_wording()["hi"]}).checked()
    assert refusal.value.code == "design-no-english"


def test_a_family_reads_its_language_or_english() -> None:
    design = first_draft()
    assert [design.spoken(locale) for locale in ("te", "te_IN", "HI", "fr", "")] == ["te", "te", "hi", "en", "en"]


@pytest.mark.parametrize(
    ("colours", "code", "field"),
    [
        (Colours(ink="#777777"), "colour-pale", "ink"),
        (Colours(name="#ff0000"), "colour-pale", "name"),
        (Colours(ornament="#cccccc"), "colour-pale", "ornament"),
        (Colours(ink="red"), "colour-shape", "ink"),
        (Colours(ink="#12345"), "colour-shape", "ink"),
        (Colours(ink='#000000"/>'), "colour-shape", "ink"),
        (Colours(ink="#٠٠٠٠٠٠"), "colour-shape", "ink"),
        (Colours(ink="#000000\n#fff"), "colour-shape", "ink"),
    ],
)
def test_a_colour_that_cannot_be_read_on_paper_or_is_none_is_refused(colours: Colours, code: str, field: str) -> None:
    with pytest.raises(Invalid) as refusal:
        checked_colours(colours)
    assert (refusal.value.code, refusal.value.field) == (code, field)
    assert str(refusal.value)


def test_colours_are_kept_in_one_spelling() -> None:
    assert checked_colours(Colours(ink=" #1D2A44 ")) == Colours()


def test_contrast_is_that_of_the_guidelines() -> None:
    assert contrast("#000000") == pytest.approx(21)
    assert contrast("#ffffff") == pytest.approx(1)
    assert contrast("#767676") == pytest.approx(4.54, abs=0.01)
    assert contrast("#ff0000") == pytest.approx(3.998, abs=0.01)


@given(COLOURS)
def test_the_lighter_shade_of_an_ink_that_is_taken_can_still_be_read(colour: str) -> None:
    if contrast(colour) >= INK_CONTRAST:
        assert contrast(lightened(colour, QUIET)) >= TEXT_CONTRAST
