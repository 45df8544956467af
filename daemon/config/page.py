"""[page]: where the technician's page is served, and what keeps others out."""

from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Self

from daemon.config.table import Table
from daemon.page.password import Password

LOOPBACK = "127.0.0.1"
PASSWORD = "the line that `python -m daemon password` prints"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """`tls` is certificate and key; without a password the host is loopback."""

    host: str
    port: int
    password: Password | None = None
    tls: tuple[Path, Path] | None = None

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        host = table.text("host", LOOPBACK, fits=_is_address, allowed="an address of this unit")
        line = table.text("password", "", fits=_is_password, allowed=PASSWORD)
        certificate = table.path_or_none("tls_certificate", base)
        key = table.path_or_none("tls_key", base)
        if not line and _is_address(host) and not ip_address(host).is_loopback:
            table.needs("password", f"{PASSWORD}, for a host that is not loopback")
        for name, given, other in (
            ("tls_certificate", certificate, key),
            ("tls_key", key, certificate),
        ):
            if given is None and other is not None:
                table.needs(name, "certificate and key, both or neither")
        page = cls(
            host=host,
            port=table.integer("port", 0, 65535, 8787),
            password=Password.read(line) if line else None,
            tls=None if certificate is None or key is None else (certificate, key),
        )
        table.done()
        return page


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_password(text: str) -> bool:
    try:
        Password.read(text)
    except ValueError:
        return False
    return True
