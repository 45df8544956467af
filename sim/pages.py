"""The technician's page over a desk: the real server on loopback, a machine that stays the same."""

import http.client
from collections.abc import Callable, Mapping
from pathlib import Path

from daemon.config.page import Page as PageConfig
from daemon.page.guard import is_loopback
from daemon.page.loglines import LogLines
from daemon.page.machine import Machine
from daemon.page.material import About
from daemon.page.page import Page
from sim.desk import Desk

LOOPBACK = "127.0.0.1"
WAIT_S = 10.0
EXAMPLE = Path(__file__).resolve().parents[1] / "daemon/config.example.toml"
# A Raspberry Pi 4 whose supply was weak once.
MACHINE = Machine(
    model="Raspberry Pi 4 Model B Rev 1.5",
    system="Raspbian GNU/Linux 12 (bookworm)",
    kernel="6.6.31+rpt-rpi-v8 aarch64",
    up_s=200_000,
    daemon_up_s=7_300,
    temperature_c=51,
    throttled=0x50000,
    memory_free_mb=611,
    daemon_memory_mb=37,
    disk_size_mb=31_200,
    disk_free_mb=26_800,
    journal_mb=12,
    written_mb=96,
)
PROGRAMS = {"daemon": "0.1.0", "python": "3.11.2", "sqlite": "3.40.1"}


def about(config: Path = EXAMPLE, log: LogLines | None = None) -> About:
    """A daemon that is always the same."""
    return About(
        programs=PROGRAMS,
        config=config,
        config_hash="9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        look=lambda: MACHINE,
        log=LogLines(lambda: 0.0) if log is None else log,
    )


def start(
    desk: Desk,
    pictures: Mapping[str, Callable[[], bytes]],
    died: Callable[[str], None],
    config: PageConfig | None = None,
    is_own: Callable[[str], bool] = is_loopback,
) -> Page:
    """A page that serves; it shows the desk as it is now."""
    config = PageConfig(host=LOOPBACK, port=0) if config is None else config
    page = Page(config, about(), pictures, lambda *of: desk.journal.read(*of), died, is_own=is_own)
    page.start()
    page.show(desk.core.snapshot(desk.now_ms))
    return page


def ask(
    page: Page,
    path: str,
    *,
    method: str = "GET",
    body: bytes = b"",
    host: str | None = LOOPBACK,
    at: str = LOOPBACK,
    **headers: str,
) -> tuple[int, dict[str, str], bytes]:
    """Code, headers and body of one answer; `host` is what the Host header says, None for none."""
    connection = http.client.HTTPConnection(at, page.port, timeout=WAIT_S)
    try:
        connection.putrequest(method, path, skip_host=True)
        if host is not None:
            connection.putheader("Host", host)
        if method == "POST":
            connection.putheader("Content-Length", str(len(body)))
        for name, value in headers.items():
            connection.putheader(name.replace("_", "-"), value)
        connection.endheaders(body)
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()
    finally:
        connection.close()
