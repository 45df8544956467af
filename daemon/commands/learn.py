"""learn: a description of a queue line, proposed from what came over it.

The capture comes from a file, or from the port for as long as it is listened to; it is kept in
memory only and forgotten at the end.
"""

import argparse
import selectors
import sys
from pathlib import Path

from daemon.errors import DaemonError
from daemon.wallclock import boottime_ms
from daemon.wire.ports import Port

NAME = "learn"
HELP = "propose the description of a queue line, from a capture or from the port itself"
# Ten calls, each said three times, at a window where something is going on.
SECONDS = 60
# A minute of the fastest line that is full; what is longer teaches nothing more.
CAPTURE_LEN_MAX = 1_000_000
BAUD = 9600


def configure(parser: argparse.ArgumentParser) -> None:
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--port", metavar="P", help="listen to this serial port")
    source.add_argument("--capture", type=Path, metavar="FILE", help="read these bytes instead")
    parser.add_argument("--baud", type=int, default=BAUD, metavar="B", help=f"default {BAUD}")
    parser.add_argument(
        "--seconds",
        type=float,
        default=SECONDS,
        metavar="S",
        help=f"how long to listen, default {SECONDS}; Ctrl-C ends it earlier",
    )


def run(arguments: argparse.Namespace) -> int:
    """Print the proposal; the exit code."""
    if arguments.capture is not None:
        data = _file(arguments.capture)
    else:
        data = _heard(Port(arguments.port, arguments.baud), arguments.seconds)
    # Only here: the daemon that serves holds every command, and not what they need.
    from daemon.dialects.learning import learn

    proposal = learn(data)
    if proposal is None:
        raise DaemonError(
            f"nothing was recognised in {len(data)} bytes: try another --baud, or listen longer "
            "while the terminal calls, recalls and skips a few tickets"
        )
    print(proposal, end="")
    return 0


def _file(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(CAPTURE_LEN_MAX)
    except OSError as error:
        raise DaemonError(f"{path}: cannot be read ({error.strerror}): mend the path") from error


def _heard(port: Port, seconds: float) -> bytes:
    """What came until the time is over, the technician has enough, or memory has."""
    data = bytearray()
    until_ms = boottime_ms() + round(seconds * 1000)
    port.open()
    print("listening; press each button of the terminal a few times", file=sys.stderr, flush=True)
    try:
        with selectors.DefaultSelector() as selector:
            selector.register(port, selectors.EVENT_READ)
            while len(data) < CAPTURE_LEN_MAX and (left_ms := until_ms - boottime_ms()) > 0:
                if selector.select(left_ms / 1000):
                    data += port.read()
    except KeyboardInterrupt:
        pass
    finally:
        port.close()
    return bytes(data)
