"""A vendor's terminal: says in the bytes of a description what the clerk says in ours.

It is the other end of every dialect, for the tests and for the examples, which
`python -m sim.terminal` writes.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict
from pathlib import Path

from daemon.config import load_signal
from daemon.config.frame_format import FrameFormat, Part
from daemon.config.jsonl_format import JsonlFormat
from daemon.config.line_format import PLACEHOLDER, LineFormat
from daemon.config.signal_line import Signal as SignalConfig
from daemon.dialects import dialect
from daemon.dialects.native import FRAME_LEN_MAX
from protocol.pad import framing


def speaker(config: SignalConfig) -> Callable[[str, Mapping[str, str]], bytes]:
    """A function that says one of our words, with our fields, as the configured terminal would."""
    if config.line is not None:
        line = config.line
        return lambda say, fields: said_in_a_line(line, say, fields)
    if config.jsonl is not None:
        jsonl = config.jsonl
        return lambda say, fields: said_in_json(jsonl, say, fields)
    if config.frame is not None:
        frame = config.frame
        return lambda say, fields: said_in_a_frame(frame, say, fields)
    return said_natively


def said_natively(say: str, fields: Mapping[str, str]) -> bytes:
    if say in ("login", "logout"):
        fields, say = {**fields, "state": say}, "staff"
    text = json.dumps({"say": say, **fields}, ensure_ascii=False, separators=(",", ":"))
    return framing.encode(text.encode(), FRAME_LEN_MAX)


def said_in_a_line(line: LineFormat, say: str, fields: Mapping[str, str]) -> bytes:
    if line.sentences:
        sentence = _theirs(line.sentences, say)
        text = PLACEHOLDER.sub(lambda match: fields[match[1]], sentence)
    else:
        values = {**fields, "say": _theirs(line.words, say)}
        texts = [""] * (max(line.fields.values()) + 1)
        for name, position in line.fields.items():
            texts[position] = values.get(name, "")
        text = line.separator.join(texts)
    body = text.encode(line.encoding)
    if line.checksum == "sum8":
        body += line.separator.encode(line.encoding) + b"%02X" % (sum(body) & 0xFF)
    return line.start.encode(line.encoding) + body + line.end.encode(line.encoding)


def said_in_json(jsonl: JsonlFormat, say: str, fields: Mapping[str, str]) -> bytes:
    record: dict[str, object] = {}
    for name, text in {"say": _theirs(jsonl.words, say), **fields}.items():
        inner = record
        *levels, last = jsonl.fields[name].split(".")
        for level in levels:
            below = inner.setdefault(level, {})
            assert isinstance(below, dict)
            inner = below
        inner[last] = text
    return json.dumps(record, ensure_ascii=False).encode(jsonl.encoding) + b"\n"


def said_in_a_frame(frame: FrameFormat, say: str, fields: Mapping[str, str]) -> bytes:
    values = {**fields, "say": _theirs(frame.words, say)}
    raws: dict[Part, bytes] = {}
    for name, parts in frame.fields.items():
        text = values.get(name, "")
        for part in parts:
            # All parts but the last are as long as they are.
            here = text if part is parts[-1] else text[: _characters(part)]
            text = text[len(here) :]
            raws[part] = _raw(part, here)
    tail_len = max(
        len(frame.end),
        0 if frame.sum8 is None else -frame.sum8.at,
        *(-part.at for part in raws),
        *(-part.stop for part in raws if part.stop is not None),
    )
    whole = bytearray(
        max(len(frame.header), *(part.at + len(raw) for part, raw in raws.items())) + tail_len
    )
    for at, byte in enumerate(frame.header):
        whole[at] = byte or 0
    for part, raw in raws.items():
        at = part.at % len(whole)
        whole[at : at + len(raw)] = raw
    if frame.length is not None:
        length = frame.length
        count = len(whole) - length.counts.start + length.counts.stop
        told = count.to_bytes(length.size, length.order)
        for place in (length.at, length.again):
            if place is not None:
                whole[place : place + length.size] = told
    if frame.end:
        whole[-len(frame.end) :] = frame.end
    if frame.sum8 is not None:
        whole[frame.sum8.at] = sum(frame.sum8.over.of(bytes(whole))) & 0xFF
    return bytes(whole)


def _theirs(words: Mapping[str, str], say: str) -> str:
    return next(theirs for theirs, ours in words.items() if ours == say)


def _characters(part: Part) -> int:
    return {"uint": part.digits, "bcd": part.size * 2, "hex": part.size * 2}.get(
        part.form, part.size
    )


def _raw(part: Part, text: str) -> bytes:
    """A field as long as it is described; an open one as long as it comes out."""
    if part.form == "uint":
        return int(text or 0).to_bytes(part.size, part.order)
    if part.form in ("bcd", "hex"):
        return bytes.fromhex(text.zfill(part.size * 2))
    raw = text.encode(part.form)
    return raw if part.stop is not None else raw[: part.size].ljust(part.size, b"\0")


EXAMPLES = Path(__file__).resolve().parents[1] / "daemon" / "dialects" / "examples"
# As the unit of the examples writes them; its terminal says 4.
WINDOWS = ("3", "04")
# A morning at windows 3 and 4 of a unit, as it is said; the serial is that of the vehicle offices.
MORNING = (
    ("login", {"window": "3", "staff": "0312"}),
    ("called", {"window": "3", "ticket": "A023", "ticketSerial": "261122-1-A023"}),
    ("called", {"window": "4", "ticket": "B007", "ticketSerial": "261122-1-B007"}),
    ("recalled", {"window": "3", "ticket": "A023", "ticketSerial": "261122-1-A023"}),
    (
        "completed",
        {
            "window": "3",
            "ticket": "A023",
            "ticketSerial": "261122-1-A023",
            "projectNo": "BJ202611220001",
            "serviceNumber": "1",
            "taskName": "居民身份证换领",
        },
    ),
    ("skipped", {"window": "4", "ticket": "B007", "ticketSerial": "261122-1-B007"}),
    ("called", {"window": "9", "ticket": "C001", "ticketSerial": "261122-1-C001"}),
    ("suspended", {"window": "3"}),
    ("resumed", {"window": "3"}),
)
# What is on such lines besides.
NOISE = (b"AT+GCAP\r", b"\x00\xff\xfe", b"~\r\n")


def capture(config: SignalConfig) -> bytes:
    """The morning as a tap hears it: each frame three times, one copy torn, noise, two merged."""
    say = speaker(config)
    heard = bytearray()
    for index, (word, fields) in enumerate(MORNING):
        whole = say(word, fields)
        torn = whole[: len(whole) // 2] if index % 3 == 1 else b""
        noise = NOISE[index % len(NOISE)] if index % 2 else b""
        heard += noise + torn + whole * (2 if torn else 3)
    return bytes(heard)


def heard(config: SignalConfig, data: bytes) -> str:
    """The signals of a capture, one JSON object a line, only with what is said."""
    talk = dialect(config, WINDOWS, lambda text: text)
    signals = [asdict(signal) for signal in talk.received(0, data)]
    said = ({name: value for name, value in each.items() if value is not None} for each in signals)
    return "".join(f"{json.dumps(each, ensure_ascii=False)}\n" for each in said)


def write(folder: Path) -> None:
    """Write the capture and the signals of every description in the folder."""
    for path in sorted(folder.glob("*.toml")):
        config, _ = load_signal(path)
        data = capture(config)
        path.with_suffix(".capture").write_bytes(data)
        path.with_suffix(".signals.jsonl").write_text(heard(config, data), "utf-8")


if __name__ == "__main__":
    write(EXAMPLES)
