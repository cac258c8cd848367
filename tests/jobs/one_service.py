"""The reference service that its own tests ask, and somebody who asks it."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.reference_service.running import Service, running


@pytest.fixture(scope="module")
def one_service() -> Iterator[Service]:
    """Twelve hundred trainers, for all tests here."""
    with running(1200, seed=7) as service:
        yield service


@pytest.fixture
def service(one_service: Service) -> Service:
    """The same in good health, and asked nothing yet."""
    one_service.clear()
    one_service.reset_counts()
    return one_service


@pytest.fixture
def client(service: Service) -> Iterator[httpx.Client]:
    """Somebody who asks it, and follows no redirects."""
    with service.client() as line:
        yield line
