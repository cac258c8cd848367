"""Worlds for the concurrency tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from flask import Flask

from tests.faults.world import FaultWorld, fault_world
from tests.services import Servers


@pytest.fixture
def world(servers: Servers, app: Flask, at: object) -> Iterator[FaultWorld]:
    """A desk of its own with connections for fifty clients; the clock stands."""
    with fault_world(servers, app, connections=50) as made:
        yield made
