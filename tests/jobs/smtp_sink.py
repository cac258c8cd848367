"""A mail server on this machine that takes letters, or does what mail servers do instead of taking them."""

from __future__ import annotations

import base64
import socketserver
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from ipaddress import ip_address
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


@dataclass
class Sink:
    """What the server answers, and what it was given. ``url`` is its address."""

    recipient: str = "250 fine"
    end: str = "250 taken"
    greeting: str | None = "220 sink ready"
    """``None`` hangs: the connection stands, and nothing is ever said."""
    tls: ssl.SSLContext | None = None
    sign_in: tuple[str, str] | None = None
    letters: list[tuple[str, bytes]] = field(default_factory=list)
    heard: list[str] = field(default_factory=list)
    port: int = 0
    closing: threading.Event = field(default_factory=threading.Event)

    @property
    def url(self) -> str:
        """As a setting would say it."""
        return f"smtp://127.0.0.1:{self.port}"

    def message(self, index: int = -1) -> EmailMessage:
        """A letter, read as a mail program would."""
        return message_from_bytes(self.letters[index][1], policy=default)


class _Talk(socketserver.StreamRequestHandler):
    timeout = 20  # seconds; a test that forgets to hang up does not hang the run

    def handle(self) -> None:
        """One conversation."""
        assert isinstance(self.server, _Server)
        sink = self.server.sink
        if sink.greeting is None:
            sink.closing.wait(self.timeout)
            return
        self._say(sink.greeting)
        to, secure = "", False
        while line := self.rfile.readline().decode("utf-8").rstrip("\r\n"):
            verb, _space, rest = line.partition(" ")
            verb = verb.upper()
            sink.heard.append(f"{verb} {rest}".rstrip())
            match verb:
                case "EHLO":
                    offers = ["sink", "SIZE 1000000"]
                    offers += ["STARTTLS"] if sink.tls and not secure else []
                    offers += ["AUTH PLAIN"] if sink.sign_in else []
                    for offer in offers[:-1]:
                        self._say(f"250-{offer}")
                    self._say(f"250 {offers[-1]}")
                case "STARTTLS" if sink.tls:
                    self._say("220 go ahead")
                    self._encrypt(sink.tls)
                    secure = True
                case "AUTH":
                    said = base64.b64decode(line.split(" ")[2]).decode().split("\0")[1:]
                    self._say("235 welcome" if tuple(said) == sink.sign_in else "535 no")
                case "RCPT":
                    to = line.partition("<")[2].partition(">")[0]
                    self._say(sink.recipient)
                case "DATA":
                    self._say("354 go on")
                    content = b""
                    while (row := self.rfile.readline()) not in (b".\r\n", b""):
                        content += row.removeprefix(b".") if row.startswith(b"..") else row
                    if sink.end.startswith("2"):
                        sink.letters.append((to, content))
                    self._say(sink.end)
                case "QUIT":
                    self._say("221 bye")
                    return
                case _:
                    self._say("250 fine")

    def _encrypt(self, context: ssl.SSLContext) -> None:
        """From here on under TLS; a client that does not trust the certificate hangs up."""
        plain = self.request
        self.request = context.wrap_socket(plain, server_side=True)
        self.rfile, self.wfile = self.request.makefile("rb"), self.request.makefile("wb", buffering=0)

    def finish(self) -> None:
        """Close what was opened here."""
        super().finish()
        if isinstance(self.request, ssl.SSLSocket):
            self.request.close()

    def _say(self, line: str) -> None:
        self.wfile.write(line.encode() + b"\r\n")


class _Server(socketserver.ThreadingTCPServer):
    daemon_threads = True
    sink: Sink

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is no concern of a sink."""


@contextmanager
def smtp_sink(**answers: Any) -> Iterator[Sink]:
    """A server that listens while the block runs."""
    sink = Sink(**answers)
    with _Server(("127.0.0.1", 0), _Talk) as server:
        server.sink, sink.port = sink, server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        try:
            yield sink
        finally:
            sink.closing.set()
            server.shutdown()
            thread.join(10)


def own_certificate(folder: Path) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts of a server with a certificate of its own making, and of a client that trusts exactly that one."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "sink")])
    begins = datetime.now(UTC) - timedelta(days=1)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(begins)
        .not_valid_after(begins + timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path = folder / "sink.pem"
    path.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(path)
    return server, ssl.create_default_context(cafile=str(path))
