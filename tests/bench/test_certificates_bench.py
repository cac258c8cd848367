"""The benchmark of certificates works: at its smallest size, all bounds but those of time mean the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.bench.certificates import SMALL, CertificatesBench
from tests.services import Servers
from webapp.db.tenancy import acting_for_nobody

TIMES = {"ms", "a second", "%"}


@pytest.mark.race
def test_every_part_of_the_certificates_bench_runs(servers: Servers, tmp_path: Path) -> None:
    with acting_for_nobody():  # as from a terminal, where nothing was said on whose behalf
        report = CertificatesBench(servers, SMALL, lambda what: None).run()
    stored = json.loads(report.write(tmp_path).read_text("utf-8"))
    assert stored["part"] == "certificates"
    # What takes time depends on the machine; a dozen certificates say nothing of how memory and statements grow.
    firm = [row for row in report.unmet if row.unit not in TIMES and row.unit != "times"]
    assert not firm, report.table()
    found = {row["what"].strip(): row for row in stored["rows"]}
    assert found["certificates left"]["value"] == 0
    assert found["certificates promised and left alone"]["value"] == 1
