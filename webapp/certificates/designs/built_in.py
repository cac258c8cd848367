"""The desk's own design: how certificates look where nobody has designed any, and what a new design begins with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Final

from webapp.certificates.designs.rules import Colours, Design, Wording

TEMPLATES: Final = Path(__file__).parents[1] / "typst"
BUILT_IN: Final = 1
"""The number of the built-in design, and of its layout. Certificates without an operator's design carry it."""


@cache
def built_in_wording() -> Mapping[str, Wording]:
    """The wording of the built-in design by language."""
    stored = json.loads((TEMPLATES / "wording.json").read_text("utf-8"))
    return {language: Wording(**words) for language, words in stored.items()}


def built_in_design() -> Design:
    """The built-in design itself, drawn from the same frozen files as ever."""
    return Design(wording=built_in_wording(), colours=Colours(), layout=BUILT_IN)


def first_draft() -> Design:
    """What a new design begins with: the built-in words and colours, in the arrangement that can be designed."""
    return Design(wording=built_in_wording())
