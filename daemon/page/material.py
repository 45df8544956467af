"""What the page is made of: the snapshot's lines, the last entries, the machine, the pictures."""

import os
import threading
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from daemon.errors import NotAnswering
from daemon.events import Sealed
from daemon.page import report
from daemon.page.latest import Latest
from daemon.page.loglines import LogLines
from daemon.page.machine import Machine
from daemon.page.markup import Content
from daemon.page.masking import masked
from daemon.page.metrics import metrics
from daemon.page.support import Support, bundle
from daemon.page.words import Words
from daemon.snapshot import Snapshot

# The machine is looked at once for all who ask within this.
LOOK_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class About:
    """What the page tells of the daemon that the snapshot does not."""

    programs: Mapping[str, str]
    config: Path
    config_hash: str
    look: Callable[[], Machine]
    log: LogLines


class Material:
    """Gathers it for whoever asks, from any thread; `pictures` are those of the windows."""

    def __init__(
        self,
        about: About,
        pictures: Mapping[str, Callable[[], bytes]],
        read: Callable[[int, int], tuple[Sealed, ...]],
    ) -> None:
        self._about, self._pictures = about, pictures
        self._latest = Latest(read)
        self._machine: tuple[float, Machine] | None = None
        self._bundling = threading.Lock()

    def content(self, shown: Snapshot, words: Words) -> Content:
        """One page's worth, in one language."""
        machine, about = self.machine(), self._about
        told = report.Versions(programs=about.programs, config_hash=about.config_hash)
        return Content(
            shown=shown,
            links=report.links(shown, words),
            rows=self._latest.rows(shown.journal),
            counters=report.counters(shown, words),
            tables={
                words.say("page", "clock"): report.clock(shown, machine, words),
                words.say("page", "disk"): report.disk(machine, words),
                words.say("page", "machine"): list(report.machine(machine, words)),
                words.say("page", "versions"): report.versions(shown, told, words),
            },
            # The picture's own name changes with it, so a browser fetches it once.
            pictures={
                number: f"/oled/{number}.png?{zlib.crc32(png()):08x}"
                for number, png in self._pictures.items()
            },
        )

    def png(self, path: str) -> bytes | None:
        """The picture of a window; /oled.png is the first one's."""
        number = path.removeprefix("/oled/").removesuffix(".png")
        if path == "/oled.png":
            number = next(iter(self._pictures), "")
        elif path != f"/oled/{number}.png":
            return None
        png = self._pictures.get(number)
        return None if png is None else png()

    def metrics(self, shown: Snapshot | None) -> str:
        versions = {**self._about.programs, "config": self._about.config_hash}
        return metrics(shown, self.machine(), versions)

    def bundle(self, shown: Snapshot | None, made: datetime) -> bytes:
        """The support bundle; `made` is now, UTC. Raises NotAnswering or StoreFailed."""
        if shown is None:
            raise NotAnswering("the unit is starting: try again in a moment")
        if not self._bundling.acquire(blocking=False):
            raise NotAnswering("a bundle is being made: try again in a moment")
        try:
            return bundle(
                Support(
                    shown=shown,
                    rows=self._latest.many(shown.journal),
                    machine=self._about.look(),
                    programs=self._about.programs,
                    config=masked(_read(self._about.config)),
                    config_hash=self._about.config_hash,
                    locale=_locale(),
                    log=self._about.log.lines,
                    made=made,
                )
            )
        finally:
            self._bundling.release()

    def machine(self) -> Machine:
        """What the machine says of itself, looked at once for all who ask."""
        now_s = time.monotonic()
        if self._machine is None or now_s - self._machine[0] > LOOK_S:
            self._machine = now_s, self._about.look()
        return self._machine[1]


def _read(config: Path) -> str | None:
    try:
        return config.read_text("utf-8")
    except (OSError, UnicodeDecodeError):
        return None


def _locale() -> dict[str, str]:
    return {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ") if name in os.environ}
