"""What stands between the web server and Flask: whose request it is, and which hosts are ours.

``TRUSTED_PROXIES`` counts the reverse proxies in front. So many values of ``X-Forwarded-For``, ``-Proto`` and ``-Host``
are believed, from the right; with none of them all are ignored, for anybody can write these headers. ``Host`` has to be
one of ours (``trusted_hosts``); Flask refuses every other with a 400 before a route is looked for.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from webapp.config import Settings

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Addresses that load balancers and orchestrators ask by bare IP address, often without a way to name the host."""
_LOOPBACK: Final = ("localhost", "127.0.0.1")
"""This machine's names. An IPv6 address is no host here: Werkzeug 3.1 cuts what it trusts at the first colon."""


def trusted_hosts(settings: Settings) -> list[str]:
    """The hosts a browser may have asked for, without ports: the public one and ``ALLOWED_HOSTS``.

    ``.example.org`` stands for every name below it. Development and tests answer to this machine's names as well.
    """
    hosts = [urlsplit(settings.public_url).hostname or "", *settings.allowed_host_list]
    if not settings.is_production:
        hosts += _LOOPBACK
    return [host for host in dict.fromkeys(hosts) if host]


class Edge:
    """Cleans what a request says of its sender, and lets probes in by any name.

    An address that is none (``unknown``, a name, two lines in one) becomes empty instead of a key of the rate limiter
    or a line of the audit; a port behind it, as some proxies write, is cut off. A probe's ``Host`` is replaced by the
    public one: its answer holds no address, so there is nothing a foreign name could get into.
    """

    def __init__(self, app: WSGIApplication, host: str) -> None:
        self._app = app
        self._host = host

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        environ["REMOTE_ADDR"] = clean_address(str(environ.get("REMOTE_ADDR") or ""))
        if environ.get("PATH_INFO") in PROBES:
            environ["HTTP_HOST"] = self._host
        elif "HTTP_HOST" in environ:
            environ["HTTP_HOST"] = str(environ["HTTP_HOST"]).lower()
        return self._app(environ, start_response)


def clean_address(text: str) -> str:
    """An IP address in its one spelling, or nothing when the text holds none."""
    host = text.strip()
    if host.startswith("["):
        host = host[1:].partition("]")[0]
    elif host.count(":") == 1:
        host = host.partition(":")[0]
    try:
        found = ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return ""
    mapped = found.ipv4_mapped if isinstance(found, ipaddress.IPv6Address) else None
    return str(mapped or found)


def init_edge(app: Flask, settings: Settings) -> None:
    """Put the edge around the application: proxies outermost, for what they say is what has to be cleaned."""
    app.config["TRUSTED_HOSTS"] = hosts = trusted_hosts(settings)
    app.wsgi_app = Edge(app.wsgi_app, hosts[0].removeprefix("."))  # type: ignore[method-assign]
    if hops := settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=hops, x_proto=hops, x_host=hops)  # type: ignore[method-assign]
