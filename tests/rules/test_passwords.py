"""Which passwords are refused: those that everybody tries first, and those that others know of a person."""

from __future__ import annotations

import hashlib
import unicodedata
from pathlib import Path

import pytest

from webapp.accounts import common_passwords
from webapp.accounts.common_passwords import WIDTH, is_common
from webapp.accounts.rules import MIN_PASSWORD, check_password
from webapp.core.errors import Invalid

FOLDER = Path(common_passwords.__file__).parent
PERSON = {"email": "lakshmi.rao@coastal-tutors.example", "name": "Lakshmi Devi Rao"}


@pytest.mark.parametrize(
    "password", ["qwertyuiop123", "123456789123456789", "1qaz2wsx3edc", "unbelievable", "leavemealone", "zxcasdqwe123"]
)
def test_what_is_found_most_often_in_breaches_is_refused(password: str) -> None:
    assert len(password) >= MIN_PASSWORD
    for typed in (password, password.upper(), password.capitalize()):
        with pytest.raises(Invalid) as refused:
            check_password(typed, field="new")
        assert (refused.value.code, refused.value.field) == ("password-common", "new")


def test_fullwidth_letters_hide_nothing() -> None:
    wide = "".join(chr(ord(letter) - 0x21 + 0xFF01) for letter in "qwertyuiop123")
    assert unicodedata.normalize("NFKC", wide) == "qwertyuiop123"
    assert is_common(wide)


@pytest.mark.parametrize(
    "password",
    [
        "correct horse battery staple",
        "qwertyuiop123 and my own words",
        "గోదావరి మీద వాన పడుతోంది",
        "пароль из четырёх слов",
        "lowercaseonlywords",
        "000000 times sung",
        "🌧" * 12,
        "\ud800" * 12,
    ],
)
def test_no_recipe_is_asked_for(password: str) -> None:
    check_password(password, email=PERSON["email"], name=PERSON["name"])


@pytest.mark.parametrize(
    "password",
    [
        "lakshmi.rao@coastal-tutors.example",
        "Lakshmi Devi Rao",
        "lakshmidevirao2027",
        "LAKSHMI-RAO-1234",
        "zonedeskzonedesk",
        "Zonedesk 2027!",
        "coastal-tutors-2027",
        "rao.lakshmi.zonedesk",
        "zonedesk------------",
        "ＺＯＮＥＤＥＳＫ２０２７ ",
    ],
)
def test_what_others_know_of_a_person_is_no_password(password: str) -> None:
    with pytest.raises(Invalid) as refused:
        check_password(password, email=PERSON["email"], name=PERSON["name"])
    assert refused.value.code == "password-about-you"


@pytest.mark.parametrize("password", ["lakshmi sang at the well", "my zonedesk is a good desk", "raoraorao eight more"])
def test_enough_words_of_ones_own_make_up_for_it(password: str) -> None:
    check_password(password, email=PERSON["email"], name=PERSON["name"])


def test_names_in_other_scripts_count_too() -> None:
    with pytest.raises(Invalid, match="little more than a name"):
        check_password("లక్ష్మీ దేవి 2027", email="l@example.org", name="లక్ష్మీ దేవి")


def test_a_short_word_of_a_name_refuses_nothing() -> None:
    check_password("an ox in a box of oak", email="a@b.example", name="An Ox")


def test_the_list_is_the_one_that_was_looked_at() -> None:
    hashes = (FOLDER / "hashes.bin").read_bytes()
    assert f"{hashlib.sha256(hashes).hexdigest()}  hashes.bin" in (FOLDER / "VENDOR.txt").read_text("utf-8")
    entries = [hashes[at : at + WIDTH] for at in range(0, len(hashes), WIDTH)]
    assert entries == sorted(set(entries))
    assert len(entries) > 40_000


def test_first_and_last_of_the_list_are_found_and_what_lies_between_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = sorted(common_passwords.hash_of(word) for word in ("one", "two", "three"))
    monkeypatch.setattr(common_passwords, "_hashes", lambda: b"".join(kept))
    assert all(is_common(word) for word in ("one", "two", "three"))
    assert not any(is_common(f"word {number}") for number in range(200))
