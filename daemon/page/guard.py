"""Whose requests are answered (pure): the name a browser asked for, and where it comes from.

A foreign page can make a browser here ask us under a name of its own (DNS rebinding). It cannot do
so under an address, nor under a name it does not own.
"""

from collections.abc import Collection
from ipaddress import IPv6Address, ip_address, ip_network

LOOPBACK_NAME = "localhost"
# A host in an IPv6 network has as many addresses as it likes within one /64.
PEER_PREFIX_LEN = 64


def is_loopback(address: str) -> bool:
    """Whether the address is this machine's own, also when IPv4 is written as IPv6."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return False
    mapped = found.ipv4_mapped if isinstance(found, IPv6Address) else None
    return (mapped or found).is_loopback


def is_ours(host: str | None, names: Collection[str], *, on_network: bool) -> bool:
    """Whether a Host header names this unit; on the network an address or one of `names` does."""
    name = _name(host or "")
    if name == LOOPBACK_NAME or is_loopback(name):
        return True
    return on_network and (name in names or _is_address(name))


def is_same_site(origin: str | None, host: str | None) -> bool:
    """Whether a form comes from our own page; a browser says so, a command line says nothing."""
    return origin is None or origin.partition("://")[2].lower() == (host or "").lower()


def peer_of(address: str) -> str:
    """Whom an attempt is counted against: the address, of IPv6 the network."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return ""
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return str(ip_network((found, PEER_PREFIX_LEN), strict=False))
    return str(found)


def _name(host: str) -> str:
    """The name in a Host header, without port and brackets; empty when it is none."""
    if host.startswith("["):
        name, bracket, port = host[1:].partition("]")
        is_whole = bracket and (not port or _is_port(port))
        return name.lower() if is_whole else ""
    name, colon, port = host.partition(":")
    return name.lower() if not colon or _is_port(colon + port) else ""


def _is_port(text: str) -> bool:
    return text.startswith(":") and text[1:].isdecimal()


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
