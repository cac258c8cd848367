"""The benchmark of the trainer service works: at its smallest size, all bounds but those of time mean the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.trainer_service import SMALL, TrainerServiceBench
from tests.services import Servers
from webapp.db.tenancy import acting_for_nobody


@pytest.mark.race
def test_every_part_of_the_trainer_service_bench_runs(servers: Servers, tmp_path: Path) -> None:
    with acting_for_nobody():  # as from a terminal, where nothing was said on whose behalf
        report = TrainerServiceBench(servers, SMALL, lambda what: None).run()
    stored = json.loads(report.write(tmp_path).read_text("utf-8"))
    assert stored["part"] == "trainer_service"
    assert not report.unmet, report.table()
    found = {row["what"].strip(): row for row in stored["rows"]}
    assert found["nothing changed, from then on: requests"]["value"] == 1
    assert found["requests open at once"]["value"] > 1, "the deployed contract is asked several questions at once"
