"""The forms that pages offer: what a browser would send, button by button."""

from __future__ import annotations

from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urlsplit

Field = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Offer:
    """A form as it stands on a page: where it goes, and what it sends with one of its buttons pressed."""

    method: str
    path: str
    fields: tuple[Field, ...]
    choices: tuple[tuple[str, tuple[str, ...]], ...] = ()
    """What may be chosen instead, by field."""


@dataclass
class _Open:
    method: str
    action: str
    fields: list[Field] = field(default_factory=list)
    buttons: list[tuple[str, str, str]] = field(default_factory=list)
    choices: dict[str, list[str]] = field(default_factory=dict)


class _Reader(HTMLParser):
    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.page = page
        self.offers: list[Offer] = []
        self._form: _Open | None = None
        self._named: dict[str, _Open] = {}
        self._select: str | None = None
        self._chosen: list[str] = []
        self._area: str | None = None
        self._closed: list[_Open] = []
        self._sent_along: list[tuple[str, _Open | None]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Open a form, or note a control of one."""
        at = {name: value or "" for name, value in attrs}
        if "hx-post" in at and tag != "form":
            self._sent_along.append((at["hx-post"], self._form))
        if tag == "form":
            self._form = _Open(at.get("method", "get").lower(), at.get("action") or self.page)
            if "id" in at:
                self._named[at["id"]] = self._form
            return
        form = self._named.get(at.get("form", ""), self._form)
        name = at.get("name", "")
        if form is None or "disabled" in at:
            return
        kind = at.get("type", "text").lower()
        if tag == "input" and name:
            if kind in ("submit", "image"):
                form.buttons.append((name, at.get("value", ""), at.get("formaction", "")))
            elif kind in ("checkbox", "radio"):
                form.choices.setdefault(name, []).append(at.get("value", "y"))
                if "checked" in at:
                    form.fields.append((name, at.get("value", "y")))
            elif kind not in ("button", "reset", "file"):
                form.fields.append((name, at.get("value", "")))
        elif tag == "button" and at.get("type", "submit") == "submit":
            form.buttons.append((name, at.get("value", ""), at.get("formaction", "")))
        elif tag == "select" and name:
            self._select, self._chosen = name, []
        elif tag == "option" and self._select:
            form.choices.setdefault(self._select, []).append(at.get("value", ""))
            if "selected" in at:
                self._chosen.append(at.get("value", ""))
        elif tag == "textarea" and name:
            self._area = name
            form.fields.append((name, ""))

    def handle_data(self, data: str) -> None:
        """The text of a text area."""
        if self._area and self._form and data.strip():
            self._form.fields[-1] = (self._area, data.strip())

    def handle_endtag(self, tag: str) -> None:
        """Close what was opened."""
        if tag == "textarea":
            self._area = None
        elif tag == "select" and self._select and self._form:
            options = self._form.choices.get(self._select, [""])
            self._form.fields += [(self._select, value) for value in self._chosen or options[:1]]
            self._select = None
        elif tag == "form" and self._form:
            self._closed.append(self._form)
            self._form = None

    def close(self) -> None:
        """Make an offer of each button of each form; controls outside a form have joined theirs by now."""
        super().close()
        for form in self._closed:
            for name, value, action in form.buttons or [("", "", "")]:
                address = urlsplit(action or form.action)
                path = address.path + (f"?{address.query}" if address.query else "")
                pressed = [(name, value)] if name else []
                self.offers.append(Offer(form.method, path, tuple(form.fields + pressed), _choices(form)))
        for action, within in self._sent_along:
            enclosing = within or next(iter(self._closed), None)
            if enclosing is not None:
                self.offers.append(Offer("post", action, tuple(enclosing.fields), _choices(enclosing)))


def _choices(form: _Open) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return tuple((key, tuple(values)) for key, values in form.choices.items())


def offers_on(page: str, html: str) -> list[Offer]:
    """Every form of a page at the path ``page``, once for each of its buttons."""
    reader = _Reader(page)
    reader.feed(html)
    reader.close()
    return reader.offers


def query_of(offer: Offer) -> list[Field]:
    """What a GET form asks for, on top of what its address has."""
    return parse_qsl(urlsplit(offer.path).query) + list(offer.fields)
