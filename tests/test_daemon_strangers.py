"""Who is on the pad's line: real texts of real programs, cut anywhere, and a real prompt."""

import json
import pickle
import re
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.wire.strangers import GLITCH_LEN, PROBE, TAIL_LEN, Stranger
from protocol.pad import messages
from protocol.pad.framing import Decoder, encode

ROOT = Path(__file__).parent.parent
PACKAGE = "@micropython/micropython-webassembly-pyscript"
VECTORS = json.loads((ROOT / "tests/vectors/pad.json").read_text())


def least(cls):
    """The frame of a message whose fields are the least they may be."""
    fields = [bytes(low) if code.endswith("s") else low for _, (code, low, _) in cls.FIELDS]
    return encode(messages.encode(cls(*fields)))


FROM_PAD = [least(cls) for cls in messages.CLASSES if not cls.KIND & messages.FROM_UNIT]
FROM_UNIT = [least(cls) for cls in messages.CLASSES if cls.KIND & messages.FROM_UNIT]
COMMON = json.loads((ROOT / "protocol/central/schemas/common.schema.json").read_text())
SENTENCE_LEN_MAX = COMMON["$defs"]["sentence"]["maxLength"]
# Words that tell the technician what to do next.
ADVICE = re.compile(r": (unplug|put|install|take|plug) ")

CIRCUITPYTHON = "CircuitPython is on the pad: put MicroPython there"
ENDED = "the pad's firmware ended in an error: unplug the pad"
PROMPT = "the prompt of MicroPython answers instead of the pad's firmware: unplug the pad"
PROMPT_1_27 = PROMPT.replace("MicroPython", "MicroPython v1.27.0")
FOREIGN = "the pad's frames are of another version: install the firmware"
ECHO = "the unit hears itself and no pad: take the loop off the cable"
OTHER = "text comes instead of frames, from another device or firmware: plug the pad in here"
NOISE = "bytes come that are no frames, of another device or baud rate: plug the pad in here"

# As MicroPython 1.27 and our firmware on it said them.
BANNER = (
    b"\r\nMicroPython v1.27.0 on 2025-12-10; JS with Emscripten\r\n"
    b'Type "help()" for more information.\r\n>>> '
)
RAW = b"raw REPL; CTRL-B to exit\r\n>"
CAPTURES = {
    "the banner and the prompt": (PROMPT_1_27, BANNER),
    "the probe answered by an empty line": (PROMPT_1_27, b"\r\n>>> \r\n>>> " + BANNER),
    "the probe answered by a paste": (PROMPT, b"\r\n=== \r\n=== \x02"),
    "the probe answered by an open bracket": (PROMPT, b"\r\n... \r\n... ... "),
    "the probe answered by a block": (PROMPT, b"\r\n...     \r\n... "),
    "a hello answered": (PROMPT_1_27, BANNER + b"\r\n" + RAW * 8),
    "an interrupt answered": (PROMPT, b"\r\n>>> "),
    "the raw prompt": (PROMPT, b"\r\n" + RAW),
    "a paste begun": (PROMPT, b"\r\npaste mode; Ctrl-C to cancel, Ctrl-D to finish\r\n=== "),
    "a frame that began a paste": (
        PROMPT_1_27,
        BANNER + b"\r\n" + RAW * 3 + BANNER + b"\r\npaste mode; Ctrl-C to cancel, "
        b"Ctrl-D to finish\r\n=== \x01\x02\x01\x01\x05fn\x07Z\x00",
    ),
    "frames executed by the raw prompt": (
        PROMPT,
        b'OK\x04Traceback (most recent call last):\r\n  File "<stdin>", line 1\r\n'
        b"SyntaxError: invalid syntax\r\n\x04>",
    ),
    "a modem manager at the prompt": (
        PROMPT,
        b"AT+GCAP\r\nTraceback (most recent call last):\r\n"
        b'  File "<stdin>", line 1, in <module>\r\n'
        b"NameError: name 'AT' isn't defined\r\n>>> ",
    ),
    "an error of the prompt's own, in a file": (
        PROMPT,
        b'Traceback (most recent call last):\r\n  File "<stdin>", line 3, in <module>\r\n'
        b'  File "bad.py", line 1\r\nSyntaxError: invalid syntax\r\n>>> ',
    ),
    "a soft reset": (PROMPT, b"\r\nMPY: soft reboot\r\n"),
    "a build before its release": (
        PROMPT.replace("MicroPython", "MicroPython v1.28.0"),
        b"MicroPython v1.28.0-preview.12.gabcdef123 on 2026-01-05; Raspberry Pi Pico with RP2040",
    ),
    "a banner cut off in its version": (PROMPT, b"\r\nMicroPython v1.27."),
    "a build with an odd name": (
        PROMPT,
        b"MicroPython b006887db6 on 2026-08-11; Raspberry Pi Pico with RP2040\r\n>>> ",
    ),
    "firmware without its files": (
        ENDED,
        b'Traceback (most recent call last):\r\n  File "/main.py", line 5, in <module>\r\n'
        b"  File \"/main.py\", line 3, in run\r\nImportError: no module named 'device'\r\n",
    ),
    "firmware cut off in the middle, then the prompt": (
        ENDED,
        b'Traceback (most recent call last):\r\n  File "main.py", line 9\r\n'
        b"SyntaxError: invalid syntax\r\n" + BANNER,
    ),
    "an error in the middle of frames": (
        ENDED,
        b"\x00\x06\x03\xa1\xb2Traceback (most recent call last):\n"
        b'  File "main.py", line 77, in <module>\nMemoryError: \n',
    ),
    "CircuitPython at its prompt": (
        CIRCUITPYTHON,
        b"\r\nAdafruit CircuitPython 8.2.6 on 2023-09-12; Raspberry Pi Pico with rp2040\r\n>>> ",
    ),
    "CircuitPython whose program ended": (
        CIRCUITPYTHON,
        b"\r\ncode.py output:\r\nTraceback (most recent call last):\r\n"
        b'  File "code.py", line 65, in <module>\r\nKeyboardInterrupt: \r\n\r\n'
        b"Code done running.\r\n\r\nPress any key to enter the REPL. Use CTRL-D to reload.\r\n",
    ),
    "another firmware": (OTHER, b"sensor ready\r\nt=23.5 h=41\r\nt=23.5 h=41\r\n"),
    "a modem that answers its manager": (OTHER, b"AT+GCAP\r\r\n+GCAP: +CGSM\r\n\r\nOK\r\n"),
    "a queue terminal": (OTHER, b"CALLOUT,3,A012\r\nCALLOUT,4,A013\r\n"),
    "a queue terminal that speaks GBK": (NOISE, "请到3号窗口".encode("gbk") * 3),
    "a binary device": (NOISE, bytes.fromhex("aa5503100102fe" * 4)),
    "a line held low": (NOISE, bytes(40)),
    "the probe come back": (ECHO, PROBE),
    "our frames come back": (ECHO, b"".join(FROM_UNIT)),
    "our frames come back with noise": (ECHO, FROM_UNIT[0] + b"\xff\x12\x80" + FROM_UNIT[1]),
    "frames of a pad with other messages": (FOREIGN, encode(b"\x7f\x01\x02\x03\x04\x05")),
    "frames of a pad with longer messages": (FOREIGN, encode(b"\x01" + bytes(40))),
    "silence": (None, b""),
    "a plug that goes in": (None, b"\xff\x00"),
    "a single interrupt": (None, b"\x03"),
}


def words(*parts):
    stranger = Stranger()
    for part in parts:
        stranger.heard(part)
    return stranger.words()


def is_said(said, wanted):
    return said is None if wanted is None else said is not None and said.startswith(wanted)


@pytest.mark.parametrize("what", CAPTURES)
def test_capture_then_said_in_words(what):
    wanted, data = CAPTURES[what]
    assert is_said(words(data), wanted), words(data)


@pytest.mark.promise
def test_capture_when_cut_in_two_anywhere_then_the_same_words(promise):
    tried = bad = 0
    for wanted, data in CAPTURES.values():
        for cut in range(len(data) + 1):
            tried += 1
            bad += not is_said(words(data[:cut], data[cut:]), wanted)
    promise("F3", "what a stranger on the pad's line said, cut anywhere, named", tried, bad)


@given(st.data())
def test_stream_when_cut_anywhere_then_the_same_words(data):
    texts = [said for _, said in CAPTURES.values()]
    part = st.sampled_from(texts + FROM_PAD + FROM_UNIT) | st.binary(max_size=80)
    stream = b"".join(data.draw(st.lists(part, max_size=6)))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=12)))
    ends = zip([0, *cuts], [*cuts, len(stream)], strict=True)
    assert words(*(stream[start:end] for start, end in ends)) == words(stream)


def test_every_sentence_says_what_to_do_and_fits_an_entry():
    said = {words(data) for _, data in CAPTURES.values()} - {None}
    assert len({re.sub(r" v[\d.]+", "", one) for one in said}) == 7
    for sentence in said:
        assert ADVICE.search(sentence), sentence
        assert sentence.isascii()
        assert sentence.isprintable()
        assert len(sentence) <= SENTENCE_LEN_MAX


def test_nothing_heard_then_no_words():
    assert Stranger().words() is None


@pytest.mark.parametrize("what", CAPTURES)
def test_believed_after_anything_then_all_is_forgotten(what):
    stranger = Stranger()
    stranger.heard(CAPTURES[what][1])
    stranger.believed()
    assert stranger.words() is None
    stranger.heard(CAPTURES["another firmware"][1])
    assert stranger.words().startswith(OTHER)


@pytest.mark.parametrize("frame", FROM_PAD, ids=bytes.hex)
def test_pad_heard_after_a_stranger_then_all_is_forgotten(frame):
    assert words(BANNER, frame) is None
    assert words(BANNER + frame) is None
    assert words(frame, BANNER).startswith(PROMPT_1_27)


def test_sign_when_much_follows_then_it_is_remembered():
    ended = CAPTURES["firmware without its files"][1]
    assert words(ended, BANNER * 50, b"t=23.5\r\n" * 500).startswith(ENDED)
    assert words(BANNER * 50, ended).startswith(ENDED)


def test_sign_when_torn_apart_by_more_than_the_tail_then_it_is_none():
    assert words(b"raw REPL", b"." * TAIL_LEN, b"; CTRL-B").startswith(OTHER)


@pytest.mark.parametrize("data", [b"\xff", b"MicroPython "])
def test_megabyte_without_delimiter_then_little_is_kept(data):
    stranger = Stranger()
    flood = data * (4096 // len(data))
    for _ in range((1 << 20) // len(flood)):
        stranger.heard(flood)
    assert stranger.words() is not None
    assert len(pickle.dumps(stranger)) < 1024
    stranger.heard(data * (1 << 16))
    assert len(pickle.dumps(stranger)) < 1024


@given(st.text("0123456789.Xx -v", max_size=60), st.binary(max_size=60))
def test_banner_with_any_numbers_then_no_long_one_gets_into_the_words(version, noise):
    said = words(b"MicroPython v" + version.encode() + b" on 2025" + noise + b"\r\n>>> ")
    assert not re.search(r"\d{3}", said)


def resampled(data, sent_baud, read_baud):
    """What a UART at `read_baud` makes of 8N1 bytes sent at `sent_baud`."""
    bits = "".join(f"0{f'{byte:08b}'[::-1]}1" for byte in data) + "1" * 200
    read, at, step = bytearray(), 0.0, sent_baud / read_baud
    while (start := bits.find("0", int(at))) >= 0:
        at = max(at, float(start))
        samples = [int(at + step * (bit + 1.5)) for bit in range(9)]
        if samples[-1] >= len(bits):
            break
        read.append(sum(int(bits[sample]) << bit for bit, sample in enumerate(samples[:8])))
        at += step * 9.5
    return bytes(read)


def test_uart_at_the_same_rate_then_reads_what_was_sent():
    assert resampled(FROM_PAD[0], 9600, 9600) == FROM_PAD[0]


@pytest.mark.parametrize(
    ("pad", "unit"), [(9600, 115200), (115200, 9600), (57600, 115200), (115200, 19200)]
)
def test_pad_at_another_baud_rate_then_it_is_noise(pad, unit):
    heard = resampled(b"".join(FROM_PAD), pad, unit)
    assert len(heard) > GLITCH_LEN
    assert words(heard).startswith(NOISE)


def test_probe_when_the_firmware_runs_then_it_costs_one_noise_and_no_frame():
    decoder = Decoder()
    for at, frame in enumerate(FROM_UNIT):
        bodies = [body for body in map(decoder.push, PROBE + frame) if body]
        assert [encode(body) for body in bodies] == [frame]
        assert decoder.bad_count == at + 1


def test_probe_when_the_firmware_starts_then_nothing_in_it_breaks_it_off():
    assert not set(PROBE) & {0x03, 0x04, 0x05}


# -- the real prompt

RUNNER = """
import { readFileSync } from "node:fs";
import { loadMicroPython } from "PACKAGE";
const captures = [];
for (const said of JSON.parse(readFileSync(0, "utf8"))) {
  let heard = [];
  const vm = await loadMicroPython({ linebuffer: false, stdout: (data) => heard.push(...data) });
  vm.replInit();
  for (const hex of said) {
    heard = [];
    for (const byte of Buffer.from(hex, "hex")) vm.replProcessChar(byte);
  }
  captures.push(Buffer.from(heard).toString("hex"));
}
console.log(JSON.stringify(captures));
""".replace("PACKAGE", PACKAGE)

# What was typed at the prompt, or came down the line, before the daemon looks.
BEFORE = {
    "nothing": b"",
    "the raw prompt": b"\x01",
    "a raw line": b"\x01x = 1\r",
    "a paste": b"\x05",
    "a paste with a line": b"\x05x = 1\r",
    "a line": b"x = 1",
    "an open bracket": b"(",
    "an open bracket and a line": b"(\r",
    "a block": b"for x in y:\r",
    "an open string": b"'''a\r",
    "half an arrow key": b"\x1b[",
    "a modem manager": b"AT+GCAP\r",
    "a modem manager without an end": b"AT",
    "an interrupt": b"\x03",
    "every frame of the unit": b"".join(FROM_UNIT),
    **{one["what"]: bytes.fromhex(one["frame"]) for one in VECTORS},
}


def at_the_prompt(node, typed):
    """What a fresh prompt answers to the last of each row, after the others."""
    task = json.dumps([[data.hex() for data in row] for row in typed])
    command = [node, "--input-type=module", "--eval", RUNNER]
    ran = subprocess.run(command, input=task, cwd=ROOT, capture_output=True, text=True, timeout=60)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return [bytes.fromhex(answer) for answer in json.loads(ran.stdout)]


@pytest.mark.promise
@pytest.mark.needs("node")
def test_probe_at_a_real_prompt_in_any_state_then_it_is_named(node, promise):
    # Ctrl-D ends this build's prompt; on the board it starts the firmware anew.
    before = {what: data.replace(b"\x04", b"") for what, data in BEFORE.items()}
    answers = at_the_prompt(node, [[data, PROBE] for data in before.values()])
    missed = {
        what: answer
        for what, answer in zip(before, answers, strict=True)
        if not re.match(
            r"the prompt of MicroPython( v\d+\.\d+(\.\d+)?)? answers instead", words(answer) or ""
        )
    }
    assert not missed
    promise("F3", "a real prompt, whatever came before, answers the probe", len(before))


@pytest.mark.needs("node")
def test_hello_at_a_real_prompt_then_it_is_named_with_its_version(node):
    (answer,) = at_the_prompt(node, [[least(messages.UnitHello)]])
    assert re.match(r"the prompt of MicroPython v\d+\.\d+\.\d+ answers", words(answer))
