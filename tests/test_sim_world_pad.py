"""The pad's contract, held by the world's pad and by the firmware's own loop turned each 2 ms.

Both live through one script of fingers, bytes and restarts, and must say the same at the same
moments. Only who a pad says it is differs: its number of this start, its serial and its firmware.
"""

import random
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

import pytest

from protocol.pad import VERSION, framing
from protocol.pad.line import STATUS_MS
from protocol.pad.messages import (
    FULL,
    IDLE,
    KEY_COUNT,
    NO_LINK,
    PAUSED,
    PLEASE_RATE,
    SELF_TEST,
    THANKS,
    Ack,
    Close,
    Edge,
    Hello,
    Message,
    Open,
    SelfTest,
    Status,
    UnitHello,
    decode,
    encode,
)
from sim.pads import VirtualPad
from sim.world.agenda import Agenda
from sim.world.line import Line
from sim.world.pad import LOOK_MS, WindowPad

# So fast that what is written has arrived a millisecond later.
BAUD = 1 << 30
TURN_MS = 2
SCRIPT_MS = 15_000
SCRIPTS = 3
# Shorter than what makes a key a stuck one, longer than the least of sim.pads.
HOLD_MS = (60, 2_500)
PLANTED = b"\x00\x03\xff garbage \x00"


class Act(NamedTuple):
    """What is done to a pad; `do` is a method of both sides.

    All happens at odd milliseconds, a millisecond before a turn: whether a turn at the very moment
    still sees it would be chance.
    """

    at_ms: int
    do: str
    with_: object = None


class Said(NamedTuple):
    at_ms: int
    message: Message


class OnTheFirmware:
    """The firmware's loop; also what it reads from and writes to."""

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self._now_ms = 0
        self._unread = b""
        # In the middle of a millisecond, so that no rounding makes it the one before.
        self._pad = VirtualPad(self, clock=lambda: (self._now_ms + 0.5) / 1000)
        self.touch, self.lift = self._pad.down, self._pad.up

    def restart(self) -> None:
        """What had come and was not read is lost with the power."""
        self._unread = b""
        self._pad.restart()

    def read(self) -> bytes:
        data, self._unread = self._unread, b""
        return data

    def write(self, data: bytes) -> None:
        self.said.append((self._now_ms, data))

    def hear(self, message: Message | bytes) -> None:
        self._unread += framed(message, self._pad.boot_id)

    @property
    def prompt_id(self) -> int:
        return self._pad.prompt_id

    def run(self, until_ms: int) -> None:
        while self._now_ms < until_ms:
            self._now_ms += 1
            if self._now_ms % TURN_MS == 0:
                self._pad.turn((self._now_ms + 0.5) / 1000)


class Still(random.Random):
    """A hand whose contacts do not bounce, on a pad whose ticks begin with its time."""

    def randint(self, least: int, _most: int) -> int:
        return least


class InTheWorld:
    """The world's pad, which never dozes; also who watches it."""

    doze = accepted = acked = shown = roused = lambda *_: None

    def __init__(self) -> None:
        self.said: list[tuple[int, bytes]] = []
        self._agenda = Agenda()
        line = Line(self._agenda, Still(1), BAUD, self._arrived)
        self._pad = WindowPad(self._agenda, Still(1), "3", self, line)
        self.touch, self.lift = self._pad.touch, self._pad.lift
        self.run = self._agenda.run

    def restart(self) -> None:
        """In time for the next turn, which is the first of the new start on both sides."""
        self._agenda.now_ms += 1
        self._pad.start()

    def _arrived(self, data: bytes) -> None:
        self.said.append((self._agenda.now_ms - 1, data))

    def hear(self, message: Message | bytes) -> None:
        self._pad.hear(framed(message, self._pad.end.boot_id))

    @property
    def prompt_id(self) -> int:
        return self._pad.prompt_id


def framed(message: Message | bytes, boot_id: int) -> bytes:
    """The bytes of a message to the pad of this start."""
    if isinstance(message, bytes):
        return message
    message.boot_id = boot_id
    return framing.encode(encode(message))


def lived(side: OnTheFirmware | InTheWorld, script: list[Act], until_ms: int) -> list[Said]:
    """What a pad says in the course of a script."""
    for act in script:
        side.run(act.at_ms)
        arguments = () if act.with_ is None else (act.with_,)
        getattr(side, act.do)(*arguments)
    side.run(until_ms + 1)  # for what is said at the last moment to arrive
    decoder = framing.Decoder()
    bodies = ((at_ms, decoder.push(byte)) for at_ms, data in side.said for byte in data)
    return [Said(at_ms, nobodys(decode(body))) for at_ms, body in bodies if body is not None]


def nobodys(message: Message) -> Message:
    """The same message of a pad without a name."""
    message.boot_id = 1
    if isinstance(message, Hello):
        message.uid = message.firmware = bytes(8)
        message.release = 0
    return message


def both(script: list[Act], until_ms: int) -> tuple[list[Said], list[Said]]:
    """What the firmware says, and what the world's pad does."""
    sides = OnTheFirmware(), InTheWorld()
    one, other = (lived(side, script, until_ms) for side in sides)
    assert sides[0].prompt_id == sides[1].prompt_id
    return one, other


def same(script: list[Act], until_ms: int = SCRIPT_MS) -> list[Said]:
    """What both say, which must be the same."""
    one, other = both(script, until_ms)
    assert one == other
    return one


def said(what: list[Said], kind: type[Message]) -> list[Message]:
    return [one.message for one in what if isinstance(one.message, kind)]


def faces(what: list[Said]) -> list[int]:
    """The faces it tells of, each once in a row."""
    told = [message.face for message in said(what, Status)]
    return [face for index, face in enumerate(told) if index == 0 or told[index - 1] != face]


def press(at_ms: int, key: int, hold_ms: int = 100) -> list[Act]:
    return [Act(at_ms, "touch", key), Act(at_ms + hold_ms, "lift", key)]


def opened(seq: int, timeout_ms: int = 10_000) -> Open:
    return Open(1, seq, 70 + seq, timeout_ms, FULL, FULL)


def closed(seq: int, face: int) -> Close:
    return Close(1, seq, 0, face, FULL, FULL)


def linked(from_ms: int, until_ms: int) -> list[Act]:
    """A unit that is there: it says hello, and answers so often that the link holds."""
    hellos = [Act(at_ms, "hear", UnitHello(1, 0, VERSION)) for at_ms in (from_ms, from_ms + 202)]
    answers = range(from_ms + 1_000, until_ms, 1_000)
    return hellos + [Act(at_ms, "hear", Ack(1, 0)) for at_ms in answers]


def script_of(*parts: list[Act]) -> list[Act]:
    return sorted((act for part in parts for act in part), key=lambda act: act.at_ms)


# -- what a citizen does, one by one


def test_asked_pressed_and_thanked() -> None:
    what = same(
        script_of(
            linked(101, 9_000),
            [Act(2_001, "hear", opened(1))],
            press(3_001, 2),
            [Act(3_305, "hear", Ack(1, 2)), Act(3_307, "hear", closed(2, THANKS))],
        ),
        9_000,
    )
    edges = said(what, Edge)
    told = [(edge.seq, edge.key, edge.down, edge.prompt_id) for edge in edges]
    assert set(told) == {(1, 2, 1, 71), (2, 2, 0, 71)}
    # The unit's hello asks the pad who it is; thanks end by the pad's own clock.
    assert len(said(what, Hello)) >= 2
    assert [face for face in faces(what) if face != NO_LINK] == [IDLE, PLEASE_RATE, THANKS, IDLE]


def test_edges_are_said_again_until_they_are_acknowledged() -> None:
    what = same(script_of(linked(101, 9_000), press(3_001, 2), press(3_501, 4)), 6_000)
    edges = said(what, Edge)
    assert {edge.seq for edge in edges} == {1, 2, 3, 4}
    # Each 100 ms, with an age that grows.
    assert len(edges) > 60
    assert max(edge.age_ms for edge in edges) > 2_500


def test_prompt_that_nobody_answers_ends_and_a_unit_that_is_gone_is_told() -> None:
    what = same([*linked(101, 3_000), Act(3_001, "hear", opened(1, 2_000))], 12_000)
    assert [face for face in faces(what) if face != IDLE] == [NO_LINK, PLEASE_RATE, NO_LINK]


def test_chords_are_counted_and_not_reported() -> None:
    chord = [*press(3_001, 2, 300), *press(3_005, 3, 300), *press(3_101, 4, 100)]
    what = same(script_of(linked(101, 9_000), chord), 6_000)
    assert said(what, Status)[-1].chords > 0


def test_restart_forgets_what_was_kept_and_a_finger_stays() -> None:
    what = same(
        script_of(
            linked(101, 12_000),
            [Act(2_001, "hear", opened(1))],
            [Act(3_001, "touch", 2), Act(3_101, "restart"), Act(4_001, "lift", 2)],
            [Act(4_501, "hear", closed(2, PAUSED))],
        ),
        12_000,
    )
    assert len(said(what, Hello)) >= 3
    assert said(what, Edge)[-1].prompt_id == 0


def test_noise_is_counted_and_nothing_else() -> None:
    noise = [Act(at_ms, "hear", PLANTED) for at_ms in range(2_001, 4_001, 97)]
    what = same(script_of(linked(101, 9_000), noise, [Act(5_001, "hear", opened(1))]), 7_000)
    assert said(what, Status)[-1].bad_frames > 0
    assert PLEASE_RATE in faces(what)


# -- what only time brings about on a touched pad is seen a little later in the world


# Each key while its lamp asks for it.
TRIED = [act for key in range(1, KEY_COUNT + 1) for act in press(9_001 + 500 * key, key)]


@pytest.mark.parametrize(
    "script",
    [
        pytest.param([Act(3_001, "touch", 2), Act(9_001, "lift", 2)], id="stuck key"),
        pytest.param(
            [
                Act(3_001, "touch", 1), Act(3_001, "touch", KEY_COUNT),
                Act(6_501, "lift", 1), Act(6_501, "lift", KEY_COUNT), *TRIED,
            ],
            id="both outer keys",
        ),
        pytest.param([Act(3_001, "hear", SelfTest(1, 1)), *TRIED], id="self-test"),
    ],
)  # fmt: skip
def test_what_time_brings_about_comes_a_look_later_at_most(script: list[Act]) -> None:
    one, other = both(script_of(linked(101, 13_000), script), 13_000)
    changes = [
        [
            (status.at_ms, status.message.stuck, status.message.tests, status.message.tested)
            for before, status in pairs(what)
            if changed(before.message, status.message)
        ]
        for what in (one, other)
    ]
    assert changes[0]
    for (at_ms, *first), (later_ms, *second) in zip(*changes, strict=True):
        assert first == second
        assert 0 <= later_ms - at_ms <= 2 * LOOK_MS
    assert [edge.seq for edge in said(one, Edge)] == [edge.seq for edge in said(other, Edge)]
    assert (SELF_TEST in faces(one)) == (SELF_TEST in faces(other))


def pairs(what: list[Said]) -> Iterator[tuple[Said, Said]]:
    statuses = [one for one in what if isinstance(one.message, Status)]
    return pairwise(statuses)


def changed(one: Message, other: Message) -> bool:
    return any(getattr(one, name) != getattr(other, name) for name in ("stuck", "tests", "tested"))


# -- all of it, as chance has it


def drawn_script(seed: int) -> list[Act]:
    """Fingers, commands, noise and restarts; at odd moments, between two samples."""
    drawn = random.Random(f"pad script {seed}")
    acts: list[Act] = []
    free_ms = dict.fromkeys(range(1, KEY_COUNT + 1), 0)
    seq = 0
    for at_ms in sorted(drawn.sample(range(1, SCRIPT_MS, 2), drawn.randrange(20, 120))):
        key = drawn.randint(1, KEY_COUNT)
        hold_ms = 2 * drawn.randrange(*(part // 2 for part in HOLD_MS))
        if drawn.random() < 0.4:
            # Both outer keys for long begin the self-test, which has its own test above.
            wanted = free_ms.values() if key in (1, KEY_COUNT) else [free_ms[key]]
            if all(at_ms > until_ms for until_ms in wanted):
                free_ms[key] = at_ms + hold_ms + 100
                acts += press(at_ms, key, hold_ms)
            continue
        seq += 1
        acts.append(Act(at_ms, *drawn.choice(_what(drawn, seq))))
    acts += linked(drawn.randrange(1, 2_000, 2), drawn.randrange(2_000, SCRIPT_MS))
    return sorted(acts, key=lambda act: act.at_ms)


def _what(drawn: random.Random, seq: int) -> list[tuple[str, object]]:
    return [
        ("hear", opened(seq, drawn.randrange(0, 8_000))),
        ("hear", closed(seq, drawn.choice((IDLE, THANKS, PAUSED)))),
        ("hear", Ack(1, drawn.randrange(8))),
        ("hear", UnitHello(1, 0, VERSION)),
        ("hear", drawn.randbytes(drawn.randrange(1, 60))),
        ("hear", framing.encode(encode(opened(seq)))[: drawn.randrange(1, 20)]),
        ("restart", None),
    ]


def test_drawn_scripts_are_the_same_message_by_message(scale: int) -> None:
    for seed in range(SCRIPTS * scale):
        assert len(same(drawn_script(seed))) > SCRIPT_MS / STATUS_MS / 2, f"script {seed}"
