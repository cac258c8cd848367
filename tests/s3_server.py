"""A server that speaks S3 (moto, as a process of its own on this machine), and buckets in it."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import uuid4

import httpx

from webapp.clients.s3 import Access

STARTS_WITHIN = 120.0
"""Seconds; a busy machine takes some time to load it."""


@contextmanager
def s3_server() -> Iterator[str]:
    """Run the server while the block runs; gives its address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-W", "ignore", "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    address = f"http://127.0.0.1:{port}"
    try:
        ends = time.monotonic() + STARTS_WITHIN
        while not _answers(address):
            assert process.poll() is None, "the S3 server ended"
            assert time.monotonic() < ends, "the S3 server does not start"
            time.sleep(0.1)
        yield address
    finally:
        process.kill()
        process.wait(30)


def _answers(address: str) -> bool:
    try:
        return httpx.get(f"{address}/moto-api/", timeout=10).status_code == 200
    except httpx.HTTPError:
        return False


def new_bucket(address: str) -> str:
    """A bucket that is empty; returns its name."""
    name = f"certificates-{uuid4().hex[:12]}"
    httpx.put(f"{address}/{name}", timeout=30).raise_for_status()
    return name


def access_to(address: str) -> Access:
    """The way to the server; it takes any key."""
    return Access(endpoint=address, region="us-east-1", key_id="test", secret="test")
