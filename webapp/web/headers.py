"""Security headers, the nonce of the content policy, and the refusal of requests from other sites.

``csp_nonce`` is a Jinja global that stands for the nonce of the request at hand, so ``{{ csp_nonce }}`` works in
pages, partials and imported macros alike (a context processor's value is not seen inside an imported macro).
"""

from __future__ import annotations

import secrets
from typing import Final
from urllib.parse import urlsplit

from flask import Response, abort, g, request
from werkzeug.local import LocalProxy

SAFE_METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS"})
_POLICY: Final = (
    "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; object-src 'none'; frame-ancestors 'none'"
)
_FIXED: Final = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(self), microphone=(), payment=(), usb=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
}
_YEAR: Final = 31_536_000


def nonce() -> str:
    """The nonce of this request, drawn once: 128 bits, URL-safe."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(16)
    drawn: str = g.csp_nonce
    return drawn


csp_nonce: LocalProxy[str] = LocalProxy(nonce)


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
    if origin is not None and urlsplit(origin).netloc != request.host:
        abort(403)


def secure(response: Response) -> Response:
    """Set the headers of every response. The policy goes with fragments too: hx-csp reads the nonce from it."""
    for name, value in _FIXED.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", _POLICY.format(nonce=nonce()))
    if request.is_secure:
        response.headers.setdefault("Strict-Transport-Security", f"max-age={_YEAR}; includeSubDomains")
    response.vary.add("HX-Request")
    if request.endpoint == "static" and response.status_code == 200 and "v" in request.args:
        response.headers["Cache-Control"] = f"public, max-age={_YEAR}, immutable"
    elif response.mimetype == "text/html" or response.status_code in (
        301,
        302,
        303,
        307,
        308,
        401,
    ):
        response.headers["Cache-Control"] = "no-store"
    return response
