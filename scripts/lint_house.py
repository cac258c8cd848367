"""Our own lints for what no linter knows: markup, scripts and escaping. ``make check`` runs it; exit code 1 on a fault.

Each rule is a pattern over one kind of source; ``tests/arch/test_lints.py`` shows what each finds.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]

OLD_HTMX: Final = (
    *("hx-ext", "hx-vars", "hx-params", "hx-disinherit", "hx-inherit", "hx-disabled-elt", "hx-request", "hx-prompt"),
)
"""Attributes of htmx 2 that htmx 4 ignores in silence."""

TEMPLATE_RULES: Final = {
    r"\|\s*safe\b": "marks text as safe",
    r"\bautoescape\s+false": "switches escaping off",
    r"\bMarkup\(": "makes markup by hand",
    r"<style\b": "has an inline style sheet",
    r"\sstyle\s*=": "has a style attribute",
    r"<script(?![^>]*\bsrc=)[^>]*>": "has an inline script",
    r"<script(?![^>]*\bnonce=)[^>]*>": "has a script without a nonce",
    r"<(?:iframe|object|embed|applet|base|portal)\b": "embeds another document, or moves this one's base",
    r"\ssrcdoc\s*=": "writes a document into an attribute",
    r"http-equiv\s*=\s*[\"']?refresh": "leads on by itself",
    r"\son[a-z]+\s*=\s*[\"'{]": "has an event attribute",
    r"\bhx-on\b": "uses hx-on",
    r"hx-nonce:inherited": "blesses injected children",
    r"[\"']\s*js:": "runs script from an attribute",
    r"[\"']\s*javascript:": "runs script from an address",
    r"hx-trigger=\"[^\"]*\w\[": "filters a trigger with script",
    r"https?://": "names another site",
    r"<form\b(?![^>]*\bmethod\s*=\s*[\"'](?:post|get)[\"'])[^>]*>": "has a form without a method",
    r"\s[\w:-]+\s*=\s*\{\{": "has an attribute without quotes",
    rf"\b(?:{'|'.join(OLD_HTMX)})\b(?!-)": "uses a name of htmx 2",
}
SCRIPT_RULES: Final = {
    r"\b(?:inner|outer)HTML\b": "makes markup from text",
    r"\b(?:insertAdjacentHTML|createContextualFragment|setHTMLUnsafe|parseFromString)\b": "makes markup from text",
    r"\bdocument\.write": "makes markup from text",
    r"\beval\b|\bnew\s+Function\b": "runs text",
    r"\bset(?:Timeout|Interval)\(\s*[\"'`]": "runs text",
    r"javascript:": "runs script from an address",
    r"\blocalStorage\b|\bsessionStorage\b|\bdocument\.cookie\b": "keeps something in the browser",
    r"\bpostMessage\b": "talks to other windows",
    r"(?:https?:)?//[a-z0-9.-]+\.[a-z]{2,}": "names another site",
    r"\.on[a-z]+\s*=(?!=)|setAttribute\(\s*[\"']on": "sets an event attribute",
}
STYLE_RULES: Final = {
    r"@import\b": "fetches another style sheet",
    r"url\(\s*[\"']?(?:https?:)?//": "names another site",
    r"\bexpression\(|(?<!-)\bbehavior\s*:": "runs script from a style",
}
CALLS: Final = {
    "Markup": "makes markup by hand",
    "render_template_string": "renders text as a template",
    "from_string": "renders text as a template",
    "populate_obj": "writes a whole form into a row",
    "eval": "runs text",
    "exec": "runs text",
    "__import__": "imports what a text names",
}
MARKUP_BY_HAND: Final[frozenset[str]] = frozenset()
"""Files that may call ``Markup``. So far templates say everything."""
PLAIN_TEXT: Final = frozenset({"webapp/accounts/writing.py"})
"""Files that render plain text, in letters, where escaping would be read as such."""


def without_comments(source: str) -> str:
    """A template without its comments, which may name what they forbid."""
    return re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)


def template_faults(source: str) -> list[str]:
    """What a template's source does that it must not."""
    return _matches(TEMPLATE_RULES, without_comments(source))


def script_faults(source: str) -> list[str]:
    """What a script of ours does that it must not; comments may name it."""
    code = re.sub(r"/\*.*?\*/|(?<![:\"'`\w])//(?![a-z0-9.-]+\.[a-z]{2,})[^\n]*", "", source, flags=re.DOTALL)
    return _matches(SCRIPT_RULES, code)


def style_faults(source: str) -> list[str]:
    """What a style sheet of ours does that it must not."""
    return _matches(STYLE_RULES, re.sub(r"/\*.*?\*/", "", source, flags=re.DOTALL))


def python_faults(source: str, name: str = "") -> list[str]:
    """What Python of ours does to markup and templates that it must not."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        meant = called == "Markup" and name in MARKUP_BY_HAND
        if called in CALLS and not meant:
            found.append(f"line {node.lineno} {CALLS[called]}")
        for given in node.keywords:
            off = isinstance(given.value, ast.Constant) and given.value.value is False
            if given.arg == "autoescape" and off and name not in PLAIN_TEXT:
                found.append(f"line {node.lineno} switches escaping off")
            if given.arg == "verify" and off:
                found.append(f"line {node.lineno} trusts any certificate")
    return found


def _matches(rules: dict[str, str], text: str) -> list[str]:
    return [words for pattern, words in rules.items() if re.search(pattern, text, re.IGNORECASE)]


def look(root: Path) -> Iterator[str]:
    """Every fault of the tree below ``root``, one line each."""
    kinds: tuple[tuple[str, str, Callable[[str], list[str]]], ...] = (
        ("templates", "*.html", template_faults),
        ("templates", "*.txt", template_faults),
        ("static", "*.js", script_faults),
        ("static", "*.css", style_faults),
    )
    for folder, pattern, faults in kinds:
        for path in sorted((root / folder).rglob(pattern)):
            if "vendor" not in path.relative_to(root).parts:
                for fault in faults(path.read_text(encoding="utf-8")):
                    yield f"{path.relative_to(root)}: {fault}"
    for path in sorted((root / "webapp").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        for fault in python_faults(path.read_text(encoding="utf-8"), name):
            yield f"{name}: {fault}"


if __name__ == "__main__":
    remaining = list(look(ROOT))
    print(*remaining, sep="\n") if remaining else print("House lints: nothing found.")
    raise SystemExit(bool(remaining))
