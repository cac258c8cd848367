"""Calling addresses somebody typed: public ones over https, what was looked at, in bounds. Real sockets and TLS."""

from __future__ import annotations

import ast
import gzip
import socket
import ssl
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from tests.raw_server import (
    OK,
    Answer,
    Server,
    certificate_in,
    drips,
    pours,
    says,
    server,
    tls_of_server,
    tls_that_trusts,
)
from webapp.clients.addresses import AllowList, is_sound_host, may_be_called
from webapp.clients.outgoing import Outgoing, OutgoingError, Why, only_host_of, outgoing_from
from webapp.config import load_settings

ROOT = Path(__file__).resolve().parents[2]
PUBLIC = "93.184.216.34"
"""A public address. Nothing here reaches it: ``dial`` leads to a server of the test."""


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return certificate_in(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def for_server(certificate: Path) -> ssl.SSLContext:
    return tls_of_server(certificate)


@pytest.fixture
def for_client(certificate: Path) -> ssl.SSLContext:
    return tls_that_trusts(certificate)


class Network:
    """Names and routes of a world of the test's: what names mean, and where connections really lead."""

    def __init__(self, *answers: Sequence[str], to: int = 1) -> None:
        self.answers = list(answers) or [(PUBLIC,)]
        self.to = to
        self.resolved: list[str] = []
        self.dialled: list[tuple[str, int]] = []

    def resolve(self, host: str, _port: int) -> Sequence[str]:
        self.resolved.append(host)
        return self.answers[min(len(self.resolved), len(self.answers)) - 1]

    def dial(self, address: str, port: int, seconds: float) -> socket.socket:
        self.dialled.append((address, port))
        return socket.create_connection(("127.0.0.1", self.to), seconds)

    def client(self, *allowed: str, **more: Any) -> Outgoing:
        more.setdefault(
            "tls", ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        )  # trusts nobody; the system's takes long to read
        return Outgoing(AllowList.of(allowed), resolve=self.resolve, dial=self.dial, **more)


def why(client: Outgoing, url: str, **more: Any) -> Why:
    """Why a call came to nothing."""
    with pytest.raises(OutgoingError) as refused:
        client.call("GET", url, **more)
    return refused.value.why


# -- what may be called --------------------------------------------------------------------------------------------


def test_a_public_host_is_asked_over_tls_under_its_own_name(
    for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    with server(OK, for_server) as there:
        network = Network(to=there.port)
        reply = network.client(tls=for_client).call("POST", "https://hooks.example/in?x=1#part", json={"a": 1})
        assert (reply.status, reply.body, reply.headers["x-kind"]) == (200, b"hi", "Test")
        assert network.dialled == [(PUBLIC, 443)]
        assert there.names == ["hooks.example"]
        asked = there.asked[0].decode().lower()
        assert asked.startswith("post /in?x=1 http/1.1\r\n")
        assert "\r\nhost: hooks.example\r\n" in asked
        assert "part" not in asked


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.255.254", "0.0.0.0", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1"),
        *("169.254.169.254", "169.254.170.2", "100.64.0.1", "100.100.100.200", "168.63.129.16", "192.0.0.192"),
        *("198.18.0.1", "192.0.2.1", "203.0.113.1", "224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12:3456::1", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254", "::127.0.0.1", "::ffff:0:127.0.0.1"),
        *("64:ff9b::127.0.0.1", "64:ff9b::a00:1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::7f00:1", "2002:7f00:1::"),
        *("2002:a00:1::1", "2001:0:7f00:1::", "2001:db8::1", "not-an-address", ""),
    ],
)
def test_no_name_leads_into_our_own_network(address: str) -> None:
    network = Network((address,))
    assert why(network.client(), "https://hooks.example/") is Why.PRIVATE
    assert network.dialled == []


@pytest.mark.parametrize("address", [PUBLIC, "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public_addresses_are_fine(address: str) -> None:
    """The control: also through NAT64, where every IPv4 address of the world is an embedded one."""
    assert may_be_called(address, allowed=False)


def test_one_private_address_among_public_ones_spoils_the_name() -> None:
    network = Network((PUBLIC, "10.0.0.1"))
    assert why(network.client(), "https://hooks.example/") is Why.PRIVATE
    assert network.dialled == []


def test_dns_rebinding(for_server: ssl.SSLContext, for_client: ssl.SSLContext) -> None:
    """Fails if the name is looked up again between look and connection: the second answer is our own network."""
    with server(OK, for_server) as there:
        network = Network((PUBLIC,), ("127.0.0.1",), to=there.port)
        client = network.client(tls=for_client)
        assert client.call("GET", "https://hooks.example/").status == 200
        assert network.resolved == ["hooks.example"]
        assert network.dialled == [(PUBLIC, 443)]
        # The next call looks anew, and sees it.
        assert why(client, "https://hooks.example/") is Why.PRIVATE
        assert len(network.dialled) == 1


def test_a_certificate_of_another_name_is_no_certificate(
    for_server: ssl.SSLContext, for_client: ssl.SSLContext
) -> None:
    with server(OK, for_server) as there:
        network = Network(to=there.port)
        assert why(network.client(tls=for_client), "https://other.example/") is Why.NO_ANSWER
        system = ssl.create_default_context()
        assert why(network.client(tls=system), "https://hooks.example/") is Why.NO_ANSWER  # nobody this machine trusts
        assert there.asked == []


@pytest.mark.parametrize(
    "url",
    [
        *("https://2130706433/", "https://0x7f000001/", "https://0x7f.1/", "https://017700000001/", "https://127.1/"),
        *(
            "https://0177.0.0.1/",
            "https://127.0.0.01/",
            "https://1/",
            "https://hooks.example.0x7f/",
            "https://[::ffff:7f00:1/",
        ),
        *("https://hooks.example@127.0.0.1/", "https://user:word@hooks.example/", "https://@hooks.example/"),
        *(
            "https://hooks.example\\@127.0.0.1/",
            "https://hooks.example /",
            "https://hooks.example\t/",
            "https://a\n.b/",
        ),
        *("https:///in", "https://", "https:hooks.example", "//hooks.example", "hooks.example", "", "https://a..b/"),
        *(
            "file:///etc/passwd",
            "gopher://hooks.example/",
            "ftp://hooks.example/",
            "javascript:1",
            "https://%31%32%37.0.0.1/",
        ),
        *("https://metadata.google.internal/", "https://METADATA.google.internal./computeMetadata/v1/"),
        *("https://127\u30020\u30020\u30021/", "https://\u2460\u2461\u2466.0.0.1/", "https://hooks.example:99999/"),
    ],
)
def test_what_is_no_plain_address_is_refused_before_anybody_is_asked(url: str) -> None:
    network = Network(("127.0.0.1",))
    assert why(network.client(), url) in (Why.BAD_URL, Why.PRIVATE)
    with pytest.raises(OutgoingError):
        network.client().check(url)
    assert network.dialled == []


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1/", "https://[::1]/", "https://10.0.0.1/", "https://169.254.169.254/"]
)
def test_a_private_address_typed_as_such_is_refused(url: str) -> None:
    def literal(host: str, _port: int) -> Sequence[str]:
        return (host,)

    assert why(Outgoing(AllowList.of(()), resolve=literal), url) is Why.PRIVATE


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://hooks.example/", Why.NOT_HTTPS),
        ("https://hooks.example:22/", Why.PORT),
        ("https://hooks.example:80/", Why.PORT),
        ("https://localhost/", Why.PRIVATE),
        ("https://intranet:8443/", Why.PRIVATE),
    ],
)
def test_other_schemes_ports_and_bare_names_are_refused(url: str, reason: Why) -> None:
    network = Network()
    assert why(network.client(), url) is reason
    assert network.resolved == []


def test_a_host_nobody_knows_and_a_resolver_that_never_answers() -> None:
    def lost(_host: str, _port: int) -> Sequence[str]:
        raise socket.gaierror(socket.EAI_NONAME, "no such host")

    never = threading.Event()

    def silent(_host: str, _port: int) -> Sequence[str]:
        never.wait(20)
        return (PUBLIC,)

    assert why(Outgoing(AllowList.of(()), resolve=lost), "https://hooks.example/") is Why.UNKNOWN_HOST
    began = time.monotonic()
    assert why(Outgoing(AllowList.of(()), resolve=silent, seconds=0.3), "https://hooks.example/") is Why.TOO_SLOW
    never.set()
    assert time.monotonic() - began < 5


# -- hosts of our own ----------------------------------------------------------------------------------------------


def test_only_the_allow_list_opens_this_machine_and_http() -> None:
    with server(OK) as there:
        url = f"http://localhost:{there.port}/x"
        assert why(Outgoing(AllowList.of(())), url) is Why.NOT_HTTPS
        assert why(Outgoing(AllowList.of((f"localhost:{there.port + 1}",))), url) is Why.NOT_HTTPS
        assert there.asked == []
        for word in ("localhost", f"localhost:{there.port}"):
            assert Outgoing(AllowList.of((word,))).call("GET", url).body == b"hi"


def test_the_allow_list_is_a_setting() -> None:
    with server(OK) as there:
        settings = load_settings(outgoing_allowed_hosts=f" Geo.test, 127.0.0.1:{there.port} ")
        assert outgoing_from(settings).call("GET", f"http://127.0.0.1:{there.port}/").status == 200
        assert why(outgoing_from(load_settings()), f"http://127.0.0.1:{there.port}/") is Why.NOT_HTTPS


@pytest.mark.parametrize("address", ["169.254.169.254", "fe80::1", "0.0.0.0", "224.0.0.1", "168.63.129.16"])
def test_even_an_allowed_host_does_not_lead_to_credentials_of_a_cloud(address: str) -> None:
    network = Network((address,))
    assert why(network.client("geo.test"), "http://geo.test/") is Why.PRIVATE
    assert network.dialled == []


def test_entries_of_the_allow_list() -> None:
    allowed = AllowList.of(("geo.test", "s3.test:9000", "[::1]:8443", "::1"))
    assert allowed.holds("geo.test", 1)
    assert allowed.holds("s3.test", 9000)
    assert not allowed.holds("s3.test", 443)
    assert allowed.holds("::1", 1)
    assert not allowed.holds("sub.geo.test", 443)
    with pytest.raises(ValueError, match="invalid literal"):
        AllowList.of(("geo.test:http",))


def test_the_host_an_operator_chose_is_allowed_at_its_port_and_no_other_is() -> None:
    with server(OK) as there:
        url = f"http://127.0.0.1:{there.port}/base"
        assert Outgoing(only_host_of(url)).call("GET", url).status == 200
        assert why(Outgoing(only_host_of(url)), f"http://127.0.0.1:{there.port + 1}/") is Why.NOT_HTTPS
    assert only_host_of("https://Trainers.Example").holds("trainers.example", 443)
    assert only_host_of("http://[::1]:8080/x").holds("::1", 8080)
    with pytest.raises(OutgoingError):
        only_host_of("http://127.1/")


# -- answers -------------------------------------------------------------------------------------------------------


def local(answer: Answer, **more: Any) -> tuple[Why, float, Server]:
    """Why an allowed local server's answer was not taken, after how many seconds, and the server."""
    with server(answer) as there:
        client = Outgoing(AllowList.of(("127.0.0.1",)), **more)
        began = time.monotonic()
        reason = why(client, f"http://127.0.0.1:{there.port}/")
        return reason, time.monotonic() - began, there


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_not_followed(status: int) -> None:
    with server(OK) as inside:
        head = f"HTTP/1.1 {status} x\r\nLocation: http://127.0.0.1:{inside.port}/\r\nContent-Length: 0\r\n\r\n"
        assert local(says(head.encode()))[0] is Why.REDIRECT
        assert inside.asked == []


@pytest.mark.parametrize(
    "before", [b"", b"HTTP/1.1 200 OK\r\nX-Long: ", b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"]
)
def test_a_slow_drip_ends_with_the_call(before: bytes) -> None:
    """Fails if time limits are those of single steps, which every letter would begin anew."""
    reason, took, _ = local(drips(before), seconds=0.6)
    assert reason in (Why.TOO_SLOW, Why.NO_ANSWER)
    assert took < 5


def test_a_server_that_says_nothing_ends_with_the_call() -> None:
    def silent(line: socket.socket, _asked: bytes) -> None:
        threading.Event().wait(8)

    reason, took, _ = local(silent, seconds=0.4)
    assert (reason, took < 4) == (Why.TOO_SLOW, True)


def test_nothing_new_for_a_step_is_too_slow_although_the_call_could_go_on() -> None:
    def halting(line: socket.socket, _asked: bytes) -> None:
        line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf")
        threading.Event().wait(8)

    reason, took, _ = local(halting, step_seconds=0.3)
    assert (reason, took < 4) == (Why.TOO_SLOW, True)
    # The control: steps that are short enough add up to more than one of them.
    reason, took, _ = local(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n"), step_seconds=0.3, seconds=1.0)
    assert (reason, took > 0.9) == (Why.TOO_SLOW, True)


def test_a_call_may_be_shorter_than_its_client() -> None:
    with server(drips(b"HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n")) as there:
        began = time.monotonic()
        client = Outgoing(AllowList.of(("127.0.0.1",)))
        assert why(client, f"http://127.0.0.1:{there.port}/", seconds=0.3) is Why.TOO_SLOW
        assert time.monotonic() - began < 4


def test_a_door_that_lets_nobody_in_is_no_answer() -> None:
    """Its queue is full, so that nothing comes back to whoever knocks; the call itself could go on."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        port = full.getsockname()[1]
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            one.connect_ex(("127.0.0.1", port))
        client = Outgoing(AllowList.of(("127.0.0.1",)), connect_seconds=0.3)
        began = time.monotonic()
        assert why(client, f"http://127.0.0.1:{port}/") is Why.NO_ANSWER
        assert 0.2 < time.monotonic() - began < 4
        for one in waiting:
            one.close()


def test_a_resolver_or_a_handshake_that_takes_longer_than_connecting_may_is_no_answer() -> None:
    never = threading.Event()

    def silent(_host: str, _port: int) -> Sequence[str]:
        never.wait(20)
        return (PUBLIC,)

    client = Outgoing(AllowList.of(()), resolve=silent, connect_seconds=0.2)
    assert why(client, "https://hooks.example/") is Why.NO_ANSWER
    never.set()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        network = Network(to=mute.getsockname()[1])
        began = time.monotonic()
        assert why(network.client(connect_seconds=0.2), "https://hooks.example/") is Why.NO_ANSWER
        assert why(network.client(seconds=0.2), "https://hooks.example/") is Why.TOO_SLOW
        assert time.monotonic() - began < 5


def test_a_server_that_does_not_read_ends_with_the_call() -> None:
    with socket.create_server(("127.0.0.1", 0)) as deaf:
        client = Outgoing(AllowList.of(("127.0.0.1",)), seconds=0.5)
        began = time.monotonic()
        url = f"http://127.0.0.1:{deaf.getsockname()[1]}/"
        with pytest.raises(OutgoingError) as refused:
            client.call("POST", url, content=b"x" * 50_000_000)
        assert refused.value.why is Why.TOO_SLOW
        assert time.monotonic() - began < 5


def test_a_huge_body_is_cut_off() -> None:
    reason, _, _ = local(pours(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"), most_bytes=200_000)
    assert reason is Why.TOO_LARGE


def test_huge_headers_are_cut_off() -> None:
    head = b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (n, b"y" * 1000) for n in range(2000))
    assert local(says(head))[0] is Why.NO_ANSWER


@pytest.mark.parametrize("kind", ["gzip", "deflate", "br", "GZIP"])
def test_a_packed_answer_is_not_unpacked(kind: str) -> None:
    """A few kilobytes can unpack to gigabytes; nothing packed was asked for."""
    bomb = gzip.compress(b"0" * 10_000_000)
    head = f"HTTP/1.1 200 OK\r\nContent-Encoding: {kind}\r\nContent-Length: {len(bomb)}\r\n\r\n"
    reason, _, there = local(says(head.encode(), bomb))
    assert reason is Why.ENCODED
    assert b"accept-encoding: identity" in there.asked[0].lower()


@pytest.mark.parametrize("said", [b"SSH-2.0-OpenSSH\r\n", b"\x00" * 100, b"HTTP/1.1 999999 x\r\n\r\n", b""])
def test_what_is_no_http_is_no_answer(said: bytes) -> None:
    assert local(says(said))[0] is Why.NO_ANSWER


def test_nobody_listening_is_no_answer() -> None:
    with socket.create_server(("127.0.0.1", 0)) as door:
        port = door.getsockname()[1]
    assert why(Outgoing(AllowList.of(("127.0.0.1",))), f"http://127.0.0.1:{port}/") is Why.NO_ANSWER


def test_not_modified_is_an_answer() -> None:
    with server(says(b'HTTP/1.1 304 Not Modified\r\nETag: "a"\r\n\r\n')) as there:
        client = Outgoing(AllowList.of(("127.0.0.1",)))
        reply = client.call("GET", f"http://127.0.0.1:{there.port}/", headers={"If-None-Match": '"a"'})
        assert (reply.status, reply.body, reply.headers["etag"]) == (304, b"", '"a"')


def test_one_call_may_be_answered_at_greater_length() -> None:
    body = b"HTTP/1.1 200 OK\r\nContent-Length: 3000\r\n\r\n" + b"x" * 3000
    with server(says(body)) as there:
        client = Outgoing(AllowList.of(("127.0.0.1",)), most_bytes=2000)
        url = f"http://127.0.0.1:{there.port}/"
        assert why(client, url) is Why.TOO_LARGE
        assert len(client.call("GET", url, most_bytes=3000).body) == 3000


def test_errors_of_the_other_side_are_answers() -> None:
    with server(says(b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n")) as there:
        client = Outgoing(AllowList.of(("127.0.0.1",)))
        assert client.call("GET", f"http://127.0.0.1:{there.port}/").status == 503


# -- what callers may not do ---------------------------------------------------------------------------------------


def test_a_caller_cannot_choose_the_host_or_write_a_second_request() -> None:
    with server(OK) as there:
        client, url = Outgoing(AllowList.of(("127.0.0.1",))), f"http://127.0.0.1:{there.port}/"
        client.call("GET", url, headers={"Host": "inside", "Transfer-Encoding": "chunked", "X-Fine": "yes"})
        asked = there.asked[0].decode().lower()
        assert f"host: 127.0.0.1:{there.port}" in asked
        assert "inside" not in asked
        assert "chunked" not in asked
        assert "x-fine: yes" in asked
        assert why(client, url, headers={"X": "a\r\nHost: inside"}) is Why.NO_ANSWER
        assert len(there.asked) == 1 or b"inside" not in b"".join(there.asked)


def test_proxies_and_passwords_of_the_environment_are_not_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login me password hunter2\n")
    monkeypatch.setenv("NETRC", str(netrc))
    with server(OK) as proxy, server(OK) as there:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            monkeypatch.setenv(name, f"http://127.0.0.1:{proxy.port}")
            monkeypatch.setenv(name.lower(), f"http://127.0.0.1:{proxy.port}")
        Outgoing(AllowList.of(("127.0.0.1",))).call("GET", f"http://127.0.0.1:{there.port}/")
        assert proxy.asked == []
        assert b"authorization" not in there.asked[0].lower()


def test_a_refusal_names_the_host_and_nothing_else_of_the_address() -> None:
    with pytest.raises(OutgoingError) as refused:
        Network(("10.0.0.1",)).client().call("GET", "https://hooks.example/secret-path?token=hunter2")
    assert str(refused.value) == "private: hooks.example"


@pytest.mark.parametrize(
    "host", ["hooks.example", "a-b.example", "xn--bcher-kva.example", PUBLIC, "::1", "2606:4700::1111"]
)
def test_usual_hosts_are_sound(host: str) -> None:
    assert is_sound_host(host)


# -- nobody goes round it ------------------------------------------------------------------------------------------

WAYS_OUT = frozenset({"httpx", "httpcore", "requests", "urllib3", "urllib.request", "http.client", "aiohttp", "ftplib"})
HOME = frozenset({"webapp/clients/outgoing.py", "webapp/clients/pinned.py"})
ASKS_ITSELF = frozenset({"webapp/run.py"})
"""Asks the desk it has just started whether it is ready."""


def ways_out(source: str) -> set[str]:
    """The modules a source imports that can call other servers."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        found |= {way for name in names for way in WAYS_OUT if name == way or name.startswith(f"{way}.")}
    return found


def test_the_desk_has_one_way_out() -> None:
    """Fails if another module calls servers by itself; a client of a library's own says here that it is meant."""
    found = {
        str(path.relative_to(ROOT))
        for path in (ROOT / "webapp").rglob("*.py")
        if ways_out(path.read_text(encoding="utf-8"))
    }
    assert found == HOME | ASKS_ITSELF
    for line in (
        "import httpx",
        "from urllib.request import urlopen",
        "from urllib import request",
        "import http.client",
    ):
        assert ways_out(line), line
    assert not ways_out("from urllib.parse import urlsplit\nfrom http import HTTPStatus")
