"""Runs bandit over our own code: ``make check`` runs it. Exit code 1 when a finding is left.

ruff's S rules are bandit's under other letters (S608 is B608), and both run, because each sees what the other misses.
A finding is justified once for both: in its line by ``# noqa: S608 - why``, or for a whole file in ``pyproject.toml``.
A ``noqa`` without a reason justifies nothing.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
LOOKED_AT = ("webapp", "worker.py")
_REASON = re.compile(r"#\s*noqa:\s*(?P<rules>[A-Z0-9, ]+?)\s*[-–]\s*\S.+")


def excused(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """(pattern of files, rule or its beginning) that ``pyproject.toml`` excuses, with its reason beside it there."""
    lint = settings["tool"]["ruff"]["lint"]
    files = [("*", rule) for rule in lint.get("ignore", ())]
    return files + [(pattern, rule) for pattern, rules in lint["per-file-ignores"].items() for rule in rules]


def is_justified(finding: dict[str, Any], lines: Sequence[str], excuses: Iterable[tuple[str, str]], name: str) -> bool:
    """Whether a finding carries its reason, in one of its lines or for its file."""
    rule = "S" + finding["test_id"][1:]
    if any(fnmatch(name, pattern.replace("**", "*")) and rule.startswith(excuse) for pattern, excuse in excuses):
        return True
    numbers = {finding["line_number"], *finding.get("line_range", ())}
    told = [_REASON.search(lines[number - 1]) for number in numbers if number <= len(lines)]
    return any(rule in found["rules"].replace(" ", "").split(",") for found in told if found)


def left(root: Path, targets: Sequence[str]) -> list[str]:
    """The findings in ``targets`` below ``root`` that nobody justified, one line each."""
    settings = ROOT / "pyproject.toml"
    bandit = [sys.executable, "-m", "bandit", "-q", "-r", "-c", str(settings), "-f", "json", *targets]
    done = subprocess.run(bandit, cwd=root, capture_output=True, text=True, check=False)
    try:
        report = json.loads(done.stdout)
    except ValueError as error:
        raise SystemExit(f"bandit did not run: {done.stderr.strip()[-500:]}") from error
    if report["errors"]:
        raise SystemExit(f"bandit could not read: {report['errors']}")
    excuses = excused(tomllib.loads(settings.read_text(encoding="utf-8")))
    found = []
    for finding in report["results"]:
        name = finding["filename"].removeprefix("./")
        lines = (root / name).read_text(encoding="utf-8").splitlines()
        if not is_justified(finding, lines, excuses, name):
            found.append(f"{name}:{finding['line_number']}: {finding['test_id']} {finding['issue_text']}")
    return found


if __name__ == "__main__":
    remaining = left(ROOT, LOOKED_AT)
    print(*remaining, sep="\n") if remaining else print("bandit: every finding is justified.")
    raise SystemExit(bool(remaining))
