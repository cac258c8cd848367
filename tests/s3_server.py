"""A server that speaks S3 (moto, as a process of its own on this machine), and buckets in it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from threading import Event
from uuid import uuid4

import httpx

from tests.child import child, serve_until_parent_goes
from webapp.clients.s3 import Access


@contextlib.contextmanager
def s3_server() -> Iterator[str]:
    """Run the server while the block runs; gives its address."""
    with child("tests.s3_server") as port:
        yield f"http://127.0.0.1:{port}"


def new_bucket(address: str) -> str:
    """A bucket that is empty; returns its name."""
    name = f"certificates-{uuid4().hex[:12]}"
    httpx.put(f"{address}/{name}", timeout=60).raise_for_status()
    return name


def access_to(address: str) -> Access:
    """The way to the server; it takes any key."""
    return Access(endpoint=address, region="us-east-1", key_id="test", secret="test")


def main() -> None:
    """Serve until the parent goes."""
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    _host, port = server.get_host_and_port()
    serve_until_parent_goes(port)
    Event().wait()


if __name__ == "__main__":
    main()
