"""Units that only play it: what an office sees of one over a place, told from a table. No daemon.

It answers the commands that a Raspberry Pi's `haochaping`, `systemctl` and installer would, as far
as an office uses them; any other command runs here, in the folder that is its root. What it says is
its `told`, which may be changed at any moment: what a real daemon says of itself, word for word.
"""

import copy
import json
import os
import subprocess
import threading
import tomllib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Self

from provisioning.reach.place import ANSWER_S, Done, Unreachable

SOURCE = "/330102/h01/w03"
CONFIG, PROGRAMS = "/etc/haochaping", "/opt/haochaping"
# What lies below the root of the unit, wherever that is.
BELOW = (f"{CONFIG}/", PROGRAMS)
ENTRY = "0c9bb7c0f1b94f4ebf5cf2a1cc1a5d34-{seq}"
REFUSED, FAILED, GOOD = 2, 1, 0
# A technician who has not looked by then does not look at all.
LOOK_S = 20.0
WHOLE: dict[str, Any] = {
    "source": SOURCE,
    "version": "0.1.0",
    "windows": [
        {
            "number": "3",
            "state": "idle",
            "pad": {
                "state": "up", "trouble": None, "port": "/dev/haochaping/pad", "exists": True,
                "is_open": True, "uid": "e660583883724a32", "firmware": "5f1c2f6e2d5a4c1e" * 4,
                "release": 3, "update": None, "update_percent": None, "queued": 0, "counters": {},
            },
            "display": {"kind": "ssd1306", "trouble": None},
            "lamp": {"kind": "gpio", "trouble": None},
        }
    ],
    "signals": [
        {
            "port": "/dev/haochaping/signal", "windows": ["3"], "state": "open", "trouble": None,
            "exists": True, "counters": {"good": 0, "damaged": 0, "unknown": 0}, "last": None,
        }
    ],
    "journal": {
        "epoch": "0c9bb7c0f1b94f4ebf5cf2a1cc1a5d34", "last_seq": 17, "writing": False,
        "trouble": None, "disk": "sound", "signer": {"kid": "0123456789abcdef", "public": "A" * 43},
    },
    "uplink": {
        "state": "up", "trouble": None, "step": None, "broker": "broker.example:8883",
        "delivered": 17, "backlog": 0,
    },
    "clock": {"synced": True, "offset_ms": 1, "error_ms": 12},
    "disk": {"state": "sound", "free_len": 12_000_000_000, "size_len": 32_000_000_000},
    "certificate": {"from": "2026-01-01T00:00:00Z", "until": "2099-01-01T00:00:00Z"},
}  # fmt: skip
BARE = """\
[[window]]
number = "3"
pad = "/dev/haochaping/pad"
signal = "/dev/haochaping/signal"
"""
CONFIGURED = f"""\
{BARE}lamp_pin = 17
buzzer_pin = 27
[panel]
display = "ssd1306"
[lamp]
kind = "gpio"
"""


def whole() -> dict[str, Any]:
    """What a unit tells that nothing is wrong with; yours to change."""
    return copy.deepcopy(WHOLE)


class PlayedUnit:
    """`name` reaches it.

    takes: what becomes of an installed wheel, by its version; raises to refuse it.
    trouble: how each test of the daemon ends otherwise than well, by its name.
    """

    def __init__(self, folder: Path, name: str = "w03") -> None:
        self.name, self.root = name, folder / name
        self.told: dict[str, Any] | None = whole()
        self.is_on, self.service, self.mistakes = True, "active", ""
        self._shown: dict[str, int] = {}
        self._is_showing, self._is_ended = threading.Event(), threading.Event()
        self.signed: list[Mapping[str, Any]] = []
        self.ran: list[list[str]] = []
        self.trouble: dict[str, list[dict[str, Any]]] = {}
        self.takes: Callable[[str], None] = self._take
        (self.root / CONFIG.lstrip("/")).mkdir(parents=True)
        self.configuration = CONFIGURED

    @property
    def configuration(self) -> str:
        """The daemon's file."""
        return self._at(f"{CONFIG}/daemon.toml").read_text()

    @configuration.setter
    def configuration(self, text: str) -> None:
        self._at(f"{CONFIG}/daemon.toml").write_text(text)

    def run(
        self, command: Sequence[str], *, given: bytes = b"", timeout_s: float = ANSWER_S
    ) -> Done:
        """As a place does it."""
        if not self.is_on:
            raise Unreachable(f"{self.name}: No route to host")
        words = [self._below(word) for word in command]
        self.ran.append(list(command))
        played: Callable[[list[str], bytes], Done] | None = {
            ("haochaping", "status"): self._status,
            ("haochaping", "test"): self._test,
            ("haochaping", "--check"): self._check,
            ("systemctl", "is-active"): self._is_active,
            ("provision", "unit"): self._configure,
        }.get((command[0], command[1] if command[1:] else ""))
        if played is not None:
            return played(list(command[2:]), given)
        if "daemon.systemd" in command:
            return self._install(words)
        return self._really(words, given, timeout_s)

    def look(self) -> Mapping[str, int]:
        """What stands at its window for a technician to read, as soon as there is something."""
        return self._shown if self._is_showing.wait(LOOK_S) else {}

    def call(self, ticket: str, window: str = "3") -> None:
        """The clerk calls a number."""
        assert self.told is not None
        last = {"say": "called", "window": window, "ticket": ticket, "age_ms": 40}
        self.told["signals"][0]["last"] = last

    # -- what its programs answer

    def _status(self, _options: list[str], _given: bytes) -> Done:
        if self.told is None:
            return Done(REFUSED, b"", b"journal.db.sock: no daemon answers\n")
        return Done(GOOD, json.dumps(self.told).encode(), b"")

    def _check(self, _options: list[str], _given: bytes) -> Done:
        return Done(REFUSED if self.mistakes else GOOD, b"", self.mistakes.encode())

    def _is_active(self, _options: list[str], _given: bytes) -> Done:
        return Done(GOOD if self.service == "active" else 3, f"{self.service}\n".encode(), b"")

    def _test(self, options: list[str], given: bytes) -> Done:
        what = options[0]
        lines = self.trouble[what].pop(0) if self.trouble.get(what) else None
        if lines is not None and "error" in lines:
            return Done(REFUSED, b"", f"{lines['error']}\n".encode())
        said = [lines] if lines is not None else self._tested(what, options, given)
        text = "".join(json.dumps(line) + "\n" for line in said)
        return Done(GOOD if said[-1]["ok"] else FAILED, text.encode(), b"")

    def _tested(self, what: str, options: list[str], given: bytes) -> list[dict[str, Any]]:
        """What each test says that ends well."""
        entry = {"id": ENTRY.format(seq=18), "seq": 18, "hash": "ab" * 32}
        receipt = {"ok": True, "after_ms": 184}
        if what == "pad":
            keys = {"ok": True, "detail": "5 of 5 keys", "keys": [True] * 5}
            return [{"state": "asked"}, keys]
        if what == "signs":
            sent = dict(zip(options[3::2], options[4::2], strict=True))
            self._shown = {name.lstrip("-"): int(value) for name, value in sent.items()}
            self._is_showing.set()
            self._is_ended.wait(LOOK_S)
            self._is_showing.clear()
            self._is_ended.clear()
            there = {"display": True, "lamp": True, "buzzer": True}
            return [{"state": "showing", **there}, {**there, "ok": True}]
        if what == "end":
            self._is_ended.set()
        if what == "acceptance":
            steps = json.loads(given)["steps"]
            self.signed += steps
            is_ok = all(step["outcome"] != "bad" for step in steps)
            return [{**entry, "ok": is_ok}, receipt]
        return [entry, receipt] if what == "delivery" else [{"ok": True, "detail": "ended"}]

    def _configure(self, options: list[str], given: bytes) -> Done:
        assert options == ["configure", "-"], options
        pad = json.loads(given)["pad"]
        lines = "".join(f'{key} = "{value}"\n' for key, value in pad.items())
        if "pad" not in tomllib.loads(self.configuration):
            self.configuration += f"[pad]\n{lines}"
        return Done(GOOD, b"", b"")

    def _install(self, words: list[str]) -> Done:
        (wheel,) = (word for word in words if word.startswith("PYTHONPATH="))
        try:
            self.takes(Path(wheel.partition("=")[2]).name.split("-")[1])
        except ValueError as error:
            return Done(REFUSED, b"", f"{error}\n".encode())
        return Done(GOOD, b"made a new environment\n", b"")

    def _take(self, version: str) -> None:
        if self.told is not None:
            self.told["version"] = version

    # -- what really runs

    def _really(self, words: list[str], given: bytes, timeout_s: float) -> Done:
        environment = {**os.environ, "HAOCHAPING_ROOT": str(self.root)}
        try:
            done = subprocess.run(
                words, input=given, capture_output=True, timeout=timeout_s,
                cwd=self.root, env=environment,
            )  # fmt: skip
        except FileNotFoundError:
            return Done(127, b"", f"sh: {words[0]}: not found\n".encode())
        except subprocess.TimeoutExpired as error:
            raise Unreachable(f"{self.name}: no answer within {timeout_s:.0f} s") from error
        return Done(done.returncode, done.stdout, done.stderr)

    def _below(self, word: str) -> str:
        name, sign, path = word.rpartition("=")
        return f"{name}{sign}{self.root}{path}" if path.startswith(BELOW) else word

    def _at(self, path: str) -> Path:
        return self.root / path.lstrip("/")


# OpenSSH's client, to units of which each is a folder with what it says.
CLIENT = """\
#!/bin/sh
while [ "$1" != -- ]; do shift; done
unit={folder}/$2
[ -d "$unit" ] || {{ echo "ssh: connect to host $2 port 22: No route to host" >&2; exit 255; }}
set -- $3
[ "$1" = sudo ] && shift 2
case "$*" in
"haochaping test "*) cat "$unit/test-$3" ;;
"haochaping status") cat "$unit/status" ;;
"haochaping --check") ;;
*daemon.systemd*install) mv "$unit/next" "$unit/status" ;;
"systemctl is-active"*) echo active ;;
*daemon.toml*) cat "$unit/daemon.toml" ;;
esac
"""


CLIENT_KEY = '# client = ["ssh"]'


class PlayedHall:
    """Units that are reached by `ssh`; each says what it was last told to say."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self._folder = folder
        client = folder / "ssh"
        client.write_text(CLIENT.format(folder=folder))
        client.chmod(0o755)
        self.ssh = str(client)

    @classmethod
    def of(cls, site: Path, folder: Path) -> Self:
        """The units of a site folder are played ones from now on."""
        hall, settings = cls(folder), site / "site.toml"
        before = settings.read_text("utf-8")
        assert CLIENT_KEY in before
        settings.write_text(before.replace(CLIENT_KEY, f'client = ["{hall.ssh}"]'), "utf-8")
        return hall

    def tell(self, name: str, status: Mapping[str, Any] | None, **tests: Any) -> None:
        """Have a unit say this; no status is no answer.

        tests: the lines of each test, by its name; `next`: the status once a wheel is installed.
        """
        unit = self._folder / name
        unit.mkdir(exist_ok=True)
        (unit / "daemon.toml").write_text(BARE)
        (unit / "status").unlink(missing_ok=True)
        if status is not None:
            (unit / "status").write_text(json.dumps(status))
        if "next" in tests:
            (unit / "next").write_text(json.dumps(tests.pop("next")))
        for what, lines in tests.items():
            text = "".join(json.dumps(line) + "\n" for line in lines)
            (unit / f"test-{what}").write_text(text)
