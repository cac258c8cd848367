"""A file is verified by its hash, and files are given to whoever holds the link; nothing that is sent is kept."""

from __future__ import annotations

import io
import tempfile
import tracemalloc
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest
from flask import Flask
from sqlalchemy import text

from tests.jobs.builders import DONE, PlainKeys, PlainRenderer, completed_booking, promise, revoke, rows
from tests.make import Make
from tests.web.client import DeskClient
from tests.web.poor_valkey import hang_up, server
from webapp.certificates import jobs, reissuing
from webapp.certificates.public_bounds import MOST_BYTES
from webapp.certificates.rules import draw_number
from webapp.clients.files import store_from_url
from webapp.config import Settings
from webapp.core.actor import SYSTEM
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.desk.erasing import erase_family
from webapp.households.rules import ErasureReason
from webapp.web import hashed_uploads
from webapp.web.limits import count_in, limiter

CREDENTIAL = b'{"type": ["VerifiableCredential", "OpenBadgeCredential"]}'


@dataclass
class Issued:
    """An issued certificate, its file, and what its link carries."""

    id: UUID
    number: str
    token: str
    pdf: bytes

    @property
    def link(self) -> str:
        """The address in the QR code."""
        return f"/verify/{self.number}/{self.token}"


@pytest.fixture(autouse=True)
def unlimited(app: Flask) -> Iterator[None]:
    """Each test may ask as often as one visitor may in a minute."""
    limiter.reset()
    yield
    limiter.reset()


@pytest.fixture
def ctx(db: Database, settings: Settings, at: Callable[[datetime], None]) -> JobContext:
    """A job's context on the test's transaction."""
    at(DONE)
    return JobContext(settings, db, lambda: DONE)


@pytest.fixture
def issued(make: Make, db: Database, ctx: JobContext, settings: Settings) -> Issued:
    (certificate_id,) = promise(db, completed_booking(make, db, "Meena Rao", operator_id=make.franchise()))
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    ((number, token, sha256),) = rows(db, "SELECT number, token, pdf_sha256 FROM certificates")
    return Issued(
        certificate_id, str(number), str(token), store_from_url(settings.certificate_store_url).get(str(sha256))
    )


def send(client: DeskClient, content: bytes, name: str = "certificate.pdf", **more: Any) -> Any:
    """Upload a file as the page's form does."""
    file = (io.BytesIO(content), name, "application/pdf")
    return client.post("/verify/file", data={"file": file}, content_type="multipart/form-data", **more)


def test_the_very_file_is_told_with_its_certificate_and_status(client: DeskClient, issued: Issued) -> None:
    answer = send(client, issued.pdf)
    assert answer.status_code == 200
    assert "This file is a valid certificate of ours" in answer.text
    assert issued.number in answer.text
    assert "Meena" not in answer.text
    assert issued.token not in answer.text
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    assert answer.headers["Cache-Control"] == "no-store"
    assert client.statements == 2


def test_a_file_with_one_bit_changed_or_something_added_is_not_ours(client: DeskClient, issued: Issued) -> None:
    changed = bytes([issued.pdf[0] ^ 1]) + issued.pdf[1:]
    for sent in (changed, issued.pdf + b"\n%%EOF", issued.pdf[:-1], b"%PDF-1.7"):
        answer = send(client, sent)
        assert answer.status_code == 404
        assert "This is not a file we issued" in answer.text
        assert issued.number not in answer.text


def test_a_revoked_a_replaced_and_an_erased_one_are_known_by_their_files(
    client: DeskClient, issued: Issued, db: Database, ctx: JobContext, make: Make
) -> None:
    with db.unit_of_work() as work:
        work.db.execute(text("UPDATE students SET name = 'Meena R.'"))
        reissuing.reissue(work, issued.id, "Meena R.", by=make.admin().actor, now=DONE, public_url="http://d.example")
    jobs.issue(ctx, renderer=PlainRenderer(), keys=PlainKeys())
    ((new_id, new),) = rows(db, "SELECT id, number FROM certificates WHERE state = 'issued'")
    answer = send(client, issued.pdf)
    assert "This file is a certificate that was replaced by a newer one" in answer.text
    assert f'href="/verify/{new}"' in answer.text
    assert isinstance(new_id, UUID)
    revoke(db, new_id, words="It was altered by somebody.")
    answer = send(client, f"%PDF {new} Meena R.".encode())
    assert answer.status_code == 200
    assert "This file is a certificate that was revoked" in answer.text
    assert "It was altered by somebody." in answer.text
    ((household_id,),) = rows(db, "SELECT household_id FROM bookings")
    assert isinstance(household_id, UUID)
    with db.unit_of_work() as work:
        erase_family(work, household_id, reason=ErasureReason.MISTAKE, by=SYSTEM, now=DONE)
    answer = send(client, f"%PDF {new} Meena R.".encode())
    assert "data was erased" in answer.text
    assert "It was altered" not in answer.text


@pytest.mark.parametrize("data", [{}, {"file": "text"}, {"file": (io.BytesIO(b""), "empty.pdf")}])
def test_no_file_and_an_empty_one_are_told_in_the_form(client: DeskClient, data: dict[str, Any]) -> None:
    answer = client.post("/verify/file", data=data, content_type="multipart/form-data")
    assert answer.status_code == 422
    assert "Choose the PDF file of the certificate." in answer.text


def test_an_upload_without_the_form_s_token_is_refused(client: DeskClient, issued: Issued) -> None:
    assert send(client, issued.pdf, csrf=False).status_code == 400


def test_the_page_of_the_answer_can_be_loaded_again(client: DeskClient) -> None:
    answer = client.get("/verify/file")
    assert answer.status_code == 200
    assert "Or check a file" in answer.text


def test_nothing_of_what_is_sent_is_kept_anywhere(
    client: DeskClient, issued: Issued, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No temporary file, and memory for a piece at a time."""
    opened: list[object] = []

    def remember(*args: object, **kwargs: object) -> None:
        opened.append(args)
        raise AssertionError("a temporary file")

    for name in ("SpooledTemporaryFile", "TemporaryFile", "NamedTemporaryFile"):
        monkeypatch.setattr(tempfile, name, remember)
    monkeypatch.setattr("werkzeug.formparser.SpooledTemporaryFile", remember)
    client.get("/verify")
    body, kind = _multipart(client, 7 * 1024 * 1024)
    tracemalloc.start()
    try:
        answer = client.post(
            "/verify/file",
            environ_overrides={"wsgi.input": body, "CONTENT_LENGTH": str(body.length), "CONTENT_TYPE": kind},
            csrf=False,
        )
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert answer.status_code == 404
    assert "This is not a file we issued" in answer.text
    assert opened == []
    assert most < 3 * 1024 * 1024


class _Body(io.RawIOBase):
    """A form with an upload of so many bytes, made while it is read, and how much of it was read."""

    def __init__(self, head: bytes, size: int, tail: bytes) -> None:
        self._parts: list[bytes | int] = [head, size, tail]
        self.length = len(head) + size + len(tail)
        self.taken = 0

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: Any) -> int:
        """As many of the next bytes as there is room for, as a web server hands them on."""
        filled = 0
        while self._parts and filled < len(buffer):
            part, room = self._parts[0], len(buffer) - filled
            if isinstance(part, int):
                given = b"x" * min(part, room)
                self._parts[0] = part - len(given)
            else:
                given = part[:room]
                self._parts[0] = part[len(given) :]
            if not self._parts[0]:
                self._parts.pop(0)
            buffer[filled : filled + len(given)] = given
            filled += len(given)
        self.taken += filled
        return filled


def _multipart(client: DeskClient, size: int) -> tuple[_Body, str]:
    token = client.csrf_token().encode()
    head = (
        b'--zd\r\nContent-Disposition: form-data; name="csrf_token"\r\n\r\n' + token + b"\r\n"
        b'--zd\r\nContent-Disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n'
    )
    return _Body(head, size, b"\r\n--zd--\r\n"), "multipart/form-data; boundary=zd"


def test_what_is_far_too_large_is_refused_before_it_is_read(client: DeskClient) -> None:
    client.get("/verify")
    body, kind = _multipart(client, 200 * 1024 * 1024)
    overrides = {"wsgi.input": body, "CONTENT_LENGTH": str(body.length), "CONTENT_TYPE": kind}
    answer = client.post("/verify/file", environ_overrides=overrides, csrf=False)
    assert answer.status_code == 413
    assert "Send a smaller file." in answer.text
    assert body.taken == 0, "not a byte of it"


def test_what_tells_no_length_is_refused_where_it_passes_the_bound(client: DeskClient) -> None:
    client.get("/verify")
    body, kind = _multipart(client, 200 * 1024 * 1024)
    overrides = {"wsgi.input": body, "wsgi.input_terminated": True, "CONTENT_LENGTH": "", "CONTENT_TYPE": kind}
    answer = client.post("/verify/file", environ_overrides=overrides, csrf=False)
    assert answer.status_code == 413
    assert MOST_BYTES < body.taken < MOST_BYTES + 1024 * 1024


def test_other_routes_keep_their_smaller_bound(client: DeskClient) -> None:
    client.get("/sign-in")
    body, kind = _multipart(client, 3 * 1024 * 1024)
    overrides = {"wsgi.input": body, "CONTENT_LENGTH": str(body.length), "CONTENT_TYPE": kind}
    assert client.post("/sign-in", environ_overrides=overrides, csrf=False).status_code == 413


def test_a_hash_is_all_there_is_of_an_upload() -> None:
    stream = hashed_uploads.Hashed()
    for part in (b"a", b"", b"bc"):
        stream.write(part)
    assert (stream.read(), stream.readline(), stream.seek(0), stream.length) == (b"", b"", 0, 3)
    assert stream.sha256 == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    stream.close()


def test_comparing_files_is_slowed_down(client: DeskClient) -> None:
    codes = [send(client, b"%PDF").status_code for _ in range(11)]
    assert codes == [404] * 10 + [429]
    assert client.get("/verify/file").status_code == 200


# -- for whoever holds the link ------------------------------------------------------------------------------------


def test_the_link_gives_both_files(
    client: DeskClient, make: Make, db: Database, ctx: JobContext, settings: Settings
) -> None:
    (certificate_id,) = promise(db, completed_booking(make, db, "Meena Rao"))
    sha256 = store_from_url(settings.certificate_store_url).put(CREDENTIAL, media_type="application/ld+json")
    pdf = store_from_url(settings.certificate_store_url).put(b"%PDF of it", media_type="application/pdf")
    with db.unit_of_work() as work:
        work.db.execute(
            text(
                "UPDATE certificates SET state = 'issued', issued_at = now(), pdf_sha256 = :pdf,"
                " credential_sha256 = :credential WHERE id = :id"
            ),
            {"pdf": pdf, "credential": sha256, "id": certificate_id},
        )
    ((number, token),) = rows(db, "SELECT number, token FROM certificates")
    link = f"/verify/{number}/{token}"
    page = client.get(link).text
    assert f'href="{link}/certificate.pdf"' in page
    assert f'href="{link}/credential.json"' in page
    answer = client.get(f"{link}/certificate.pdf")
    assert (answer.data, answer.mimetype) == (b"%PDF of it", "application/pdf")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="certificate-{number}.pdf"'
    answer = client.get(f"{link}/credential.json")
    assert (answer.data, answer.mimetype) == (CREDENTIAL, "application/ld+json")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="credential-{number}.json"'
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Robots-Tag"] == "noindex, nofollow"
    revoke(db, certificate_id)
    page = client.get(link).text
    assert "certificate.pdf" not in page
    assert "credential.json" in page
    assert client.get(f"{link}/certificate.pdf").status_code == 404
    assert client.get(f"{link}/credential.json").data == CREDENTIAL


def test_without_the_link_there_are_no_files(client: DeskClient, issued: Issued, db: Database) -> None:
    bare = client.get(f"/verify/{issued.number}").text
    assert "certificate.pdf" not in bare
    known = [
        client.get(f"/verify/{issued.number}/{'A' * 32}/{name}") for name in ("certificate.pdf", "credential.json")
    ]
    unknown = client.get(f"/verify/{draw_number(2027)}/{issued.token}/certificate.pdf")
    assert {answer.status_code for answer in (*known, unknown)} == {404}
    assert len({len(answer.text) for answer in (*known, unknown)}) == 1
    ((household_id,),) = rows(db, "SELECT household_id FROM bookings")
    assert isinstance(household_id, UUID)
    with db.unit_of_work() as work:
        erase_family(work, household_id, reason=ErasureReason.MISTAKE, by=SYSTEM, now=DONE)
    assert client.get(f"{issued.link}/certificate.pdf").status_code == 404


def test_one_that_was_issued_before_there_were_credentials_has_none(
    client: DeskClient, make: Make, db: Database
) -> None:
    (certificate_id,) = promise(db, completed_booking(make, db, "Meena Rao"))
    with db.unit_of_work() as work:
        change = (
            "UPDATE certificates SET state = 'issued', issued_at = now(), pdf_sha256 = repeat('a', 64) WHERE id = :id"
        )
        work.db.execute(text(change), {"id": certificate_id})
    ((number, token),) = rows(db, "SELECT number, token FROM certificates")
    link = f"/verify/{number}/{token}"
    assert "credential.json" not in client.get(link).text
    answer = client.get(f"{link}/credential.json")
    assert answer.status_code == 404
    assert "before there were credentials" in answer.text


def test_a_lost_file_is_said_and_is_no_500(
    client: DeskClient, issued: Issued, settings: Settings, db: Database
) -> None:
    ((sha256,),) = rows(db, "SELECT pdf_sha256 FROM certificates")
    store = store_from_url(settings.certificate_store_url)
    store.remove(str(sha256))
    try:
        answer = client.get(f"{issued.link}/certificate.pdf")
    finally:
        store.put(issued.pdf, media_type="application/pdf")
    assert answer.status_code == 404
    assert "The file is missing at our end." in answer.text


# -- numbers -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("around", ["{}", "http://desk.example{}", " https://desk.example/{} ", "look: {}?x=1"])
def test_a_whole_link_may_be_pasted(client: DeskClient, issued: Issued, around: str) -> None:
    answer = client.get("/verify", query_string={"number": around.format(issued.link)})
    assert (answer.status_code, answer.location) == (303, issued.link)
    bare = around.format(f"/verify/{issued.number.lower()}")
    assert client.get("/verify", query_string={"number": bare}).location == f"/verify/{issued.number}"


@pytest.mark.parametrize(
    ("typed", "told"),
    [
        ("ZD-२७-AAAAA-AAAAA", "the letters A to Z and the digits 0 to 9"),
        ("ＺＤ－２７－ＡＡＡＡＡ", "the letters A to Z and the digits 0 to 9"),
        ("ZD-27-АААА", "the letters A to Z and the digits 0 to 9"),
        ("x" * 10_240, "Use at most 400 characters."),
        ("'; DROP TABLE certificates; --", "This cannot be a certificate number."),
        ("<script>alert(1)</script>", "This cannot be a certificate number."),
        ("a\x00b", "Remove the invisible characters"),
        ("/verify/", "This cannot be a certificate number."),
    ],
)
def test_what_cannot_be_a_number_is_told_in_words_that_help(client: DeskClient, typed: str, told: str) -> None:
    answer = client.get("/verify", query_string={"number": typed})
    assert answer.status_code == 422
    assert told in answer.text
    assert "<script>alert" not in answer.text


@pytest.mark.parametrize("number", ["x" * 10_240, "%00", "ZD-२७-AAAAA-AAAAA", "..%2f..%2fetc", "'"])
def test_rubbish_in_the_address_is_an_unknown_number(client: DeskClient, number: str) -> None:
    for path in (f"/verify/{number}", f"/verify/{number}/token", f"/verify/{number}/token/certificate.pdf"):
        assert client.get(path).status_code == 404


def test_known_and_unknown_numbers_ask_the_same_of_the_database(client: DeskClient, issued: Issued) -> None:
    client.get(f"/verify/{issued.number}")
    known = client.statements
    client.get(f"/verify/{draw_number(2027)}")
    assert known == client.statements == 1


def test_numbers_and_files_are_verified_while_valkey_is_down(
    app: Flask, client: DeskClient, issued: Issued, settings: Settings
) -> None:
    try:
        with server(hang_up) as (port, came):
            count_in(app, f"redis://127.0.0.1:{port}/0")
            assert "This certificate is valid" in client.get(issued.link).text
            assert send(client, issued.pdf).status_code == 200
            assert came, "Valkey was asked"
    finally:
        count_in(app, settings.redis_url)
        limiter.reset()
