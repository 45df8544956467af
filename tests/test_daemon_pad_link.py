"""The pad as the unit sees it: what it says of itself, and what is said when it is not heard."""

from dataclasses import replace

import pytest

from daemon.events import ClockRead, PadLost, PadOpened
from daemon.front.night import Look, Looks
from daemon.snapshot import PadView
from daemon.wire.pad_link import SEEK_MS
from daemon.wire.strangers import PROBE
from protocol.pad import VERSION, framing
from protocol.pad.line import LINK_LOST_MS
from protocol.pad.link import PadEnd
from protocol.pad.messages import (
    FIRMWARE_ERROR,
    IDLE,
    NEW_FIRMWARE,
    PLEASE_RATE,
    WATCHDOG,
    Close,
    Edge,
    Hello,
    Status,
    UnitHello,
    decode,
    encode,
)
from sim.desk import RULES, Desk

UTC_MS = 1_795_000_000_000
RECOGNISED_MS = 5000  # promise F3
# What MicroPython 1.27 says at its start or after Ctrl-B.
BANNER = b"\r\nMicroPython v1.27.0 on 2025-12-10; Raspberry Pi Pico with RP2040\r\n"
BANNER += b'Type "help()" for more information.\r\n>>> '


def pad_of(desk: Desk) -> PadView:
    return desk.snapshot.windows[0].pad


def facts_of(desk: Desk) -> list[tuple[str, str]]:
    return [(entry.data["state"], entry.data["reason"]) for entry in desk.entries("pad")]


def test_pad_that_comes_back_then_is_up_once_its_presses_are_here_too() -> None:
    desk = Desk()
    desk.run(1000)
    silent_pad(desk)
    desk.run(LINK_LOST_MS + 1000)
    boot_id = desk.pad.boot_id
    desk.hear(Status(boot_id, 1, queued=1))
    assert pad_of(desk).state == "lost"
    desk.hear(Edge(boot_id, 1, 0, 2, 1, 900, 0))
    desk.hear(Status(boot_id, 1, queued=1))
    assert pad_of(desk).state == "up"


def silent_pad(desk: Desk) -> None:
    """The port stays open, and nothing of the pad comes any more."""
    desk.line_up = False


def test_key_held_down_then_said_once_and_its_end_too() -> None:
    desk = Desk()
    boot_id = desk.pad.boot_id
    desk.hear(Status(boot_id, 1, stuck=0b00100))
    assert pad_of(desk).trouble == "a key is held down: free it"
    desk.hear(Status(boot_id, 1, stuck=0b00100))
    desk.hear(Status(boot_id, 1, stuck=0b10100))
    desk.hear(Status(boot_id, 1, stuck=0b10000))
    assert pad_of(desk).trouble == "a key is held down: free it"
    desk.hear(Status(boot_id, 1))
    assert pad_of(desk).trouble is None
    assert facts_of(desk) == [
        ("faulty", "key 3 is held down: free it"),
        ("faulty", "key 5 is held down: free it"),
        ("back", "no key is held down any more"),
    ]
    assert desk.screen.name != "out_of_service"


@pytest.mark.parametrize(
    ("cause", "words"),
    [(FIRMWARE_ERROR, "an error in its firmware"), (WATCHDOG, "its firmware hung")],
)
def test_pad_that_restarted_by_itself_then_said_once_with_how_often(cause, words) -> None:
    desk = Desk()
    again = Hello(77, 1, VERSION, b"desk-pad", reset_cause=cause, resets=3)
    desk.hear(again)
    desk.hear(again)
    ((state, reason),) = facts_of(desk)
    assert state == "faulty"
    assert f"{words}, 3 times since it has power" in reason
    assert pad_of(desk).counters["resets"] == 3


def test_pad_that_restarted_when_the_unit_starts_anew_then_not_said_again() -> None:
    desk = Desk()
    line_of_it = Hello(77, 1, VERSION, b"desk-pad", reset_cause=WATCHDOG, resets=1)
    desk.pads["3"].end = PadEnd(line_of_it)
    desk.run(1200)
    desk.press(3)
    desk.crash()
    desk.run(1200)
    assert [state for state, _ in facts_of(desk)] == ["faulty"]


def test_port_that_opens_after_a_boot_loader_then_its_words_are_gone() -> None:
    desk = Desk()
    desk.line_up = False
    desk.plugged_in = "the pad is in its boot loader: unplug it"
    desk.give(PadLost("3", "/dev/pad went away: plug the cable in again"))
    assert pad_of(desk).trouble == desk.plugged_in
    desk.plugged_in = None
    desk.give(PadOpened("3"))
    assert pad_of(desk).trouble == "the port is open, and nothing was heard yet"


def test_pad_that_restarted_for_new_firmware_then_no_trouble() -> None:
    desk = Desk()
    desk.hear(Hello(77, 1, VERSION, b"desk-pad", reset_cause=NEW_FIRMWARE))
    assert facts_of(desk) == []


def test_pad_of_another_version_then_screen_and_page_say_so_and_nothing_is_lost() -> None:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    silent_pad(desk)
    ours = desk.pad
    desk.hear(Hello(77, 1, VERSION + 1))
    for _ in range(RULES.prompt_ms // 1000 + 6):
        desk.hear(Status(77, 1))
        desk.run(1000)
    shown = desk.snapshot
    assert (shown.windows[0].screen.name, shown.windows[0].screen.trouble) == (
        "out_of_service",
        "pad_foreign",
    )
    assert "the pad speaks version 2 of its line, this unit 1" in (
        shown.windows[0].pad.trouble or ""
    )
    assert [rating["outcome"] for rating in desk.ratings] == ["pad_lost"]
    # It gets no ack while it is foreign, so it keeps what was pressed.
    ours.edge(desk.now_ms % (1 << 30), 0, 2, 1, 0)
    desk.line_up = True
    desk.run(2000)
    assert desk.screen.name == "called"
    assert pad_of(desk).trouble is None
    assert facts_of(desk)[-1][0] == "back"
    assert desk.snapshot.day.strays == 1


def test_pad_of_another_version_when_its_other_frames_are_unknown_then_stays_foreign() -> None:
    desk = Desk()
    silent_pad(desk)
    desk.hear(Hello(77, 1, VERSION + 1))
    for _ in range(20):
        desk.hear_bytes(framing.encode(b"\x03" + bytes(17)))
        desk.run(1000)
    assert pad_of(desk).state == "foreign"
    assert [state for state, _ in facts_of(desk)] == ["faulty"]


def test_self_test_then_an_entry_with_its_result() -> None:
    desk = Desk()
    desk.run(1200)
    desk.pad.status.tests, desk.pad.status.tested = 1, 0b10111
    desk.run(1200)
    desk.pad.status.tests, desk.pad.status.tested = 2, 0b11111
    desk.run(1200)
    assert [entry.data["detail"] for entry in desk.entries("test")] == [
        "4 of 5 keys",
        "5 of 5 keys",
    ]
    assert [entry.data["ok"] for entry in desk.entries("test")] == [False, True]
    assert desk.entries("test")[0].data["what"] == "self_test"
    desk.crash()
    desk.run(1200)
    assert len(desk.entries("test")) == 2


def sent_since(desk: Desk, data: bytes) -> bool:
    return any(data in sent for sent in desk.sent_to_pad)


@pytest.mark.promise
def test_port_opened_then_asks_who_is_there_and_probes_what_does_not_answer(promise) -> None:
    desk = Desk()
    silent_pad(desk)
    desk.run(LINK_LOST_MS + 100)
    desk.sent_to_pad.clear()
    desk.give(PadOpened("3"))
    opened_ms = desk.now_ms
    greetings = [decode(body) for body in map(framing.Decoder().push, desk.sent_to_pad[0]) if body]
    assert [type(greeting) for greeting in greetings] == [UnitHello]
    while not sent_since(desk, PROBE):
        desk.run(100)
    desk.hear_bytes(BANNER)
    desk.run(100)
    assert "the prompt of MicroPython v1.27.0 answers" in (pad_of(desk).trouble or "")
    assert desk.now_ms - opened_ms < RECOGNISED_MS
    desk.sent_to_pad.clear()
    desk.run(60_000)
    assert not sent_since(desk, PROBE), "a prompt that is known is left alone"
    desk.line_up = True
    desk.run(1500)
    assert pad_of(desk).trouble is None
    promise("F3", "a prompt on the pad's line, told within 5 s", 1)


@pytest.mark.promise
def test_pad_that_falls_silent_then_what_answers_instead_is_told(promise) -> None:
    desk = Desk()
    desk.run(1000)
    silent_pad(desk)
    silent_from_ms = desk.now_ms
    while not sent_since(desk, PROBE):
        desk.run(100)
    desk.hear_bytes(BANNER)
    assert desk.now_ms - silent_from_ms < RECOGNISED_MS
    (lost, why) = facts_of(desk)
    assert lost[0] == "lost"
    assert why[0] == "faulty"
    assert "MicroPython v1.27.0" in why[1]
    promise("F3", "a pad that fell back to its prompt, told within 5 s", 1)


@pytest.mark.promise
def test_boot_loader_at_usb_then_told_when_the_port_is_gone(promise) -> None:
    desk = Desk()
    desk.line_up = False
    desk.give(PadLost("3", "/dev/pad went away: plug the cable in again"))
    assert pad_of(desk).trouble == "/dev/pad went away: plug the cable in again"
    lost_ms = desk.now_ms
    desk.run(700)
    desk.plugged_in = "the pad is in its boot loader: unplug it"
    while pad_of(desk).trouble != desk.plugged_in:
        desk.run(100)
    assert desk.now_ms - lost_ms <= 700 + SEEK_MS
    desk.run(60_000)
    assert [state for state, _ in facts_of(desk)] == ["lost", "faulty"]
    desk.plugged_in = None
    desk.replug()
    desk.run(1500)
    assert pad_of(desk).trouble is None
    assert facts_of(desk)[-1][0] == "back"
    promise("F3", "a pad in its boot loader, told within 5 s", 1)


def test_noise_while_the_pad_is_heard_then_is_only_counted() -> None:
    desk = Desk()
    for _ in range(20):
        desk.hear_bytes(b"AT+GCAP\r\x03 and more that is no frame")
        desk.run(500)
    assert (pad_of(desk).state, pad_of(desk).trouble) == ("up", None)
    assert facts_of(desk) == []


def told(desk: Desk) -> list[tuple[int, int, int]]:
    """(face, brightness, volume) of the commands sent, in order, each once."""
    decoder = framing.Decoder()
    bodies = [body for data in desk.sent_to_pad for body in map(decoder.push, data) if body]
    said: list[tuple[int, int, int]] = []
    for command in map(decode, bodies):
        if command.KIND in (Close.KIND, Close.KIND - 1):
            face = command.face if isinstance(command, Close) else PLEASE_RATE
            said += [(face, command.brightness, command.volume)]
    return [look for at, look in enumerate(said) if at == 0 or said[at - 1] != look]


def test_night_then_dim_and_silent_but_not_in_an_open_prompt() -> None:
    looks = Looks(day=Look(80, 60), night=(21 * 60, 6 * 60 + 30))
    desk = Desk(replace(RULES, prompt_ms=120_000), looks)
    nine = UTC_MS - (UTC_MS + 8 * 3_600_000) % 86_400_000 + 21 * 3_600_000
    desk.give(ClockRead(nine - 60_000 - desk.now_ms, True, 20))
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.run(90_000)
    assert told(desk)[-1] == (PLEASE_RATE, 80, 60)
    desk.say("skipped")
    desk.run(1000)
    assert told(desk)[-1] == (IDLE, 10, 0)
    desk.now_ms += 10 * 3_600_000
    desk.run(1000)
    assert told(desk)[-1] == (IDLE, 80, 60)


@pytest.mark.parametrize(
    ("minute", "is_night"), [(0, True), (389, True), (390, False), (1259, False), (1260, True)]
)
def test_looks_then_night_may_lie_across_midnight(minute, is_night) -> None:
    midnight = UTC_MS - (UTC_MS + 8 * 3_600_000) % 86_400_000
    looks = Looks(night=(1260, 390))
    assert (looks.at(midnight + minute * 60_000) == Look(10, 0)) is is_night
    assert looks.at(None) == Look()
    assert Looks(night=(60, 120)).at(midnight + 90 * 60_000) == Look(10, 0)
    assert Looks(night=(60, 120)).at(midnight) == Look()


def test_press_after_the_pads_own_deadline_then_judged_by_the_units() -> None:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.run(RULES.prompt_ms - 500)
    # The line is cut; the clerk asks again, which the pad cannot hear; its own time runs out.
    desk.line_up = False
    desk.say("prompt")
    desk.run(1000)
    desk.edge(4, True)
    desk.run(100)
    desk.edge(4, False)
    desk.line_up = True
    desk.run(RULES.correction_ms + 2000)
    (rating,) = desk.ratings
    assert (rating["outcome"], rating["satisfaction"]) == ("rated", 2)
    assert encode(Status(1, 1))  # the pad says its prompt until it is closed
