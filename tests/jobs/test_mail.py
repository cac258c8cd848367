"""Sending letters: privately, to one address, and with an honest account of what became of them."""

from __future__ import annotations

import stat
from dataclasses import replace
from datetime import UTC, datetime
from email import message_from_bytes
from email.policy import default
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from tests.jobs.smtp_sink import own_certificate, smtp_sink
from webapp.clients.mail import (
    Encryption,
    Envelope,
    FileMail,
    MailRefused,
    SmtpMail,
    mail_from_url,
    message_of,
)

SENDER = "Zonedesk <desk@example.org>"
LETTER = Envelope(
    id=UUID("01942c00-0000-7000-8000-000000000001"),
    to="asha@example.org",
    subject="నమస్తే, Asha",
    text="Open this link:\n\nhttps://desk.example/reset/" + "x" * 43 + "\n",
    language="te",
    at=datetime(2027, 1, 1, 3, 30, tzinfo=UTC),
)
NOWHERE = Path("/nonexistent")


def server(port: int, encryption: Encryption = Encryption.NONE, **more: Any) -> SmtpMail:
    more.setdefault("timeout", 5.0)
    return SmtpMail("127.0.0.1", port, sender=SENDER, encryption=encryption, **more)


def refusal(mail: SmtpMail | FileMail, letter: Envelope = LETTER) -> MailRefused:
    with pytest.raises(MailRefused) as refused:
        mail.send(letter)
    return refused.value


def test_a_letter_arrives_as_it_was_written() -> None:
    with smtp_sink() as sink:
        mail_from_url(sink.url, sender=SENDER, folder=NOWHERE).send(LETTER)
    ((to, _raw),) = sink.letters
    message = sink.message()
    assert to == message["To"] == LETTER.to
    assert message["Subject"] == LETTER.subject
    assert message["From"] == SENDER
    assert message["Auto-Submitted"] == "auto-generated"
    assert message["Content-Language"] == "te"
    assert message.get_content().replace("\r\n", "\n") == LETTER.text
    assert sink.heard[-1] == "QUIT"


def test_the_same_letter_has_the_same_message_id_so_a_second_copy_is_recognised() -> None:
    later = replace(LETTER, text="Another link.\n", at=datetime(2027, 1, 2, tzinfo=UTC))
    ids = {message_of(letter, SENDER)["Message-ID"] for letter in (LETTER, later)}
    assert ids == {"<01942c00-0000-7000-8000-000000000001@example.org>"}
    other = replace(LETTER, id=UUID("01942c00-0000-7000-8000-000000000002"))
    assert message_of(other, SENDER)["Message-ID"] not in ids


def test_nothing_but_ascii_goes_over_the_wire() -> None:
    assert message_of(replace(LETTER, text="మీ ఖాతా\n"), SENDER).as_bytes().isascii()


def test_a_link_stays_on_one_line_of_the_raw_letter() -> None:
    assert b"https://desk.example/reset/" + b"x" * 43 in message_of(LETTER, SENDER).as_bytes().splitlines()


@pytest.mark.parametrize("end", ["\r\n", "\n", "\r"])
@pytest.mark.parametrize("field", ["to", "subject", "language"])
def test_no_field_can_add_a_header_or_a_recipient(field: str, end: str) -> None:
    planted: Any = {field: f"asha@example.org{end}Bcc: everybody@example.org"}
    with smtp_sink() as sink:
        refused = refusal(server(sink.port), replace(LETTER, **planted))
    assert refused.permanent
    assert (sink.letters, sink.heard) == ([], [])


@pytest.mark.parametrize(
    "to", ["a@example.org, b@example.org", "a@example.org;b@example.org", "Asha <a@example.org>", "", "@", "a"]
)
def test_a_letter_goes_to_one_plain_address(to: str) -> None:
    with pytest.raises(MailRefused):
        message_of(replace(LETTER, to=to), SENDER)


def test_text_that_looks_like_headers_stays_text() -> None:
    text = "\r\nBcc: everybody@example.org\r\n.\r\nMAIL FROM:<evil@example.org>\r\n"
    with smtp_sink() as sink:
        server(sink.port).send(replace(LETTER, text=text))
    assert len(sink.letters) == 1
    message = sink.message()
    assert message["Bcc"] is None
    assert ".\n" in message.get_content().replace("\r\n", "\n")
    assert not [line for line in sink.heard if "evil" in line]


@pytest.mark.parametrize(
    ("answers", "problem", "permanent", "away"),
    [
        ({"recipient": "550 5.1.1 no such person asha@example.org"}, "recipient-550", True, False),
        ({"recipient": "451 4.7.1 greylisted, come back later"}, "recipient-451", False, False),
        ({"end": "554 5.7.1 looks like spam"}, "letter-554", True, False),
        ({"end": "452 4.3.1 no room"}, "letter-452", False, False),
        ({"greeting": "421 4.3.2 closing"}, "server-421", False, True),
        ({"greeting": "554 go away"}, "server-554", False, True),
    ],
)
def test_what_a_server_says_decides_whether_it_is_tried_again(
    answers: dict[str, str], problem: str, permanent: bool, away: bool
) -> None:
    with smtp_sink(**answers) as sink:
        refused = refusal(server(sink.port))
    assert (refused.problem, refused.permanent, refused.away) == (problem, permanent, away)
    assert "asha" not in str(refused)
    assert sink.letters == []


def test_a_server_that_hangs_is_given_up_soon() -> None:
    with smtp_sink(greeting=None) as sink:
        refused = refusal(server(sink.port, timeout=0.2))
    assert (refused.problem, refused.permanent, refused.away) == ("no-answer", False, True)


def test_a_server_that_is_not_there_is_tried_again_later() -> None:
    with smtp_sink() as sink:
        port = sink.port
    assert refusal(server(port)).problem == "no-answer"


def test_starttls_protects_password_and_letter(tmp_path: Path) -> None:
    theirs, ours = own_certificate(tmp_path)
    with smtp_sink(tls=theirs, sign_in=("desk", "p@ss word")) as sink:
        server(sink.port, Encryption.STARTTLS, user="desk", password="p@ss word", context=ours).send(LETTER)
    assert len(sink.letters) == 1
    assert sink.heard[1] == "STARTTLS"


def test_a_certificate_nobody_vouches_for_gets_neither_password_nor_letter(tmp_path: Path) -> None:
    theirs, _ours = own_certificate(tmp_path)
    with smtp_sink(tls=theirs, sign_in=("desk", "secret")) as sink:
        refused = refusal(server(sink.port, Encryption.STARTTLS, user="desk", password="secret"))
    assert (refused.problem, refused.permanent) == ("certificate", False)
    assert [line.split(" ")[0] for line in sink.heard] == ["EHLO", "STARTTLS"]
    assert sink.letters == []


def test_a_server_that_offers_no_encryption_gets_neither_password_nor_letter() -> None:
    with smtp_sink(sign_in=("desk", "secret")) as sink:
        refused = refusal(server(sink.port, Encryption.STARTTLS, user="desk", password="secret"))
    assert (refused.problem, refused.permanent, refused.away) == ("no-encryption", False, True)
    assert not [line for line in sink.heard if line.startswith(("AUTH", "MAIL"))]


def test_a_wrong_password_is_the_desks_fault_and_not_the_letters() -> None:
    with smtp_sink(sign_in=("desk", "right")) as sink:
        refused = refusal(server(sink.port, user="desk", password="wrong"))
    assert (refused.problem, refused.permanent, refused.away) == ("sign-in-refused", False, True)


@pytest.mark.parametrize(
    ("to", "problem"), [("asha@ఉదాహరణ.example", "address-not-ascii"), ("ఆశ@example.org", "not-writable")]
)
def test_an_address_that_cannot_be_written_is_given_up(to: str, problem: str) -> None:
    with smtp_sink() as sink:
        refused = refusal(server(sink.port), replace(LETTER, to=to))
    assert (refused.problem, refused.permanent) == (problem, True)


@pytest.mark.parametrize(
    ("url", "encryption"),
    [
        ("smtp://desk:word@mail.example:587", Encryption.STARTTLS),
        ("smtp://mail.example", Encryption.STARTTLS),
        ("smtp://127.0.0.1.example.org", Encryption.STARTTLS),
        ("smtps://mail.example", Encryption.TLS),
        ("smtps://127.0.0.1", Encryption.TLS),
        ("smtp://localhost:25", Encryption.NONE),
        ("smtp://127.0.0.1:25", Encryption.NONE),
        ("smtp://[::1]:25", Encryption.NONE),
    ],
)
def test_only_this_machine_is_spoken_to_in_the_clear(url: str, encryption: Encryption) -> None:
    mail = mail_from_url(url, sender=SENDER, folder=NOWHERE)
    assert isinstance(mail, SmtpMail)
    assert mail.encryption is encryption


@pytest.mark.parametrize(
    "url",
    [
        "http://mail.example",
        "mail.example",
        "smtp://",
        "smtp://desk:se/cret@mail.example",
        "smtp://h:secret",
        "smtp://desk:s%C3%A9cret@h",
    ],
)
def test_an_address_that_is_none_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValueError, match="is written smtp://") as refused:
        mail_from_url(url, sender=SENDER, folder=NOWHERE)
    assert "cret" not in str(refused.value)


def test_a_password_may_have_any_letters() -> None:
    with smtp_sink(sign_in=("desk@example.org", "p@ss/word: 7")) as sink:
        url = f"smtp://desk%40example.org:p%40ss%2Fword%3A%207@127.0.0.1:{sink.port}"
        mail_from_url(url, sender=SENDER, folder=NOWHERE).send(LETTER)
    assert len(sink.letters) == 1


def test_without_a_server_letters_are_files_for_the_owners_eyes(tmp_path: Path) -> None:
    mail = mail_from_url(None, sender=SENDER, folder=tmp_path / "mail")
    mail.send(LETTER)
    mail.send(LETTER)
    (path,) = (tmp_path / "mail").iterdir()
    assert path.name == f"{LETTER.id}.eml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert message_from_bytes(path.read_bytes(), policy=default)["Subject"] == LETTER.subject


def test_a_folder_that_cannot_be_written_is_tried_again_later(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way", encoding="utf-8")
    refused = refusal(FileMail(tmp_path / "file" / "mail", sender=SENDER))
    assert (refused.problem, refused.permanent, refused.away) == ("not-written", False, True)
