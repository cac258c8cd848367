"""Who gets a certificate, and numbers that can be read aloud (rules C1 to C3)."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from webapp.certificates.rules import (
    ALPHABET,
    MOVES,
    CertificateState,
    check_symbol,
    draw_number,
    entitled,
    moved,
    normalised_number,
)
from webapp.core.errors import Conflict

PENDING, ISSUED, FAILED = CertificateState.PENDING, CertificateState.ISSUED, CertificateState.FAILED


def drawn(nine: str) -> str:
    """The number of 2026 with these nine symbols."""
    symbols = iter(nine)
    return draw_number(2026, choose=lambda _: next(symbols))


numbers = st.text(ALPHABET, min_size=9, max_size=9).map(drawn)


def spoken(number: str) -> str:
    return number.replace("-", "").removeprefix("ZD")


def written(symbols: str) -> str:
    return f"ZD-{symbols[:2]}-{symbols[2:7]}-{symbols[7:]}"


@pytest.mark.parametrize(("total", "gets_one"), [(10, False), (20, False), (30, True)])
def test_c1_only_courses_of_30_sessions_are_certified(total: int, gets_one: bool) -> None:
    assert entitled(total, 0) is gets_one


def test_c1_a_student_absent_from_more_than_six_sessions_gets_none() -> None:
    assert entitled(30, 6)
    assert not entitled(30, 7)
    assert entitled(30, 7, max_absences=7)


def test_c1_a_booking_closed_short_gives_no_certificates() -> None:
    assert not entitled(30, 0, closed_short=True)


def test_a_certificate_lives_as_drawn() -> None:
    assert set(MOVES) == set(CertificateState)
    assert moved(PENDING, ISSUED) is ISSUED
    assert moved(moved(PENDING, FAILED), PENDING) is PENDING
    assert {to for to in CertificateState if to in MOVES[ISSUED]} == {"revoked", "replaced"}
    with pytest.raises(Conflict, match="is failed and cannot become issued") as refused:
        moved(FAILED, ISSUED)
    assert refused.value.code == "certificate-move"


def test_c3_a_number_has_its_form_and_the_year_of_award() -> None:
    many = {draw_number(2026) for _ in range(200)}
    assert len(many) == 200
    assert all(re.fullmatch(r"ZD-26-[0-9A-HJKMNP-TV-Z]{5}-[0-9A-HJKMNP-TV-Z]{5}", number) for number in many)
    assert draw_number(2105).startswith("ZD-05-")


def test_c3_a_known_number() -> None:
    assert drawn("7QX4M9ZB2") == "ZD-26-7QX4M-9ZB2" + plain_check("267QX4M9ZB2")


def plain_check(symbols: str) -> str:
    """Damm's algorithm as polynomial arithmetic: x·(a + b) with the remainder by long division."""

    def times_x(value: int) -> int:
        bits = [int(bit) for bit in f"{value:05b}"] + [0]
        if bits[0]:
            bits = [bit ^ other for bit, other in zip(bits, [1, 0, 0, 1, 0, 1], strict=True)]
        return int("".join(map(str, bits[1:])), 2)

    interim = 0
    for symbol in symbols:
        interim = times_x(interim ^ ALPHABET.index(symbol))
    return ALPHABET[interim]


@given(st.text(ALPHABET, max_size=20))
def test_c3_the_check_symbol_is_damms(symbols: str) -> None:
    assert check_symbol(symbols) == plain_check(symbols)
    assert check_symbol(symbols + check_symbol(symbols)) == "0"


def test_c3_the_quasigroup_is_weakly_totally_anti_symmetric() -> None:
    def times(a: int, b: int) -> int:
        doubled = (a ^ b) << 1
        return doubled ^ 0b100101 if doubled > 31 else doubled

    for c in range(32):
        assert {times(c, x) for x in range(32)} == set(range(32))
        assert times(c, c) == 0
        for x in range(32):
            for y in range(x):
                assert times(times(c, x), y) != times(times(c, y), x)


def test_c3_every_single_wrong_symbol_and_every_swap_of_neighbours_is_told() -> None:
    source = random.Random(20260)
    for _ in range(60):
        symbols = spoken(draw_number(2026, choose=source.choice))
        for position, symbol in enumerate(symbols):
            for wrong in ALPHABET.replace(symbol, ""):
                assert normalised_number(written(symbols[:position] + wrong + symbols[position + 1 :])) is None
            if symbols[position + 1 :] and symbols[position + 1] != symbol:
                swapped = symbols[:position] + symbols[position + 1] + symbol + symbols[position + 2 :]
                assert normalised_number(written(swapped)) is None


def test_c3_of_errors_in_a_hundred_thousand_numbers_none_is_missed() -> None:
    """One each of the errors people make: a wrong symbol, two swapped, two with one between, a pair of the same."""
    source = random.Random(20261126)
    missed: list[tuple[str, str, str]] = []
    tried = 0
    for _ in range(100_000):
        symbols = spoken(draw_number(2026, choose=source.choice))
        for kind, wrong in errors_in(symbols, source):
            tried += 1
            if normalised_number(written(wrong)) is not None:
                missed.append((kind, symbols, wrong))
    assert missed == []
    assert tried > 300_000


def errors_in(symbols: str, source: random.Random) -> Iterator[tuple[str, str]]:
    """Errors at random places of a number; an error that changes nothing is none."""
    at = source.randrange(len(symbols))
    yield "single", symbols[:at] + source.choice(ALPHABET.replace(symbols[at], "")) + symbols[at + 1 :]
    at = source.randrange(len(symbols) - 1)
    one, two = symbols[at], symbols[at + 1]
    if one != two:
        yield "swap", symbols[:at] + two + one + symbols[at + 2 :]
    twin, other = source.sample(ALPHABET, 2)
    paired = symbols[:at] + twin + twin + symbols[at + 2 :]
    whole = paired[:-1] + check_symbol(paired[:-1])
    if whole[at : at + 2] == twin * 2 and whole[:2].isdigit():
        yield "twins", whole[:at] + other + other + whole[at + 2 :]
    at = source.randrange(len(symbols) - 2)
    one, two, three = symbols[at], symbols[at + 1], symbols[at + 2]
    if one != three:
        yield "jump", symbols[:at] + three + two + one + symbols[at + 3 :]


@given(numbers)
def test_c3_a_number_read_aloud_and_typed_badly_is_found(number: str) -> None:
    badly = [
        number.lower(),
        spoken(number),
        f"  {number} ",
        number.replace("-", " "),
        number.replace("-", "\u2013"),
        number.replace("-", ""),
        f"zd-{spoken(number).replace('0', 'o').replace('1', 'l')}",
        f"ZD {spoken(number).replace('0', 'O').replace('1', 'i')}",
    ]
    assert {normalised_number(typed) for typed in [number, *badly]} == {number}


@given(st.text(max_size=80))
def test_c3_whatever_is_typed_gives_a_number_or_nothing(typed: str) -> None:
    found = normalised_number(typed)
    assert found is None or normalised_number(found) == found


@pytest.mark.parametrize("change", ["", "ZD", "ZD-26", "x" * 65, " " * 65, "ZD-26-UUUUU-UUUUU", "ZD-26-AAAAA-AAAA!"])
def test_c3_what_cannot_be_a_number_is_none(change: str) -> None:
    assert normalised_number(change) is None


def test_c3_symbols_of_other_scripts_are_refused() -> None:
    number = "ZD-26-00000-0000" + check_symbol("26000000000")
    assert normalised_number(number) == number
    assert normalised_number(number.replace("0", "\u0966")) is None  # Devanagari zero
    assert normalised_number(number.replace("0", "\uff10")) is None  # full-width zero
    assert normalised_number(number.replace("Z", "\u0396", 1)) is None  # Greek zeta


def test_c3_letters_in_the_year_and_a_foreign_prefix_are_refused() -> None:
    assert normalised_number(written("AB000000000" + check_symbol("AB000000000"))) is None
    right = "26000000000" + check_symbol("26000000000")
    assert normalised_number("XX-" + right) is None
    assert normalised_number(written(right[:-1] + ("1" if right[-1] != "1" else "2"))) is None
