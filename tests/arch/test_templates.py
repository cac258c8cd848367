"""The templates obey the house: they compile, escape everything, and carry no script, style or htmx 2 names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from tests.web.linter import OLD_HTMX

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
NAMES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())
PARTIALS = [name for name in NAMES if Path(name).name.startswith("_") and not name.startswith("_")]

FORBIDDEN = {
    r"\|\s*safe\b": "marks text as safe",
    r"\bautoescape\s+false": "switches escaping off",
    r"\bMarkup\(": "makes markup by hand",
    r"<style\b": "has an inline style sheet",
    r"\sstyle\s*=": "has a style attribute",
    r"<script(?![^>]*\bsrc=)[^>]*>": "has an inline script",
    r"<script(?![^>]*\bnonce=)[^>]*>": "has a script without a nonce",
    r"\son[a-z]+\s*=\s*[\"']": "has an event attribute",
    r"\bhx-on\b": "uses hx-on",
    r"hx-nonce:inherited": "blesses injected children",
    r"[\"']js:": "runs script from an attribute",
    r"hx-trigger=\"[^\"]*\w\[": "filters a trigger with script",
    r"https?://": "names another site",
    rf"\b(?:{'|'.join(OLD_HTMX)})\b(?!-)": "uses a name of htmx 2",
}


def without_comments(source: str) -> str:
    """A template without its comments, which may name what they forbid."""
    return re.sub(r"\{#.*?#\}", "", source, flags=re.DOTALL)


def faults(source: str) -> list[str]:
    """What a template's source does that it must not."""
    text = without_comments(source)
    return [words for pattern, words in FORBIDDEN.items() if re.search(pattern, text)]


def roots(source: str) -> int:
    """How many elements stand at the top of a partial; a ``call`` block around everything counts as one."""
    text = without_comments(source)
    text = re.sub(r"\{%-?\s*set\s+\w+\s*-?%\}.*?\{%-?\s*endset\s*-?%\}", "", text, flags=re.DOTALL)
    text = re.sub(r"\{%-?\s*(?:from|import|extends|set)\b.*?%\}", "", text, flags=re.DOTALL).strip()
    if re.match(r"\{%-?\s*(?:call|if)\b", text) and re.search(r"\{%-?\s*end(?:call|if)\s*-?%\}\Z", text):
        return 1
    if re.fullmatch(r"\{\{.*?\}\}", text, flags=re.DOTALL):
        return 1
    markup = re.sub(r"\{%.*?%\}", "", re.sub(r"\{\{.*?\}\}", "x", text, flags=re.DOTALL), flags=re.DOTALL)
    depth = count = 0
    void = {"input", "br", "img", "hr", "meta", "link", "use", "path"}
    for closing, name, rest in re.findall(r"<(/?)([a-zA-Z][\w-]*)((?:\"[^\"]*\"|'[^']*'|[^>\"'])*)>", markup):
        if closing:
            depth -= 1
            continue
        count += depth == 0
        depth += not (name.lower() in void or rest.endswith("/"))
    return count


@pytest.mark.parametrize("name", NAMES)
def test_the_template_compiles(name: str) -> None:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, extensions=["jinja2.ext.i18n", "jinja2.ext.do"]
    )
    environment.filters.update(
        dict.fromkeys(
            ["day", "clock", "instant", "iso", "ago", "span", "distance", "minutes", "person", "people", "told"], str
        )
    )
    environment.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_template_has_no_forbidden_thing(name: str) -> None:
    assert faults((TEMPLATES / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", PARTIALS)
def test_a_partial_has_one_root(name: str) -> None:
    assert roots((TEMPLATES / name).read_text(encoding="utf-8")) == 1


@pytest.mark.parametrize(
    "source",
    [
        "{{ x|safe }}",
        "<p style='a'>",
        "<script>1</script>",
        '<script src="/x"></script>',
        '<a onclick="x">',
        '<a hx-on:click="x">',
        '<a hx-ext="x">',
        '<a hx-disabled-elt="x">',
        "<a hx-vals='js:{}'>",
        '<a hx-trigger="click[x]">',
        '<a href="https://x">',
        "{% autoescape false %}",
    ],
)
def test_each_forbidden_thing_is_found(source: str) -> None:
    assert faults(source) != []


def test_roots_are_counted() -> None:
    assert roots("{# c #}{% from 'x' import y %}<p id='a'>{% if a %}<b>x</b>{% endif %}</p>") == 1
    assert roots("<p>a</p><p>b</p>") == 2
    assert roots("{% call form() %}<p>a</p><p>b</p>{% endcall %}") == 1


def test_every_icon_named_in_a_template_is_in_the_sprite() -> None:
    drawn = set(re.findall(r'<symbol id="([^"]+)"', (ROOT / "static/icons.svg").read_text(encoding="utf-8")))
    assert drawn
    for name in NAMES:
        source = without_comments((TEMPLATES / name).read_text(encoding="utf-8"))
        used = set(re.findall(r"\bicon\(\s*\"([a-z0-9-]+)\"", source))
        assert used <= drawn, f"{name}: {sorted(used - drawn)} not in static/icons.svg"
