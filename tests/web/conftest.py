"""What tests of pages share.

``fresh_limits``  nothing is counted yet: what other tests have tried keeps nobody waiting
``box``           sends the letters that wait, and shows what arrived
``device``        an authenticator in somebody's hand
``service``       the desk has a trainer service
``admin``         a browser in which an admin is signed in
``served``        a desk whose roster comes from a trainer service
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing

import pytest
from flask import Flask
from redis import Redis

from tests.authenticator import Authenticator
from tests.jobs.letter_box import Box
from tests.make import Make
from tests.web.client import NOW, DeskClient
from tests.web.roster import ServedDesk
from tests.web.sync_rows import TOKEN, URL
from webapp.accounts.jobs import send_letters
from webapp.config import Settings
from webapp.core import clock
from webapp.db.job_context import JobContext
from webapp.db.work import Database
from webapp.trainers.badge import forget


@pytest.fixture
def fresh_limits(redis_url: str) -> None:
    """Begin to count at nothing."""
    with closing(Redis.from_url(redis_url)) as counts:
        counts.flushdb()


@pytest.fixture
def box(db: Database, settings: Settings) -> Callable[[], Box]:
    """Sends what waits, and shows what arrived."""
    box = Box()

    def deliver() -> Box:
        send_letters(JobContext(settings, db, clock.now), mail=box)
        return box

    return deliver


@pytest.fixture
def device() -> Authenticator:
    """What a person holds in their hand."""
    return Authenticator()


@pytest.fixture
def service(app: Flask, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """A desk with a trainer service."""
    known = settings.model_copy(update={"trainer_service_url": URL, "trainer_service_token": TOKEN})
    monkeypatch.setitem(app.extensions, "settings", known)
    forget(app)  # what another test's roster was


@pytest.fixture
def admin(client: DeskClient, make: Make) -> DeskClient:
    """An admin at the desk."""
    client.sign_in(make.admin())
    return client


@pytest.fixture
def served(app: Flask, db: Database, settings: Settings) -> Iterator[ServedDesk]:
    """The roster comes from a trainer service; it is fresh unless the test says otherwise."""
    desk = ServedDesk(app, db, settings)
    desk.set()
    desk.last_said(NOW)
    yield desk
    app.extensions["settings"] = settings
    forget(app)
