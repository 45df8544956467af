"""The list of a hall's windows, from a CSV file or a spreadsheet's export (pure).

One row a window; rows with the same unit are windows of one unit. Columns may be named in English
or in Chinese, in any order; all but two may be left out.
"""

import csv
import io
import ipaddress
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from provisioning.errors import ProvisioningError

# Names as the daemon and the contract take them (daemon/config/unit.py, window.py).
UNIT = re.compile(r"[a-z0-9][a-z0-9-]{0,31}")
NUMBER = re.compile(r"[0-9A-Za-z-]{1,8}")
HOST = re.compile(r"[0-9A-Za-z.:_-]{1,253}")
PORT = re.compile(r"/dev/[0-9A-Za-z_.:/-]{1,200}")
WORD = re.compile(r"[a-z0-9_-]{1,32}")
PINS = (4, 5, 6, 12, 13, *range(16, 24), 26, 27)
DISPLAYS = ("none", "ssd1306", "sh1106", "ssd1309", "ssd1322")
WINDOWS_PER_UNIT_MAX = 4
PAD, SIGNAL = "/dev/haochaping/pad", "/dev/haochaping/signal"
# GBK is what Excel writes in China; GB 18030 reads it, and the rest.
ENCODINGS = ("utf-8-sig", "gb18030")
SEPARATORS = ",;\t"
FILE_LEN_MAX = 1 << 20

COLUMNS = {
    "unit": ("unit", "终端"),
    "window": ("window", "窗口"),
    "host": ("host", "地址"),
    "ip": ("ip", "固定地址"),
    "pad": ("pad", "评价器口"),
    "signal": ("signal", "叫号口"),
    "dialect": ("dialect", "方言"),
    "display": ("display", "屏"),
    "display_address": ("display_address", "屏地址"),
    "lamp_pin": ("lamp_pin", "灯"),
    "buzzer_pin": ("buzzer_pin", "蜂鸣器"),
}
NEEDED = ("unit", "window")


class BadList(ProvisioningError):
    """The list has mistakes, every one with its line."""

    def __init__(self, name: str, problems: Sequence[str]) -> None:
        lines = "\n".join(f"  {problem}" for problem in problems)
        super().__init__(
            f"{name}: {len(problems)} {'mistake' if len(problems) == 1 else 'mistakes'}, "
            f"nothing was taken over:\n{lines}",
            "mend the file and run the same command again",
        )
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Window:
    """One window as it is wanted: `settings` are the members of its table in the daemon's file."""

    number: str
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedUnit:
    """One unit as it is wanted.

    host: how it is reached, empty for its own name; ip: its fixed address, empty for DHCP;
    settings: tables of the daemon's file that are one for all its windows.
    """

    name: str
    windows: tuple[Window, ...]
    host: str = ""
    ip: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)


def planned(numbers: Sequence[str]) -> list[Window]:
    """Windows with the ports a unit has by itself. Raises BadList."""
    wrong = [number for number in numbers if not NUMBER.fullmatch(number)]
    if wrong:
        raise BadList("window", [f"{number!r}: {CELLS['window'][0]}" for number in wrong])
    return [Window(number, {"pad": PAD, "signal": SIGNAL}) for number in numbers]


def read(name: str, raw: bytes) -> list[WantedUnit]:
    """The units of the list, in its order. Raises BadList with every mistake in it."""
    problems: list[str] = []
    rows = _rows(name, raw, problems)
    lines: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    numbers: dict[str, int] = {}
    for line, row in rows:
        value = _row(line, row, problems)
        number, unit = value.get("window"), value.get("unit")
        if number:
            # A citizen takes 03 and 3 for the same.
            said = number.lstrip("0")
            if said in numbers:
                problems.append(f"line {line}: window {number} is in line {numbers[said]} already")
            numbers.setdefault(said, line)
        if unit and number:
            lines.setdefault(unit, []).append((line, value))
    units = [_unit(unit, found, problems) for unit, found in lines.items()]
    if not units and not problems:
        problems.append("line 2: no window is in it")
    if problems:
        raise BadList(name, sorted(dict.fromkeys(problems), key=_line_of))
    return units


def _rows(name: str, raw: bytes, problems: list[str]) -> list[tuple[int, dict[str, str]]]:
    """Each row that is not empty, with its line, by our names of the columns."""
    if len(raw) > FILE_LEN_MAX:
        raise BadList(
            name, [f"line 1: longer than {FILE_LEN_MAX} bytes: this is no list of windows"]
        )
    text = _text(name, raw)
    head = next((line for line in text.splitlines() if line.strip()), "")
    separator = max(SEPARATORS, key=head.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    names: list[str | None] | None = None
    rows = []
    try:
        for cells in reader:
            if not any(cell.strip() for cell in cells):
                continue
            if names is None:
                names = _columns(reader.line_num, cells, problems)
                continue
            if len(cells) > len(names) and any(cell.strip() for cell in cells[len(names) :]):
                problems.append(f"line {reader.line_num}: more cells than the first line has names")
            row = {name: cell.strip() for name, cell in zip(names, cells, strict=False) if name}
            rows.append((reader.line_num, row))
    except csv.Error as error:
        problems.append(f"line {reader.line_num}: {error}")
    if names is None:
        problems.append("line 1: the file is empty")
    return rows


def _text(name: str, raw: bytes) -> str:
    for encoding in ENCODINGS:
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
    raise BadList(name, [f"line {line}: neither UTF-8 nor GBK: save it as CSV UTF-8"])


def _columns(line: int, cells: Sequence[str], problems: list[str]) -> list[str | None]:
    known = {shown: column for column, names in COLUMNS.items() for shown in names}
    names = [known.get(cell.strip().lower()) for cell in cells]
    for cell, name in zip(cells, names, strict=True):
        if name is None and cell.strip():
            allowed = ", ".join("/".join(shown) for shown in COLUMNS.values())
            problems.append(f"line {line}: column {cell.strip()[:40]!r} is not known: {allowed}")
        elif name is not None and names.count(name) > 1:
            problems.append(f"line {line}: column {name} is there twice")
    for needed in NEEDED:
        if needed not in names:
            problems.append(f"line {line}: column {'/'.join(COLUMNS[needed])} is missing")
    return names


def _fits(pattern: re.Pattern[str]) -> Callable[[str], str | None]:
    return lambda text: text if pattern.fullmatch(text) else None


def _one_of(words: Sequence[str]) -> Callable[[str], str | None]:
    return lambda text: text.lower() if text.lower() in words else None


def _pin(text: str) -> int | None:
    number = int(text) if text.isascii() and text.isdigit() and len(text) < 3 else -1
    return number if number in (0, *PINS) else None


def _address(text: str) -> int | None:
    try:
        number = int(text, 0)
    except ValueError:
        return None
    return number if 0 <= number <= 0x77 else None


def _ip(text: str) -> str | None:
    try:
        return str(ipaddress.ip_interface(text)) if "/" in text else None
    except ValueError:
        return None


# What a cell may say, in words, and its value; None for what is not allowed.
CELLS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "unit": ("1 to 32 of a-z, 0-9 and -, not beginning with -", _fits(UNIT)),
    "window": ("1 to 8 of 0-9, A-Z, a-z and -", _fits(NUMBER)),
    "host": ("a host name or address", _fits(HOST)),
    "ip": ("an address with its network, as 10.3.1.13/24", _ip),
    "pad": ("a device path, as /dev/haochaping/pad", _fits(PORT)),
    "signal": ("a device path, as /dev/haochaping/signal", _fits(PORT)),
    "dialect": ("the name of a dialect, as native, line, jsonl, frame", _fits(WORD)),
    "display": (", ".join(DISPLAYS), _one_of(DISPLAYS)),
    "display_address": ("a number from 0 to 0x77", _address),
    "lamp_pin": (f"a BCM number of {', '.join(map(str, PINS))}; 0 for none", _pin),
    "buzzer_pin": (f"a BCM number of {', '.join(map(str, PINS))}; 0 for none", _pin),
}
assert CELLS.keys() == COLUMNS.keys()


def _row(line: int, row: Mapping[str, str], problems: list[str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for column, text in row.items():
        if not text:
            continue
        allowed, read_cell = CELLS[column]
        value = read_cell(text)
        if value is None:
            problems.append(f"line {line}: {column} {text[:40]!r}: {allowed}")
        else:
            values[column] = value
    for needed in NEEDED:
        if needed in row and not row[needed]:
            problems.append(f"line {line}: {needed} is empty: {CELLS[needed][0]}")
    return values


def _unit(
    name: str, found: Sequence[tuple[int, Mapping[str, Any]]], problems: list[str]
) -> WantedUnit:
    first_line, first = found[0]
    last_line = found[-1][0]
    if len(found) > WINDOWS_PER_UNIT_MAX:
        problems.append(
            f"line {last_line}: unit {name} would have {len(found)} windows, "
            f"one unit serves {WINDOWS_PER_UNIT_MAX}"
        )
    for line, value in found[1:]:
        for column in ("host", "ip", "dialect", "display"):
            if column in value and value[column] != first.get(column):
                problems.append(
                    f"line {line}: {column} of unit {name} is another one in line {first_line}"
                )
    pads: dict[str, int] = {}
    for line, value in found:
        pad = value.get("pad", PAD)
        if pad in pads:
            problems.append(
                f"line {line}: unit {name} has the pad {pad} in line {pads[pad]} already: "
                "several windows need the long names of `ls /dev/haochaping`"
            )
        pads[pad] = line
    return WantedUnit(
        name=name,
        windows=tuple(_window(value) for _, value in found),
        host=first.get("host", ""),
        ip=first.get("ip", ""),
        settings=_settings([value for _, value in found]),
    )


def _window(value: Mapping[str, Any]) -> Window:
    settings = {
        name: value[name]
        for name in ("pad", "signal", "display_address", "lamp_pin", "buzzer_pin")
        if name in value
    }
    return Window(value["window"], {"pad": PAD, "signal": SIGNAL, **settings})


def _settings(values: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first = values[0]
    settings: dict[str, Any] = {}
    if "dialect" in first:
        settings["signal"] = {"dialect": first["dialect"]}
    if "display" in first:
        settings["panel"] = {"display": first["display"]}
    if any(value.get("lamp_pin") or value.get("buzzer_pin") for value in values):
        settings["lamp"] = {"kind": "gpio"}
    return settings


def _line_of(problem: str) -> int:
    return int(problem.split(":")[0].removeprefix("line "))
