"""One window of the unit (pure): its case, its pad, and what stands on its screen.

It composes `cases` and `pad_link` for one number over the counter. What the two decide goes into
the ledger that all windows of the unit share; what waited there for the disk comes back by `act`.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from daemon import snapshot as view
from daemon.case.cases import Cases, row
from daemon.case.milestones import Closed, Heard, Lit, Milestone, Safe
from daemon.case.prompts import Prompt
from daemon.case.tally import Tally
from daemon.case.transitions import PRESSED, REASONED
from daemon.disk.ledger import Ledger
from daemon.facts import Fact, Tested
from daemon.front import phone
from daemon.setup import Setup
from daemon.timekeeper import Timekeeper
from daemon.wire.edges import KeyEdge, Position
from daemon.wire.firmware import Firmware
from daemon.wire.pad_link import Face, PadLink
from protocol.pad import messages

# How long the screen thanks; the pad's own thanks lasts as long.
THANKS_MS = 3000
CASE_ROW = row("", "case")


class Window:
    """`cases` and `pad` are for the core, which hands each what is its own."""

    def __init__(
        self,
        now_ms: int,
        number: str,
        setup: Setup,
        ledger: Ledger[Milestone],
        timekeeper: Timekeeper,
        tally: Tally,
        state: Mapping[str, Any],
    ) -> None:
        self.number, self._rules, self._looks = number, setup.rules, setup.looks
        self._source, self._qr = setup.identity.source, setup.qr
        self._ledger, self._time, self._tally = ledger, timekeeper, tally
        position = state.get(row(number, "pad"), {"boot_id": 0, "seq": 0})
        self._stored = state.get(row(number, "case"))
        self._recent = state.get(row(number, "recent"), [])
        self.cases = Cases(number, setup.rules, ledger, timekeeper, tally)
        self.pad = PadLink(now_ms, Position(**position), Firmware(setup.bundle))
        self._thanks_until_ms = 0
        self._heard: int | None = None

    # -- start

    def restore(self, now_ms: int) -> str:
        """Go on from the state rows; what became of an open prompt, in the boot entry's words."""
        if self._stored is None:
            return "none"
        return self.cases.restore(now_ms, self._stored, self._recent)

    def retire(self) -> str:
        """The configuration knows this window no more; what becomes of an open prompt."""
        return self.cases.retire()

    # -- the pad

    def received(self, now_ms: int, data: bytes) -> list[Tested]:
        """Take what the pad says; the self-tests that have ended with it."""
        edges, facts = self.pad.received(now_ms, data)
        self.take(now_ms, facts)
        for edge in edges:
            self._edge(now_ms, edge)
        return [fact for fact in facts if isinstance(fact, Tested)]

    @property
    def is_with_citizen(self) -> bool:
        """A rating is asked for, given, or thanked for."""
        is_busy = self.cases.prompt is not None or self.cases.unthanked is not None
        return is_busy or self._thanks_until_ms > 0

    def _edge(self, now_ms: int, edge: KeyEdge) -> None:
        self._ledger.keep(row(self.number, "pad"), asdict(edge.position))
        self.cases.edge(now_ms, edge)
        self._ledger.then(Safe(self.number, edge.position))

    def take(self, now_ms: int, facts: Sequence[Fact | Tested]) -> None:
        """What became known of the pad."""
        self.cases.pad_heard(now_ms, self.pad.up)
        for fact in facts:
            stamp = self._time.stamp(now_ms)
            data: dict[str, Any] = {"window": self.number}
            if isinstance(fact, Tested):
                data |= {"what": "self_test", "ok": fact.ok, "detail": fact.detail}
                self._ledger.write("test", "self_test", data, stamp)
                continue
            if fact.state == "back" and fact.since_ms is not None:
                self._tally.fault_ms += now_ms - fact.since_ms
            data |= fact.data(self._time, self.pad.counters())
            self._ledger.write("pad", f"pad-{fact.state}", data, stamp)

    # -- the disk and time

    def act(self, now_ms: int, then: Milestone) -> None:
        """What waited for the disk."""
        if isinstance(then, Safe):
            self.pad.safe(then.position)
        elif isinstance(then, Lit):
            self.cases.lit(now_ms, then.prompt)
        elif isinstance(then, Heard):
            self._heard = then.prompt
        elif isinstance(then, Closed) and then.rated:
            self.cases.thanked(then.prompt)
            self._thanks_until_ms = now_ms + THANKS_MS

    def wake(self, now_ms: int) -> None:
        facts = self.pad.wake(now_ms)
        if facts:
            self.take(now_ms, facts)
        # A correction window of 0 is over at once: the press and its record share one commit.
        self.cases.wake(now_ms)
        if now_ms >= self._thanks_until_ms:
            self._thanks_until_ms = 0

    def wake_at_ms(self) -> int | None:
        times = (self.cases.wake_at_ms(), self.pad.wake_at_ms(), self._thanks_until_ms or None)
        return min((at for at in times if at is not None), default=None)

    # -- what is said and shown

    def to_pad(self, now_ms: int) -> bytes:
        """The bytes its pad is to get now."""
        if self.cases.unthanked is None:
            # Between press and thanks the pad goes on saying that it heard.
            self.pad.show(now_ms, self._face(now_ms))
        return self.pad.poll(now_ms, is_asking=self.cases.prompt is not None)

    def _face(self, now_ms: int) -> Face:
        prompt = self.cases.prompt
        look = self._looks.at(self._time.utc_ms(now_ms))
        if prompt is not None and self.cases.asking:
            until_ms = prompt.until_ms if self.cases.state == REASONED else prompt.deadline_ms
            return Face(messages.PLEASE_RATE, prompt.number, until_ms, look)
        if now_ms < self._thanks_until_ms:
            return Face(messages.THANKS, look=look)
        if self.cases.suspended or self._ledger.failure is not None:
            return Face(messages.PAUSED, look=look)
        return Face(messages.IDLE, look=look)

    def screen(self, now_ms: int) -> view.Screen:
        """What stands on the screen, whoever pressed what."""
        cases, prompt, number = self.cases, self.cases.prompt, self.number
        ticket = None if cases.ticket is None else cases.ticket.name
        pressed = prompt.number if prompt and cases.state == PRESSED else cases.unthanked
        if pressed is not None and self._heard == pressed:
            return view.Screen(name=view.HEARD, window=number, ticket=ticket)
        if now_ms < self._thanks_until_ms:
            return view.Screen(name=view.THANKS, window=number)
        trouble = view.DISK if self._ledger.failure is not None else view.PAD.get(self.pad.state)
        if trouble is not None:
            # Also while a rating is asked for: nobody may be asked what cannot be heard or kept.
            return view.Screen(name=view.OUT_OF_SERVICE, window=number, trouble=trouble)
        if prompt is not None and cases.state == REASONED and self._rules.reasons is not None:
            return view.Screen(
                name=view.REASONS,
                window=number,
                reasons=self._rules.reasons.labels,
                remaining_s=_seconds(prompt.until_ms - now_ms),
            )
        if prompt is not None and cases.asking:
            return view.Screen(
                name=view.PLEASE_RATE,
                window=number,
                ticket=prompt.service.ticket,
                task_name=prompt.service.task_name,
                remaining_s=_seconds(prompt.deadline_ms - now_ms),
                qr=self._code(prompt),
            )
        if self.pad.is_testing:
            return view.Screen(name=view.SELF_TEST, window=number)
        if cases.suspended:
            return view.Screen(name=view.PAUSED, window=number)
        name = view.IDLE if ticket is None else view.CALLED
        return view.Screen(name=name, window=number, ticket=ticket)

    def _code(self, prompt: Prompt) -> str | None:
        """The text by which a phone may rate this service instead."""
        _, area, hall, unit = self._source.split("/")
        service = prompt.service
        facts = {
            "area": area,
            "hall": hall,
            "unit": unit,
            "window": self.number,
            "ticketSerial": service.ticket_serial,
            "projectNo": service.project_no,
            "serviceNumber": service.service_number,
            "promptId": prompt.number,
        }
        return phone.text(self._qr, facts)

    def view(self, screen: view.Screen) -> view.WindowView:
        return view.WindowView(
            number=self.number, screen=screen, state=self.cases.state, pad=self.pad.view()
        )


def _seconds(ms: int) -> int:
    """Whole seconds that are left, the last one to its end."""
    return -(-max(0, ms) // 1000)


def stored_windows(state: Iterable[str]) -> tuple[str, ...]:
    """The numbers of the windows of which there are state rows."""
    return tuple(name.removesuffix(CASE_ROW) for name in state if name.endswith(CASE_ROW))
