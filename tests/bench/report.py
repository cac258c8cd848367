"""What a benchmark found: rows with a bound, as a table for people and as JSON for whoever compares runs."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median, quantiles


@dataclass(frozen=True, slots=True)
class Row:
    """One measured value. ``bound`` is what it must reach, as words; ``met`` is ``None`` where nothing was promised."""

    what: str
    value: float
    unit: str
    bound: str | None = None
    met: bool | None = None


def at_most(what: str, value: float, unit: str, limit: float) -> Row:
    """A value that must not be larger than ``limit``."""
    return Row(what, value, unit, f"at most {limit:g}", value <= limit)


def at_least(what: str, value: float, unit: str, limit: float) -> Row:
    """A value that must not be smaller than ``limit``."""
    return Row(what, value, unit, f"at least {limit:g}", value >= limit)


@dataclass(frozen=True, slots=True)
class Report:
    """Everything one part of the benchmarks measured. ``seed`` makes the same data again."""

    part: str
    seed: int
    rows: tuple[Row, ...]

    @property
    def unmet(self) -> list[Row]:
        """The rows that missed their bound."""
        return [row for row in self.rows if row.met is False]

    def write(self, folder: Path) -> Path:
        """Write ``<folder>/<part>.json`` and say where that is."""
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{self.part}.json"
        found = {"part": self.part, "seed": self.seed, "rows": [asdict(row) for row in self.rows]}
        path.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        return path

    def table(self) -> str:
        """The rows as aligned text."""
        cells = [("what", "value", "bound", "")]
        for row in self.rows:
            verdict = {None: "", True: "met", False: "NOT MET"}[row.met]
            cells.append((row.what, f"{shown(row.value)} {row.unit}".strip(), row.bound or "", verdict))
        widths = [max(len(line[i]) for line in cells) for i in range(4)]
        lines = [
            "  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)).rstrip() for line in cells
        ]
        return "\n".join([lines[0], "  ".join("-" * width for width in widths), *lines[1:]])


def shown(value: float) -> str:
    """A number with as many digits as mean something."""
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def middle(values: Iterable[float]) -> float:
    """The median. Raises ``StatisticsError`` for nothing at all."""
    return median(values)


def high(values: Sequence[float]) -> float:
    """The 95th percentile."""
    return quantiles(values, n=20, method="inclusive")[-1] if len(values) > 1 else values[0]
