"""``python -m tests.bench [PART] [--strict]``: without a part all of them. ``SIZES=small`` only proves that they work.

Prints a table and writes ``<DATA_DIR>/bench/<part>.json`` (``DATA_DIR`` is ``var``). A bound that is missed is told;
it fails the run only with ``--strict``.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench import audit, certificates, engine, trainer_service, zones
from tests.bench.audit import AuditBench
from tests.bench.certificates import CertificatesBench
from tests.bench.databases import running_servers
from tests.bench.engine import EngineBench
from tests.bench.report import Report
from tests.bench.trainer_service import TrainerServiceBench
from tests.bench.zones import ZonesBench
from tests.services import Servers

Part = Callable[[Servers, bool, Path, Callable[[str], None]], Report]
PARTS: dict[str, Part] = {
    "engine": lambda servers, small, folder, say: EngineBench(
        servers, engine.SMALL if small else engine.NORMAL, folder, say
    ).run(),
    "audit": lambda servers, small, _folder, say: AuditBench(
        servers, audit.SMALL if small else audit.NORMAL, say
    ).run(),
    "trainer_service": lambda servers, small, _folder, say: TrainerServiceBench(
        servers, trainer_service.SMALL if small else trainer_service.NORMAL, say
    ).run(),
    "zones": lambda servers, small, _folder, say: ZonesBench(
        servers, zones.SMALL if small else zones.NORMAL, say
    ).run(),
    "certificates": lambda servers, small, _folder, say: CertificatesBench(
        servers, certificates.SMALL if small else certificates.NORMAL, say
    ).run(),
}
"""What can be measured: (servers, whether small, a folder to write in, what to tell) → its rows."""


def main() -> int:
    """Measure the parts asked for; the exit code of the command."""
    wanted = argparse.ArgumentParser(prog="python -m tests.bench")
    wanted.add_argument("part", nargs="?", choices=PARTS)
    wanted.add_argument("--strict", action="store_true", help="fail when a bound is missed")
    asked = wanted.parse_args()
    small = os.environ.get("SIZES") == "small"
    # Figures that mean nothing do not take the place of those that do.
    folder = Path(os.environ.get("DATA_DIR") or "var") / "bench" / ("small" if small else "")
    began = time.monotonic()

    def say(what: str) -> None:
        print(f"[{time.monotonic() - began:4.0f} s] {what}", flush=True)

    unmet = 0
    for part in [asked.part] if asked.part else PARTS:
        with running_servers() as servers:
            report = PARTS[part](servers, small, folder.resolve(), say)
        path = report.write(folder)
        say("done.")
        print(f"\n{report.table()}\n\n{path}; {len(report.unmet)} of the bounds missed.")
        unmet += len(report.unmet)
    if small:
        print("SIZES=small: these figures prove that the benchmark runs, and nothing else.")
    return 1 if asked.strict and unmet else 0


if __name__ == "__main__":
    sys.exit(main())
