"""The embedded servers survive what a desk computer does to them: kill -9 in every place."""

from __future__ import annotations

import os
import select
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest
import redis

from tests.jobs.test_embedded import connect, data_dir
from webapp import embedded
from webapp.run import ROOT

__all__ = ["data_dir"]
pytestmark = pytest.mark.faults

HOLDER = """
import pathlib, sys, threading
from webapp import embedded
def begin():
    running = embedded.start(pathlib.Path(sys.argv[1]))
    print(*running.pids().values(), flush=True)
    sys.stdin.read()
if sys.argv[2] == "thread":
    worker = threading.Thread(target=begin); worker.start(); worker.join()
else:
    begin()
"""


def hold(data_dir: Path, how: str) -> tuple[subprocess.Popen[str], list[int]]:
    """Servers started by another process; in a thread the kernel does not tie them to that process."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(data_dir), how],
        cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert holder.stdout
    return holder, [int(pid) for pid in holder.stdout.readline().split()]


def kill(pid: int) -> None:
    """SIGKILL, and wait until the kernel says that it is done (Linux); only then is the next step a fair one."""
    handle = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    select.select([handle], [], [], 30)
    os.close(handle)


def is_running(pid: int) -> bool:
    """Whether a process still does anything; a dead one may wait long for its new parent to look at it."""
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z"


@pytest.mark.parametrize("how", ["main", "thread"])
def test_servers_of_a_killed_parent_are_stopped_or_taken_over_and_nothing_is_lost(data_dir: Path, how: str) -> None:
    holder, pids = hold(data_dir, how)
    holder.kill()
    holder.communicate()
    if how == "thread":
        assert is_running(pids[0])  # a true orphan
    with embedded.start(data_dir) as running:
        assert not set(pids) & set(running.pids().values())
        connect(running.urls.database_url).close()
    for pid in pids:
        assert not is_running(pid)


def test_a_killed_postgres_and_valkey_are_noticed_and_come_back_with_what_was_committed(data_dir: Path) -> None:
    with embedded.start(data_dir) as running:
        with connect(running.urls.database_owner_url) as db:
            db.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(running.urls.redis_url) as queue:
            queue.set("kept", "42")
            queue.execute_command("WAITAOF", 1, 0, 5000)  # acknowledged as written to disk
        for pid in running.pids().values():
            os.kill(pid, signal.SIGKILL)
        for process in running._processes.values():
            process.wait(30)
        assert running.dead() == "postgres"
        with pytest.raises(psycopg.OperationalError):
            connect(running.urls.database_url)
        running.revive()
        assert running.dead() is None
        with connect(running.urls.database_owner_url) as db:
            assert db.execute("SELECT answer FROM kept").fetchone() == (42,)
        with redis.Redis.from_url(running.urls.redis_url) as queue:
            assert queue.get("kept") == b"42"
    with embedded.start(data_dir) as again:
        with connect(again.urls.database_owner_url) as db:
            assert db.execute("SELECT answer FROM kept").fetchone() == (42,)
        with redis.Redis.from_url(again.urls.redis_url) as queue:
            assert queue.get("kept") == b"42"


def test_servers_and_parent_killed_together_leave_a_stale_pid_file_that_does_not_matter(data_dir: Path) -> None:
    holder, pids = hold(data_dir, "thread")
    for pid in (*pids, holder.pid):
        kill(pid)
    holder.communicate()
    with embedded.start(data_dir) as running:
        connect(running.urls.database_url).close()


def test_a_first_start_killed_half_way_begins_anew(data_dir: Path) -> None:
    with embedded.start(data_dir) as running:
        pass
    cluster = data_dir / "embedded" / "servers" / "postgres"
    if not cluster.exists():
        pytest.skip("the servers of this folder live elsewhere, for their user cannot reach it")
    cluster.rename(cluster.with_name("postgres.new"))  # what a kill during initdb leaves
    (cluster.with_name("postgres.new") / "global" / "pg_control").unlink()
    with embedded.start(data_dir) as running:
        connect(running.urls.database_url).close()
    assert not cluster.with_name("postgres.new").exists()
