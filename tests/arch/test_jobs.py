"""Nothing is rung that nobody answers, and the process that forks stays fit for forking."""

from __future__ import annotations

import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest

from webapp import jobs
from webapp.core.job_names import JobName
from webapp.queue.doorbell import RUN

ROOT = Path(__file__).resolve().parents[2]


def test_every_job_has_a_handler_and_every_handler_a_job() -> None:
    assert set(jobs.HANDLERS) == set(JobName)


def test_all_work_that_must_happen_comes_round_by_itself() -> None:
    assert {entry.job for entry in jobs.PERIODIC} == set(JobName)


def test_what_the_doorbell_rings_is_the_one_function_there_is() -> None:
    module, _dot, name = RUN.rpartition(".")
    assert getattr(import_module(module), name) is jobs.run


@pytest.mark.parametrize("forbidden", ["typst", "flask"])
def test_the_process_that_forks_work_horses_never_loads(forbidden: str) -> None:
    code = f"import sys, worker; sys.exit({forbidden!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0


def test_the_web_never_loads_typst() -> None:
    code = "import sys, webapp.app, webapp.certificates.views; sys.exit('typst' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False).returncode == 0
