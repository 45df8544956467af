"""[uplink]: the broker, and whose receipts are believed."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from daemon.config.table import Table


@dataclass(frozen=True, slots=True, kw_only=True)
class Uplink:
    broker: str
    port: int
    protocol: int
    redial_ms: int
    platform_key: Path
    tls_ca: Path | None
    tls_certificate: Path | None
    tls_key: Path | None

    @classmethod
    def read(cls, table: Table, base: Path) -> Self:
        uplink = cls(
            broker=table.text(
                "broker",
                fits=re.compile(r"[0-9A-Za-z.:_-]{1,253}").fullmatch,
                allowed="a host name or address",
            ),
            port=table.integer("port", 1, 65535, 8883),
            protocol=table.choice("protocol", (5, 4), 5),
            redial_ms=table.milliseconds("redial_s", 1, 600, 120.0),
            platform_key=table.path("platform_key", base),
            tls_ca=table.path_or_none("tls_ca", base),
            tls_certificate=table.path_or_none("tls_certificate", base),
            tls_key=table.path_or_none("tls_key", base),
        )
        if uplink.tls_certificate is not None:
            for key in ("tls_key", "tls_ca"):
                table.needs(key, "tls_certificate needs it")
        elif uplink.tls_key is not None:
            table.needs("tls_certificate", "tls_key needs it")
        table.done()
        return uplink
