"""The technician's tests (pure): one at a time, and a citizen ends what stands in their way.

    asked ──▶ refused (a sentence)
      │
      ├─ pad         the pad tries itself ─────────────▶ it says how that went, or is lost
      ├─ signs       picture, blinks and beeps ────────▶ the time is over, or the technician ends it
      └─ delivery    an entry is on disk ──────────────▶ it has its receipt, or has none in time
         acceptance

A call or a prompt at the window ends `pad` and `signs`. The other two show nothing and wait for the
platform alone, so nobody at the window is in their way. Whatever is tested, no rating comes of it.
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from daemon import snapshot as view
from daemon.case.window import Window
from daemon.disk.ledger import Ledger
from daemon.effects import TellTechnician
from daemon.events import PanelDrew, Sealed, TrialAsked
from daemon.facts import Tested
from daemon.setup import Outputs
from daemon.timekeeper import Timekeeper
from daemon.trial.wanted import ACCEPTANCE, BAD, END, GOOD, PAD, SIGNS, Trial
from daemon.wire.signals import Signal

# Three seconds of all lamps and ten for each key (device/selftest.py), and then some.
PAD_MS = 75_000
# Long enough to count nine blinks twice.
SIGNS_MS = 20_000
# A display that stalls does so for two seconds; what is not there by then is not seen either.
DRAW_MS = 5000
# Three receipts' patience of the outbox, and its first redial.
RECEIPT_MS = 60_000
# What the terminal says when somebody comes to the window, or is to rate.
COMES = ("called", "recalled", "completed", "prompt")
CITIZEN = "a citizen came to the window: ask again when nobody is there"
ASKED_FOR_RATING = "a rating is asked for at window {number}: wait until it is given"
NOT_HERE = "window {number} is not this unit's: it has {windows}"
BUSY = "window {number} is being tested ({what}): wait, or end that with `test end`"
NONE_RUNS = "no test runs at window {number}: there is nothing to end"
DISK = "nothing can be written, so nothing is recorded: {trouble}"
ENDED = "ended by the technician"
NO_RECEIPT = "the platform sent no receipt within {seconds} s"

Answer = Mapping[str, Any]


@dataclass(slots=True)
class _Running:
    """The test there is; `asker` is whoever is told of it."""

    asker: int
    trial: Trial
    since_ms: int
    until_ms: int
    # Of the pad: which of its starts tries itself. Of an entry: its number.
    pad_boot_id: int = 0
    seq: int = 0
    entry_id: str = ""
    is_ok: bool = True
    # Of signs: whether the display has shown them; None while nobody knows.
    drawn: bool | None = None


class Trials:
    """`why_offline`: why the platform says nothing, in words, if anybody knows."""

    def __init__(
        self,
        windows: Mapping[str, Window],
        outputs: Mapping[str, Outputs],
        ledger: Ledger[Any],
        timekeeper: Timekeeper,
        why_offline: Callable[[], str | None],
    ) -> None:
        self._windows, self._outputs = windows, outputs
        self._ledger, self._time, self._why_offline = ledger, timekeeper, why_offline
        self._running: _Running | None = None
        self._told: list[TellTechnician] = []

    # -- what happened

    def asked(self, now_ms: int, event: TrialAsked) -> None:
        """A technician wants something tested."""
        trial, running = event.trial, self._running
        refusal = self._refusal(trial)
        if refusal is not None:
            self._tell(event.asker, {"error": refusal}, is_last=True)
        elif trial.what == END:
            assert running is not None
            self._end({**self._shown(running), "ok": self._is_seen(running), "detail": ENDED})
            self._tell(event.asker, {"ok": True, "detail": ENDED}, is_last=True)
        else:
            self._begin(now_ms, event.asker, trial)

    def left(self, asker: int) -> None:
        """Whoever asked is there no more: nothing is shown to nobody."""
        if self._running is not None and self._running.asker == asker:
            self._end({"ok": False, "detail": ENDED})

    def comes(self, signal: Signal) -> None:
        """The terminal said something of a window: somebody may be there now."""
        running = self._running
        if signal.say in COMES and running is not None and running.trial.window == signal.window:
            self._make_way(running)

    def tested(self, window: str, tested: Tested) -> None:
        """The pad of a window has tried itself."""
        running = self._of(PAD)
        if running is not None and running.trial.window == window:
            keys = list(tested.keys)
            self._end({"ok": tested.ok, "detail": tested.detail, "keys": keys})

    def drew(self, event: PanelDrew) -> None:
        """A display has the technician's picture, or does not take it."""
        running = self._of(SIGNS)
        if running is not None and running.trial.window == event.window:
            self._show(running, drawn=event.ok)

    def committed(self, sealed: tuple[Sealed, ...]) -> None:
        """Entries are on disk."""
        running = self._running
        entry = next((one for one in sealed if running and one.seq == running.seq), None)
        if running is None or entry is None:
            return
        said: dict[str, Any] = {"id": running.entry_id, "seq": entry.seq, "hash": entry.hash}
        if running.trial.what == ACCEPTANCE:
            said["ok"] = running.is_ok
        self._tell(running.asker, said)

    def delivered(self, now_ms: int, upto: int) -> None:
        """The platform has everything up to this entry."""
        running = self._running
        if running is not None and 0 < running.seq <= upto:
            self._end({"ok": True, "after_ms": now_ms - running.since_ms})

    # -- time

    def wake(self, now_ms: int) -> None:
        running = self._running
        if running is None:
            return
        window = self._windows[running.trial.window]
        if running.trial.what in (PAD, SIGNS) and window.is_with_citizen:
            self._make_way(running)
        elif running.trial.what == PAD:
            self._wake_pad(now_ms, running, window)
        elif running.trial.what == SIGNS and now_ms >= running.until_ms:
            self._end({**self._shown(running), "ok": self._is_seen(running)})
        elif running.trial.what == SIGNS and now_ms >= running.since_ms + DRAW_MS:
            self._show(running, drawn=False)
        elif running.seq and now_ms >= running.until_ms:
            self._end({"ok": False, "detail": self._no_receipt()})

    def wake_at_ms(self) -> int | None:
        running = self._running
        if running is None:
            return None
        is_waiting = running.trial.what == SIGNS and running.drawn is None
        return running.since_ms + DRAW_MS if is_waiting else running.until_ms

    def _wake_pad(self, now_ms: int, running: _Running, window: Window) -> None:
        if not window.pad.up:
            self._end({"ok": False, "detail": f"the pad was lost: {window.pad.view().trouble}"})
        elif window.pad.boot_id != running.pad_boot_id:
            self._end({"ok": False, "detail": "the pad restarted meanwhile: look at its cable"})
        elif now_ms >= running.until_ms:
            seconds = PAD_MS // 1000
            self._end({"ok": False, "detail": f"the pad did not finish within {seconds} s"})

    # -- what is shown and said

    def screen(self, window: str) -> view.Screen | None:
        """The technician's picture, while it stands at this window."""
        running = self._of(SIGNS)
        if running is None or running.trial.window != window:
            return None
        trial = running.trial
        return view.Screen(
            name=view.SIGNS, window=window, number=str(trial.number),
            blinks=trial.lamp, beeps=trial.buzzer,
        )  # fmt: skip

    def poll(self) -> list[TellTechnician]:
        """What is to be told now."""
        told, self._told = self._told, []
        return told

    # -- one test

    def _refusal(self, trial: Trial) -> str | None:
        number, running = trial.window, self._running
        window = self._windows.get(number)
        if window is None:
            return NOT_HERE.format(number=number, windows=", ".join(self._windows))
        if trial.what == END:
            runs = running is not None and running.trial.window == number
            return None if runs else NONE_RUNS.format(number=number)
        if running is not None:
            return BUSY.format(number=running.trial.window, what=running.trial.what)
        if window.is_with_citizen:
            return ASKED_FOR_RATING.format(number=number)
        if trial.what not in (PAD, SIGNS) and self._ledger.failure is not None:
            return DISK.format(trouble=self._ledger.failure)
        return None

    def _begin(self, now_ms: int, asker: int, trial: Trial) -> None:
        lasts_ms = {PAD: PAD_MS, SIGNS: SIGNS_MS}.get(trial.what, RECEIPT_MS)
        running = _Running(asker, trial, now_ms, now_ms + lasts_ms)
        self._running = running
        if trial.what == PAD:
            pad = self._windows[trial.window].pad
            running.pad_boot_id = pad.boot_id
            if pad.up:
                pad.try_itself(now_ms)
                self._tell(asker, {"state": "asked"})
            else:
                detail = pad.view().trouble or "nothing was heard of it yet"
                self._end({"ok": False, "detail": f"the pad is not there: {detail}"})
        elif trial.what == SIGNS:
            if not self._of_window(running).display:
                self._show(running, drawn=False)
        else:
            running.is_ok = all(step.outcome != BAD for step in trial.steps)
            self._write(now_ms, running)

    def _write(self, now_ms: int, running: _Running) -> None:
        """The entry of a test that is itself the proof."""
        trial = running.trial
        data: dict[str, Any] = {"window": trial.window, "what": "end_to_end", "ok": running.is_ok}
        data["detail"] = "asked for by a technician"
        if trial.what == ACCEPTANCE:
            good_count = sum(step.outcome == GOOD for step in trial.steps)
            data["what"] = "acceptance"
            data["detail"] = f"{good_count} of {len(trial.steps)} steps good"
            data["by"] = trial.by
            data["steps"] = [asdict(step) for step in trial.steps]
        stamp = self._time.stamp(now_ms)
        running.entry_id = self._ledger.write("test", data["what"], data, stamp)
        running.seq = self._ledger.last_seq

    def _make_way(self, running: _Running) -> None:
        if running.trial.what in (PAD, SIGNS):
            self._end({"ok": False, "detail": CITIZEN, "interrupted": True})

    def _show(self, running: _Running, *, drawn: bool) -> None:
        """Say once what the technician can see and hear."""
        if running.drawn is None:
            running.drawn = drawn
            self._tell(running.asker, {"state": "showing", **self._shown(running)})

    def _shown(self, running: _Running) -> dict[str, Any]:
        if running.trial.what != SIGNS:
            return {}
        outputs = self._of_window(running)
        return {"display": bool(running.drawn), "lamp": outputs.lamp, "buzzer": outputs.buzzer}

    def _is_seen(self, running: _Running) -> bool:
        """Whether signs stand where they are to stand; what is not there cannot be missed."""
        if running.trial.what != SIGNS:
            return False
        return running.drawn is not False or not self._of_window(running).display

    def _no_receipt(self) -> str:
        waited = NO_RECEIPT.format(seconds=RECEIPT_MS // 1000)
        why = self._ledger.failure or self._why_offline()
        return why or f"{waited}: ask whether it knows this unit and its key"

    def _end(self, result: Answer) -> None:
        assert self._running is not None
        running, self._running = self._running, None
        if running.trial.what == PAD:
            self._windows[running.trial.window].pad.cease()
        self._tell(running.asker, result, is_last=True)

    def _tell(self, asker: int, answer: Answer, *, is_last: bool = False) -> None:
        self._told.append(TellTechnician(asker, answer, is_last))

    def _of(self, what: str) -> _Running | None:
        """The test that runs, if it is this one."""
        running = self._running
        return running if running is not None and running.trial.what == what else None

    def _of_window(self, running: _Running) -> Outputs:
        return self._outputs.get(running.trial.window, Outputs())
