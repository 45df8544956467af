"""E3: dirty queue lines in every dialect; nothing of a citizen is found anywhere afterwards."""

import base64
import io
import subprocess
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from daemon.config import load_signal
from daemon.dialects import dialect
from daemon.dialects.gate import REPEAT_MS
from daemon.privacy import concealer
from sim import dirt
from sim.demo.hall import Hall
from sim.processes import module
from sim.siege import RULES
from sim.terminal import EXAMPLES

DESCRIPTIONS = sorted(EXAMPLES.glob("*.toml"))
TODAY = 20250101
WRITE_S = DELIVERY_S = 60.0
NATIVE = '[signal]\ndialect = "native"\n'
PAGES = ("/", "/page.json", "/status.json", "/metrics", "/healthz", "/bundle.zip")
COMMANDS = ("status", "export", "bundle")


def heard(description: Path, conceal: Callable[[str], str]) -> bytes:
    """All that comes out of a dialect, in words."""
    config, _ = load_signal(description)
    talk = dialect(config, (dirt.WINDOW,), conceal)
    pieces = enumerate(dirt.said(config))
    # Each in its own time, or the gate would take many for repeats.
    return repr([talk.received(at * REPEAT_MS, piece) for at, piece in pieces]).encode()


@pytest.mark.promise
@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda path: path.stem)
def test_dirty_lines_when_heard_then_nothing_of_a_citizen_comes_out_of_the_dialect(
    description: Path, promise: Callable[..., None]
) -> None:
    out = heard(description, concealer(b"s", TODAY))
    assert dirt.found(out, dirt.TICKET)
    needles = dirt.needles()
    bad = [needle.text for needle in needles if dirt.found(out, needle.text)]
    assert bad == []
    promise("E3", "citizens' data looked for behind a dialect", len(needles), len(bad))


@pytest.mark.parametrize("name", ["native", "line"])
def test_dirty_lines_when_nothing_is_concealed_then_the_search_finds_them(name: str) -> None:
    out = heard(EXAMPLES / f"{name}.toml", lambda text: text)
    assert dirt.found(out, dirt.id_number(1))


@pytest.mark.parametrize("text", ["欧阳某甲", dirt.id_number(1), "粤B·D00001"])
def test_needle_in_whatever_form_is_found(text: str) -> None:
    for raw in (text.encode(), text.encode("gbk"), f"\x00{text.lower()}".encode("utf-16-le")):
        assert dirt.found(b"before " + raw + b" after", text)
        for offset in range(3):
            written = base64.b64encode(bytes(offset) + raw + b"after")
            assert dirt.found(b'{"piece":"' + written + b'"}', text)
        assert dirt.found(raw.hex().encode(), text)
    assert dirt.found(repr(text).encode("ascii", "backslashreplace"), text)
    assert not dirt.found(text[1:].encode(), text)


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
@pytest.mark.campaign
@pytest.mark.parametrize("description", DESCRIPTIONS, ids=lambda path: path.stem)
def test_dirty_lines_through_daemon_broker_and_centre_then_nothing_is_found_anywhere(
    tmp_path: Path, description: Path, promise: Callable[..., None]
) -> None:
    config, _ = load_signal(description)
    traffic: list[bytes] = []
    hall = Hall(RULES, keep=tmp_path / "hall")
    text = hall.site.unit_config.read_text("utf-8")
    assert NATIVE in text
    hall.site.unit_config.write_text(text.replace(NATIVE, description.read_text("utf-8")), "utf-8")
    hall.relay.tap = traffic.append
    key = hall.directory / "signing.pem"
    with hall:
        hall.queue_wire.write_all(b"".join(dirt.said(config)), WRITE_S)
        assert hall.wait(lambda: is_through(hall), DELIVERY_S), hall.status()
        places = dict(shown(hall))
    places["traffic"] = b"".join(traffic)
    files = [path for path in hall.directory.rglob("*") if path.is_file() and path != key]
    places |= {str(path.relative_to(hall.directory)): path.read_bytes() for path in files}
    # What is meant to arrive is found where it belongs, so the search does look there.
    for name in ("journal.db", "central.db", "traffic", "export", "/bundle.zip"):
        assert dirt.found(places[name], dirt.TICKET), name
    needles = [needle.text for needle in dirt.needles()]
    bad = [(name, one) for name, text in places.items() for one in needles if dirt.found(text, one)]
    assert bad == []
    looks = len(needles) * len(places)
    promise("E3", "citizens' data looked for in files, traffic, outputs", looks, len(bad))
    secrets = [form for form in key_forms(key) if any(form in text for text in places.values())]
    assert secrets == []
    promise("E3", "the unit's private key looked for everywhere else", 5 * len(places))


def is_through(hall: Hall) -> bool:
    """The last case was heard and all that came of the line is at the platform."""
    status = hall.status()
    return (
        status is not None
        and status["signals"][0]["last"] is not None
        and status["signals"][0]["last"]["ticket"] == dirt.TICKET
        and status["uplink"]["backlog"] == 0
        and not status["journal"]["writing"]
    )


def shown(hall: Hall) -> Iterator[tuple[str, bytes]]:
    """What page and commands of the running unit give out; archives unpacked."""
    for path in PAGES:
        body = hall.ask(path)
        assert body is not None, path
        yield path, _unpacked(body)
    for command in COMMANDS:
        done = subprocess.run(
            module("daemon", command, "--config", str(hall.site.unit_config)),
            capture_output=True, timeout=DELIVERY_S, check=True,
        )  # fmt: skip
        yield command, _unpacked(done.stdout) + done.stderr


def _unpacked(body: bytes) -> bytes:
    if not zipfile.is_zipfile(io.BytesIO(body)):
        return body
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return b"".join(archive.read(name) for name in archive.namelist())


def key_forms(path: Path) -> list[bytes]:
    """The private key as its file has it, and its 32 bytes raw, in hex and in base64."""
    body = "".join(path.read_text("ascii").splitlines()[1:-1])
    seed = base64.b64decode(body)[-32:]
    assert len(seed) == 32
    in_base64 = base64.b64encode(seed).rstrip(b"=")
    return [body.encode(), seed, seed.hex().encode(), seed.hex().upper().encode(), in_base64]
