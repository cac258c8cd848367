"""A mail server (aiosmtpd, as a process of its own on this machine); letters are files in a folder.

What stands in the folder's file ``refuse`` is its answer to every recipient; while there is a file ``hold``, it has
taken a letter and does not say so yet.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from pathlib import Path
from typing import Any

from tests.child import child, serve_until_parent_goes


@dataclass(frozen=True)
class Arrived:
    """One letter as the server took it."""

    to: tuple[str, ...]
    message: EmailMessage

    @property
    def text(self) -> str:
        """The part for people."""
        body = self.message.get_body(("plain",))
        assert body is not None
        return str(body.get_content())

    @property
    def files(self) -> dict[str, bytes]:
        """The attachments, by name."""
        return {str(part.get_filename()): part.get_content() for part in self.message.iter_attachments()}


@dataclass(frozen=True)
class MailServer:
    """The running server."""

    port: int
    folder: Path

    @property
    def url(self) -> str:
        """As the setting names it."""
        return f"smtp://127.0.0.1:{self.port}"

    def arrived(self) -> list[Arrived]:
        """What came, in its order."""
        found = []
        for path in sorted(self.folder.glob("*.eml"), key=lambda path: int(path.stem)):
            to = json.loads(path.with_suffix(".json").read_text())
            message = message_from_bytes(path.read_bytes(), policy=default)
            assert isinstance(message, EmailMessage)
            found.append(Arrived(tuple(to), message))
        return found

    def refuse(self, answer: str | None) -> None:
        """Answer so to every recipient from now on; ``None`` takes them again."""
        if answer is None:
            (self.folder / "refuse").unlink(missing_ok=True)
        else:
            (self.folder / "refuse").write_text(answer)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Take letters and do not say so while the block runs."""
        (self.folder / "hold").touch()
        try:
            yield
        finally:
            (self.folder / "hold").unlink()


@contextlib.contextmanager
def mail_server(folder: Path) -> Iterator[MailServer]:
    """Run the server while the block runs; letters come into ``folder``."""
    folder.mkdir()
    with child("tests.smtp_server", str(folder)) as port:
        yield MailServer(port, folder)


class _Keeping:
    """What aiosmtpd asks at each step."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._number = 0

    async def handle_RCPT(self, _server: Any, _session: Any, envelope: Any, address: str, _options: list[str]) -> str:
        """Take the recipient, unless told to refuse."""
        with contextlib.suppress(FileNotFoundError):
            return (self._folder / "refuse").read_text()
        envelope.rcpt_tos.append(address)
        return "250 fine"

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        """Keep the letter, then say so, unless told to hold the answer back."""
        self._number += 1
        path = self._folder / f"{self._number}.part"
        path.with_suffix(".json").write_text(json.dumps(envelope.rcpt_tos))
        path.write_bytes(envelope.content)
        path.rename(path.with_suffix(".eml"))
        while (self._folder / "hold").exists():
            await asyncio.sleep(0.02)
        return "250 taken"


async def _serve(folder: Path) -> None:
    from aiosmtpd.smtp import SMTP

    handler = _Keeping(folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: SMTP(handler, loop=loop), "127.0.0.1", 0)
    serve_until_parent_goes(server.sockets[0].getsockname()[1])
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(_serve(Path(sys.argv[1])))
