"""The list of windows: every spreadsheet's way of writing it, every mistake with its line."""

import csv
import io
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from provisioning.office.windows import (
    COLUMNS,
    PAD,
    SIGNAL,
    BadList,
    WantedUnit,
    Window,
    planned,
    read,
)

PORTS = {"pad": PAD, "signal": SIGNAL}


def units_of(text: str, encoding: str = "utf-8") -> list[WantedUnit]:
    return read("windows.csv", text.encode(encoding))


def problems_of(text: str) -> tuple[str, ...]:
    with pytest.raises(BadList) as caught:
        units_of(text)
    return caught.value.problems


def test_row_of_unit_and_window_then_the_usual_ports() -> None:
    assert units_of("unit,window\nw03,3\n") == [
        WantedUnit(name="w03", windows=(Window("3", PORTS),))
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gbk"])
@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_chinese_columns_in_any_order_as_spreadsheets_write_them(
    encoding: str, separator: str
) -> None:
    rows = [("窗口", "地址", "终端"), ("3", "h01-w03.local", "w03"), ("", "", "")]
    text = "\r\n".join(separator.join(row) for row in rows)
    assert units_of(text, encoding) == [
        WantedUnit(name="w03", windows=(Window("3", PORTS),), host="h01-w03.local")
    ]


def test_every_column_then_its_setting() -> None:
    text = (
        "unit,window,host,ip,pad,signal,dialect,display,display_address,lamp_pin,buzzer_pin\n"
        "w03,3,10.3.1.13,10.3.1.13/24,/dev/haochaping/pad-a,/dev/ttyS0,line,SSD1306,0x3D,17,27\n"
        "w03,4,,,/dev/haochaping/pad-b,,,,,22,\n"
    )
    first = {"pad": "/dev/haochaping/pad-a", "signal": "/dev/ttyS0", "display_address": 0x3D}
    second = {"pad": "/dev/haochaping/pad-b", "signal": SIGNAL, "lamp_pin": 22}
    assert units_of(text) == [
        WantedUnit(
            name="w03",
            windows=(
                Window("3", first | {"lamp_pin": 17, "buzzer_pin": 27}),
                Window("4", second),
            ),
            host="10.3.1.13",
            ip="10.3.1.13/24",
            settings={
                "signal": {"dialect": "line"},
                "panel": {"display": "ssd1306"},
                "lamp": {"kind": "gpio"},
            },
        )
    ]


@pytest.mark.parametrize(
    ("text", "problems"),
    [
        ("", ("line 1: the file is empty",)),
        ("unit,window\n", ("line 2: no window is in it",)),
        ("unit\nw03\n", ("line 1: column window/窗口 is missing",)),
        ("unit,window,unit\nw03,3,w03\n", ("line 1: column unit is there twice",)),
        ("unit,window\nW03,3\n", ("line 2: unit 'W03': 1 to 32 of a-z, 0-9 and -, not beginning "
                                  "with -",)),
        ("unit,window\nw03,\n", ("line 2: window is empty: 1 to 8 of 0-9, A-Z, a-z and -",)),
        ("unit,window\nw03,3\nw04,03\n", ("line 3: window 03 is in line 2 already",)),
        ("unit,window\nw03,3,x\n", ("line 2: more cells than the first line has names",)),
        ("unit,window,ip\nw03,3,10.3.1.13\n",
         ("line 2: ip '10.3.1.13': an address with its network, as 10.3.1.13/24",)),
        ("unit,window\nw03,3\nw03,4\n",
         ("line 3: unit w03 has the pad /dev/haochaping/pad in line 2 already: several windows "
          "need the long names of `ls /dev/haochaping`",)),
        ("unit,window,host,pad\nw03,3,a,/dev/a\nw03,4,b,/dev/b\n",
         ("line 3: host of unit w03 is another one in line 2",)),
    ],
)  # fmt: skip
def test_mistake_then_its_line_and_what_is_allowed(text: str, problems: tuple[str, ...]) -> None:
    assert problems_of(text) == problems


def test_many_mistakes_then_all_of_them_in_the_order_of_the_lines() -> None:
    text = "unit,window,lamp_pin\nW03,3,\n,4,\nw05,5,2\nw06,5,\n"
    assert [problem.split(":")[0] for problem in problems_of(text)] == [
        "line 2", "line 3", "line 4", "line 5",
    ]  # fmt: skip


def test_unit_with_more_windows_than_it_serves_then_refused() -> None:
    rows = "".join(f"w03,{number},/dev/p{number}\n" for number in range(1, 6))
    assert problems_of(f"unit,window,pad\n{rows}") == (
        "line 6: unit w03 would have 5 windows, one unit serves 4",
    )


def test_file_that_is_neither_utf8_nor_gbk_then_the_line() -> None:
    with pytest.raises(BadList) as caught:
        read("windows.csv", b"unit,window\nw03,\xff\xff\n")
    assert caught.value.problems == ("line 2: neither UTF-8 nor GBK: save it as CSV UTF-8",)


def test_new_window_by_its_number_then_checked_like_one_of_a_list() -> None:
    assert planned(["5"]) == [Window("5", PORTS)]
    with pytest.raises(BadList):
        planned(["window five"])


def outcome(raw: bytes) -> Sequence[WantedUnit | str]:
    try:
        return read("windows.csv", raw)
    except BadList as error:
        return error.problems


@given(raw=st.binary(max_size=200))
def test_any_bytes_then_units_or_mistakes_and_nothing_else(raw: bytes) -> None:
    for head in (b"", b"unit,window\n"):
        said = outcome(head + raw)
        assert said
        assert all(isinstance(one, WantedUnit) or one.startswith("line ") for one in said)


@given(
    cells=st.dictionaries(st.sampled_from(sorted(COLUMNS)), st.text(max_size=12), max_size=11),
)
def test_any_cells_then_a_unit_whose_values_are_allowed_or_mistakes(cells: dict[str, str]) -> None:
    out = io.StringIO()
    named = {"unit": "w03", "window": "3"} | cells
    writer = csv.DictWriter(out, named)
    writer.writeheader()
    writer.writerow(named)
    try:
        (unit,) = units_of(out.getvalue())
    except BadList:
        return
    assert unit.windows[0].settings["pad"].startswith("/dev/")
