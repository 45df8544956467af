"""listen: what arrives on a queue line, live, decoded beside its bytes.

For the technician at a new window. Nothing is stored, and nothing is said on the line.
"""

import argparse
import selectors
import signal
import sys
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from types import FrameType

from daemon import config
from daemon.dialects import dialect
from daemon.dialects.listening import HIDDEN, Listener, Row, shown
from daemon.errors import DaemonError
from daemon.privacy import bears_id_number, born_before
from daemon.wallclock import boottime_ms
from daemon.wire.ports import Port

NAME = "listen"
HELP = "show live what arrives on a queue line, decoded beside its bytes; nothing is stored"
# Their records can be told only as a vendor makes them.
DESCRIBED = ("line", "frame")
# A frame at 1200 baud has no gap as long as this.
PAUSE_S = 0.3


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--port", metavar="P", help="the serial port; default: the first window's")
    parser.add_argument(
        "--baud", type=int, metavar="B", help="default: the configured one, or 9600"
    )
    parser.add_argument(
        "--dialect",
        metavar="D",
        help="native, line, jsonl, frame or an installed one; over the configured one",
    )
    parser.add_argument(
        "--config", type=Path, metavar="FILE", help="where [signal] describes the dialect"
    )


def run(arguments: argparse.Namespace) -> int:
    """Listen until interrupted; the exit code."""
    if arguments.config is None and arguments.dialect in DESCRIBED:
        raise DaemonError(
            f"dialect {arguments.dialect} needs a description: name the file that has it with "
            "--config; `python -m daemon learn` proposes one"
        )
    said = {"baud": arguments.baud, "dialect": arguments.dialect}
    spoken, windows = config.load_signal(
        arguments.config, **{name: value for name, value in said.items() if value is not None}
    )
    path = arguments.port or (windows[0].signal if windows else None)
    if path is None:
        raise DaemonError("no port is named: --port /dev/ttyUSB0, or --config with a [[window]]")
    own = tuple(window.number for window in windows if window.signal == path)
    today = int(datetime.now(UTC).strftime("%Y%m%d"))
    bears = partial(bears_id_number, born_before=born_before(today))
    talk = dialect(spoken, (), lambda text: HIDDEN if bears(text) else text)
    port = Port(path, spoken.baud)
    port.open()
    # Said before anything comes, also into a pipe.
    print(
        f"listening to {path} at {spoken.baud} baud, dialect {spoken.dialect}; Ctrl-C ends it",
        flush=True,
    )
    _listen(port, Listener(talk, bears), lambda row: shown(row, own, bears))
    counts = talk.counts.as_dict()
    print(", ".join(f"{name} {count}" for name, count in counts.items()))
    return 0


class _Stopped(Exception):
    """The technician has seen enough."""


def _stop(_number: int, _frame: FrameType | None) -> None:
    raise _Stopped


def _listen(port: Port, listener: Listener, lines: Callable[[Row], Iterable[str]]) -> None:
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _stop)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(port, selectors.EVENT_READ)
            while True:
                if selector.select(PAUSE_S):
                    rows = listener.received(boottime_ms(), port.read())
                else:
                    rows = listener.paused()
                for row in rows:
                    _print(lines(row))
    except _Stopped:
        return
    finally:
        port.close()


def _print(lines: Iterable[str]) -> None:
    time = datetime.now().astimezone().strftime("%H:%M:%S.%f")[:-3]
    for index, line in enumerate(lines):
        print(time if index == 0 else " " * len(time), line)
    sys.stdout.flush()
