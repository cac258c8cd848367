"""Servers that answer byte for byte what a test says, over real sockets, and certificates of our own for them."""

from __future__ import annotations

import re
import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

Answer = Callable[[socket.socket, bytes], None]


class Server:
    """Listens on this machine, answers each connection with ``answer`` and remembers what was asked."""

    def __init__(self, answer: Answer, tls: ssl.SSLContext | None = None) -> None:
        self.asked: list[bytes] = []
        self.names: list[str | None] = []
        self.over = threading.Event()
        self._answer = answer
        self._tls = tls
        if tls is not None:
            tls.sni_callback = lambda _line, name, _context: self.names.append(name)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                line, _ = self._door.accept()
                threading.Thread(target=self._talk, args=(line,), daemon=True).start()

    def _talk(self, line: socket.socket) -> None:
        with suppress(OSError), line:
            if self._tls is not None:
                line = self._tls.wrap_socket(line, server_side=True)
            said = b""
            while b"\r\n\r\n" not in said and (more := line.recv(65536)):
                said += more
            head, _, rest = said.partition(b"\r\n\r\n")
            length = re.search(rb"content-length: (\d+)", head.lower())
            while length and len(rest) < int(length[1]) and (more := line.recv(65536)):
                rest += more
            self.asked.append(said)
            self._answer(line, said)
            line.close()

    def close(self) -> None:
        self.over.set()
        with suppress(OSError):
            self._door.shutdown(socket.SHUT_RDWR)
        self._door.close()


def says(*parts: bytes) -> Answer:
    """Answers the same to everybody."""

    def answer(line: socket.socket, _asked: bytes) -> None:
        for part in parts:
            line.sendall(part)

    return answer


OK = says(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-Kind: Test\r\n\r\nhi")


@contextmanager
def server(answer: Answer, tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    """A server for a while."""
    running = Server(answer, tls)
    try:
        yield running
    finally:
        running.close()


def drips(before: bytes) -> Answer:
    """One letter at a time, without end, each well inside every time limit of a single step."""

    def answer(line: socket.socket, _asked: bytes) -> None:
        line.sendall(before)
        waiting = threading.Event()
        for _ in range(400):
            line.sendall(b"x")
            waiting.wait(0.05)

    return answer


def pours(head: bytes) -> Answer:
    """Sends without end."""

    def answer(line: socket.socket, _asked: bytes) -> None:
        line.sendall(head)
        for _ in range(2000):
            line.sendall(b"10000\r\n" + b"x" * 65536 + b"\r\n")

    return answer


def certificate_in(folder: Path) -> Path:
    """A certificate of our own for hooks.example and localhost, with its key, in a new file of a folder."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("hooks.example"), x509.DNSName("localhost")]), critical=False
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "hooks.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


def tls_of_server(certificate: Path) -> ssl.SSLContext:
    """TLS of a server that is hooks.example."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def tls_that_trusts(certificate: Path) -> ssl.SSLContext:
    """TLS of somebody who trusts that certificate and no other."""
    return ssl.create_default_context(cafile=str(certificate))
