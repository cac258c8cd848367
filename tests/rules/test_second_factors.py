"""Recovery codes, sealed secrets, what a browser is called, and how long a sign-in may idle: without a database."""

from __future__ import annotations

import base64
import hashlib
import re
from datetime import timedelta

import pytest

from webapp.accounts.device import browser_and_system
from webapp.accounts.recovery import ALPHABET, CODES, draw_codes, hash_of_code, plain
from webapp.accounts.rules import IDLE_LIMIT, idle_limit
from webapp.accounts.sealing import SecretBox, Unreadable
from webapp.core.actor import Role

ABOUT = b"account one"


def test_ten_codes_of_120_bits_come_in_groups() -> None:
    codes = draw_codes()
    assert len(set(codes)) == CODES == 10
    for code in codes:
        assert re.fullmatch(f"([{ALPHABET}]{{4}}-){{5}}[{ALPHABET}]{{4}}", code)
    assert len(ALPHABET) ** len(plain(codes[0])) == 2**120
    assert not set("ILOU") & set(ALPHABET)


def test_every_letter_and_place_is_drawn() -> None:
    drawn = [plain(code) for _ in range(100) for code in draw_codes()]
    assert all({code[place] for code in drawn} == set(ALPHABET) for place in range(24))


@pytest.mark.parametrize("typed", ["0O1I-L0AB", " 0o1i l0ab\n", "00111-0AB", "0O1I\u00a0L0AB"])
def test_a_code_is_the_same_however_it_is_read_aloud(typed: str) -> None:
    assert plain(typed) == "001110AB"
    assert hash_of_code(typed) == hashlib.sha256(b"001110AB").digest()


def test_what_is_sealed_opens_only_about_the_same() -> None:
    box = SecretBox(["k" * 40], "totp")
    sealed = box.seal(b"twenty bytes of key!", about=ABOUT)
    assert box.open(sealed, about=ABOUT) == b"twenty bytes of key!"
    assert b"twenty" not in base64.urlsafe_b64decode(sealed.split(".")[2])
    assert sealed != box.seal(b"twenty bytes of key!", about=ABOUT)
    with pytest.raises(Unreadable):
        box.open(sealed, about=b"account two")


def test_whatever_is_changed_of_it_is_noticed() -> None:
    box = SecretBox(["k" * 40], "totp")
    sealed = box.seal(b"secret", about=ABOUT)
    # The last letter before the padding holds four bits that mean nothing.
    for at, letter in enumerate(sealed[:-3]):
        with pytest.raises(Unreadable):
            box.open(sealed[:at] + ("A" if letter != "A" else "B") + sealed[at + 1 :], about=ABOUT)


@pytest.mark.parametrize("rubbish", ["", "v1", "v1.", "v1.00000000.AAAA", "v2.x.y", "\x00", "v1..", "é"])
def test_rubbish_does_not_open(rubbish: str) -> None:
    with pytest.raises(Unreadable):
        SecretBox(["k" * 40], "totp").open(rubbish, about=ABOUT)


def test_an_earlier_key_still_opens_and_is_not_sealed_with() -> None:
    old, new = SecretBox(["o" * 40], "totp"), SecretBox(["n" * 40, "o" * 40], "totp")
    sealed = old.seal(b"secret", about=ABOUT)
    assert new.open(sealed, about=ABOUT) == b"secret"
    assert not new.is_current(sealed)
    assert new.is_current(new.seal(b"secret", about=ABOUT))
    with pytest.raises(Unreadable):
        SecretBox(["n" * 40], "totp").open(sealed, about=ABOUT)


def test_one_key_serves_two_purposes_apart() -> None:
    sealed = SecretBox(["k" * 40], "totp").seal(b"secret", about=ABOUT)
    with pytest.raises(Unreadable):
        SecretBox(["k" * 40], "something else").open(sealed, about=ABOUT)


@pytest.mark.parametrize(
    ("calls_itself", "is_called"),
    [
        ("Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0", ("Firefox", "Linux")),
        (
            "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0"
            " Safari/537.36 Edg/126.0.0.0",
            ("Edge", "Windows"),
        ),
        (
            "Mozilla/5.0 (Linux; Android 14) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Mobile"
            " Safari/537.36",
            ("Chrome", "Android"),
        ),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko)"
            " Version/17.5 Mobile/15E148 Safari/604.1",
            ("Safari", "iPhone"),
        ),
        (
            "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/17.5"
            " Safari/605.1.15",
            ("Safari", "macOS"),
        ),
        ("curl/8.5.0", (None, None)),
        ("", (None, None)),
        ("<script>alert(1)</script> Firefox/1", ("Firefox", None)),
    ],
)
def test_a_browser_is_called_as_people_know_it(calls_itself: str, is_called: tuple[str | None, str | None]) -> None:
    assert browser_and_system(calls_itself) == is_called


def test_whoever_sees_more_is_signed_out_sooner() -> None:
    assert {role: idle_limit(role).total_seconds() / 60 for role in Role} == {
        Role.ADMIN: 30,
        Role.AUDITOR: 30,
        Role.FRANCHISE_MANAGER: 60,
        Role.FRANCHISE_STAFF: 180,
        Role.COMPANY_STAFF: 180,
    }


def test_the_desks_own_limit_caps_every_roles() -> None:
    assert {idle_limit(role, timedelta(minutes=20)) for role in Role} == {timedelta(minutes=20)}
    assert idle_limit(Role.COMPANY_STAFF, timedelta(hours=5)) == timedelta(hours=5)
    assert idle_limit(Role.ADMIN, timedelta(hours=5)) == timedelta(minutes=30)
    assert idle_limit(Role.COMPANY_STAFF) == IDLE_LIMIT
