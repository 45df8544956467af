"""What the queue line says, however it is cut, damaged, repeated or foreign."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.line_format import LineFormat
from daemon.config.signal_line import Signal as SignalConfig
from daemon.config.vocabulary import FIELDS
from daemon.dialects import dialect
from daemon.dialects.gate import REPEAT_MS
from daemon.dialects.line import RECORD_LEN_MAX, Line
from daemon.dialects.native import FRAME_LEN_MAX, Native
from daemon.privacy import concealer
from daemon.wire.signals import SAYS, Signal
from protocol.pad.framing import encode

CONCEAL = concealer(b"test", 20250101)
WORDS = {
    "CALLOUT": "called",
    "RECALL": "recalled",
    "SKIP": "skipped",
    "EVALUATION": "completed",
    "LOGIN": "login",
    "LOGOUT": "logout",
    "STAFF": "staff",
}
ALL_FIELDS = {name: position for position, name in enumerate(FIELDS)}
NOISE = [b"AT+GCAP\r", b"\x03", b"ATE0\r\n", bytes(range(256)), b"\xff\x68\x04\x04\x68\x01\x16"]
CALL = {"say": "called", "window": "3", "ticket": "A023", "ticketSerial": "20261122-1-A023"}
CALLED = Signal(say="called", window="3", ticket="A023", ticket_serial="20261122-1-A023")


def native():
    return Native(("3",), CONCEAL)


def said(**fields):
    """One frame of the native dialect."""
    return encode(json.dumps(fields, ensure_ascii=False).encode(), FRAME_LEN_MAX)


def line(**changes):
    format_ = {
        "encoding": "utf-8", "start": "", "end": "\n", "separator": ",", "checksum": "none",
        "fields": ALL_FIELDS, "words": WORDS,
    }  # fmt: skip
    return Line(LineFormat(**format_ | changes), ("3",), CONCEAL)


def record(word, window="3", ticket="A023", *more, separator=","):
    return separator.join((word, window, ticket, *more))


def conversation():
    """A case at the window, each message three times, over either dialect."""
    case = {"window": "3", "ticket": "A023", "projectNo": "BJ1", "serviceNumber": 1}
    says = [
        {"say": "called", "window": "3", "ticket": "A023"},
        {"say": "completed", **case, "taskName": "居民身份证换领"},
        {"say": "prompt", **case},
        {"say": "skipped", "window": "3"},
    ]
    return [said(n=number, **fields) * 3 for number, fields in enumerate(says)]


# -- native


def test_native_when_a_message_is_good_gives_its_signal():
    talk = native()
    everything = {
        "say": "completed", "n": 7, "window": "3", "ticket": "A023",
        "ticketSerial": "20261122-1-A023", "projectNo": "BJ202611220001", "serviceNumber": 2,
        "taskCode": "11330102MB1X0000182000109001001", "taskName": "居民身份证换领",
        "staff": "0312", "state": "login",
    }  # fmt: skip
    assert talk.received(0, said(**everything)) == [
        Signal(
            say="completed", window="3", ticket="A023", ticket_serial="20261122-1-A023",
            project_no="BJ202611220001", service_number=2,
            task_code="11330102MB1X0000182000109001001", task_name="居民身份证换领",
            staff="0312", state="login",
        )
    ]  # fmt: skip
    assert talk.counts.as_dict() == {
        "good": 1, "damaged": 0, "unknown": 0, "other_window": 0, "no_window": 0,
        "repeated": 0, "trimmed": 0,
    }  # fmt: skip


@pytest.mark.parametrize("say", SAYS)
def test_native_when_the_word_is_of_the_vocabulary_passes_it(say):
    assert [signal.say for signal in native().received(0, said(say=say))] == [say]


@given(st.lists(st.integers(1, 90), max_size=30))
def test_native_however_the_stream_is_cut_gives_the_same(cuts):
    stream = b"".join(conversation())
    talk, found = native(), []
    while stream:
        cut = cuts.pop() if cuts else len(stream)
        found += talk.received(0, stream[:cut])
        stream = stream[cut:]
    assert [signal.say for signal in found] == ["called", "completed", "prompt", "skipped"]
    assert talk.counts.repeated == 8


@pytest.mark.parametrize("noise", NOISE)
def test_native_after_noise_believes_the_next_good_frame(noise):
    talk = native()
    assert talk.received(0, noise + said(**CALL)) == [CALLED]
    assert talk.received(REPEAT_MS, noise + said(**CALL) + noise) == [CALLED]


def test_native_when_a_frame_is_torn_counts_it_and_goes_on():
    talk, whole = native(), said(**CALL)
    cuts = range(2, len(whole) - 1)
    for cut in cuts:
        assert talk.received(0, whole[:cut] + b"\0") == []
    assert talk.counts.damaged == len(cuts)
    assert talk.received(0, whole) == [CALLED]


def test_native_when_any_bit_is_flipped_never_says_something_else():
    whole = said(**CALL)
    for index in range(len(whole)):
        for bit in range(8):
            hurt = bytearray(whole)
            hurt[index] ^= 1 << bit
            assert native().received(0, bytes(hurt)) in ([], [CALLED])


def test_native_when_a_number_repeats_is_one_and_when_it_changes_is_another():
    talk = native()
    assert len(talk.received(0, said(**CALL, n=1) * 3)) == 1
    assert len(talk.received(10, said(**CALL, n=2) * 3)) == 1
    assert talk.counts.repeated == 4


@pytest.mark.parametrize("talk", [native(), line()])
def test_call_when_repeated_within_five_seconds_is_one_and_later_is_again_one(talk):
    frame = said(**CALL) if isinstance(talk, Native) else b"CALLOUT,3,A023\n"
    counted = [len(talk.received(ms, frame)) for ms in (0, 1, 4_999, 5_000, 9_999, 10_000)]
    assert counted == [1, 0, 0, 1, 0, 1]


@pytest.mark.parametrize("window", ["4", "", "03x", 4, True, None, [], {"a": 1}])
def test_native_when_another_window_is_meant_counts_it(window):
    talk = native()
    heard = talk.received(0, said(**CALL | {"window": window}))
    # Without a window (null) the line serves this one alone.
    assert (heard == [CALLED]) == (window is None)
    assert talk.counts.other_window == (window is not None)


@pytest.mark.parametrize("window", ["3", "03", "003", 3])
def test_native_when_the_window_is_written_otherwise_knows_it(window):
    assert native().received(0, said(**CALL | {"window": window})) == [CALLED]


@pytest.mark.parametrize(
    "body",
    [
        b"[]", b"1", b"null", b"{", b'{"say"}', b"\xff\xfe", b"{}" * 2, b"[" * 500,
        b'{"a":' * 90, b"NaN", b'"' + b"x" * 400 + b'"',
    ],
)  # fmt: skip
def test_native_when_a_good_frame_holds_no_message_counts_it(body):
    talk = native()
    assert talk.received(0, encode(body, FRAME_LEN_MAX)) == []
    assert talk.counts.damaged + talk.counts.unknown == 1


@pytest.mark.parametrize(
    "change",
    [
        {"ticket": "A" * 17}, {"ticket": 23}, {"ticket": "A 23"}, {"ticket": "A\n23"},
        {"ticketSerial": "1" * 65}, {"ticketSerial": ["x"]}, {"ticketSerial": "张三"},
        {"projectNo": "B" * 65}, {"projectNo": 7}, {"projectNo": "-B"}, {"projectNo": "\ud800"},
        {"serviceNumber": 0}, {"serviceNumber": 1000}, {"serviceNumber": True},
        {"serviceNumber": 1.5}, {"serviceNumber": "x"}, {"serviceNumber": [1]},
        {"serviceNumber": 10**300}, {"state": "away"}, {"state": 1},
    ],
)  # fmt: skip
def test_record_when_what_names_the_case_does_not_fit_is_damaged(change):
    talk = native()
    body = json.dumps(CALL | change).encode()
    assert talk.received(0, encode(body, FRAME_LEN_MAX)) == []
    assert talk.counts.damaged == 1


@pytest.mark.parametrize(
    ("change", "left"),
    [
        ({"taskName": "项" * 70}, "项" * 64),
        ({"taskName": "a\x07b"}, None),
        ({"taskCode": "1" * 34}, None),
        ({"taskCode": "1-1"}, None),
        ({"staff": "9" * 33}, None),
        ({"staff": "王 五"}, None),
    ],
)
def test_record_when_only_a_description_does_not_fit_still_counts(change, left):
    talk = native()
    (signal,) = talk.received(0, said(**CALL | change))
    assert (signal.ticket, signal.ticket_serial) == (CALLED.ticket, CALLED.ticket_serial)
    assert {signal.task_name, signal.task_code, signal.staff} == {left, None}
    assert talk.counts.trimmed == 1


@pytest.mark.parametrize("empty", ["", "  ", None])
def test_record_when_a_field_is_empty_is_as_if_it_were_not_there(empty):
    fields = dict.fromkeys(FIELDS, empty) | CALL
    assert native().received(0, said(**fields)) == [CALLED]


@pytest.mark.parametrize("say", ["evaluate", "CALLED", "", 3, None, ["called"], {"called": 1}])
def test_word_when_unknown_is_counted(say):
    talk = native()
    assert talk.received(0, said(say=say, window="3")) == []
    assert talk.counts.unknown == 1


# -- line


def test_line_when_all_fields_are_there_gives_their_signal():
    text = "EVALUATION,3,A023,S1,BJ1, 2 ,11330102,居民身份证换领,0312,\n"
    assert line().received(0, text.encode()) == [
        Signal(
            say="completed", window="3", ticket="A023", ticket_serial="S1", project_no="BJ1",
            service_number=2, task_code="11330102", task_name="居民身份证换领", staff="0312",
        )
    ]  # fmt: skip


@pytest.mark.parametrize("encoding", ["utf-8", "gbk"])
@given(cuts=st.lists(st.integers(1, 40), max_size=20))
def test_line_however_the_stream_is_cut_gives_the_same(encoding, cuts):
    talk = line(encoding=encoding, start="\x02", end="\x03", separator="|")
    texts = [
        "CALLOUT|3|A1", "noise", "RECALL|4|A1", "EVALUATION|3|A1|S|P|1||企业名称变更登记", "SKIP|3",
    ]  # fmt: skip
    stream = "".join(f"\x02{text}\x03" * 3 for text in texts).encode(encoding)
    found = []
    while stream:
        cut = cuts.pop() if cuts else len(stream)
        found += talk.received(0, stream[:cut])
        stream = stream[cut:]
    assert [signal.say for signal in found] == ["called", "completed", "skipped"]
    assert found[1].task_name == "企业名称变更登记"
    counts = talk.counts
    assert (counts.repeated, counts.other_window, counts.unknown) == (6, 3, 3)


def test_line_when_half_a_gbk_character_is_the_separator_is_not_cut_there():
    name = b"\x81|\xc5|".decode("gbk")
    assert "|" not in name
    text = f"EVALUATION|3|A1|S|P|1||{name}|0312"
    (signal,) = line(encoding="gbk", separator="|").received(0, text.encode("gbk") + b"\n")
    assert (signal.task_name, signal.staff) == (name, "0312")


@pytest.mark.parametrize("separator", [",", "|", "\t"])
def test_line_when_sum8_is_wanted_believes_only_the_right_sum(separator):
    talk = line(checksum="sum8", separator=separator, encoding="gbk")
    body = record("CALLOUT", separator=separator).encode("gbk")
    total = sum(body) & 0xFF
    for told in range(256):
        heard = talk.received(0, body + separator.encode() + b"%02x\r\n" % told)
        assert bool(heard) == (told == total)
    assert talk.counts.damaged == 255
    assert talk.received(REPEAT_MS, body + separator.encode() + b"%02X\n" % total)


def test_line_when_sum8_is_missing_is_damaged():
    talk = line(checksum="sum8")
    assert talk.received(0, b"CALLOUT,3,A023\nCALLOUT\n\x00\n") == []
    assert talk.counts.damaged == 3


@pytest.mark.parametrize("noise", [*NOISE, b"x" * 2000, b"\x02CALLOUT,3,A9", b"\x02" * 600])
def test_line_with_a_start_mark_after_noise_believes_the_next_record(noise):
    talk = line(start="\x02", end="\r\n")
    assert [s.ticket for s in talk.received(0, noise + b"\x02CALLOUT,3,A023\r\n")] == ["A023"]


def test_line_without_a_start_mark_when_too_long_is_damaged_once_and_the_next_is_good():
    talk = line()
    assert talk.received(0, b"x" * 5 * RECORD_LEN_MAX + b",CALLOUT,3,A1\n") == []
    assert talk.counts.damaged == 1
    assert len(talk.received(0, b"CALLOUT,3,A1\n")) == 1


def test_line_when_a_record_is_as_long_as_allowed_is_read():
    body = b"CALLOUT,3,A023" + b"," * (RECORD_LEN_MAX - 14)
    assert len(line().received(0, body + b"\n")) == 1
    assert line().received(0, body + b",\n") == []


def test_line_when_bytes_are_no_text_counts_it():
    talk = line()
    assert talk.received(0, b"CALLOUT,3,\xff\xfe\n") == []
    assert talk.counts.damaged == 1


def test_line_when_fields_are_missing_at_the_end_reads_the_others():
    assert line().received(0, b"CALLOUT\n") == [Signal(say="called", window="3")]


def test_line_when_blank_says_nothing():
    talk = line()
    assert talk.received(0, b"\n\n \r\n\n") == []
    assert sum(talk.counts.as_dict().values()) == 0


@pytest.mark.parametrize(("word", "state"), [("LOGIN", "login"), ("LOGOUT", "logout")])
def test_line_when_staff_comes_or_goes_says_which(word, state):
    (signal,) = line(fields={"say": 0, "staff": 1}).received(0, f"{word},0312\n".encode())
    assert (signal.say, signal.staff, signal.state) == ("staff", "0312", state)


def test_line_of_the_configuration_is_the_one_that_is_made():
    described = LineFormat(
        encoding="utf-8", start="", end="\n", separator=",", checksum="none",
        fields={"say": 0}, words={"X": "called"},
    )  # fmt: skip
    config = SignalConfig(baud=9600, dialect="line", reply=False, line=described)
    heard = dialect(config, ("3",), CONCEAL).received(0, b"X\n")
    assert heard == [Signal(say="called", window="3")]
    config = SignalConfig(baud=9600, dialect="native", reply=False)
    assert dialect(config, ("3",), CONCEAL).received(0, said(**CALL)) == [CALLED]


# -- both


TALKERS = {"native": native, "line": line, "marked": lambda: line(start="\x02", checksum="sum8")}


@pytest.mark.parametrize("talker", TALKERS)
@given(st.lists(st.binary(max_size=60), max_size=8))
def test_any_bytes_are_counted_and_never_raise(talker, chunks):
    talk = TALKERS[talker]()
    for now_ms, chunk in enumerate(chunks):
        assert all(isinstance(signal, Signal) for signal in talk.received(now_ms, chunk))


TEXTS = st.text(st.sampled_from("aA3é中\0\n/ \ud800"), max_size=8)
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=4,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "n", "name"]), JSON, max_size=6))
def test_any_fields_give_at_most_one_signal_and_only_for_this_window(fields):
    body = json.dumps({"say": "completed"} | fields).encode()[:500]
    found = native().received(0, encode(body, FRAME_LEN_MAX))
    assert len(found) <= (fields.get("window") is None or str(fields["window"]).strip("0") == "3")
    assert all(repr(signal).isprintable() for signal in found)


@pytest.mark.parametrize("talker", TALKERS)
def test_garbage_of_a_megabyte_without_an_end_keeps_memory_bounded(talker):
    talk = TALKERS[talker]()
    size = deep_size(talk)
    block = b"\x55" * 65_536
    for _ in range(16):
        assert talk.received(0, block) == []
    assert deep_size(talk) < size + 4 * RECORD_LEN_MAX


def deep_size(thing, seen=None):
    """Bytes held by the buffers below an object."""
    seen = set() if seen is None else seen
    if id(thing) in seen:
        return 0
    seen.add(id(thing))
    own = len(thing) if isinstance(thing, bytes | bytearray | str) else 0
    inner = list(vars(thing).values()) if hasattr(thing, "__dict__") else []
    inner += thing if isinstance(thing, list | tuple | set) else []
    return own + sum(deep_size(item, seen) for item in inner)


def test_unknown_fields_when_sent_never_survive():
    dirty = {"name": "某某", "phone": "13000000000", "idNumber": "x", "plate": "浙A00000", "n": 5}
    (signal,) = native().received(0, said(**CALL, **dirty))
    assert signal == CALLED
    text = "CALLOUT,3,A023,20261122-1-A023,,,,,,,某某,13000000000\n"
    assert line().received(0, text.encode()) == [CALLED]
