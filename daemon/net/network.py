"""The unit's own address in the hall's network, for who sets it up."""

import socket

# TEST-NET-1 (RFC 5737): nobody is there, and to connect a datagram socket sends nothing.
ELSEWHERE = ("192.0.2.1", 9)


def address() -> str | None:
    """The address from which this machine would leave its network; None without a network."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(ELSEWHERE)
        except OSError:
            return None
        return str(probe.getsockname()[0])
