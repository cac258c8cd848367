"""Failpoints obey a rig, once and at the hit it asked for, and nobody else."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import timeit
from collections.abc import Iterator
from pathlib import Path

import pytest

from webapp.config import SettingsError, load_settings
from webapp.core import failpoints
from webapp.core.failpoints import Failpoint, FailpointsRefused, reach

HERE = "http://127.0.0.1:8000"
POINT = Failpoint.STORED


@pytest.fixture(autouse=True)
def unarmed() -> Iterator[None]:
    """Whatever a test arms, the next one is not."""
    yield
    failpoints.arm(None, HERE)


@pytest.fixture
def rig(tmp_path: Path) -> Path:
    """The folder of a rig; this process listens to it."""
    failpoints.arm(tmp_path, HERE)
    return tmp_path


def order(rig: Path, what: str) -> None:
    (rig / POINT).write_text(what + "\n", "ascii")


def test_there_are_as_many_as_were_asked_for() -> None:
    assert len(Failpoint) >= 15


def test_nothing_happens_unarmed_or_without_an_order(tmp_path: Path) -> None:
    order(tmp_path, "raise:ENOSPC@always")
    reach(POINT)
    failpoints.arm(tmp_path, HERE)
    reach(Failpoint.CLAIMED)
    assert [path.name for path in tmp_path.iterdir()] == [POINT]


def test_an_unarmed_point_costs_next_to_nothing() -> None:
    assert min(timeit.repeat(lambda: reach(POINT), number=1000, repeat=5)) < 0.05, "seconds for a thousand"


def test_an_order_is_obeyed_at_the_hit_it_names_and_leaves_a_trace(rig: Path) -> None:
    order(rig, "raise:ENOSPC@2")
    reach(POINT)
    assert not (rig / f"{POINT}.hit").exists()
    with pytest.raises(OSError, match="No space left"):
        reach(POINT)
    assert (rig / f"{POINT}.hit").exists()
    reach(POINT)
    assert (rig / f"{POINT}.reached").stat().st_size == 3


def test_an_order_for_always_is_obeyed_until_it_is_taken_back(rig: Path) -> None:
    order(rig, "raise:EIO@always")
    for _ in range(3):
        with pytest.raises(OSError, match="Input/output"):
            reach(POINT)
    (rig / POINT).unlink()
    reach(POINT)


def test_a_pause_goes_on(rig: Path) -> None:
    order(rig, "pause:0@1")
    reach(POINT)
    assert (rig / f"{POINT}.hit").exists()


def test_what_is_no_order_is_told(rig: Path) -> None:
    order(rig, "explode@1")
    with pytest.raises(ValueError, match="is no order"):
        reach(POINT)


def test_a_kill_ends_the_process_by_sigkill_and_only_the_first_that_comes(rig: Path) -> None:
    order(rig, "kill@1")
    code = (
        "import pathlib, sys; from webapp.core import failpoints; "
        f"failpoints.arm(pathlib.Path(sys.argv[1]), {HERE!r}); failpoints.reach(failpoints.Failpoint.STORED)"
    )
    ends = [subprocess.run([sys.executable, "-c", code, str(rig)], check=False).returncode for _ in range(2)]
    assert ends == [-signal.SIGKILL, 0]


@pytest.mark.parametrize("address", ["https://desk.example.org", "http://10.0.0.1", "http://localhost.example.org"])
def test_a_desk_that_others_reach_cannot_be_armed(
    address: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(FailpointsRefused):
        failpoints.arm(tmp_path, address)
    failpoints.arm(None, address)
    monkeypatch.setenv("ZONEDESK_FAILPOINTS", str(tmp_path))
    monkeypatch.setenv("PUBLIC_URL", address)
    with pytest.raises(SettingsError, match="for test rigs"):
        load_settings()


def test_only_the_environment_arms(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert load_settings().failpoints is None
    monkeypatch.setenv("ZONEDESK_FAILPOINTS", str(tmp_path))
    assert load_settings().failpoints == tmp_path


def test_a_worker_refuses_to_boot_armed_where_others_reach_the_desk(tmp_path: Path) -> None:
    env = {**os.environ, "ZONEDESK_FAILPOINTS": str(tmp_path), "PUBLIC_URL": "https://desk.example.org"}
    ended = subprocess.run([sys.executable, "worker.py"], env=env, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "for test rigs" in ended.stderr
