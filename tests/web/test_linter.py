"""Every lint of the page linter can fail, and a sound page passes."""

from __future__ import annotations

import pytest

from tests.web.linter import lint_page

SOUND = """<!doctype html><html lang="en"><head><title>Bookings – Zonedesk</title>
<script src="/static/app.js" nonce="n" defer></script></head><body><main><h1>Bookings</h1>
<form method="post" action="/x"><input type="hidden" name="csrf_token" value="t">
<label for="name">Name</label><input id="name" name="name"><button type="submit">Save</button></form>
<table><caption>Bookings</caption><tr><th scope="col">Family</th></tr></table>
<a href="/next">Next</a><img src="/q.png" alt="">
<div id="list" hx-get="/list" hx-nonce="n"></div></main></body></html>"""


def test_a_sound_page_has_nothing_to_say() -> None:
    assert lint_page(SOUND) == []


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("<!doctype html>", "", "doctype"),
        ("<title>Bookings – Zonedesk</title>", "", "title"),
        ("<title>Bookings –", "<title> –", "title"),
        ("<h1>Bookings</h1>", "", "h1"),
        ("<h1>", "<h1>One</h1><h1>", "h1"),
        (' lang="en"', "", "language"),
        ("<main>", "<div>", "main"),
        ('id="list"', 'id="name"', "used 2 times"),
        ('id="name"', 'id="name" aria-describedby="gone"', "not there"),
        ('for="name"', 'for="other"', "no label"),
        (' action="/x"', "", "method and action"),
        (' method="post"', "", "method and action"),
        ('name="csrf_token" value="t"', 'name="token" value="t"', "csrf_token"),
        ('value="t"', 'value=""', "csrf_token"),
        ('method="post"', 'method="get"', "into the address"),
        ('type="submit"', "", "type"),
        ("<main>", "<main><script>1</script>", "inline"),
        (' nonce="n" defer', " defer", "nonce"),
        ("<main>", "<main><style>a{}</style>", "<style>"),
        ('id="list"', 'id="list" style="color:red"', "style attribute"),
        ('id="list"', 'id="list" onclick="x()"', "onclick"),
        ('href="/next"', 'href="javascript:x()"', "javascript:"),
        (' hx-nonce="n"', "", "without hx-nonce"),
        ('hx-nonce="n"', 'hx-nonce="n" hx-nonce:inherited="n"', "blesses"),
        ('hx-get="/list"', 'hx-get="/list" hx-ext="x"', "htmx 2"),
        ('hx-get="/list"', 'hx-get="/list" hx-disabled-elt="x"', "htmx 2"),
        ('hx-get="/list"', 'hx-get="/list" data-hx-vars="x"', "htmx 2"),
        ('hx-get="/list"', 'hx-get="/list" hx-on:click="x"', "runs script"),
        ('hx-get="/list"', 'hx-get="/list" hx-vals="js:{}"', "runs script"),
        ('hx-get="/list"', 'hx-get="/list" hx-trigger="click[ctrlKey]"', "filters"),
        ('hx-get="/list"', 'hx-post="/list"', "without a form"),
        (' href="/next"', "", "nowhere"),
        (">Next<", "><", "without words"),
        (' alt=""', "", "alt"),
        ("<caption>Bookings</caption>", "", "caption"),
        (' scope="col"', "", "scope"),
        ('<th scope="col">Family</th>', "<td>Family</td>", "headings"),
        ("<h1>Bookings", "<h1>Bookings of %(who)s", "shows its place"),
    ],
)
def test_each_fault_is_found(before: str, after: str, words: str) -> None:
    assert before in SOUND
    faults = lint_page(SOUND.replace(before, after))
    assert any(words in fault for fault in faults), faults


def test_the_title_of_a_refused_form_says_error() -> None:
    assert any("Error" in fault for fault in lint_page(SOUND, status=422))
    assert lint_page(SOUND.replace("<title>", "<title>Error: "), status=422) == []


def test_a_fragment_needs_no_title_but_everything_else() -> None:
    assert lint_page('<tr id="row"><td><a href="/x">Rao</a></td></tr>', fragment=True) == []
    assert lint_page('<tr id="row"><td><a>Rao</a></td></tr>', fragment=True) != []
