"""Messages of the trainer service: taken from whoever signs them, once, and never a reason for a 500."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask

from tests.reference_service.running import HOOK_PATH, Hook, signed_hook
from tests.syncing.conftest import Sync, trainer
from tests.syncing.told import Told
from tests.web.client import NOW, DeskClient
from tests.web.conftest import fresh_limits
from webapp.config import Settings
from webapp.core.job_names import JobName
from webapp.trainers.syncing.hooks import MOST_BYTES

__all__ = ["fresh_limits"]

SECRET, NEXT_SECRET, ANOTHER = (f"whsec_{letter * 32}" for letter in "ABC")
Send = Callable[..., int]


@pytest.fixture
def desk(app: Flask, settings: Settings) -> Iterator[Callable[..., None]]:
    """Changes settings for a test; to begin with there is a trainer service with two secrets."""

    def change(**changes: Any) -> None:
        app.extensions["settings"] = settings.model_copy(update=changes)

    change(trainer_service_url="http://127.0.0.1:1", trainer_service_hook_secrets=f"{SECRET}, {NEXT_SECRET}")
    yield change
    app.extensions["settings"] = settings


@pytest.fixture
def send(client: DeskClient, desk: object) -> Send:
    """Sends a message with headers and body as they are, or changed; the status of the answer."""

    def post(hook: Hook, body: bytes | None = None, **headers: str | None) -> int:
        changed = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {name: value for name, value in {**hook.headers, **changed}.items() if value is not None}
        data = hook.body if body is None else body
        return client.post(HOOK_PATH, data=data, headers=sent, csrf=False).status_code

    return post


def hook(trainer_id: str | None = "T1", kind: str = "trainer.updated", **more: Any) -> Hook:
    return signed_hook(trainer_id, kind, **{"secret": SECRET} | more)


def hooks(sync: Sync) -> list[tuple[str, str | None]]:
    rows = sync.rows("SELECT kind, service_id FROM trainer_service_hooks ORDER BY received_at, id")
    return [(row["kind"], row["service_id"]) for row in rows]


def open_runs(sync: Sync) -> list[tuple[str, str]]:
    rows = sync.rows("SELECT kind, cause FROM trainer_sync_runs WHERE state = 'waiting'")
    return [(row["kind"], row["cause"]) for row in rows]


def test_a_signed_message_asks_for_what_changed(sync: Sync, send: Send) -> None:
    assert send(hook()) == 202
    assert (hooks(sync), open_runs(sync)) == ([("trainer.updated", "T1")], [("delta", "webhook")])
    assert (JobName.SYNC_TRAINERS, {}) in sync.bells


def test_the_same_message_again_is_answered_the_same_and_asks_for_nothing(sync: Sync, send: Send) -> None:
    message = hook()
    assert send(message) == 202
    with sync.db.unit_of_work() as work:
        work.db.connection().exec_driver_sql("DELETE FROM trainer_sync_runs")
    sync.bells.clear()
    assert send(message) == 202
    assert (open_runs(sync), sync.bells, len(hooks(sync))) == ([], [], 1)


def test_many_messages_are_one_run(sync: Sync, send: Send) -> None:
    assert {send(hook(f"T{number}")) for number in range(5)} == {202}
    assert (len(hooks(sync)), open_runs(sync)) == (5, [("delta", "webhook")])


def test_a_message_that_somebody_is_gone_asks_for_everybody(sync: Sync, send: Send) -> None:
    assert send(hook()) == 202
    assert send(hook(kind="trainer.deleted")) == 202
    assert open_runs(sync) == [("full", "webhook")]


@pytest.mark.parametrize(("trainer_id", "kind"), [("T1", "delta"), (None, "full")])
def test_the_deployed_contract_is_asked_for_whom_it_names_or_for_everybody(
    sync: Sync, send: Send, trainer_id: str | None, kind: str
) -> None:
    sync.run(Told(trainer("T1", sync.make.zone()), legacy=True))
    assert send(hook(trainer_id)) == 202
    assert open_runs(sync) == [(kind, "webhook")]


def test_either_of_two_secrets_will_do_while_one_is_changed(sync: Sync, send: Send) -> None:
    assert send(hook(secret=NEXT_SECRET)) == 202
    assert send(hook(secret=ANOTHER)) == 401
    assert len(hooks(sync)) == 1


GOOD = hook()
STAMP = GOOD.headers["webhook-timestamp"]
MALFORMED: dict[str, dict[str, str | None]] = {
    "no id": {"webhook_id": None},
    "an empty id": {"webhook_id": ""},
    "another id": {"webhook_id": "msg_other"},
    "no instant": {"webhook_timestamp": None},
    "an instant that is none": {"webhook_timestamp": "yesterday"},
    "an instant without end": {"webhook_timestamp": "1e400"},
    "an instant that is no number": {"webhook_timestamp": "nan"},
    "an instant out of every calendar": {"webhook_timestamp": "9" * 30},
    "a negative instant": {"webhook_timestamp": "-1"},
    "an instant in other digits": {"webhook_timestamp": "١٢٣"},
    "no signature": {"webhook_signature": None},
    "an empty signature": {"webhook_signature": ""},
    "a signature without a version": {"webhook_signature": "c2lnbmF0dXJl"},
    "a signature of too many parts": {"webhook_signature": "v1,a,b"},
    "commas": {"webhook_signature": ",,,, , ,"},
    "a signature that is no base 64": {"webhook_signature": "v1,not base 64 at all!"},
    "a signature cut short": {"webhook_signature": GOOD.headers["webhook-signature"][:-3]},
    "a signature of other letters": {"webhook_signature": "v1,ÄÖÜß"},
    "another version": {"webhook_signature": GOOD.headers["webhook-signature"].replace("v1,", "v2,")},
    "a very long signature": {"webhook_signature": "v1," + "A" * 6000},
    "another's signature": {"webhook_signature": hook(secret=ANOTHER).headers["webhook-signature"]},
}


@pytest.mark.parametrize("what", MALFORMED)
def test_whatever_is_wrong_with_a_header_is_401(sync: Sync, send: Send, what: str) -> None:
    assert send(GOOD, **MALFORMED[what]) == 401
    assert (hooks(sync), open_runs(sync)) == ([], [])


def test_a_good_signature_beside_others_will_do(sync: Sync, send: Send) -> None:
    message = hook()
    assert send(message, webhook_signature=f"v1a,xxxx {message.headers['webhook-signature']}") == 202


def test_an_id_too_long_to_be_kept_is_401(sync: Sync, send: Send) -> None:
    assert send(hook(message_id="m" * 201)) == 401
    assert send(hook(message_id="m" * 200)) == 202


@pytest.mark.parametrize("minutes", [-6, 6])
def test_a_message_of_another_time_is_401(sync: Sync, send: Send, minutes: int) -> None:
    """By the machine's clock: a message that was caught and is sent again later is good for nothing."""
    assert send(hook(at=datetime.now(UTC) + timedelta(minutes=minutes))) == 401
    assert send(hook(at=datetime.now(UTC) + timedelta(minutes=minutes / 2))) == 202


BODIES: dict[str, bytes] = {
    "nothing": b"",
    "no JSON": b"{",
    "no UTF-8": b"\xff\xfe",
    "no object": b"[]",
    "null": b"null",
    "no type": b'{"data": {"trainerId": "T1"}}',
    "a type that is none": b'{"type": 7, "data": {}}',
    "a type too long": b'{"type": "%s"}' % (b"x" * 65),
    "data that is none": b'{"type": "trainer.updated", "data": []}',
    "an id that is none": b'{"type": "trainer.updated", "data": {"trainerId": {}}}',
    "an id too long": b'{"type": "trainer.updated", "data": {"trainerId": "%s"}}' % (b"x" * 65),
    "an id with NUL": b'{"type": "trainer.updated", "data": {"trainerId": "a\\u0000b"}}',
    "half a letter": b'{"type": "trainer.updated", "data": {"trainerId": "\\ud800"}}',
    "very deep": b'{"type": "x", "data": ' + b"[" * 20_000,
}


@pytest.mark.parametrize("what", BODIES)
def test_a_signed_body_that_is_no_message_is_400_and_no_500(sync: Sync, send: Send, what: str) -> None:
    body = BODIES[what]
    assert send(resigned(body), body) in (400, 401)
    assert hooks(sync) == []


def resigned(body: bytes) -> Hook:
    """The headers that a body is signed with, whatever it is."""
    stamp = str(int(time.time()))
    key = base64.b64decode(SECRET.removeprefix("whsec_"))
    mac = hmac.new(key, b".".join((b"msg_1", stamp.encode(), body)), hashlib.sha256).digest()
    signature = f"v1,{base64.b64encode(mac).decode()}"
    return Hook(body, {"webhook-id": "msg_1", "webhook-timestamp": stamp, "webhook-signature": signature})


def test_a_number_for_an_id_and_fields_nobody_knows_will_do(sync: Sync, send: Send) -> None:
    body = b'{"type": "trainer.updated", "timestamp": "x", "data": {"trainerId": 17, "more": []}, "more": 1}'
    assert send(resigned(body), body) == 202
    assert hooks(sync) == [("trainer.updated", "17")]


def test_a_changed_body_is_401(sync: Sync, send: Send) -> None:
    message = hook("T1")
    assert send(message, message.body.replace(b"T1", b"T2")) == 401
    assert hooks(sync) == []


def test_a_body_too_large_is_not_read(sync: Sync, send: Send) -> None:
    body = b" " * (MOST_BYTES + 1)
    assert send(resigned(body), body) == 413


def test_without_a_service_or_a_secret_there_is_nothing_here(send: Send, desk: Callable[..., None]) -> None:
    desk(trainer_service_url=None, trainer_service_hook_secrets=SECRET)
    assert send(hook()) == 404
    desk(trainer_service_url="http://127.0.0.1:1", trainer_service_hook_secrets="")
    assert send(hook()) == 404


def test_nobody_reads_anything_here(client: DeskClient, desk: object) -> None:
    assert client.get(HOOK_PATH).status_code == 405


@pytest.mark.usefixtures("fresh_limits")
def test_messages_are_counted_by_address(sync: Sync, send: Send, desk: Callable[..., None]) -> None:
    desk(
        trainer_service_url="http://127.0.0.1:1",
        trainer_service_hook_secrets=SECRET,
        write_rate="2 per minute",
    )
    assert [send(hook()) for _ in range(3)] == [202, 202, 429]
    assert len(hooks(sync)) == 2


def test_a_signed_in_person_s_browser_has_no_other_rights_here(sync: Sync, client: DeskClient, send: Send) -> None:
    client.sign_in(sync.make.admin())
    assert send(GOOD, webhook_signature="v1,AAAA") == 401
    assert send(hook()) == 202


def test_the_time_of_receipt_is_the_desk_s(sync: Sync, send: Send) -> None:
    send(hook())
    assert sync.rows("SELECT received_at FROM trainer_service_hooks") == [{"received_at": NOW}]
