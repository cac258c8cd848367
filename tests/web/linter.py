"""A linter for fetched pages: the test client runs it over every HTML answer, so no page escapes the house's rules."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from xml.etree.ElementTree import Element

import html5lib

from scripts.lint_house import OLD_HTMX

_UNLABELLED = {"hidden", "submit", "button", "reset", "image"}
_FRAGMENT_HOME = {
    "tr": "tbody",
    "td": "tr",
    "th": "tr",
    "tbody": "table",
    "thead": "table",
    "li": "ul",
    "option": "select",
}


def _elements(root: Element) -> Iterator[Element]:
    # Comments are nodes too; their tag is a function.
    return (element for element in root.iter() if isinstance(element.tag, str))


def _text(element: Element) -> str:
    return " ".join("".join(element.itertext()).split())


def _parse(html: str, fragment: bool) -> Element:
    if not fragment:
        root: Element = html5lib.parse(html, treebuilder="etree", namespaceHTMLElements=False)
        return root
    first = re.search(r"<([a-z][a-z0-9-]*)", re.sub(r"<!--.*?-->", "", html, flags=re.DOTALL))
    home = _FRAGMENT_HOME.get(first[1], "div") if first else "div"
    part: Element = html5lib.parseFragment(html, container=home, treebuilder="etree", namespaceHTMLElements=False)
    return part


def _name(element: Element) -> str:
    mark = element.get("id") or element.get("name") or element.get("href") or _text(element)[:30]
    return f"<{element.tag}> {mark}".strip()


def lint_page(html: str, *, status: int = 200, fragment: bool = False) -> list[str]:
    """What is wrong with a page or fragment, one sentence each; an empty list when nothing is."""
    root = _parse(html, fragment)
    found = [] if fragment else _whole_page(root, html, status)
    found += _ids(root)
    found += _fields(root)
    found += _policy(root)
    found += _htmx(root)
    found += _elements_by_kind(root)
    return found


def _whole_page(root: Element, html: str, status: int) -> list[str]:
    found = []
    if not html.lstrip().lower().startswith("<!doctype html>"):
        found.append("the page has no doctype")
    titles = [_text(title) for title in root.findall("./head/title")]
    if len(titles) != 1 or not titles[0] or titles[0].startswith(("–", "Error: –")):
        found.append(f"the page needs exactly one title with words, has {titles}")
    elif status == 422 and root.get("lang") == "en" and not titles[0].startswith("Error:"):
        found.append("the title of a refused form starts with “Error:”")
    headings = [element for element in _elements(root) if element.tag == "h1"]
    if len(headings) != 1 or not _text(headings[0]):
        found.append(f"the page needs exactly one h1, has {len(headings)}")
    if not root.get("lang"):
        found.append("the page does not say its language")
    if not any(element.tag == "main" for element in _elements(root)):
        found.append("the page has no main")
    left = re.search(r"%\(\w+\)s", _text(root))
    if left:
        found.append(f"a sentence shows its place {left[0]}")
    return found


def _ids(root: Element) -> list[str]:
    ids = Counter(element.get("id") for element in _elements(root) if element.get("id") is not None)
    found = [f"the id {name!r} is used {times} times" for name, times in ids.items() if times > 1]
    for element in _elements(root):
        for attribute in ("aria-describedby", "aria-labelledby"):
            found += [
                f"{_name(element)}: {attribute} names {target!r}, which is not there"
                for target in (element.get(attribute) or "").split()
                if target not in ids
            ]
    return found


def _fields(root: Element) -> list[str]:
    found = []
    pointed_at = {element.get("for") for element in _elements(root) if element.tag == "label"}
    wrapped = {inner for label in _elements(root) if label.tag == "label" for inner in label.iter()}
    for element in _elements(root):
        if element.tag in ("input", "select", "textarea") and element.get("type") not in _UNLABELLED:
            named = element.get("aria-label") or element.get("aria-labelledby")
            if not named and element not in wrapped and (not element.get("id") or element.get("id") not in pointed_at):
                found.append(f"{_name(element)} has no label")
        if element.tag == "button" and element.get("type") not in ("submit", "button", "reset"):
            found.append(f"{_name(element)} does not say its type")
        if element.tag == "form":
            method = (element.get("method") or "").lower()
            if method not in ("get", "post") or not element.get("action"):
                found.append(f"{_name(element)} needs a real method and action")
            tokens = [inner for inner in element.iter("input") if inner.get("name") == "csrf_token"]
            if method == "post" and not any(token.get("value") for token in tokens):
                found.append(f"{_name(element)} posts without a csrf_token")
            if method == "get" and tokens:
                found.append(f"{_name(element)} puts its csrf_token into the address")
    return found


def _policy(root: Element) -> list[str]:
    found = []
    for element in _elements(root):
        if element.tag == "style":
            found.append("an inline <style>")
        if element.tag == "script" and not (element.get("src") and element.get("nonce")):
            found.append("a <script> that is inline or has no nonce")
        for attribute, value in element.attrib.items():
            if attribute == "style":
                found.append(f"{_name(element)} has a style attribute")
            if re.fullmatch(r"on[a-z]+", attribute):
                found.append(f"{_name(element)} has an {attribute} attribute")
            if attribute in ("href", "action", "src") and value.strip().lower().startswith("javascript:"):
                found.append(f"{_name(element)} runs javascript:")
    return found


def _htmx(root: Element) -> list[str]:
    found = []
    within_forms = {element for form in root.iter("form") for element in form.iter()}
    for element in _elements(root):
        ours = {name.removeprefix("data-"): value for name, value in element.attrib.items() if "hx-" in name[:8]}
        if not ours or element.tag == "hx-partial":
            continue
        if "hx-nonce:inherited" in ours:
            found.append(f"{_name(element)} blesses injected children with hx-nonce:inherited")
        if not ours.get("hx-nonce"):
            found.append(f"{_name(element)} has {sorted(ours)[0]} without hx-nonce")
        for attribute, value in ours.items():
            if attribute in OLD_HTMX:
                found.append(f"{_name(element)} uses {attribute} of htmx 2")
            if attribute.startswith("hx-on") or value.strip().startswith(("js:", "javascript:")):
                found.append(f"{_name(element)} runs script from {attribute}")
            if attribute == "hx-trigger" and "[" in value:
                found.append(f"{_name(element)} filters its trigger with script")
        # What sends something must also work without script: a form, whose method is checked elsewhere, or within one.
        sends = {"hx-post", "hx-put", "hx-patch", "hx-delete"} & ours.keys()
        if sends and element.tag not in ("form", "button") and element not in within_forms:
            found.append(f"{_name(element)} changes something without a form")
    return found


def _elements_by_kind(root: Element) -> list[str]:
    found = []
    for element in _elements(root):
        if element.tag == "a" and not element.get("href"):
            found.append(f"{_name(element)} is a link to nowhere")
        if (
            element.tag == "a"
            and not (_text(element) or element.get("aria-label"))
            and not element.findall(".//*[@alt]")
        ):
            found.append(f"{_name(element)} is a link without words")
        if element.tag == "img" and element.get("alt") is None:
            found.append(f"{_name(element)} has no alt")
        if element.tag == "table":
            if not any(_text(caption) for caption in element.findall("./caption")):
                found.append(f"{_name(element)} has no caption")
            if not list(element.iter("th")):
                found.append(f"{_name(element)} has no headings")
        if element.tag == "th" and element.get("scope") not in ("col", "row", "colgroup", "rowgroup"):
            found.append(f"{_name(element)} has no scope")
    return found
