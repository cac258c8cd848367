"""Which addresses and hosts the desk may call when somebody else chose them."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_NUMBER: Final = re.compile(r"\d+|0x[0-9a-f]*", re.IGNORECASE)
_NAT64: Final = ipaddress.ip_network("64:ff9b::/96")
"""IPv6-only networks reach every IPv4 address through these (RFC 6052): the embedded one is what counts."""
_NEVER: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this host, for many systems
        "169.254.0.0/16",  # link-local: where clouds answer with credentials
        "100.100.100.200/32",  # metadata of Alibaba Cloud
        "168.63.129.16/32",  # the host of a virtual machine at Azure; a public address by its looks
        "192.0.0.192/32",  # metadata of Oracle Cloud
        "224.0.0.0/4",
        "255.255.255.255/32",
        "::/128",
        "fe80::/10",
        "fd00:ec2::/32",  # metadata of AWS
        "ff00::/8",
    )
)
"""Refused even to a host on the allow-list: nothing anybody means to call lives there."""
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(text)
    for text in (
        # IANA's special-purpose registries. ``is_global`` knows most of them; which ones depends on Python's version.
        *("10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24"),
        *("192.88.99.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4"),
        *("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"),
    )
)
_UNICAST: Final = ipaddress.ip_network("2000::/3")
"""All of IPv6 that is given out (RFC 4291); the rest is loopback, private, or embeds another address."""
_METADATA: Final = frozenset({"metadata", "metadata.google.internal", "instance-data", "instance-data.ec2.internal"})


def _bare(address: Address) -> Address:
    """The IPv4 address inside an IPv6 one that means it, else the address itself."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return address.ipv4_mapped
        if address in _NAT64:
            return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def may_be_called(text: str, *, allowed: bool) -> bool:
    """Whether an IP address may be connected to: a public one, or with ``allowed`` also a private or loopback one.

    Text that is no address may not. Of 6to4 and Teredo, which embed an address too, none may: nobody uses them today.
    """
    try:
        address = _bare(ipaddress.ip_address(text.partition("%")[0]))
    except ValueError:
        return False
    if any(address in network for network in _NEVER):
        return False
    if allowed:
        return True
    if isinstance(address, ipaddress.IPv6Address) and address not in _UNICAST:
        return False
    return address.is_global and not any(address in network for network in _NOT_PUBLIC)


def is_address(host: str) -> bool:
    """Whether a host is an IP address and no name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def is_sound_host(host: str) -> bool:
    """Whether a host, in small letters, is a name or an address in its usual spelling.

    ``2130706433``, ``0x7f.1`` and ``127.1`` are addresses to a resolver and names to everybody else, so they are
    refused, like every host whose last part is a number (WHATWG URL, "ends in a number").
    """
    try:
        return str(ipaddress.ip_address(host)) == host
    except ValueError:
        labels = host.removesuffix(".").split(".")
        return host not in _METADATA and all(labels) and not _NUMBER.fullmatch(labels[-1])


@dataclass(frozen=True, slots=True)
class AllowList:
    """Hosts of our own that may be private and asked over http: ``name`` at any port, or ``name:port`` at that one."""

    entries: frozenset[tuple[str, int | None]]

    @classmethod
    def of(cls, words: Iterable[str]) -> AllowList:
        """Read ``name``, ``name:port`` or ``[address]:port``. Raises ``ValueError`` for a port that is none."""
        return cls(frozenset(_entry(word) for word in words))

    def holds(self, host: str, port: int) -> bool:
        """Whether this host, in small letters, may be private at this port."""
        return (host, None) in self.entries or (host, port) in self.entries


def _entry(word: str) -> tuple[str, int | None]:
    if word.startswith("["):
        host, _, port = word[1:].partition("]")
        return host, int(port[1:]) if port else None
    host, colon, port = word.partition(":")
    return (host, int(port)) if colon and ":" not in port else (word, None)
