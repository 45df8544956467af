"""A unit alone: the daemon as a process on ptys, a pad and a clerk, at any broker. Real I/O."""

import http.client
import json
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sim.clerk import Clerk
from sim.demo import premises
from sim.pads import VirtualPad
from sim.processes import Process, free_port, module
from sim.wire import Wire

LOOK_S = 0.02
ASK_S = 5.0
DEADLINE_S = 30.0
RULES = premises.Rules(correction_s=0.0, not_public_hold_s=0.0)


class Overdue(Exception):
    """What was waited for did not come; the text is the last status."""


class LoneUnit:
    """`changes` are replacements in the text of its configuration."""

    def __init__(
        self, folder: Path, broker_port: int, *changes: tuple[str, str], protocol: int = 5
    ) -> None:
        folder.mkdir(exist_ok=True)
        self._page_port = free_port()
        ports = premises.Ports(broker=broker_port, unit_to_broker=broker_port, page=self._page_port)
        site = premises.prepare(folder, RULES, ports, protocol)
        text = site.unit_config.read_text()
        for old, new in changes:
            assert old in text, old
            text = text.replace(old, new)
        site.unit_config.write_text(text)
        self.log = folder / "daemon.log"
        self.pad_wire, self.queue_wire = Wire(folder / "pad"), Wire(folder / "signal")
        self.pad = VirtualPad(self.pad_wire)
        self.clerk = Clerk(self.queue_wire.write, window=premises.WINDOW, day=date(2026, 1, 5))
        self.process = Process(module("daemon", "--config", str(site.unit_config)), log=self.log)

    def __enter__(self) -> Self:
        self.pad.start()
        self.process.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.process.stop()
        self.pad.stop()
        self.pad_wire.close()
        self.queue_wire.close()

    def status(self) -> dict[str, Any] | None:
        """What its page says; None while it does not answer."""
        connection = http.client.HTTPConnection(premises.HOST, self._page_port, timeout=ASK_S)
        try:
            connection.request("GET", "/status.json")
            answer = connection.getresponse()
            body = answer.read()
        except OSError:
            return None
        finally:
            connection.close()
        return json.loads(body) if answer.status == http.HTTPStatus.OK else None

    def until(self, is_so: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
        """The first status of which it is so. Raises Overdue."""
        deadline_s = time.monotonic() + DEADLINE_S
        while (status := self.status()) is None or not is_so(status):
            if time.monotonic() > deadline_s:
                raise Overdue(str(status))
            time.sleep(LOOK_S)
        return status
