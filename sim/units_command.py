"""`python -m sim units`: a hall without hardware, for people to try `provision` on. Real I/O."""

import argparse
import contextlib
import json
import sys
import threading
from collections.abc import Callable
from pathlib import Path

from protocol.pad.messages import KEY_COUNT
from sim.brokers import BrokerUnavailable, ShippedMosquitto
from sim.platforms import Platform
from sim.processes import end_on_signals
from sim.units import VirtualHall

NAME = "units"
HELP = "virtual Raspberry Pis with pads and queue terminals, to try provision on"
EXIT_TROUBLE = 2
COUNT, COUNT_MAX = 3, 200
KEYS = tuple(str(number) for number in range(1, KEY_COUNT + 1))

TO_TYPE = """\
Make the site in another terminal:
  provision site init site --area 330102 --hall h01 --broker 127.0.0.1:{port} \\
    --broker-ca {authority} --platform-key {key} --windows {windows}
Put into site/site.toml, each below its table:
  [broker]    apply = {takes_list}
  [platform]  apply = {takes_registry}
  [ssh]       client = {ssh}
Type here, with the way to it: trust site
Then, there: cd site; provision unit enrol --all
"""
NO_BROKER = """\
There is no broker: mosquitto is not installed (apt-get install mosquitto).
The units' windows: {windows}
For a site.toml, below [ssh]: client = {ssh}
"""
WORDS = """\
What you can do at the counters, a line each:
  call w01         the clerk calls the next number        complete w01   and has finished a case
  press w01 5      a finger on the fifth key from the left
  off w01          pull the plug of the unit              on w01         and put it in again
  wipe w01         a fresh card, switched off             replace w01    another machine, too
  trust SITE       let in whom this site folder's authority signs for
The pads' self-test is answered by itself. End with Ctrl-C.
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--count", type=int, default=COUNT, metavar="N", help=f"how many units (default {COUNT})"
    )
    parser.add_argument(
        "--folder", type=Path, required=True, metavar="DIR", help="where they lie; new or empty"
    )


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out; the exit code."""
    end_on_signals()
    folder, count = arguments.folder, arguments.count
    trouble = None
    if not 0 < count <= COUNT_MAX:
        trouble = f"--count {count}: from 1 to {COUNT_MAX}"
    elif folder.exists() and any(folder.iterdir()):
        trouble = f"{folder} is not empty: name a new folder"
    if trouble is not None:
        sys.stderr.write(f"{trouble}\n")
        return EXIT_TROUBLE
    windows = {f"w{number:02}": str(number) for number in range(1, count + 1)}
    try:
        with contextlib.ExitStack() as stack:
            hall = stack.enter_context(VirtualHall(folder, windows))
            platform = None
            if ShippedMosquitto.available():
                platform = stack.enter_context(Platform(folder.resolve() / "platform"))
            for unit in hall.units.values():
                unit.counter.finger.start()
                unit.counter.clerk.login()
            sys.stdout.write(_introduction(folder, hall, platform))
            sys.stdout.flush()
            _obey(hall, platform)
            threading.Event().wait()
    except BrokerUnavailable as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_TROUBLE
    except KeyboardInterrupt:
        pass
    return 0


def _introduction(folder: Path, hall: VirtualHall, platform: Platform | None) -> str:
    rows = (f"{host},{unit.counter.window},{host}\n" for host, unit in hall.units.items())
    windows = folder / "windows.csv"
    windows.write_text("unit,window,host\n" + "".join(rows))
    given = {"windows": windows.resolve(), "ssh": json.dumps(hall.ssh)}
    if platform is None:
        to_type = NO_BROKER.format(**given)
    else:
        to_type = TO_TYPE.format(
            port=platform.port,
            authority=platform.authority,
            key=platform.key,
            takes_list=json.dumps(platform.takes_list),
            takes_registry=json.dumps(platform.takes_registry),
            **given,
        )
    hosts = ", ".join(hall.units)
    by_hand = f"{hall.ssh[0]} {next(iter(hall.units))}"
    return f"{len(hall.units)} units: {hosts}; by hand: {by_hand}\n\n{to_type}\n{WORDS}"


class BadOrder(Exception):
    """A line at the counters that cannot be carried out: str() is a sentence."""


def _obey(hall: VirtualHall, platform: Platform | None) -> None:
    """Do what the lines of stdin say, up to their end."""
    for line in sys.stdin:
        try:
            if words := line.split():
                _carry_out(hall, platform, *(*words, "", "")[:3])
                sys.stdout.write("done\n")
        except BadOrder as error:
            sys.stdout.write(f"{error}\n")
        sys.stdout.flush()


def _carry_out(
    hall: VirtualHall, platform: Platform | None, verb: str, what: str, key: str
) -> None:
    if verb == "trust":
        files = [Path(what, name) for name in ("authority/ca.pem", "publish/unit.crl")]
        if platform is None or not all(file.exists() for file in files):
            raise BadOrder(f"{what}: no site folder with an authority, or there is no broker")
        platform.trust(*files)
        return
    if what not in hall.units:
        raise BadOrder(f"{what!r}: one of {', '.join(hall.units)}")
    unit = hall[what]
    counter = unit.counter
    if verb == "complete" and counter.clerk.ticket is None:
        raise BadOrder("nobody is at the window: call first")
    if verb == "press" and key not in KEYS:
        raise BadOrder(f"press {what} KEY: a key from 1 to {KEY_COUNT}")
    orders: dict[str, Callable[[], object]] = {
        "call": counter.clerk.call,
        "complete": counter.clerk.complete,
        "press": lambda: counter.pad.press(int(key)),
        "off": unit.switch_off,
        "on": unit.switch_on,
        "wipe": unit.wipe,
        "replace": unit.replace,
    }
    if verb not in orders:
        raise BadOrder(f"{verb!r}: trust, {', '.join(orders)}")
    orders[verb]()
