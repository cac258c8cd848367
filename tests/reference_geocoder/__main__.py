"""``python -m tests.reference_geocoder``: serve until standard input closes; the port is the first line printed.

``GET /search?q=…&format=jsonv2&limit=5`` answers the places whose name holds every word of ``q``, as Nominatim does:
coordinates are text, the likeliest comes first. ``GET /asked`` tells what was asked so far. Words that begin with ``!``
make it ill: ``!slow``, ``!broken``, ``!away``, ``!huge``, ``!elsewhere``, ``!odd``. ``GET /tiles/…`` answers a picture:
who draws maps often does both.
"""

from __future__ import annotations

import json
import struct
import time
import zlib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

from tests.child import serve_until_parent_goes

PLACES = (
    ("14, Danavaipeta Main Road, Rajahmundry, Andhra Pradesh, India", "17.0005", "81.8040"),
    ("Danavaipeta, Tuni, Andhra Pradesh, India", "17.3590", "82.5460"),
    ("దానవాయిపేట, రాజమహేంద్రవరం", "17.0010", "81.8030"),
    ("Beach Road, Visakhapatnam, Andhra Pradesh, India", "17.6868", "83.2185"),
    ("Nowhere Farm, Bay of Bengal", "14.1", "88.9"),
)
ODD: list[Any] = [
    {"display_name": "No place"},
    {"display_name": "Nan", "lat": "nan", "lon": "1"},
    {"display_name": "Off the earth", "lat": "91", "lon": "1"},
    {"display_name": ["a list"], "lat": "1", "lon": "1"},
    {"display_name": "\u202e\n \t", "lat": "1", "lon": "1"},
    "a word",
    None,
    {"display_name": "Numbers\u202e\nand  <b>marks</b> " + "x" * 400, "lat": 17.5, "lon": 83.25},
]


def picture(side: int = 256) -> bytes:
    """A square of one grey-green colour as PNG (RFC 2083)."""

    def part(kind: bytes, content: bytes) -> bytes:
        check = zlib.crc32(kind + content)
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)

    rows = (b"\0" + bytes((196, 214, 204)) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    parts = (part(b"IHDR", head), part(b"IDAT", zlib.compress(rows)), part(b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


PICTURE = picture()


class Handler(BaseHTTPRequestHandler):
    """Answers one question."""

    asked: ClassVar[list[dict[str, Any]]] = []
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        if parts.path.startswith("/tiles/"):
            self.asked.append({"path": parts.path, "query": {}, "headers": dict(self.headers.items())})
            return self._say(200, PICTURE, ("Cache-Control", "no-store"), media_type="image/png")
        if parts.path == "/asked":
            return self._say(200, json.dumps(self.asked).encode())
        query = {name: values[0] for name, values in parse_qs(parts.query).items()}
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.asked.append({"path": parts.path, "query": query, "headers": headers})
        words = query.get("q", "").casefold().split()
        if ill := next((word for word in words if word.startswith("!")), None):
            return self._be(ill)
        found = [
            {"place_id": number, "lat": lat, "lon": lng, "display_name": name, "importance": 0.4}
            for number, (name, lat, lng) in enumerate(PLACES)
            if all(word in name.casefold() for word in words)
        ]
        return self._say(200, json.dumps(found[: int(query.get("limit", "10"))]).encode())

    def _be(self, ill: str) -> None:
        if ill == "!slow":
            time.sleep(20)
        if ill == "!elsewhere":
            return self._say(302, b"", ("Location", "/asked"))
        bodies = {"!broken": b'[{"lat": ', "!huge": b"[" + b" " * 300_000 + b"]", "!odd": json.dumps(ODD).encode()}
        return self._say(503 if ill == "!away" else 200, bodies.get(ill, b"[]"))

    def _say(
        self,
        status: int,
        body: bytes,
        *headers: tuple[str, str],
        media_type: str = "application/json; charset=utf-8",
    ) -> None:
        self.send_response(status)
        self.send_header("Content-Type", media_type)
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing: the port is all that is printed."""


if __name__ == "__main__":
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        serve_until_parent_goes(server.server_address[1])
        server.serve_forever()
