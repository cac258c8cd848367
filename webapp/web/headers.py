"""Security headers, the nonce of the content policy, and the refusal of foreign hosts and of requests from other sites.

``csp_nonce`` is a Jinja global that stands for the nonce of the request at hand, so ``{{ csp_nonce }}`` works in
pages, partials and imported macros alike (a context processor's value is not seen inside an imported macro).
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlsplit

from flask import Response, abort, current_app, g, request
from werkzeug.exceptions import SecurityError
from werkzeug.local import LocalProxy

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:{pictures}; "
    "connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
_FIXED: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    # Place and passkeys are for our own pages; what no page of ours asks for, no page may ask for.
    "Permissions-Policy": (
        "geolocation=(self), publickey-credentials-create=(self), publickey-credentials-get=(self), accelerometer=(), "
        "browsing-topics=(), camera=(), display-capture=(), gyroscope=(), hid=(), idle-detection=(), "
        "local-fonts=(), magnetometer=(), microphone=(), midi=(), payment=(), screen-wake-lock=(), serial=(), usb=(), "
        "xr-spatial-tracking=()"
    ),
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "X-Permitted-Cross-Domain-Policies": "none",
}
_YEAR: Final = 31_536_000
_SIGNING_OUT: Final = frozenset({"accounts.sign_out", "accounts.sign_out_everywhere"})


def nonce() -> str:
    """The nonce of this request, drawn once: 128 bits, URL-safe."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    drawn: str = g.csp_nonce
    return drawn


csp_nonce: LocalProxy[str] = LocalProxy(nonce)


def pictures_from(source: str) -> None:
    """Let the page that is being answered show pictures of one other host: ``https://tiles.example.org``."""
    g.pictures_from = source


def refuse_other_hosts() -> Response | None:
    """Answer 400 to a ``Host`` that is not ours (``TRUSTED_HOSTS``, checked by Flask), before anything else is asked.

    In plain text: no address can be built without a host, and nothing of the request is repeated.
    """
    if isinstance(request.routing_exception, SecurityError):
        return Response("This desk has another address.\n", 400, content_type="text/plain; charset=utf-8")
    return None


def refuse_other_sites() -> None:
    """Answer 403 to a changing request that another site made a browser send.

    ``Sec-Fetch-Site`` decides where the browser sends it, else ``Origin``; a program that sends neither (no browser
    does so today) is left to the CSRF token.
    """
    if request.method in SAFE_METHODS:
        return
    site = request.headers.get("Sec-Fetch-Site")
    if site is not None:
        if site not in ("same-origin", "none"):
            abort(403)
        return
    origin = request.headers.get("Origin")
    if origin is not None and _host_of(origin) != request.host:
        abort(403)


def _host_of(origin: str) -> str | None:
    try:
        return urlsplit(origin).netloc
    except ValueError:  # what no browser sends
        return None


def secure(response: Response) -> Response:
    """Set the headers of every response. The policy goes with fragments too: hx-csp reads the nonce from it."""
    for name, value in _FIXED.items():
        response.headers.setdefault(name, value)
    policy = _POLICY.format(nonce=nonce(), pictures=f" {g.pictures_from}" if "pictures_from" in g else "")
    response.headers.setdefault("Content-Security-Policy", policy)
    # In production always: a proxy that forgets X-Forwarded-Proto must not switch it off. Over http browsers ignore it.
    if request.is_secure or current_app.config["SESSION_COOKIE_SECURE"]:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR}; includeSubDomains")
    response.vary.add("HX-Request")
    _say_who_may_keep_it(response)
    if request.endpoint in _SIGNING_OUT and request.method == "POST" and response.status_code < 400:
        # What the browser kept of the desk goes too. Not "cookies": Chromium then drops those of the whole site,
        # sub-domains included, and the cookie of this answer, which says that nobody is signed in, with them.
        response.headers["Clear-Site-Data"] = '"cache", "storage"'
    return response


def _say_who_may_keep_it(response: Response) -> None:
    """Nobody may keep an answer, whatever its type and status, except files under their fingerprint.

    Nearly everything here is about somebody: a page, a redirect with an id in it, JSON, a certificate, a list as CSV.
    A public view that wants its answer kept says so with ``Cache-Control: public``, and is believed when nobody is
    signed in.
    """
    if request.endpoint == "static" and response.status_code in (200, 206, 304):
        if response.status_code == 200 and "v" in request.args:
            response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
        return
    if not (response.cache_control.public and "actor" not in g):
        response.headers["Cache-Control"] = "no-store"
        response.headers.pop("Expires", None)
