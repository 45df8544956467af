"""Every dialect that is described in TOML: its worked example, however cut, damaged or repeated."""

import json
from dataclasses import replace
from importlib import resources

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.config import load_signal
from daemon.config.frame_format import FRAME_LEN_MAX
from daemon.config.jsonl_format import VEHICLE_OFFICE, JsonlFormat
from daemon.dialects import dialect
from daemon.dialects.gate import REPEAT_MS, WINDOWS_HEARD_MAX
from daemon.dialects.jsonl import LINE_LEN_MAX, Jsonl
from daemon.dialects.native import Native
from daemon.errors import ConfigError
from daemon.wire.signals import Signal
from sim.desk import Desk
from sim.terminal import EXAMPLES, WINDOWS, capture, heard, speaker

FOLDER = resources.files("daemon.dialects").joinpath("examples")
CONFIGS = {path.stem: load_signal(path)[0] for path in sorted(EXAMPLES.glob("*.toml"))}
# Those whose frames carry a checksum: what is hurt is never believed.
CHECKED = ("native", "line", "frame", "colon")
PAGE = (EXAMPLES.parents[2] / "docs" / "dialects.md").read_text("utf-8")
CALL = {"window": "3", "ticket": "A023"}


def talker(name, windows=WINDOWS):
    return dialect(CONFIGS[name], windows, lambda text: text)


def said(name, say="called", **fields):
    return speaker(CONFIGS[name])(say, {**CALL, "staff": "0312", **fields})


def pieces(data, cuts):
    while data:
        cut = cuts.pop() if cuts else len(data)
        yield data[:cut]
        data = data[cut:]


# -- the worked examples


def test_examples_are_shipped_one_for_each_dialect():
    assert {config.dialect for config in CONFIGS.values()} == {"native", "line", "jsonl", "frame"}
    assert {each.name for each in FOLDER.iterdir()} == {
        f"{name}.{kind}" for name in CONFIGS for kind in ("toml", "capture", "signals.jsonl")
    }


@pytest.mark.parametrize("name", CONFIGS)
def test_example_when_its_capture_is_heard_gives_the_signals_beside_it(name):
    data = FOLDER.joinpath(f"{name}.capture").read_bytes()
    assert data == capture(CONFIGS[name]), "python -m sim.terminal writes them"
    assert heard(CONFIGS[name], data) == FOLDER.joinpath(f"{name}.signals.jsonl").read_text("utf-8")
    talk = talker(name)
    signals = talk.received(0, data)
    assert [signal.say for signal in signals] == [
        "staff", "called", "called", "recalled", "completed", "skipped", "suspended", "resumed",
    ]  # fmt: skip
    assert [signal.window for signal in signals[:3]] == ["3", "3", "04"]
    assert (talk.counts.other_window, talk.counts.no_window) == (3, 0)


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=20)
@given(cuts=st.lists(st.integers(1, 60), max_size=40))
def test_example_however_its_capture_is_cut_gives_the_same(name, cuts):
    data = FOLDER.joinpath(f"{name}.capture").read_bytes()
    whole, cut = talker(name), talker(name)
    found = [signal for piece in pieces(data, cuts) for signal in cut.received(0, piece)]
    assert found == whole.received(0, data)
    assert cut.counts == whole.counts


@pytest.mark.parametrize("name", ["line", "sentence", "frame", "colon"])
def test_bytes_of_an_example_in_the_documents_are_those_that_are_said(name):
    told = speaker(CONFIGS[name])("called", CALL).hex(" ").upper()
    assert f"[{name}.toml](../daemon/dialects/examples/{name}.toml) | `{told}`" in PAGE


# -- frames, by hand


def test_frame_with_two_lengths_by_hand_is_read():
    talk = talker("frame")
    body = bytes.fromhex("03 45 41 0017 0312") + "换领".encode("gbk")
    frame = (
        b"\xff\x68" + bytes([len(body)]) * 2 + b"\x68" + body + bytes([sum(body) & 0xFF]) + b"\x16"
    )
    assert talk.received(0, frame) == [
        Signal(say="completed", window="3", ticket="A023", staff="0312", task_name="换领")
    ]
    # Lengths that differ, a wrong sum, a wrong end.
    for at, byte in ((2, 0xFF), (3, 1), (-2, frame[-2] ^ 1), (-1, 0x17)):
        hurt = bytearray(frame)
        hurt[at] = byte
        fresh = talker("frame")
        assert fresh.received(0, bytes(hurt)) == []
        assert len(fresh.received(0, frame)) == 1


def test_frame_without_length_by_hand_is_read_though_its_end_stands_in_it():
    talk = talker("colon")
    # Window 10 is 0A as a number, and here the number of a service is.
    body = b"E\x00\x03A010\0\x0a"
    frame = b":" + body + bytes([sum(body) & 0xFF]) + b"\n"
    assert frame.count(b"\n") == 2
    assert talk.received(0, frame) == [
        Signal(say="completed", window="3", ticket="A010", service_number=10)
    ]
    assert talk.counts.damaged == 0


def test_frame_when_torn_does_not_wait_for_as_long_as_it_claims():
    talk = talker("frame")
    torn = b"\xff\x68\xe0\xe0\x68\x03\x41"
    assert len(talk.received(0, torn + said("frame"))) == 1
    assert talk.counts.damaged == 1


def test_frame_when_it_claims_more_than_the_longest_is_noise_at_once():
    config = CONFIGS["frame"]
    short = replace(config, frame=replace(config.frame, longest=32))
    talk = dialect(short, WINDOWS, lambda text: text)
    talk.received(0, b"\xff\x68\xe0\xe0\x68")
    assert talk.counts.damaged == 1


@pytest.mark.parametrize("header", [b":", b"\xff\x68\x09\x09\x68"])
def test_frame_after_any_number_of_headers_is_read(header):
    name = "colon" if header == b":" else "frame"
    talk = talker(name)
    assert len(talk.received(0, header * 500 + said(name))) == 1


def test_frame_of_zeros_says_nothing_but_its_word():
    (signal,) = talker("frame").received(0, said("frame", "suspended", ticket="", staff=""))
    assert signal == Signal(say="suspended", window="3")


FORMS = """
[signal]
dialect = "frame"
reply = true
[signal.frame]
header = "A5"
end = "5A"
closed = "A5 04 {window} 5A"
[signal.frame.length]
at = 1
to = 0
[signal.frame.fields]
say = {at = 2, as = "hex"}
window = WINDOW
staff = {at = -7, len = 2, as = "uint", order = "little"}
serviceNumber = {at = -5, as = "bcd"}
taskName = {at = -4, to = -1, as = "utf-8"}
ticket = {at = 500, as = "ascii"}
[signal.frame.words]
00 = "completed"
"""


def described(tmp_path, window):
    path = tmp_path / "frame.toml"
    path.write_text(FORMS.replace("WINDOW", window), "utf-8")
    return load_signal(path)[0]


@pytest.mark.parametrize(
    ("window", "raw", "told"),
    [
        ('{at = 3, as = "uint"}', b"\x03", "03"),
        ('{at = 3, len = 2, as = "uint", order = "little"}', b"\x03\x00", "03 00"),
        ('{at = 3, len = 2, as = "bcd"}', b"\x00\x03", "00 03"),
        ('{at = 3, as = "hex"}', b"\x03", "03"),
        ('{at = 3, len = 2, as = "ascii"}', b"3 ", "30 33"),
        ('[{at = 3, as = "ascii"}, {at = 4, as = "uint"}]', b"\x00\x03", ""),
    ],
)
def test_frame_without_a_sum_reads_every_form_and_answers_in_it(tmp_path, window, raw, told):
    if not told:
        with pytest.raises(ConfigError, match=r"fields\.window in one part"):
            described(tmp_path, window)
        return
    config = described(tmp_path, window)
    body = b"\x00" + raw + b"\x38\x01\x07" + "项".encode() + b"\x5a"
    frame = b"\xa5" + bytes([len(body) + 2]) + body
    assert dialect(config, ("3",), str).received(0, frame) == [
        Signal(say="completed", window="3", staff="312", service_number=7, task_name="项")
    ]
    assert dialect(config, ("3",), str).closed("3").hex(" ") == f"a5 04 {told} 5a"
    # 0A is no decimal digit; the frame is whole, and its number is not.
    talk = dialect(config, ("3",), str)
    assert talk.received(0, frame.replace(b"\x38\x01\x07", b"\x38\x01\x0a")) == []
    assert "serviceNumber" in talk.counts.why
    assert dialect(config, ("3",), str).closed("300000") == b""


# -- jsonl


def jsonl(**fields):
    return Jsonl(
        JsonlFormat(encoding="utf-8", fields=NAMES | fields, words=VEHICLE_OFFICE), ("3",), str
    )


NAMES = {"say": "event", "window": "window", "ticket": "ticket", "taskName": "name"}


def object_(**changes):
    return json.dumps({"event": "CALLOUT", **CALL, **changes}, ensure_ascii=False).encode()


@pytest.mark.parametrize(("word", "say"), VEHICLE_OFFICE.items())
def test_jsonl_when_the_vocabulary_of_vehicle_offices_is_spoken_knows_it(word, say):
    (signal,) = jsonl().received(0, object_(event=word) + b"\n")
    assert (signal.state or signal.say) == say


@pytest.mark.parametrize(
    ("line", "tickets", "damaged"),
    [
        (object_(ticket="A1") + object_(ticket="A2"), ["A1", "A2"], 0),
        (object_(ticket="A1") + b" , " + object_(ticket="A2") + b"\r", ["A1", "A2"], 0),
        (b"AT+GCAP\r" + object_(), ["A023"], 0),
        (object_()[:20] + object_(), ["A023"], 1),
        (object_()[:-1], [], 1),
        (object_() + b"}", [], 1),
        (b"[1]", [], 1),
        (object_() + b" 5", [], 1),
        (b"{" * 600 + object_(), [], 1),
        (b'{"event":' * 90 + object_(), [], 1),
        (object_(ticket=23), ["23"], 0),
        (object_(ticket=True), [], 1),
        (object_(ticket=10**30), [], 1),
        (object_(name="\ufffd"), [], 1),
        (object_(name="项" * 900), [], 1),
        (b'{"event": "CALLOUT", "ticket": "' + b"\xff" + b'"}', [], 1),
    ],
)
def test_jsonl_when_objects_are_merged_torn_or_odd_reads_what_is_whole(line, tickets, damaged):
    talk = jsonl()
    assert [signal.ticket for signal in talk.received(0, line + b"\n")] == tickets
    assert talk.counts.damaged == damaged
    # What came before is no harm to the next one.
    assert len(talk.received(0, object_(ticket="A9") + b"\n")) == 1


def test_jsonl_when_names_have_dots_looks_below_and_for_the_whole_name():
    talk = jsonl(ticket="a.b.c")
    for now_ms, found in enumerate(({"a": {"b": {"c": "A1"}}}, {"a.b.c": "A2"}, {"a": 5})):
        (signal,) = talk.received(now_ms, object_(**found) + b"\n")
        assert signal.ticket == ("A1", "A2", None)[now_ms]


@given(st.binary(max_size=80), st.sampled_from([b"", b"{", b'{"event":"CALLOUT"']))
def test_jsonl_after_any_bytes_reads_the_next_line(noise, torn):
    talk = jsonl()
    talk.received(0, noise + torn + b"\n")
    assert len(talk.received(REPEAT_MS, object_() + b"\n")) == 1


# -- all of them


@pytest.mark.parametrize("name", CHECKED)
def test_any_bit_when_flipped_never_says_something_else(name):
    whole = said(name)
    right = talker(name).received(0, whole)
    assert len(right) == 1
    for index in range(len(whole)):
        for bit in range(8):
            hurt = bytearray(whole)
            hurt[index] ^= 1 << bit
            talk = talker(name)
            assert talk.received(0, bytes(hurt)) in ([], right)
            # Two, since the end of the first may be needed to end what was hurt.
            assert right[0] in [*talk.received(REPEAT_MS, whole), *talk.received(REPEAT_MS, whole)]


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=25)
@given(before=st.binary(max_size=40), after=st.binary(max_size=40))
def test_garbage_before_and_after_never_makes_a_signal(name, before, after):
    talk = talker(name)
    right = talker(name).received(0, said(name))
    found = talk.received(0, before + b"\r\n" + said(name) + after)
    assert found in (right, [])
    assert talk.received(2 * REPEAT_MS, b"\r\n" + said(name) * 2)[-1:] == right


@pytest.mark.parametrize("name", CONFIGS)
@settings(max_examples=25)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_are_counted_and_never_raise(name, chunks):
    talk = talker(name)
    for now_ms, chunk in enumerate(chunks):
        assert talk.received(now_ms, chunk) == []


@pytest.mark.parametrize("name", CONFIGS)
@pytest.mark.parametrize("block", [b"\x55", b":", b"\xff\x68\xff\xff\x68", b'{"a":', b"\n:"])
def test_garbage_without_end_keeps_memory_bounded(name, block):
    talk = talker(name)
    for _ in range(8):
        assert talk.received(0, block * (2000 // len(block))) == []
    assert held(talk) < 2 * max(FRAME_LEN_MAX, LINE_LEN_MAX) + 4096


def held(thing, seen=None):
    """Bytes and items held below an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen or isinstance(thing, type):
        return 0
    seen.add(id(thing))
    own = len(thing) if hasattr(thing, "__len__") else 0
    inner = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    inner += list(thing.values()) if isinstance(thing, dict) else []
    inner += list(thing) if isinstance(thing, list | tuple | set) else []
    return own + sum(held(item, seen) for item in inner)


# -- several windows on a line


@pytest.mark.parametrize("name", CONFIGS)
def test_windows_when_two_speak_in_turn_each_has_its_own_repeats(name):
    talk = talker(name)
    both = said(name) + said(name, window="4")
    assert [signal.window for signal in talk.received(0, both * 3)] == ["3", "04"]
    assert talk.counts.repeated == 4
    assert [signal.window for signal in talk.received(REPEAT_MS, both)] == ["3", "04"]


def test_window_when_it_is_not_named_is_the_only_one_and_counted_among_several():
    record = b'{"event": "CALLOUT", "ticket": "A1"}\n'
    assert jsonl().received(0, record)[0].window == "3"
    several = Jsonl(
        JsonlFormat(encoding="utf-8", fields=NAMES, words=VEHICLE_OFFICE), ("3", "4"), str
    )
    assert several.received(0, record) == []
    assert several.counts.no_window == 1


def test_window_when_every_one_is_listened_to_is_as_it_was_said():
    talk = talker("jsonl", ())
    for number in range(3 * WINDOWS_HEARD_MAX):
        (signal,) = talk.received(0, said("jsonl", window=f"0{number}"))
        assert signal.window == f"0{number}"
    assert talk.received(0, said("jsonl", window="3 or 4")) == []
    assert held(talk) < 40_000


# -- the answer


ANSWERS = {
    "native": b'{"say":"closed","window":"3"}',
    "line": b"\x02CLOSED|3\x03",
    "jsonl": b'{"type": "CLOSED", "data": {"counter": "3"}}\n',
    "frame": b"\xff\x68\x02\x02\x68\x03\x4f\x52\x16",
}


@pytest.mark.parametrize("name", CONFIGS)
def test_closed_is_said_only_where_the_hall_wants_it(name):
    told = talker(name).closed("3")
    assert ANSWERS[name] in told if name in ANSWERS else told == b""
    silent = dialect(replace(CONFIGS[name], reply=False), WINDOWS, str)
    assert silent.closed("3") == b""
    assert len(silent.received(0, said(name))) == 1
    # A window whose number no frame can carry is told nothing.
    assert talker("frame").closed("A1") == b""


@pytest.mark.parametrize("name", ANSWERS)
def test_closed_when_it_comes_back_on_a_shared_wire_says_nothing(name):
    talk = talker(name)
    assert talk.received(0, talk.closed("3") * 3) == []


def told(key):
    """What the terminal is told of one case, and when; without a key nobody presses."""
    desk = Desk()
    desk.say("called", ticket="A023")
    desk.say("completed", ticket="A023", projectNo="BJ1")
    assert desk.told == []
    if key is not None:
        desk.press(key)
    while not desk.told:
        desk.run(10)
    since_ms = desk.now_ms
    desk.run(60_000)
    return desk.told, since_ms


@pytest.mark.promise
def test_terminal_is_told_the_same_at_the_same_time_whatever_the_level(promise):
    every = [told(key) for key in range(1, 6)]
    promise(
        "E4", "reply to the clerk's terminal: level by level", 5, len(set(map(repr, every))) - 1
    )
    # Nor can it be told from the words whether somebody pressed at all.
    assert told(None)[0] == every[0][0] == [Native(("3",), str).closed("3")]


# -- impossible things


LONG = "A" * 10_240
IMPOSSIBLE = {
    "a ticket of 10 KB": ({"ticket": LONG}, None),
    "a serial of 10 KB": ({"ticketSerial": LONG}, None),
    "a window of 10 KB": ({"window": LONG}, None),
    "another window": ({"window": "44"}, None),
    "a ticket that is a sentence": ({"ticket": "DROP TABLE"}, None),
    "a serial of 1970": ({"ticketSerial": "19700101-1-A023"}, "19700101-1-A023"),
    "a serial of the year 9999": ({"ticketSerial": "99991231-1-A023"}, "99991231-1-A023"),
}


@pytest.mark.parametrize("what", IMPOSSIBLE)
@pytest.mark.parametrize("name", ["jsonl", "line"])
def test_impossible_thing_when_said_is_counted_or_a_mere_name_and_the_next_is_heard(name, what):
    fields, serial = IMPOSSIBLE[what]
    talk = talker(name)
    found = talk.received(0, said(name, **fields))
    assert [signal.ticket_serial for signal in found] == ([] if serial is None else [serial])
    assert sum(talk.counts.as_dict().values()) >= 1
    assert len(talk.received(REPEAT_MS, said(name, ticket="B1"))) == 1


def test_completion_without_a_call_takes_its_ticket_for_called_and_is_refused_without_one():
    desk = Desk()
    desk.say("completed", projectNo="BJ1", serviceNumber=1)
    assert desk.entries("service") == []
    assert desk.core.snapshot(desk.now_ms).day.refused == 1
    desk.say("completed", ticket="A023", ticketSerial="19700101-1-A023", projectNo="BJ1")
    (service,) = desk.entries("service")
    assert service.data["ticketSerial"] == "19700101-1-A023"
    # The serial's year is a name: the time of the entry is the unit's own.
    assert service.data["completedAt"]["bootId"] == desk.boot_id
    desk.press(1)
    desk.run(desk.rules.correction_ms + 1000)
    assert [rating["outcome"] for rating in desk.ratings] == ["rated"]
