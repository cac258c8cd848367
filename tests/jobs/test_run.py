"""`make run` refuses in one sentence before anything is started, and ends all that it began."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import time
from pathlib import Path

import pytest

from webapp import run


def refusal(**env: str) -> str:
    with pytest.raises(run.RunError) as refused:
        run.run(env)
    assert refused.value.code == 2
    assert "\n" not in str(refused.value)
    return str(refused.value)


@pytest.mark.parametrize("port", ["x", "0", "65536", "-1", "8000.5"])
def test_a_port_that_is_none_is_named(port: str, tmp_path: Path) -> None:
    assert port in refusal(PORT=port, DATA_DIR=str(tmp_path / "var"))


def test_a_port_in_use_is_said_before_anything_is_made(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        assert f"Port {port} is in use" in refusal(PORT=str(port), DATA_DIR=str(tmp_path / "var"))
    assert not (tmp_path / "var").exists()


@pytest.mark.parametrize(("given", "missing"), [("DATABASE_URL", "REDIS_URL"), ("REDIS_URL", "DATABASE_URL")])
def test_half_a_pair_of_servers_is_refused(given: str, missing: str) -> None:
    assert refusal(**{given: "somewhere"}).startswith(f"{missing} is not set")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_dead_database_is_named_without_its_password(tmp_path: Path) -> None:
    dead = f"postgresql+psycopg://desk:very-secret@127.0.0.1:{free_port()}/zonedesk"
    said = refusal(
        DATABASE_URL=dead, REDIS_URL="redis://127.0.0.1:1", PORT=str(free_port()), DATA_DIR=str(tmp_path / "var")
    )
    assert said.startswith("The database of DATABASE_URL does not answer")
    assert "very-secret" not in said


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert str(tmp_path / "file") in refusal(PORT=str(free_port()), DATA_DIR=str(tmp_path / "file" / "var"))


def test_the_secret_key_is_kept_for_its_owner_alone(tmp_path: Path) -> None:
    first = run.secret_key(tmp_path)
    assert run.secret_key(tmp_path) == first
    assert len(first) >= 64
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_a_part_that_ends_by_itself_is_told_with_its_log(tmp_path: Path) -> None:
    parts = run.Parts(os.environ, tmp_path)
    part = parts.start("brief", "-c", "print('gone'); raise SystemExit(7)")
    part.process.wait()
    with pytest.raises(run.RunError, match=r"'brief' ended by itself \(exit code 7\)") as told:
        run.wait_until_ready(parts, free_port())
    assert str(tmp_path / "brief.log") in str(told.value)
    assert (tmp_path / "brief.log").read_text("utf-8") == "gone\n"
    parts.stop()


def test_a_step_that_fails_says_so_and_one_that_works_is_quoted(tmp_path: Path) -> None:
    parts = run.Parts(os.environ, tmp_path)
    assert parts.finish("hello", "-c", "print('hello')") == "hello\n"
    assert parts.finish("hello", "-c", "print('again')") == "again\n"
    with pytest.raises(run.RunError, match=r"'bad' failed \(exit code 3\)"):
        parts.finish("bad", "-c", "raise SystemExit(3)")


def _until_gone(pid: int) -> None:
    """A killed process is gone only when the kernel has seen to it: wait for that, ten seconds at most."""
    stat_file, deadline = Path(f"/proc/{pid}/stat"), time.monotonic() + 10
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while stat_file.read_text("utf-8").rsplit(")", 1)[1].split()[0] != "Z":
            assert time.monotonic() < deadline, f"process {pid} lives on"
            os.sched_yield()


def test_stopping_ends_even_a_grandchild_in_a_process_group_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "GRACE_SECONDS", 0.2)
    stubborn = (
        "import os, signal, sys, time\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "if os.fork() == 0: os.setpgrp()\n"
        "print(os.getpid(), flush=True)\n"
        "time.sleep(60)\n"
    )
    parts = run.Parts(os.environ, tmp_path)
    part = parts.start("stubborn", "-c", stubborn)
    while len(pids := part.log.read_text("utf-8").split()) < 2:
        assert part.process.poll() is None
    parts.stop()
    for pid in map(int, pids):
        _until_gone(pid)


def test_main_says_the_sentence_and_gives_the_code(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(run, "STOP_SIGNALS", ())
    monkeypatch.setenv("PORT", "none")
    assert run.main() == 2
    assert capsys.readouterr().err.startswith("PORT is 'none'")
