"""Write down which characters each font of the certificates has: ``python -m scripts.font_coverage``.

The desk reads the list, so that it can say which character of a name cannot be set without opening a font. A test
compares it with the fonts.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby
from pathlib import Path

from fontTools.ttLib import TTFont

from webapp.certificates.typeface import COVERAGE, FONTS


def ranges(characters: Iterable[int]) -> str:
    """Code points as ``20-7e a0`` in hexadecimal, neighbours as one range."""
    found = []
    for _gap, run in groupby(enumerate(sorted(characters)), lambda pair: pair[1] - pair[0]):
        points = [point for _index, point in run]
        found.append(f"{points[0]:x}" if len(points) == 1 else f"{points[0]:x}-{points[-1]:x}")
    return " ".join(found)


def coverage(fonts: Path = FONTS) -> str:
    """One line for each font: its file, then what it has, in the order of the files' names."""
    lines = []
    for path in sorted(fonts.glob("*.ttf")):
        with TTFont(path, lazy=True) as font:
            lines.append(f"{path.name} {ranges(font.getBestCmap())}\n")
    return "".join(lines)


if __name__ == "__main__":
    COVERAGE.write_text(coverage(), encoding="ascii")
