"""The templates obey the house: they compile, escape everything, and carry no script, style or htmx 2 names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from jinja2 import Environment, FileSystemLoader

from scripts.lint_house import template_faults as faults
from scripts.lint_house import without_comments

ROOT = Path(__file__).resolve().parents[2]
TEMPLATES = ROOT / "templates"
NAMES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.rglob("*") if path.is_file())
PARTIALS = [name for name in NAMES if Path(name).name.startswith("_") and not name.startswith("_")]


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
            [
                "day",
                "clock",
                "instant",
                "moment",
                "iso",
                "ago",
                "span",
                "distance",
                "minutes",
                "person",
                "people",
                "told",
            ],
            str,
        )
    )
    environment.get_template(name)


@pytest.mark.parametrize("name", NAMES)
def test_the_template_has_no_forbidden_thing(name: str) -> None:
    assert faults((TEMPLATES / name).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("name", PARTIALS)
def test_a_partial_has_one_root(name: str) -> None:
    assert roots((TEMPLATES / name).read_text(encoding="utf-8")) == 1


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
