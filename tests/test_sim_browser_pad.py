"""The pad that runs in a page: its place at the wire, what it may load, the chip it runs on."""

import http.client
import json
import os
import select
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from device import firmware
from protocol.bundle import build, read
from protocol.central.signing import SigningKey
from protocol.pad import VERSION, messages
from protocol.pad.framing import encode as frame
from protocol.pad.link import UnitEnd
from protocol.pad.messages import (
    FIRMWARE_ERROR,
    HEARD,
    IDLE,
    NEW_FIRMWARE,
    PLEASE_RATE,
    POWER_ON,
    THANKS,
    Ack,
    Edge,
    Hello,
    Message,
    Offer,
    Piece,
    Progress,
    Status,
)
from sim import micropython
from sim.demo import shelf
from sim.demo.bulletin import Bulletin
from sim.demo.hall import Hall
from sim.demo.morning import RULES
from sim.demo.orders import Orders
from sim.demo.plug import KEEPING, OVER, PAGE, SERVER, SILENCE_S_MAX, TAKEN, Plug, Refused
from sim.demo.server import SAID_LEN_MAX, BadOrder, Server, file
from sim.relay import RESET_ON_CLOSE
from sim.wire import Wire

ROOT = Path(__file__).resolve().parents[1]
WAIT_S = 20.0
PROMPT = 7
BOOT = 0xB007
UID = b"browser1"
HANDLER = "process_request_thread"
MARK = b"from here on"
BYTES = "application/octet-stream"


def said(message: Message) -> bytes:
    return frame(messages.encode(message))


def pressed(seq: int, boot_id: int = BOOT) -> bytes:
    return said(Edge(boot_id, seq, PROMPT, 2, seq & 1, 0, 0))


def wait_for(is_true: Callable[[], object]) -> None:
    until_s = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < until_s
        time.sleep(0.005)


# -- the place at the wire


class Far:
    """The unit's end of a wire."""

    def __init__(self, wire: Wire) -> None:
        self.fd = os.open(wire.path, os.O_RDWR | os.O_NOCTTY)
        self.unit = UnitEnd(0, 0)
        self.heard: list[Message] = []

    def read(self, count: int) -> bytes:
        data = b""
        while len(data) < count:
            assert select.select([self.fd], [], [], WAIT_S)[0]
            data += os.read(self.fd, count - len(data))
        return data

    def until(self, is_true: Callable[[], object]) -> None:
        """Be the unit until then."""
        until_s = time.monotonic() + WAIT_S
        while not is_true():
            assert time.monotonic() < until_s
            if select.select([self.fd], [], [], 0.01)[0]:
                self.heard += self.unit.received(self.now_ms, os.read(self.fd, 4096))
            os.write(self.fd, self.unit.poll(self.now_ms))

    def uids(self) -> list[bytes]:
        """Of the pads that greeted."""
        return [each.uid for each in self.heard if isinstance(each, Hello)]

    @property
    def now_ms(self) -> int:
        return int(time.monotonic() * 1000)


class Page:
    """A tab of the browser, as the server sees it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.line = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
        self.line.request("POST", "/pad/line", "{}", {"Content-Type": "application/json"})
        self.answer = self.line.getresponse()
        self.key = self.answer.headers["Pad-Key"]
        self.number = 0

    def say(self, data: bytes, number: int | None = None, **headers: str) -> tuple[int, str]:
        self.number = self.number + 1 if number is None else number
        path = f"/pad/line/{self.key}/{self.number}"
        return ask(self.port, "POST", path, data, **{"Content_Type": BYTES, **headers})

    def close(self) -> None:
        self.answer.close()
        self.line.close()


def ask(port: int, method: str, path: str, body: Any = "", **headers: str) -> tuple[int, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=WAIT_S)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    connection.request(method, path, body, named)
    answer = connection.getresponse()
    text = answer.read().decode("latin-1").strip()
    connection.close()
    return answer.status, text


class Site:
    """A wire with the server's pad on it, and the page's server. The clock moves when told to."""

    def __init__(self, path: Path) -> None:
        self.late_s = 0.0
        self.wire = Wire(path)
        self.plug = Plug(self.wire, lambda: time.monotonic() + self.late_s)
        self.bulletin = Bulletin()
        self.server = Server(self.bulletin, lambda *_: None, lambda: None, plug=self.plug)
        self.port = self.server.port
        self.far = Far(self.wire)
        self.plug.start()
        self.server.start()

    def page(self) -> Page:
        return Page(self.port)

    def listening_page(self) -> Page:
        """A page that has the wire, with nothing of the pad before on it."""
        self.far.until(self.far.uids)
        page = self.page()
        assert page.answer.status == 200
        assert self.plug.runs_in == PAGE
        while select.select([self.far.fd], [], [], 0)[0]:
            os.read(self.far.fd, 4096)
        os.write(self.far.fd, MARK)
        before = b""
        while not before.endswith(MARK):
            before += page.answer.read(1)
        return page

    def stop(self) -> None:
        self.plug.stop()
        self.bulletin.close()
        self.server.stop()
        os.close(self.far.fd)
        self.wire.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    site = Site(tmp_path / "pad")
    yield site
    site.stop()


def test_page_when_it_has_the_wire_then_carries_bytes_both_ways_in_order(site: Site) -> None:
    page = site.listening_page()
    parts = [bytes([number]) * number for number in range(1, 60)]
    for part in parts:
        assert page.say(part) == (204, "")
    assert site.far.read(sum(map(len, parts))) == b"".join(parts)
    for part in parts:
        os.write(site.far.fd, part)
    assert page.answer.read(sum(map(len, parts))) == b"".join(parts)
    page.close()


def test_page_when_a_post_is_repeated_then_its_bytes_are_on_the_wire_once(site: Site) -> None:
    page = site.listening_page()
    for number in (1, 1, 2, 2):
        assert page.say(b"%d" % number, number)[0] == 204
    assert site.far.read(2) == b"12"
    assert page.say(b"4", 4) == (409, OVER)
    assert page.say(b"3", 3)[0] == 204
    assert site.far.read(1) == b"3"
    page.close()


def test_page_when_it_is_closed_then_the_server_has_a_pad_again(site: Site) -> None:
    page = site.listening_page()
    own = site.plug.own
    site.late_s -= 3600  # not by its silence
    page.close()
    wait_for(lambda: site.plug.runs_in == SERVER)
    assert site.plug.own is not own
    site.far.heard.clear()
    site.far.until(site.far.uids)
    assert site.far.uids() == [b"virtual1"]
    assert page.say(b"late") == (409, OVER)


def test_page_when_it_is_silent_for_too_long_then_the_server_has_a_pad_again(site: Site) -> None:
    page = site.listening_page()
    site.late_s += SILENCE_S_MAX - 1
    assert page.say(b"a") == (204, "")
    site.late_s += SILENCE_S_MAX - 1
    assert page.say(b"b") == (204, "")
    site.late_s += SILENCE_S_MAX + 0.1
    assert page.answer.read() == b""
    wait_for(lambda: site.plug.runs_in == SERVER)
    assert page.say(b"c") == (409, OVER)
    page.close()


def test_page_when_another_has_the_wire_then_is_told_so(site: Site) -> None:
    first = site.listening_page()
    second = site.page()
    assert (second.answer.status, second.answer.read()) == (409, b"taken\n")
    second.key = "0123456789abcdef"
    assert second.say(b"x") == (409, OVER)
    assert first.say(b"y") == (204, "")
    assert site.far.read(1) == b"y"
    first.close()
    second.close()


def test_page_when_the_servers_pad_keeps_presses_then_cannot_have_the_wire(site: Site) -> None:
    site.far.until(site.far.uids)
    site.plug.own.press(3)
    wait_for(lambda: site.plug.own.queued)
    page = site.page()
    assert (page.answer.status, page.answer.read()) == (409, b"keeping\n")
    assert site.plug.runs_in == SERVER
    page.close()


def test_page_when_plug_is_pulled_then_loses_bytes_and_keeps_the_wire(site: Site) -> None:
    page = site.listening_page()
    os.close(site.far.fd)
    site.wire.unplug()
    assert page.say(b"into the air") == (204, "")
    site.wire.replug()
    site.far.fd = os.open(site.wire.path, os.O_RDWR | os.O_NOCTTY)
    assert page.say(b"heard") == (204, "")
    assert site.far.read(5) == b"heard"
    os.write(site.far.fd, b"too")
    assert page.answer.read(3) == b"too"
    page.close()


def test_page_when_server_ends_then_its_line_ends(site: Site) -> None:
    page = site.listening_page()
    site.plug.stop()
    assert page.answer.read() == b""
    with pytest.raises(Refused, match=TAKEN):
        site.plug.take()
    assert site.plug.runs_in == SERVER
    page.close()


@pytest.mark.parametrize("path", ["/pad/line", f"/pad/line/{'0' * 16}/1"])
@pytest.mark.parametrize("headers", [{"Host": "evil.example"}, {"Origin": "https://evil.example"}])
def test_wire_when_asked_for_by_another_site_then_stays(
    site: Site, path: str, headers: dict[str, str]
) -> None:
    assert ask(site.port, "POST", path, "{}", **headers)[0] == 403
    assert site.plug.runs_in == SERVER


def test_wire_when_asked_for_by_a_form_then_stays(site: Site) -> None:
    assert ask(site.port, "POST", "/pad/line", "{}", Content_Type="text/plain")[0] == 409
    assert ask(site.port, "GET", "/pad/line")[0] == 404
    assert site.plug.runs_in == SERVER


@pytest.mark.parametrize("place", ["", "1", "key/-1", "key/x", "key/1/2", "key/" + "9" * 5000])
def test_wire_when_spoken_to_from_nowhere_then_refuses(site: Site, place: str) -> None:
    path = f"/pad/line/{place}"
    assert ask(site.port, "POST", path, b"x", Content_Type=BYTES) == (409, OVER)


def test_wire_when_a_page_says_too_much_or_in_another_form_then_refuses(site: Site) -> None:
    page = site.listening_page()
    assert page.say(bytes(SAID_LEN_MAX + 1), 1)[0] == 409
    assert page.say(b"{}", 1, Content_Type="application/json")[0] == 409
    assert page.say(bytes(SAID_LEN_MAX), 1)[0] == 204
    page.close()


def test_server_when_a_page_goes_away_in_the_middle_then_says_nothing(
    site: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.create_connection(("127.0.0.1", site.port)) as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        connection.sendall(b"POST /pad/line HTTP/1.1\r\n")
    assert ask(site.port, "GET", "/state.json")[0] == 200  # so the other was taken before
    wait_for(lambda: not any(HANDLER in thread.name for thread in threading.enumerate()))
    assert capsys.readouterr().err == ""


def test_server_when_it_has_no_wire_to_lend_then_refuses() -> None:
    bulletin = Bulletin()
    server = Server(bulletin, lambda *_: None, lambda: None)
    server.start()
    page = Page(server.port)
    assert (page.answer.status, page.answer.read()) == (409, b"over\n")
    assert page.say(b"x") == (409, OVER)
    page.close()
    server.stop()


# -- what the plug counts


def test_plug_when_a_page_speaks_then_counts_its_presses_and_what_it_keeps(site: Site) -> None:
    page = site.listening_page()
    page.say(said(Hello(BOOT, 1, VERSION, UID, bytes(8), 1, POWER_ON, 0)) + pressed(1))
    assert [(each.key, each.prompt_id, each.ack_ms) for each in site.plug.presses] == [
        (2, PROMPT, None)
    ]
    assert site.plug.pad.queued == 1
    os.write(site.far.fd, said(Ack(BOOT, 1)))
    wait_for(lambda: site.plug.pad.queued == 0)
    assert site.plug.presses[0].ack_ms is not None
    page.say(said(Status(BOOT, 2, face=PLEASE_RATE)))
    assert site.plug.pad.face == PLEASE_RATE
    page.close()


def test_plug_when_a_pad_starts_anew_or_goes_then_only_what_was_acked_stays(site: Site) -> None:
    page = site.listening_page()
    page.say(pressed(1))
    os.write(site.far.fd, said(Ack(BOOT, 1)))
    wait_for(lambda: site.plug.pad.queued == 0)
    page.say(pressed(3))
    assert [press.seq for press in site.plug.presses] == [1, 3]
    page.say(b"\x00noise\x00" + pressed(1, BOOT + 1))
    assert [press.acked_s is None for press in site.plug.presses] == [False, True]
    page.close()
    wait_for(lambda: site.plug.runs_in == SERVER)
    assert [press.seq for press in site.plug.presses] == [1]


def test_orders_when_a_page_has_the_pad_then_the_servers_keys_are_dead(tmp_path: Path) -> None:
    hall = Hall(RULES, keep=tmp_path / "kept")
    orders = Orders(hall)
    hall.relay.start()
    hall.plug.start()
    orders.perform("key-down", {"key": 1})
    wait_for(lambda: not hall.pad.untouched)
    orders.perform("key-up", {"key": 1})
    hall.pad.restart()
    hall.plug.take()
    for action in ("key-down", "key-up"):
        with pytest.raises(BadOrder, match="in a page"):
            orders.perform(action, {"key": 1})
    for close in (hall.plug.stop, hall.relay.stop, hall.pad_wire.close, hall.queue_wire.close):
        close()


# -- what the page may load


def test_firmware_when_loaded_by_the_page_then_is_the_trees_byte_for_byte(site: Site) -> None:
    listed = json.loads(ask(site.port, "GET", "/firmware.json")[1])
    assert set(listed) == {*firmware.FILES, "device/main.py"}
    for path in listed:
        status, text = ask(site.port, "GET", f"/firmware/{path}")
        assert (status, text) == (200, (ROOT / path).read_bytes().decode("latin-1").strip())


@pytest.mark.parametrize(
    "path",
    [
        "/firmware/device/board.py",
        "/firmware/",
        "/firmware/../pyproject.toml",
        "/firmware/device/../../pyproject.toml",
        "/firmware/device/%2e%2e/device/pad.py",
        "/firmware//etc/passwd",
        "//etc/passwd",
        "/micropython/package.json",
        "/micropython/../../package.json",
        "/micropython/",
        "/node_modules/@micropython/micropython-webassembly-pyscript/micropython.mjs",
        "/plug.py",
    ],
)
def test_server_when_asked_for_another_file_of_the_tree_then_has_nothing(
    site: Site, path: str
) -> None:
    assert ask(site.port, "GET", path)[0] == 404


def test_page_when_micropython_is_not_installed_then_is_not_offered(tmp_path: Path) -> None:
    assert not shelf.has_micropython(tmp_path)
    for name in shelf.KINDS:
        (tmp_path / name).touch()
    assert shelf.has_micropython(tmp_path)


def test_strings_when_the_pad_does_not_run_here_then_there_is_a_sentence_for_it() -> None:
    text = file("strings.js").decode().removeprefix("export const STRINGS =").strip()
    for words in json.loads(text.removesuffix(";")).values():
        assert {f"runs.{why}" for why in (TAKEN, KEEPING, OVER)} <= set(words)


# -- the firmware in its chip

CHIP = """
import { readFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";
import { makeChip } from "./sim/demo/chip.mjs";
const paths = JSON.parse(process.argv[1]);
const files = Object.fromEntries(paths.map((path) => ["/lib/" + path, readFileSync(path)]));
const board = readFileSync("sim/demo/page_board.py");
const shown = [];
let boots = 0xB006;
const show = (...values) => shown.push(values);
const draw = () => ++boots;
const chip = await makeChip({ loadMicroPython, board, files, show, draw });
for await (const line of createInterface({ input: process.stdin })) {
  const [nowMs, keys, heard] = JSON.parse(line);
  const bytes = chip.run(nowMs, keys, Uint8Array.from(heard));
  const about = { ...chip.about(), heapLen: chip.heapLen() };
  console.log(JSON.stringify({ said: [...bytes], shown: shown.splice(0), ...about }));
}
"""

PAD = """
import { createInterface } from "node:readline";
import { loadMicroPython } from "@micropython/micropython-webassembly-pyscript";
import { startPad } from "./sim/demo/machine.mjs";
const tell = (what) => console.log(JSON.stringify(what));
const starting = startPad({ base: process.argv[1], loadMicroPython, tell });
starting.catch((error) => tell({ over: error.message }));
for await (const line of createInterface({ input: process.stdin })) {
  const [what, key] = JSON.parse(line);
  (await starting)[what](key);
}
"""


class Node:
    """A script under node, in and out a line of JSON each."""

    def __init__(self, script: str, argument: str) -> None:
        self.process = subprocess.Popen(
            [micropython.node(), "--input-type=module", "--eval", script, argument],
            cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip

    def put(self, what: object) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(what) + "\n")
        self.process.stdin.flush()

    def get(self) -> Any:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        return json.loads(line) if line else None

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            pipe.close()


class Desk:
    """A chip with the tree's firmware, and a unit, on a clock that only `turn` moves."""

    def __init__(self) -> None:
        self.node = Node(CHIP, json.dumps(shelf.FIRMWARE))
        self.unit = UnitEnd(0, 0)
        self.now_ms = self.keys = 0
        self.line = b""
        self.heard: list[Message] = []
        self.raw = b""
        self.faces: list[int] = []
        self.chip: dict[str, Any] = {}

    def turn(self, ms: int = 10) -> None:
        """A tick of the page: five turns of the firmware, unless it comes early."""
        self.now_ms += ms
        self.node.put([self.now_ms, self.keys, list(self.line)])
        self.chip = self.node.get()
        assert self.chip is not None, "the chip broke"
        self.faces += [shown[-1] for shown in self.chip["shown"]]
        data = bytes(self.chip["said"])
        self.raw += data
        self.heard += self.unit.received(self.now_ms, data)
        self.line = self.unit.poll(self.now_ms)

    def until(self, is_true: Callable[[], object], turns_max: int = 1000) -> None:
        for _ in range(turns_max):
            if is_true():
                return
            self.turn()
        raise AssertionError("it never became so")

    def of(self, kind: type[Message]) -> list[Message]:
        return [each for each in self.heard if isinstance(each, kind)]

    def send(self, files: dict[str, bytes]) -> None:
        """Put new firmware on the pad, as the unit does it."""
        key = SigningKey.generate()
        bundle = read(build(files, firmware.RELEASE + 1, 1, VERSION, key), key.public)
        self.until(lambda: self.unit.boot_id)
        self.unit.send(Offer(0, 0, bundle.digest, bundle.manifest_len, len(bundle.stream)))
        wanted = 0
        while wanted < len(bundle.stream):
            self.heard.clear()
            self.until(lambda: self.of(Progress))
            wanted = self.of(Progress)[-1].offset
            self.unit.send(Piece(0, 0, wanted, bundle.piece(wanted)))


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.node.stop()


@pytest.mark.needs("node")
def test_chip_when_key_is_pressed_in_a_prompt_then_brings_it_until_thanked(desk: Desk) -> None:
    desk.until(lambda: desk.unit.boot_id)
    desk.unit.open(desk.now_ms, PROMPT, 30_000)
    desk.until(lambda: PLEASE_RATE in desk.faces)
    desk.keys = 0b00010
    desk.until(lambda: desk.of(Edge))
    desk.keys = 0
    desk.until(lambda: len(desk.of(Edge)) == 2)
    assert [(edge.key, edge.down, edge.prompt_id) for edge in desk.of(Edge)] == [
        (2, 1, PROMPT),
        (2, 0, PROMPT),
    ]
    assert desk.faces[-1] == HEARD
    desk.unit.committed(desk.unit.boot_id, 2)
    desk.unit.close(desk.now_ms, PROMPT, THANKS)
    desk.until(lambda: desk.faces[-1] == IDLE)
    assert list(dict.fromkeys(desk.faces)) == [IDLE, PLEASE_RATE, HEARD, THANKS]
    repeated = desk.unit.repeated_count
    desk.until(lambda: len(desk.of(Status)) > 10)
    assert desk.unit.repeated_count == repeated
    assert desk.of(Status)[-1].queued == 0


@pytest.mark.needs("node")
def test_chip_when_it_starts_then_runs_the_trees_firmware_on_micropython(desk: Desk) -> None:
    desk.until(lambda: desk.of(Hello))
    sha = firmware.hashlib.sha256()
    for path in firmware.FILES:
        sha.update(path.encode() + b"\x00" + (ROOT / path).read_bytes())
    digest = sha.digest()[: firmware.DIGEST_LEN]
    hello = desk.of(Hello)[0]
    assert (hello.uid, hello.firmware, hello.release) == (UID, digest, firmware.RELEASE)
    assert (hello.reset_cause, hello.resets) == (POWER_ON, 0)
    package = json.loads((ROOT / "package.json").read_text())
    version = package["devDependencies"]["@micropython/micropython-webassembly-pyscript"]
    assert desk.chip["interpreter"] == f"MicroPython {version}"
    assert (desk.chip["release"], desk.chip["digest"]) == (firmware.RELEASE, digest.hex())
    assert 0 < desk.chip["heapLen"] < 64 * 1024


@pytest.mark.needs("node")
def test_chip_when_the_unit_speaks_between_two_turns_then_answers_at_once(desk: Desk) -> None:
    desk.until(lambda: desk.unit.boot_id)
    desk.unit.open(desk.now_ms, PROMPT, 30_000)
    desk.turn()
    assert PLEASE_RATE not in desk.faces
    desk.turn(0)
    assert desk.faces[-1] == PLEASE_RATE


@pytest.mark.needs("node")
def test_chip_when_its_page_slept_for_an_hour_then_goes_on(desk: Desk) -> None:
    desk.until(lambda: desk.unit.boot_id)
    desk.now_ms += 3_600_000
    count = len(desk.of(Status))
    desk.until(lambda: len(desk.of(Status)) > count, turns_max=2)
    assert {hello.boot_id for hello in desk.of(Hello)} == {BOOT}


@pytest.mark.needs("node")
def test_chip_when_the_unit_sends_new_firmware_then_starts_anew_with_it(desk: Desk) -> None:
    files = {path: (ROOT / path).read_bytes() for path in firmware.FILES}
    old = b"RELEASE = %d" % firmware.RELEASE
    new = b"RELEASE = %d" % (firmware.RELEASE + 1)
    assert old in files["device/firmware.py"]
    files["device/firmware.py"] = files["device/firmware.py"].replace(old, new)
    desk.send(files)
    desk.until(lambda: desk.of(Hello) and desk.of(Hello)[-1].boot_id == BOOT + 1)
    hello = desk.of(Hello)[-1]
    assert (hello.reset_cause, hello.resets) == (NEW_FIRMWARE, 0)
    assert hello.release == firmware.RELEASE + 1
    assert (desk.chip["release"], desk.chip["root"]) == (firmware.RELEASE + 1, "/a")
    assert desk.chip["heapLen"] < 64 * 1024


SAYS_SO_AND_FAILS = """
class Loop:
    def __init__(self, board, boot_id, firmware, root, on_trial):
        board.write(b"tried %d %s %d" % (board.reset_cause, root.encode(), on_trial))

    def turn(self):
        raise ValueError("on trial")
"""
IS_NO_PROGRAM = "class Loop"
TRIED_FIRMWARE = """
RELEASE = 2

def digest(files, root):
    return bytes(8)
"""


@pytest.mark.needs("node")
@pytest.mark.parametrize(
    ("loop", "last_words"),
    [(SAYS_SO_AND_FAILS, b"tried %d /a 1" % NEW_FIRMWARE), (IS_NO_PROGRAM, b"")],
)
def test_chip_when_new_firmware_fails_its_trial_then_the_old_one_runs_and_says_why(
    desk: Desk, loop: str, last_words: bytes
) -> None:
    files = {
        "device/__init__.py": '"""Nothing."""',
        "device/firmware.py": TRIED_FIRMWARE,
        "device/loop.py": loop,
    }
    desk.send({path: text.encode() for path, text in files.items()})
    desk.until(lambda: desk.of(Hello) and desk.of(Hello)[-1].reset_cause == FIRMWARE_ERROR)
    assert last_words in desk.raw
    hello = desk.of(Hello)[-1]
    assert (hello.release, hello.resets) == (firmware.RELEASE, 1)
    assert desk.chip["root"] == "/lib"


# -- all of it, but for the browser


class Tab:
    """The pad as the page's worker runs it, and what it tells the page."""

    def __init__(self, url: str) -> None:
        self.node = Node(PAD, url)
        self.told: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def faces(self) -> list[int]:
        return [each["shown"]["face"] for each in self.told if "shown" in each]

    @property
    def ends(self) -> list[str]:
        return [each["over"] for each in self.told if "over" in each]

    def close(self) -> None:
        self.node.process.kill()
        self._reader.join()
        self.node.stop()

    def _read(self) -> None:
        while (what := self.node.get()) is not None:
            self.told.append(what)


@pytest.fixture
def tab(site: Site) -> Iterator[Tab]:
    site.far.until(site.far.uids)
    tab = Tab(site.server.url)
    site.far.until(lambda: UID in site.far.uids() and site.far.unit.boot_id)
    yield tab
    tab.close()


def in_prompt(site: Site, tab: Tab) -> list[Message]:
    """The edges of a tap on key 4, acknowledged and thanked for."""
    far = site.far
    far.unit.open(far.now_ms, PROMPT, 30_000)
    far.until(lambda: PLEASE_RATE in tab.faces)
    tab.node.put(["press", 4])
    tab.node.put(["release", 4])

    def edges() -> list[Message]:
        return [each for each in far.heard if isinstance(each, Edge)]

    far.until(lambda: len(edges()) == 2)
    far.until(lambda: tab.faces[-1] == HEARD)
    far.unit.committed(far.unit.boot_id, edges()[-1].seq)
    far.until(lambda: site.plug.pad.queued == 0)
    far.unit.close(far.now_ms, PROMPT, THANKS)
    far.until(lambda: THANKS in tab.faces)
    return edges()


@pytest.mark.needs("node")
def test_tab_when_key_is_tapped_in_a_prompt_then_brings_it_until_thanked(
    site: Site, tab: Tab
) -> None:
    down, up = in_prompt(site, tab)
    assert (down.key, down.down, down.prompt_id) == (4, 1, PROMPT)
    assert (up.key, up.down, up.prompt_id) == (4, 0, PROMPT)
    assert up.held_ms >= 30
    (press,) = site.plug.presses
    assert press.ack_ms is not None
    assert next(each["chip"] for each in tab.told if "chip" in each)["root"] == "/lib"
    assert site.far.unit.decoder.bad_count == 0


@pytest.mark.needs("node")
def test_tab_when_it_pulls_out_then_says_that_it_is_over_and_the_server_goes_on(
    site: Site, tab: Tab
) -> None:
    tab.node.put(["pullOut", 0])
    wait_for(lambda: tab.ends)
    assert tab.ends == [OVER]
    wait_for(lambda: site.plug.runs_in == SERVER)


@pytest.mark.needs("node")
def test_tab_when_another_has_the_pad_then_says_that_it_is_taken(site: Site, tab: Tab) -> None:
    second = Tab(site.server.url)
    wait_for(lambda: second.ends)
    assert second.ends == [TAKEN]
    second.close()
    assert not tab.ends
    assert site.plug.runs_in == PAGE


@pytest.mark.needs("node")
def test_tab_when_it_vanishes_then_the_server_goes_on(site: Site, tab: Tab) -> None:
    in_prompt(site, tab)
    tab.node.process.kill()
    wait_for(lambda: site.plug.runs_in == SERVER)
    site.far.heard.clear()
    site.far.until(site.far.uids)
    assert site.far.uids() == [b"virtual1"]
    assert len(site.plug.presses) == 1
