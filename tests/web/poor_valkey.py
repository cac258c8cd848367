"""Something in Valkey's place that is no help, for tests of what is kept there."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from time import monotonic, sleep


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[int, list[float]]]:
    """Takes connections, and does what it likes with each; its port, and when somebody came."""
    came: list[float] = []
    held: list[socket.socket] = []

    def serve() -> None:
        with suppress(OSError):
            while True:
                line, _ = door.accept()
                came.append(monotonic())
                held.append(line)
                threading.Thread(target=answer, args=(line,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as door:
        threading.Thread(target=serve, daemon=True).start()
        yield door.getsockname()[1], came
        for line in held:
            line.close()


def say_nothing(_line: socket.socket) -> None:
    """Take the question and stay silent."""


def hang_up(line: socket.socket) -> None:
    """Take the call and end it."""
    line.close()


def answer_slowly(line: socket.socket) -> None:
    """Every answer is right, drop by drop: each one soon enough, all of them too late."""
    with suppress(OSError):
        while line.recv(65536):
            for drop in b"$-1\r\n":
                sleep(0.12)
                line.sendall(bytes([drop]))
