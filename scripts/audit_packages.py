"""Asks whether a pinned package has a known vulnerability: ``make check`` runs it.

The question goes to OSV (https://osv.dev), package by package, by pip-audit. Exit code 1 when something is known, 0
when nothing is. Where OSV cannot be asked (no network, a proxy that refuses), that is said and the exit code is 0 too:
a check must not fail for want of a network; ``REQUIRE_AUDIT=1`` makes it fail all the same, for a nightly run.

A vulnerability that does not concern the desk is named in ``ACCEPTED`` with the reason and goes when it is mended.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
PINNED = "requirements-dev.txt"
"""Everything that runs or builds the desk; ``requirements.txt`` is a part of it."""
ACCEPTED: dict[str, str] = {}
"""Vulnerability → why it cannot be used against the desk."""
SECONDS_PER_QUESTION = 10


def command(pinned: Path, url: str | None = None) -> list[str]:
    """How pip-audit is asked: from the pins alone, so that nothing is resolved, fetched or built."""
    return [
        *(sys.executable, "-m", "pip_audit", "--requirement", str(pinned), "--disable-pip", "--require-hashes"),
        *("--vulnerability-service", "osv", "--format", "json", "--progress-spinner", "off"),
        *("--timeout", str(SECONDS_PER_QUESTION)),
        *(["--osv-url", url] if url else []),
        *(part for known in ACCEPTED for part in ("--ignore-vuln", known)),
    ]


def found_in(report: dict[str, Any]) -> list[str]:
    """One line per known vulnerability of a report."""
    return [
        f"{package['name']} {package['version']}: {known['id']}"
        + (f", mended in {', '.join(known['fix_versions'])}" if known.get("fix_versions") else ", not mended yet")
        for package in report.get("dependencies", ())
        for known in package.get("vulns", ())
    ]


def audit(pinned: Path, url: str | None = None) -> int:
    """Ask, tell, and return the exit code."""
    done = subprocess.run(command(pinned, url), capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError:
        said = [line for line in done.stderr.splitlines() if line.strip()] or ["it said nothing"]
        print(f"Packages were not audited, for OSV could not be asked: {said[-1][:300]}")
        return 1 if os.environ.get("REQUIRE_AUDIT") == "1" else 0
    if found := found_in(report):
        print("Known vulnerabilities:", *found, sep="\n  ")
        return 1
    print(f"{len(report.get('dependencies', ()))} packages audited: no known vulnerability.")
    return 0


def main(args: Sequence[str]) -> int:
    """Audit the pins, or the file given."""
    return audit(Path(args[0]) if args else ROOT / PINNED, os.environ.get("OSV_URL"))


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
