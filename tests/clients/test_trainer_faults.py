"""Each way in which the trainer service may fail, over real sockets: what it is called, and what it costs."""

from __future__ import annotations

import socket
import ssl
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.clients.service import (
    BUSY,
    EMPTY,
    ONE_TRY,
    QUICK,
    SECRET_PATH,
    TOKEN,
    UNHURRIED,
    client_of,
    http,
    page,
    resets,
    serving,
    thinks,
)
from tests.raw_server import Answer, certificate_in, drips, pours, says, server, tls_of_server, tls_that_trusts
from webapp.clients.trainer_service.client import Profile
from webapp.clients.trainer_service.http import INTERACTIVE, MOST_OF_TRAINER, REFRESHER, HttpTrainerService
from webapp.clients.trainer_service.said import BulkPage, Fault, ServiceFailed

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n"
ONCE = replace(QUICK, tries=1)


def ask(client: HttpTrainerService) -> BulkPage:
    """Ask for everybody."""
    found = client.first_page(since=None, etag=None)
    assert isinstance(found, BulkPage)
    return found


def failure(client: HttpTrainerService, question: Callable[[HttpTrainerService], object] = ask) -> ServiceFailed:
    """How a question fails."""
    with pytest.raises(ServiceFailed) as failed:
        question(client)
    return failed.value


def fault_of(*answers: bytes | Answer, profile: Profile = UNHURRIED) -> tuple[Fault, int]:
    """How the service fails, and how often it was asked."""
    with serving(*answers, profile=profile) as (there, client):
        fault = failure(client).fault
        assert client.tally.errors[fault] == client.tally.requests
        assert client.tally.requests == client.tally.retries + 1
        return fault, len(there.asked)


# -- the named faults ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [502, 503, 504])
def test_errors_that_may_pass_are_asked_again_twice(status: int) -> None:
    assert fault_of(http(status)) == (Fault.SERVER_ERROR, 3)


@pytest.mark.parametrize("status", [500, 501, 507])
def test_errors_that_would_happen_again_are_not_asked_again(status: int) -> None:
    assert fault_of(http(status)) == (Fault.SERVER_ERROR, 1)


@pytest.mark.parametrize(
    ("status", "fault"),
    [
        (201, Fault.REFUSED),
        (204, Fault.REFUSED),
        (304, Fault.WRONG_SHAPE),
        (400, Fault.REFUSED),
        (401, Fault.NOT_ALLOWED),
        (403, Fault.NOT_ALLOWED),
        (404, Fault.REFUSED),
        (408, Fault.TOO_SLOW),
        (410, Fault.REFUSED),
        (422, Fault.REFUSED),
    ],
)
def test_other_statuses_have_names_and_are_not_asked_again(status: int, fault: Fault) -> None:
    answer = http(status) if status != 304 else b"HTTP/1.1 304 Not Modified\r\n\r\n"
    assert fault_of(answer) == (fault, 1)


def test_errors_by_rate_cost_no_more_than_a_tenth() -> None:
    """A third of all answers are errors: the retries are those that were earned, and the service is asked 1.1 times."""
    answers = [BUSY if number % 3 == 0 else EMPTY for number in range(400)]
    with serving(*answers, retry_tokens=0.0) as (there, client):
        good = 0
        for _ in range(120):
            try:
                ask(client)
                good += 1
            except ServiceFailed as failed:
                cause = failed.fault
        assert cause is Fault.SERVER_ERROR
        assert 10 <= client.tally.retries <= 12
        assert len(there.asked) == client.tally.requests == 120 + client.tally.retries
        assert good > 80
        assert client.retry_tokens <= 1


def test_the_budget_goes_on_in_the_next_process() -> None:
    with serving(BUSY, EMPTY, BUSY, EMPTY, retry_tokens=0.9) as (there, client):
        ask(client)
        assert (len(there.asked), client.retry_tokens) == (2, 0)
        following = client_of(there, retry_tokens=client.retry_tokens)
        assert failure(following).status == 503
        assert len(there.asked) == 3


def test_too_many_requests_are_waited_out_as_long_as_the_service_asks() -> None:
    with serving(http(429, Retry_After="1"), EMPTY) as (there, client):
        began = time.monotonic()
        ask(client)
        assert 1 <= time.monotonic() - began < 15
        assert len(there.asked) == 2


def test_too_many_requests_for_longer_than_the_question_may_take_are_left_to_whoever_asks() -> None:
    with serving(http(429, Retry_After="3600"), profile=QUICK) as (there, client):
        began = time.monotonic()
        failed = failure(client)
        assert (failed.fault, failed.status, failed.retry_after) == (Fault.TOO_MANY, 429, 30)
        assert time.monotonic() - began < QUICK.total_seconds + 1
        assert len(there.asked) == 1


def test_latency_beyond_the_read_timeout_is_too_slow_and_not_asked_again() -> None:
    began = time.monotonic()
    assert fault_of(thinks(5), profile=QUICK) == (Fault.TOO_SLOW, 1)
    assert QUICK.read_seconds <= time.monotonic() - began < 3


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", HEAD])
def test_a_drip_ends_with_the_question(before: bytes) -> None:
    """Each byte comes in time for the read timeout; all of them do not."""
    with serving(drips(before), profile=QUICK) as (there, client):
        began = time.monotonic()
        assert failure(client).fault in (Fault.TOO_SLOW, Fault.NO_CONNECTION)
        assert time.monotonic() - began < QUICK.total_seconds + 1
    with serving(drips(HEAD), profile=INTERACTIVE) as (there, client):
        began = time.monotonic()
        assert failure(client).fault is Fault.TOO_SLOW
        assert 0.7 < time.monotonic() - began < 3
        assert len(there.asked) == 1


def test_pauses_and_tries_end_with_the_question_too() -> None:
    """The end is that of the question, not of each try: what is left of it is what the next try has."""
    slow = Fault.TOO_SLOW, QUICK.total_seconds
    with serving(http(503, Retry_After="1"), drips(HEAD), profile=QUICK) as (there, client):
        began = time.monotonic()
        assert (failure(client).fault, len(there.asked)) == (slow[0], 2)
        assert slow[1] - 0.1 < time.monotonic() - began < slow[1] + 1


def test_whoever_has_to_be_done_earlier_is() -> None:
    with serving(drips(HEAD), ends=time.monotonic() + 0.4) as (there, client):
        began = time.monotonic()
        assert failure(client).fault is Fault.TOO_SLOW
        assert time.monotonic() - began < 3
        assert failure(client).fault is Fault.TOO_SLOW  # past the end nothing is asked
        assert len(there.asked) == client.tally.requests == 1
        assert client.breaker.state.failures == 1


@pytest.mark.parametrize("before", [b"", b"HTTP/1.1 200", HEAD + b'{"items": ['])
def test_a_reset_is_a_lost_connection_and_asked_again(before: bytes) -> None:
    assert fault_of(resets(before)) == (Fault.NO_CONNECTION, 3)
    with serving(resets(before), EMPTY) as (_, client):
        assert ask(client).items == ()
        assert (client.tally.requests, client.tally.retries) == (2, 1)


def test_a_truncated_answer_is_a_lost_connection_and_never_half_a_page() -> None:
    whole = page("T1", "T2")
    assert fault_of(whole[:-20]) == (Fault.NO_CONNECTION, 3)
    chunked = b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n8\r\n{"items"\r\n'
    assert fault_of(chunked)[0] is Fault.NO_CONNECTION


def test_nobody_listening_is_no_connection() -> None:
    with server(says(EMPTY)) as there:
        client = client_of(there)
    assert failure(client).fault is Fault.NO_CONNECTION
    assert (client.tally.requests, client.tally.retries) == (3, 2)


def test_a_door_that_lets_nobody_in_is_no_connection_within_the_connect_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(full.getsockname())
        client = HttpTrainerService(f"http://127.0.0.1:{full.getsockname()[1]}", TOKEN, profile=ONCE)
        began = time.monotonic()
        assert failure(client).fault is Fault.NO_CONNECTION
        assert time.monotonic() - began < 3
        for one in waiting:
            one.close()


def test_a_certificate_nobody_trusts_is_no_connection_and_sees_no_token(tmp_path: Path) -> None:
    certificate = certificate_in(tmp_path)
    strict = ssl.create_default_context()
    with server(says(EMPTY), tls_of_server(certificate)) as there:
        url = f"https://localhost:{there.port}"
        assert failure(HttpTrainerService(url, TOKEN, profile=ONE_TRY, tls=strict)).fault is Fault.NO_CONNECTION
        assert there.asked == []
        # The control: with a certificate that is trusted it is asked.
        assert ask(HttpTrainerService(url, TOKEN, profile=UNHURRIED, tls=tls_that_trusts(certificate))).items == ()
        assert TOKEN.encode() in there.asked[0]


@pytest.mark.parametrize("body", [b"", b'{"items": [', b"<html>Sorry</html>", b'{"items": [NaN], "nextCursor": null}'])
def test_bad_json_is_named_and_not_asked_again(body: bytes) -> None:
    assert fault_of(http(200, body)) == (Fault.NOT_JSON, 1)


def test_an_answer_that_is_packed_is_none_of_ours() -> None:
    assert fault_of(http(200, b"\x1f\x8b", Content_Encoding="gzip")) == (Fault.NOT_JSON, 1)


@pytest.mark.parametrize("body", [[], {}, {"items": "none"}, {"data": 7}, {"items": [], "nextCursor": 7}])
def test_wrong_types_are_named_and_not_asked_again(body: object) -> None:
    assert fault_of(http(200, body)) == (Fault.WRONG_SHAPE, 1)


def test_a_nesting_bomb_is_refused() -> None:
    assert fault_of(http(200, b'{"items": ' + b"[" * 200_000)) == (Fault.NOT_JSON, 1)


def test_a_huge_body_is_cut_off() -> None:
    assert fault_of(pours(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")) == (Fault.TOO_LARGE, 1)
    big = http(200, {"data": {"x": "y" * MOST_OF_TRAINER}})
    with serving(big) as (_, client):
        assert failure(client, lambda client: client.legacy_trainer("T1")).fault is Fault.TOO_LARGE


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_named_and_not_followed(status: int) -> None:
    with server(says(EMPTY)) as elsewhere:
        moved = http(status, Location=f"http://127.0.0.1:{elsewhere.port}/")
        assert fault_of(moved) == (Fault.REDIRECT, 1)
        assert elsewhere.asked == []


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n", b"\x00" * 100])
def test_what_is_no_http_is_no_connection(said: bytes) -> None:
    assert fault_of(said)[0] is Fault.NO_CONNECTION


def test_an_address_that_is_none_leads_nowhere() -> None:
    for url in ("http://127.1:8080", "http://trainers.example.org:99999", "http://2130706433"):
        assert failure(HttpTrainerService(url, TOKEN, profile=ONCE)).fault is Fault.NO_CONNECTION


def test_a_cloud_s_credentials_are_no_trainer_service() -> None:
    """The host may be private, for the operator chose it; where clouds answer with credentials it may not be."""
    client = HttpTrainerService("http://169.254.169.254/latest", TOKEN, profile=ONCE)
    assert failure(client).fault is Fault.NO_CONNECTION


# -- what is never told --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("answer", "profile"),
    [
        (BUSY, UNHURRIED),
        (http(401), UNHURRIED),
        (http(200, b"{"), UNHURRIED),
        (http(200, {"items": 7}), UNHURRIED),
        (http(302, Location="/"), UNHURRIED),
        (resets(), UNHURRIED),
        (thinks(2), QUICK),
    ],
    ids=["busy", "not-allowed", "not-json", "wrong-shape", "redirect", "reset", "slow"],
)
def test_no_failure_tells_token_address_or_answer(
    answer: bytes | Answer, profile: Profile, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with serving(answer, profile=profile) as (there, client):
        failed = failure(client)
        told = "".join(traceback.format_exception(failed)) + repr(failed) + repr(client) + str(vars(failed))
        logged = caplog.text + "".join(capsys.readouterr())
        for secret in (TOKEN, SECRET_PATH, str(there.port), "127.0.0.1"):
            assert secret not in told
            assert secret not in logged
        assert failed.__cause__ is None
        assert failed.__context__ is None


def test_the_profiles_are_those_that_were_decided() -> None:
    assert (REFRESHER.connect_seconds, REFRESHER.read_seconds, REFRESHER.total_seconds) == (1, 5, 20)
    assert REFRESHER.tries == 3
    assert (INTERACTIVE.total_seconds, INTERACTIVE.tries) == (0.8, 1)
