"""A bad line: a process that passes TCP on to a target late, by drops, cut, reset, or not at all.

``proxying(url)`` starts one in front of anything that asks and answers, HTTP with kept connections among it. An
*answer* is what comes from the target after the client said something; its fate is drawn once, from a seed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import socket
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from random import Random
from typing import Any
from urllib.parse import urlsplit

from tests.child import child, serve_until_parent_goes

_PIECE = 65536
_BACKLOG = 128
_STEP = 0.05
_LINGER_NOT = struct.pack("ii", 1, 0)


@dataclass(frozen=True, slots=True)
class Line:
    """How bad the line is. The defaults are a good one."""

    latency_ms: float = 0.0
    """Before each answer."""
    jitter_ms: float = 0.0
    """At most so much more, drawn."""
    drip_bytes_per_second: float = 0.0
    """How fast answers come; 0 is at once."""
    reset_rate: float = 0.0
    """How often the connection is reset in the middle of an answer."""
    cut_rate: float = 0.0
    """How often it closes in the middle of an answer, orderly."""
    silent: bool = False
    """Connections are taken and kept, and nothing passes."""


class FaultProxy:
    """The process: one port for clients, one for control."""

    def __init__(self, host: str, port: int, seed: int) -> None:
        self._target = (host, port)
        self._line = Line()
        self._rng = Random(seed)
        self._counted: Counter[str] = Counter()
        self._open: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self._held: socket.socket | None = None
        self._port = 0

    async def run(self) -> None:
        """Serve for ever."""
        await self._listen()
        control = await asyncio.start_server(self._control, "127.0.0.1", 0)
        serve_until_parent_goes(control.sockets[0].getsockname()[1])
        await control.serve_forever()

    async def _listen(self) -> None:
        """Take connections, on the same port as ever."""
        if self._server is None:
            if self._held is not None:
                self._held.close()
                self._held = None
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, backlog=_BACKLOG)
            self._port = self._server.sockets[0].getsockname()[1]

    def _refuse(self) -> None:
        """Refuse every connection, and reset those there are. The port stays ours: bound, but nobody listens."""
        if self._server is not None:
            self._server.close()
            self._server = None
            self._held = socket.socket()
            self._held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._held.bind(("127.0.0.1", self._port))
        for writer in list(self._open):
            _reset(writer)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either end has nothing more to say."""
        self._counted["connections"] += 1
        with self._kept(writer):
            try:
                there, back = await asyncio.open_connection(*self._target)
            except OSError:
                self._counted["unreachable"] += 1
                _reset(writer)
                return
            with self._kept(back):
                asked = asyncio.Event()
                ways = [
                    asyncio.create_task(self._ask(reader, back, asked)),
                    asyncio.create_task(self._answer(there, writer, asked)),
                ]
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
                for way in ways:
                    way.cancel()
                await asyncio.gather(*ways, return_exceptions=True)

    @contextlib.contextmanager
    def _kept(self, writer: asyncio.StreamWriter) -> Iterator[None]:
        self._open.add(writer)
        try:
            yield
        finally:
            self._open.discard(writer)
            writer.close()

    async def _ask(self, reader: asyncio.StreamReader, back: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        while piece := await reader.read(_PIECE):
            await self._while_silent()
            asked.set()
            back.write(piece)
            await back.drain()

    async def _answer(self, there: asyncio.StreamReader, writer: asyncio.StreamWriter, asked: asyncio.Event) -> None:
        while piece := await there.read(_PIECE):
            await self._while_silent()
            fate = None
            if asked.is_set():
                asked.clear()
                self._counted["answers"] += 1
                await asyncio.sleep((self._line.latency_ms + self._rng.uniform(0, self._line.jitter_ms)) / 1000)
                fate = self._fate()
            await self._send(writer, piece[: len(piece) // 2] if fate else piece)
            if fate:
                self._counted[fate] += 1
                if fate == "resets":
                    _reset(writer)
                return

    async def _while_silent(self) -> None:
        while self._line.silent:
            await asyncio.sleep(_STEP)

    def _fate(self) -> str | None:
        chance = self._rng.random()
        if chance < self._line.reset_rate:
            return "resets"
        return "cuts" if chance < self._line.reset_rate + self._line.cut_rate else None

    async def _send(self, writer: asyncio.StreamWriter, piece: bytes) -> None:
        speed = self._line.drip_bytes_per_second
        step = max(1, int(speed * _STEP)) if speed else len(piece)
        for at in range(0, len(piece), max(1, step)):
            writer.write(piece[at : at + step])
            await writer.drain()
            if speed:
                await asyncio.sleep(step / speed)

    async def _control(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One question of a test, one line of JSON each way."""
        try:
            told = await self._do(json.loads(await reader.readline()))
        except (ValueError, TypeError) as error:
            told = {"error": f"{type(error).__name__}: {error}"}
        writer.write(json.dumps(told).encode() + b"\n")
        await writer.drain()
        writer.close()

    async def _do(self, said: dict[str, Any]) -> dict[str, Any]:
        match said:
            case {"do": "set", "given": dict() as given}:
                if unknown := given.keys() - {known.name for known in fields(Line)}:
                    raise ValueError(f"no such setting: {', '.join(sorted(unknown))}")
                self._line = replace(self._line, **given)
            case {"do": "dead"}:
                self._refuse()
            case {"do": "heal"}:
                self._line = Line()
                await self._listen()
            case {"do": "reset_counts"}:
                self._counted.clear()
        return {"port": self._port, "counts": dict(self._counted)}


def _reset(writer: asyncio.StreamWriter) -> None:
    """End a connection by RST."""
    line: socket.socket | None = writer.get_extra_info("socket")
    if line is not None:
        with contextlib.suppress(OSError):  # it is closed already
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _LINGER_NOT)
    writer.transport.abort()


class Proxy:
    """A running proxy. ``url`` leads to the target."""

    def __init__(self, control_port: int, scheme: str) -> None:
        self._control_port = control_port
        self.port = int(self._do("where")["port"])
        self.url = f"{scheme}://127.0.0.1:{self.port}"

    def set(self, **line: Any) -> None:
        """Change how bad the line is (``Line``); connections that stand feel it too."""
        self._do("set", given=line)

    def dead(self) -> None:
        """Reset all connections, and refuse new ones, until ``heal``."""
        self._do("dead")

    def heal(self) -> None:
        """A good line again."""
        self._do("heal")

    def counts(self) -> dict[str, int]:
        """connections, answers, resets, cuts, unreachable; what never happened is not in it."""
        return dict(self._do("where")["counts"])

    def reset_counts(self) -> None:
        """Count from nothing again."""
        self._do("reset_counts")

    def _do(self, what: str, **said: Any) -> dict[str, Any]:
        with socket.create_connection(("127.0.0.1", self._control_port), timeout=10) as line:
            line.sendall(json.dumps({"do": what, **said}).encode() + b"\n")
            with line.makefile("rb") as answers:
                told = dict(json.loads(answers.readline()))
        if "error" in told:
            raise ValueError(told["error"])
        return told


@contextlib.contextmanager
def proxying(target_url: str, *, seed: int = 1) -> Iterator[Proxy]:
    """A proxy in front of an address, in a process of its own, while the block runs."""
    target = urlsplit(target_url)
    arguments = (str(target.hostname), str(target.port), "--seed", str(seed))
    with child("tests.fault_proxy", *arguments) as control_port:
        yield Proxy(control_port, target.scheme)


def main() -> None:
    """``python -m tests.fault_proxy HOST PORT``: prints the control port, serves until standard input closes."""
    wanted = argparse.ArgumentParser(prog="python -m tests.fault_proxy")
    wanted.add_argument("host")
    wanted.add_argument("port", type=int)
    wanted.add_argument("--seed", type=int, default=1)
    asked = wanted.parse_args()
    asyncio.run(FaultProxy(asked.host, asked.port, asked.seed).run())


if __name__ == "__main__":
    main()
