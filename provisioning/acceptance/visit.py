"""A visit to a window: what the steps want is done, with unit and technician (real I/O)."""

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self, TypeVar

from provisioning.acceptance.report import Report
from provisioning.acceptance.steps import RECEIPT_S
from provisioning.acceptance.talk import (
    Ask,
    Begin,
    Failed,
    Finish,
    Got,
    Look,
    Pause,
    Request,
    Say,
    Talk,
    Told,
    Try,
    through,
)
from provisioning.console import Console
from provisioning.errors import ProvisioningError
from provisioning.reach import daemon
from provisioning.reach.daemon import NotAnswering, Refused
from provisioning.reach.place import Place, Unreachable
from provisioning.reach.status import Status

PAUSE_S = 1.0
_Result = TypeVar("_Result")


@dataclass(frozen=True, slots=True, kw_only=True)
class Signed:
    """The journal's entry of an acceptance; `after_ms`: when its receipt came, None when not."""

    id: str
    seq: int
    hash: str
    after_ms: int | None
    detail: str


class Visit:
    """The window is left as it was found, whatever ends the visit."""

    def __init__(self, place: Place, window: str, console: Console) -> None:
        self._place, self._window, self._console = place, window, console
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._shown: Future[Told | Failed] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._shown is not None:
            self._finish()
        self._thread.shutdown(cancel_futures=True)

    def through(self, talk: Talk[_Result]) -> _Result:
        """Go through the talk to its result."""
        return through(talk, self._do)

    def status(self) -> Status | None:
        """How the unit is; None when it does not say."""
        found = self._look()
        return found if isinstance(found, Status) else None

    def sign(self, report: Report, by: str) -> Signed:
        """Have the unit sign the report and deliver it. Raises Refused, Unreachable."""
        given = json.dumps({"steps": report.as_json()}, ensure_ascii=False).encode()
        with self._console.waiting("the unit signs it, and the platform receipts it"):
            said = daemon.trial(
                self._place, "acceptance", [*self._of_window(), "--by", by],
                given=given, timeout_s=RECEIPT_S,
            )  # fmt: skip
        entry: dict[str, Any] = next((line for line in said if "hash" in line), {})
        if not entry:
            raise Refused(str(said[-1].get("detail", "the unit wrote no entry")))
        result = said[-1]
        return Signed(
            id=entry["id"],
            seq=entry["seq"],
            hash=entry["hash"],
            after_ms=result.get("after_ms") if result.get("ok") else None,
            detail=str(result.get("detail", "")),
        )

    def _do(self, request: Request) -> Got:
        if isinstance(request, Say):
            self._console.say(request.text)
            return None
        if isinstance(request, Ask):
            return self._console.ask(request.question)
        if isinstance(request, Pause):
            with self._console.waiting(request.waits_for):
                time.sleep(PAUSE_S)
            return None
        if isinstance(request, Look):
            return self._look()
        if isinstance(request, Try):
            with self._console.waiting(f"{request.what} is tried"):
                return self._tried(request)
        if isinstance(request, Begin):
            self._shown = self._thread.submit(self._tried, request)
            return None
        assert isinstance(request, Finish)
        return self._finish()

    def _look(self) -> Status | Failed:
        try:
            return Status.read(daemon.status(self._place))
        except (Unreachable, NotAnswering, ValueError) as error:
            return Failed(str(error))

    def _tried(self, request: Try | Begin) -> Told | Failed:
        options = [*self._of_window(), *request.options]
        try:
            said = daemon.trial(self._place, request.what, options, timeout_s=request.longest_s)
        except (Unreachable, Refused) as error:
            return Failed(str(error))
        return Told(tuple(said))

    def _finish(self) -> Told | Failed:
        assert self._shown is not None
        shown, self._shown = self._shown, None
        if not shown.done():
            # It may have ended by itself meanwhile; what was shown says how it went.
            with suppress(ProvisioningError):
                daemon.trial(self._place, "end", self._of_window())
        return shown.result()

    def _of_window(self) -> list[str]:
        return ["--window", self._window]
