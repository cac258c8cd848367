"""Letters and batches with the desk's real processes: a worker, a mail server, a store that speaks S3, and kills."""

from __future__ import annotations

import io
import os
import signal
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import psutil  # type: ignore[import-untyped]
import pytest
from sqlalchemy import text

from tests.jobs.builders import DONE, completed_booking, promise, rows, until
from tests.jobs.conftest import OwnDesk
from tests.jobs.pdfs import pages_of
from tests.s3_server import new_bucket, s3_server
from tests.smtp_server import MailServer, mail_server
from webapp.certificates import batches, posting
from webapp.certificates.queries.pages import all_found
from webapp.certificates.rules import BatchKind
from webapp.clients.stores import BATCHES, store_of
from webapp.core.actor import SYSTEM
from webapp.core.ids import new_id
from webapp.core.job_names import JobName

SLOW = 120.0
"""Seconds a busy machine may take for a step."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[MailServer]:
    with mail_server(tmp_path / "arrived") as server:
        yield server


def ring(desk: OwnDesk, job: JobName) -> None:
    with desk.database.unit_of_work() as work:
        work.after_commit(job)


def states(desk: OwnDesk) -> list[tuple[object, ...]]:
    return rows(desk.database, "SELECT state FROM certificate_letters ORDER BY id")


def test_a_worker_issues_to_s3_and_sends_by_itself_and_a_kill_before_noting_sends_a_second_copy(
    desk: OwnDesk, server: MailServer
) -> None:
    with s3_server() as address:
        store = {
            "CERTIFICATE_STORE": f"s3://{new_bucket(address)}/desk",
            "CERTIFICATE_STORE_ENDPOINT": address,
            "CERTIFICATE_STORE_REGION": "us-east-1",
            "CERTIFICATE_STORE_KEY_ID": "test",
            "CERTIFICATE_STORE_SECRET": "test",
        }
        env = store | {
            "MAIL_URL": server.url,
            "MAIL_FROM": "Zonedesk <desk@zonedesk.example>",
            "CERTIFICATE_MAIL_ON_ISSUE": "1",
        }
        booking = completed_booking(desk.make, desk.database, "మీనా రావు")
        with desk.database.unit_of_work() as work:
            work.db.execute(text("UPDATE guardians SET email = 'asha@family.example', language = 'en'"))
        promise(desk.database, booking)
        with server.holding():
            worker = desk.start(**env)
            until(lambda: len(server.arrived()) == 1, "the letter arrives", seconds=SLOW)
            assert states(desk) == [("pending",)], "the server has it, and nobody knows yet"
            kill_tree(worker.pid)
            worker.wait(30)
        assert states(desk) == [("pending",)]

        later = (DONE + timedelta(minutes=10)).isoformat()
        desk.start(**env, ZONEDESK_NOW=later)
        ring(desk, JobName.SEND_CERTIFICATES)
        until(lambda: states(desk) == [("sent",)], "the letter is sent after all", seconds=SLOW)

        first, second = server.arrived()
        assert first.message["Message-ID"] == second.message["Message-ID"]
        assert first.to == second.to == ("asha@family.example",)
        ((letter_id, number, sha256),) = rows(
            desk.database,
            "SELECT l.id, c.number, c.pdf_sha256 FROM certificate_letters l JOIN certificates c ON true",
        )
        assert second.message["Message-ID"] == f"<{letter_id}@zonedesk.example>"
        ((name, content),) = second.files.items()
        assert name == f"certificate-{number}.pdf"
        settings = desk.settings.model_copy(update={key.lower(): value for key, value in store.items()})
        assert content == store_of(settings).get(str(sha256))
        assert "మీనా రావు" in second.text
        assert f"/verify/{number}/" in second.text
        assert "asha@family.example" not in desk.log

        # The same worker joins what lies in S3, and keeps the batch there.
        person = desk.make.staff()
        with desk.database.unit_of_work() as work:
            chosen = all_found(work.db, visible_to=person.actor, limit=10)
            batches.ask(work, BatchKind.PDF, chosen, batch_id=new_id(), by=person.actor, now=DONE)
        until(lambda: batch_state(desk) == "ready", "the batch is made", seconds=SLOW)
        ((batch_sha256,),) = rows(desk.database, "SELECT file_sha256 FROM certificate_batches")
        file = io.BytesIO()
        store_of(settings, area=BATCHES).fetch(str(batch_sha256), file)
        assert len(pages_of(file.getvalue())) == 1


def batch_state(desk: OwnDesk) -> object:
    return rows(desk.database, "SELECT state FROM certificate_batches")[0][0]


def test_a_refused_letter_is_dead_until_somebody_tries_it_again(desk: OwnDesk, server: MailServer) -> None:
    env = {"MAIL_URL": server.url, "MAIL_FROM": "desk@zonedesk.example", "CERTIFICATE_MAIL_ON_ISSUE": "1"}
    booking = completed_booking(desk.make, desk.database, "Meena Rao")
    with desk.database.unit_of_work() as work:
        work.db.execute(text("UPDATE guardians SET email = 'asha@family.example'"))
    promise(desk.database, booking)
    server.refuse("550 nobody of that name, asha@family.example")
    desk.start(**env)
    until(lambda: states(desk) == [("failed",)], "the letter is given up", seconds=SLOW)
    server.refuse(None)
    ((letter_id,),) = rows(desk.database, "SELECT id FROM certificate_letters WHERE last_error = 'recipient-550'")
    with desk.database.unit_of_work() as work:
        posting.try_again(work, letter_id, by=SYSTEM, now=DONE)
    until(lambda: states(desk) == [("sent",)], "the letter is sent", seconds=SLOW)
    assert len(server.arrived()) == 1
    assert "asha@family.example" not in desk.log


def kill_tree(pid: int) -> None:
    """End a process and its work-horse by SIGKILL, the child first, so that it notes nothing any more."""
    for child in psutil.Process(pid).children(recursive=True):
        os.kill(child.pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
