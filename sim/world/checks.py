"""What must hold of a hall, at every step and at its end.

The checks know what the fingers did, what lies on the disks and what the platform signed; they take
no word of the unit for it. A check that fails raises Broken.
"""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from daemon.events import Sealed
from protocol.central.chain import Problem
from protocol.central.entry import GENESIS, Entry, Source, read
from protocol.central.truetime import Anchor, interval
from protocol.pad import messages
from sim.clocks import Clocks
from sim.world.agenda import Agenda
from sim.world.broken import Broken
from sim.world.pad import WindowPad
from sim.world.plan import BEGUN_UTC_MS, Plan

# What a sound unit may be found to be, when its clock is led astray.
EXCUSED = {"clock": {"clock_stepped", "time_server_away", "power_cut"}}
# How far the end of a correction window may be off by line and disk.
TOLERANCE_MS = 1_500
HOLD_TOLERANCE_MS = 60  # bounce at both ends
# How far a press may be off whose age the pad told: the way of its frame, in pieces.
LINE_MS = 250


@dataclass(slots=True)
class Press:
    """A key that went down and was accepted."""

    key: int
    at_ms: int
    is_in_time: bool
    is_acked: bool = False
    held_ms: int | None = None  # None: the finger is still there


@dataclass(slots=True)
class Counted:
    """What is on the disk of a window."""

    services: dict[int, str] = field(default_factory=dict)  # entry id by prompt
    ratings: dict[str, dict[str, Any]] = field(default_factory=dict)  # by the service's entry id
    cases: set[tuple[str, int]] = field(default_factory=set)  # as the services name them
    last_outcome: str | None = None


class Journal:
    """What one machine has written, read entry by entry as it is written."""

    def __init__(self) -> None:
        self.seq, self.hash = 0, GENESIS
        self.entries: list[Entry] = []
        self.windows: dict[str, Counted] = defaultdict(Counted)


class Checks:
    """Hears of everything; `finish` is the last word."""

    def __init__(self, agenda: Agenda, plan: Plan) -> None:
        self._agenda, self._plan = agenda, plan
        self.journals: dict[Source, Journal] = {}
        self.receipted: dict[Source, int] = {}
        self.presses: dict[tuple[str, int], list[Press]] = defaultdict(list)  # by window and prompt
        self._unacked: dict[tuple[str, int], list[tuple[int, Press]]] = defaultdict(list)
        self._downs: dict[str, Counter[int]] = defaultdict(Counter)  # by window and key
        self.step_count = self.press_count = 0

    # -- the pad

    def accepted(self, pad: WindowPad, edge: messages.Edge) -> None:
        """A key edge that the pad has accepted and keeps."""
        presses = self.presses[pad.window, edge.prompt_id]
        if not edge.down:
            if presses:
                presses[-1].held_ms = self._agenda.now_ms - presses[-1].at_ms
            return
        self.press_count += 1
        self._downs[pad.window][edge.key] += 1
        if self._downs[pad.window][edge.key] > pad.touches[edge.key]:
            raise Broken(f"window {pad.window}: one touch of key {edge.key} made two presses")
        # The pad says so only while it asks: in time, by its own clock.
        press = Press(edge.key, self._agenda.now_ms, pad.face == messages.HEARD)
        presses.append(press)
        self._unacked[pad.window, edge.boot_id].append((edge.seq, press))

    def acked(self, window: str, boot_id: int, seq: int, durable: Mapping[str, int]) -> None:
        """A pad forgets edges up to this one; durable: the position that lies on the disk."""
        is_safe = durable.get("boot_id") == boot_id and durable["seq"] >= seq
        if not is_safe:
            raise Broken(f"window {window}: edge {seq} was acknowledged, the disk has {durable}")
        waiting = self._unacked[window, boot_id]
        while waiting and waiting[0][0] <= seq:
            waiting.pop(0)[1].is_acked = True

    def shown(self, window: str, face: int, prompt: int, counted: Counted) -> None:
        """The citizen sees another face."""
        if face == messages.PLEASE_RATE and prompt not in counted.services:
            raise Broken(f"window {window}: asks for prompt {prompt}, which is not on disk")
        if face == messages.THANKS and counted.last_outcome != "rated":
            raise Broken(f"window {window}: thanks, and the last record is {counted.last_outcome}")

    # -- the disk

    def wrote(self, source: Source, sealed: tuple[Sealed, ...]) -> None:
        """New entries lie on the disk."""
        journal = self.journals[source]
        for one in sealed:
            entry = read(one.text)
            if (entry.seq, entry.prevhash) != (journal.seq + 1, journal.hash):
                raise Broken(f"{source}: entry {entry.seq} does not follow {journal.seq}")
            journal.seq, journal.hash = entry.seq, one.hash
            journal.entries.append(entry)
            if entry.kind == "service":
                self._service(journal, entry)
            elif entry.kind == "rating":
                self._rating(journal, entry)

    def _service(self, journal: Journal, entry: Entry) -> None:
        counted = journal.windows[entry.data["window"]]
        if entry.data["promptId"] in counted.services:
            raise Broken(f"{entry.id}: prompt {entry.data['promptId']} was asked before")
        case = (entry.data["projectNo"], entry.data["serviceNumber"])
        if case in counted.cases:
            raise Broken(f"{entry.id}: {case} was asked about before")
        if case[0] is not None:
            counted.cases.add(case)
        counted.services[entry.data["promptId"]] = entry.id

    def _rating(self, journal: Journal, entry: Entry) -> None:
        data, counted = entry.data, journal.windows[entry.data["window"]]
        prompt = next((n for n, name in counted.services.items() if name == data["service"]), None)
        if prompt is None:
            raise Broken(f"{entry.id}: rates {data['service']}, which is no service of its window")
        if data["service"] in counted.ratings:
            raise Broken(f"{entry.id}: {data['service']} has a record already")
        counted.ratings[data["service"]] = data
        counted.last_outcome = data["outcome"]
        presses = self.presses[data["window"], prompt]
        if data["isDefault"] or (data["satisfaction"] is None) != (data["outcome"] != "rated"):
            raise Broken(f"{entry.id}: {data['outcome']} with level {data['satisfaction']}")
        if data["outcome"] == "rated":
            self._rated(entry, presses)
        elif any(press.is_acked and press.is_in_time for press in presses):
            raise Broken(
                f"{entry.id}: {data['outcome']}, and a press of it was acknowledged before"
            )

    def _rated(self, entry: Entry, presses: list[Press]) -> None:
        data = entry.data
        keys = [press.key for press in presses]
        if data["satisfaction"] != self._plan.rules.keys[data["key"] - 1]:
            raise Broken(f"{entry.id}: key {data['key']} is not level {data['satisfaction']}")
        recorded = [edge["key"] for edge in data["edges"] if edge["down"]]
        if data["key"] not in keys or Counter(recorded) - Counter(keys):
            raise Broken(f"{entry.id}: says key {data['key']} of {recorded}, pressed were {keys}")
        if data["reasonKey"] is None and data["presses"] == len(recorded):
            last = recorded[-1]
            if last != data["key"]:
                raise Broken(f"{entry.id}: says key {data['key']}, the last one was {last}")

    # -- the platform

    def receipt(self, source: Source, upto: int, hash_: str) -> None:
        """The platform signs that it holds all up to here."""
        entries = self.journals[source].entries
        if upto > len(entries) or entries[upto - 1].hash != hash_:
            raise Broken(f"{source}: the platform holds an entry {upto} that the unit never wrote")
        self.receipted[source] = max(self.receipted.get(source, 0), upto)

    def delivered(self, source: Source, upto: int) -> None:
        """The unit takes all up to here for delivered."""
        self.step_count += 1
        if upto > self.receipted.get(source, 0):
            raise Broken(
                f"{source}: {upto} is delivered, receipted is {self.receipted.get(source)}"
            )

    def found(self, source: str, problem: Problem) -> None:
        """The platform finds something wrong with a unit that is sound."""
        if not EXCUSED.get(problem.name, set()) & {*self._plan.troubles}:
            raise Broken(f"{source}: the platform says {problem.name}: {problem.sentence}")

    # -- at the end

    def finish(self, source: Source, clocks: Clocks) -> None:
        """All is healed and has come to rest: nothing is missing."""
        journal = self.journals[source]
        for number, counted in journal.windows.items():
            for name in counted.services.values():
                if name not in counted.ratings:
                    raise Broken(f"{source} window {number}: service {name} has no record")
        if self.receipted.get(source, 0) != journal.seq:
            missing = journal.seq - self.receipted.get(source, 0)
            raise Broken(f"{source}: {missing} of {journal.seq} entries are not receipted")
        self._times(journal, clocks)
        for window, counted in journal.windows.items():
            prompts = {name: prompt for prompt, name in counted.services.items()}
            for name, data in counted.ratings.items():
                if data["outcome"] == "rated":
                    self._pressed_then(name, data, self.presses[window, prompts[name]], clocks)

    def _pressed_then(
        self, name: str, data: dict[str, Any], presses: list[Press], clocks: Clocks
    ) -> None:
        """The record says when the finger truly was there, however late the line brought it."""
        moment = data["pressedAt"]
        true_ms = clocks.true_ms(moment["bootId"], moment["boottimeMs"]) - BEGUN_UTC_MS
        off_ms = min(abs(press.at_ms - true_ms) for press in presses if press.key == data["key"])
        if off_ms > LINE_MS:
            raise Broken(f"{name}: says a time that is {off_ms:.0f} ms off")

    def _times(self, journal: Journal, clocks: Clocks) -> None:
        anchors = [Anchor.of(entry) for entry in journal.entries if entry.kind == "clock"]
        before_ms = 0.0
        for entry in journal.entries:
            stamp = entry.stamp
            true_ms = clocks.true_ms(stamp.boot_id, stamp.boottime_ms)
            if true_ms < before_ms:
                raise Broken(f"{entry.id}: is older than the one before")
            before_ms = true_ms
            lies_in = interval(stamp.boot_id, stamp.boottime_ms, anchors)
            if lies_in is not None and not lies_in[0] - 1 <= true_ms <= lies_in[1] + 1:
                raise Broken(f"{entry.id}: {true_ms:.0f} is not in {lies_in}")

    def last_case(self, source: Source, window: str, case: tuple[str, int]) -> None:
        """After all healing one more case was completed, and key 2 pressed."""
        counted = self.journals[source].windows[window]
        found = [
            (data["outcome"], data["key"])
            for data in counted.ratings.values()
            if (data["projectNo"], data["serviceNumber"]) == case
        ]
        if found != [("rated", 2)]:
            raise Broken(f"window {window}: healed, and the last case is {found}")

    def calm(self, window: str, source: Source, said: list[tuple[str, int]]) -> None:
        """Nothing went wrong: every case said is there, and rated as the model rates it."""
        counted = self.journals[source].windows[window]
        cases = {(data["projectNo"], data["serviceNumber"]) for data in counted.ratings.values()}
        for case in said:
            if case not in cases:
                raise Broken(f"window {window}: {case} was completed and has no record")
        for prompt, name in counted.services.items():
            level = self.model(self.presses[window, prompt])
            data = counted.ratings[name]
            if level is not None and data["key"] not in level:
                raise Broken(f"{name}: the model says {level}, the record {data['key']}")
            self._public(name, data, self.presses[window, prompt])

    def _public(self, name: str, data: dict[str, Any], presses: list[Press]) -> None:
        """Whoever holds one key long does not want it shown."""
        hold_ms = self._plan.rules.not_public_hold_ms
        held_ms = presses[0].held_ms if len(presses) == 1 else None
        if not hold_ms or held_ms is None or abs(held_ms - hold_ms) < HOLD_TOLERANCE_MS:
            return
        if data["outcome"] == "rated" and data["public"] != (held_ms < hold_ms):
            raise Broken(f"{name}: held for {held_ms} ms, and public is {data['public']}")

    def model(self, presses: list[Press]) -> set[int | None] | None:
        """The keys that may count: the last one within the correction window of the first."""
        in_time = [press for press in presses if press.is_in_time]
        if not in_time:
            # By the unit's clock it may have been in time all the same.
            return None if presses else {None}
        ends_ms = in_time[0].at_ms + self._plan.rules.correction_ms
        keys: set[int | None] = {in_time[0].key}
        for press in in_time[1:]:
            if press.at_ms < ends_ms - TOLERANCE_MS:
                keys = {press.key}
            elif press.at_ms < ends_ms + TOLERANCE_MS:
                keys.add(press.key)
        return keys
