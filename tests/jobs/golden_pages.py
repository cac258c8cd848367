"""The pages that certificates must go on looking like: ``python -m tests.jobs.golden_pages`` draws them anew.

Each is a PDF made into grey pixels by PDFium at ``DPI``. Two pages are the same when no square of them differs by more
than the tolerance: a glyph drawn a shade differently passes, a line that moved does not. Look at what changed before
new pages are committed.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
import pypdfium2
from numpy.typing import NDArray
from PIL import Image

from tests.jobs.designed import DESIGN, PAYLOAD, Order, draw
from webapp.certificates.designs.rules import Colours

Pixels = NDArray[np.int16]

GOLDEN: Final = Path(__file__).parent / "golden"
DPI: Final = 72
SQUARE: Final = 6
"""Pixels a side: 2 mm."""
TOLERANCE: Final = 12.0
"""Most that the mean grey (0 to 255) of a square may differ."""

PAGES: Final = {
    "latin": Order(),
    "devanagari": Order(
        replace(PAYLOAD, locale="hi", student_name="ऐश्वर्या लक्ष्मी शर्मा क्षत्रिय", course_name="शुरुआती वायलिन")
    ),
    "telugu": Order(replace(PAYLOAD, locale="te", student_name="శ్రీనివాస రామకృష్ణ వెంకటేశ్వర్లు", course_name="వైష్ణవ సంగీతం")),
    "tamil": Order(replace(PAYLOAD, locale="ta", student_name="தமிழ்ச்செல்வி முருகன்", course_name="வயலின் இசை")),
    "kannada": Order(replace(PAYLOAD, locale="kn", student_name="ಲಕ್ಷ್ಮೀ ನಾರಾಯಣ ಶೆಟ್ಟಿ", course_name="ಕರ್ನಾಟಕ ಸಂಗೀತ")),
    "bengali": Order(replace(PAYLOAD, locale="bn", student_name="রবীন্দ্রনাথ ঠাকুর", course_name="বেহালা শিক্ষা")),
    "arabic": Order(replace(PAYLOAD, locale="ar", student_name="محمد عبد الرحمن", course_name="العزف على الكمان")),
    "mixed-scripts": Order(replace(PAYLOAD, student_name="Asha शर्मा శ్రీ தமிழ் ಕನ್ನಡ বাংলা محمد")),
    "plain": Order(
        pictures={},
        design=replace(DESIGN, signatory_name="", signatory_title="", colours=Colours()),
        payload=replace(PAYLOAD, operator_name=PAYLOAD.issued_by),
    ),
}
"""A page for each script, one with all of them in a name, and one of a design that chooses as little as it can."""


def pixels(pdf: bytes) -> Pixels:
    """The first page of a PDF as rows of grey pixels."""
    document = pypdfium2.PdfDocument(pdf)
    try:
        page = document[0].render(scale=DPI / 72, grayscale=True).to_pil().convert("L")
    finally:
        document.close()
    return np.asarray(page, dtype=np.int16)


def golden(name: str) -> Pixels:
    """The page as it was when somebody last looked at it."""
    with Image.open(GOLDEN / f"{name}.png") as kept:
        return np.asarray(kept.convert("L"), dtype=np.int16)


def differing(one: Pixels, other: Pixels) -> int:
    """How many squares of two pages differ by more than the tolerance; all of them when their sizes do."""
    if one.shape != other.shape:
        return int(one.size // SQUARE**2)
    high, wide = (side // SQUARE * SQUARE for side in one.shape)
    squares = np.abs(_grey(one[:high, :wide]) - _grey(other[:high, :wide]))
    return int((squares > TOLERANCE).sum())


def _grey(page: Pixels) -> NDArray[np.float64]:
    high, wide = page.shape
    means: NDArray[np.float64] = page.reshape(high // SQUARE, SQUARE, wide // SQUARE, SQUARE).mean(axis=(1, 3))
    return means


def main() -> None:
    """Draw every page and keep it in 16 shades of grey."""
    GOLDEN.mkdir(exist_ok=True)
    for name, drawn in zip(PAGES, draw(list(PAGES.values())), strict=True):
        shades = (pixels(drawn.pdf) + 8) // 17 * 17
        Image.fromarray(np.clip(shades, 0, 255).astype(np.uint8)).quantize(16).save(
            GOLDEN / f"{name}.png", optimize=True
        )


if __name__ == "__main__":
    main()
