"""Tells at the end of a run how many cells of the matrix were asked, mode by mode."""

from __future__ import annotations

from collections import Counter

import pytest


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Add up what the tests of the matrix noted, on whatever worker they ran."""
    cells: Counter[str] = Counter()
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in getattr(report, "user_properties", ()):
                    if str(name).startswith("F8 "):
                        cells[str(name)] += int(str(value))
    for name, count in sorted(cells.items()):
        terminalreporter.write_line(f"{name}: {count:,} cells")
