"""The embedded servers: begin, begin again, refuse clearly, leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import socket
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
import redis
from psycopg.errors import InsufficientPrivilege, InvalidPassword

from tests.services import Servers
from webapp import embedded
from webapp.embedded.place import stand_in
from webapp.embedded.processes import _processes_at


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """A data folder that the servers' user can reach unless the whole temporary folder is private.

    Not pytest's ``tmp_path``: any other run of pytest on this machine closes that to everybody else.
    """
    with tempfile.TemporaryDirectory(prefix="zonedesk-test-", ignore_cleanup_errors=True) as folder:
        Path(folder).chmod(0o711)
        yield Path(folder, "var")
        shutil.rmtree(stand_in(Path(folder, "var")), ignore_errors=True)


def connect(url: str) -> psycopg.Connection:
    return psycopg.connect(embedded.libpq_url(url))


def test_a_new_folder_gets_servers_and_a_second_start_keeps_the_data_and_the_ports(data_dir: Path) -> None:
    with embedded.start(data_dir) as first:
        with connect(first.urls.database_owner_url) as db:
            db.execute("CREATE TABLE kept AS SELECT 42 AS answer")
        with redis.Redis.from_url(first.urls.redis_url) as queue:
            queue.set("kept", "42")
        assert first.dead() is None
    with embedded.start(data_dir) as second:
        assert second.urls == first.urls
        with connect(second.urls.database_owner_url) as db:
            assert db.execute("SELECT answer FROM kept").fetchone() == (42,)
        with redis.Redis.from_url(second.urls.redis_url) as queue:
            assert queue.get("kept") == b"42"


def test_secrets_are_readable_by_their_owner_alone_and_show_in_no_repr_and_no_command_line(data_dir: Path) -> None:
    with embedded.start(data_dir, durable=False) as running:
        kept = data_dir / "embedded" / "secrets.json"
        assert stat.S_IMODE(kept.stat().st_mode) == 0o600
        words = [word for name, word in json.loads(kept.read_text("utf-8")).items() if name != "id"]
        assert len(set(words)) == 5
        assert all(len(word) >= 32 for word in words)
        shown = repr(running.urls)
        for pid in running.pids().values():
            if Path(f"/proc/{pid}").exists():
                shown += Path(f"/proc/{pid}/cmdline").read_text("utf-8")
        assert not any(word in shown for word in words)


def test_servers_take_no_stranger(data_dir: Path) -> None:
    with embedded.start(data_dir, durable=False) as running:
        wrong = running.urls.database_url.replace("zonedesk_app:", "zonedesk_app:not")
        with pytest.raises(psycopg.OperationalError) as refused:
            connect(wrong)
        assert "password authentication failed" in str(refused.value) or isinstance(refused.value, InvalidPassword)
        port = running.urls.redis_url.rsplit(":", 1)[1]
        with redis.Redis.from_url(f"redis://127.0.0.1:{port}") as queue, pytest.raises(redis.AuthenticationError):
            queue.ping()


def test_a_port_taken_meanwhile_is_replaced_by_a_free_one(data_dir: Path) -> None:
    with embedded.start(data_dir, durable=False) as first:
        pass
    before = json.loads((data_dir / "embedded" / "ports.json").read_text("utf-8"))
    with socket.socket() as squatter:
        squatter.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        squatter.bind(("127.0.0.1", before["postgres"]))
        squatter.listen()
        with embedded.start(data_dir, durable=False) as second:
            assert second.urls.database_url != first.urls.database_url
            assert second.urls.redis_url == first.urls.redis_url
            connect(second.urls.database_url).close()


def test_one_data_folder_has_one_master(data_dir: Path) -> None:
    with embedded.start(data_dir, durable=False) as running:
        with pytest.raises(embedded.EmbeddedError, match=rf"already run by another process \(pid {os.getpid()}\)"):
            embedded.start(data_dir, durable=False)
        assert running.dead() is None
        connect(running.urls.database_url).close()
    running.stop()  # once more does no harm


def test_a_folder_that_cannot_be_is_refused_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "a-file"
    file.touch()
    with pytest.raises(embedded.EmbeddedError) as refused:
        embedded.start(file / "var")
    assert str(file) in str(refused.value)
    assert "\n" not in str(refused.value)


def test_lost_passwords_are_refused_and_nothing_is_overwritten(data_dir: Path) -> None:
    with embedded.start(data_dir, durable=False):
        pass
    (data_dir / "embedded" / "secrets.json").unlink()
    if not (data_dir / "embedded" / "servers" / "postgres").exists():
        pytest.skip("the servers of this folder live elsewhere, for their user cannot reach it")
    with pytest.raises(embedded.EmbeddedError, match=r"secrets\.json is missing"):
        embedded.start(data_dir, durable=False)
    assert (data_dir / "embedded" / "servers" / "postgres" / "PG_VERSION").exists()


def test_a_pid_file_that_names_a_stranger_is_seen_through(data_dir: Path) -> None:
    with embedded.start(data_dir, durable=False):
        pass
    cluster = data_dir / "embedded" / "servers" / "postgres"
    if not cluster.exists():
        pytest.skip("the servers of this folder live elsewhere, for their user cannot reach it")
    (cluster / "postmaster.pid").write_text(f"{os.getppid()}\n{cluster}\n0\n1\n\n127.0.0.1\n0 0\nready\n", "utf-8")
    with embedded.start(data_dir, durable=False) as running:
        connect(running.urls.database_url).close()
        assert list(_processes_at(cluster, "postgres"))[:1] == [running.pids()["postgres"]]
    assert not _processes_at(cluster, "postgres")


def test_servers_are_found_by_whoever_may_not_look_where_processes_work(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As root in a container without CAP_SYS_PTRACE: their own user is asked, whoever that is."""

    def hidden(path: object) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    with embedded.start(data_dir, durable=False) as running:
        cluster = Path(os.readlink(f"/proc/{running.pids()['postgres']}/cwd"))
        seen = _processes_at(cluster, "postgres")
        assert running.pids()["postgres"] in seen
        with monkeypatch.context() as container:
            container.setattr(os, "readlink", hidden)
            assert running.pids()["postgres"] in _processes_at(cluster, "postgres")
            assert not _processes_at(cluster / "base", "postgres")


def test_the_serving_role_owns_nothing_and_may_make_nothing(servers: Servers) -> None:
    with connect(servers.database_url) as db:
        owned = db.execute("SELECT count(*) FROM pg_class WHERE relowner = 'zonedesk_app'::regrole").fetchone()
        assert owned == (0,)
        with pytest.raises(InsufficientPrivilege):
            db.execute("CREATE TABLE of_the_app (id int)")


def test_each_parallel_worker_has_databases_of_its_own(servers: Servers, redis_url: str, worker_number: int) -> None:
    assert servers.database_url.endswith(f"_gw{worker_number}")
    assert redis_url.endswith(f"/{worker_number + 1}")
    with connect(servers.owner_url) as db:
        assert db.execute("SELECT count(*) FROM alembic_version").fetchone() == (1,)
    with redis.Redis.from_url(redis_url) as queue:
        assert queue.ping()
