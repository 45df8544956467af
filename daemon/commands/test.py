"""test: have the running daemon try one window, for a technician who stands at it.

Every line is one JSON object, the last one the result. Nothing of it ever counts as a rating.
"""

import argparse
import json
import sys
from typing import Any

from daemon import config, control
from daemon.control import TEST_S
from daemon.errors import DaemonError
from daemon.trial.wanted import ACCEPTANCE, COUNT_MAX, DELIVERY, END, NUMBER_MAX, PAD, SIGNS

NAME, HELP = "test", "try a window: its pad, what it shows, its way to the platform; JSON lines"
EXIT_GOOD, EXIT_FAILED = 0, 1
STEPS_LEN_MAX = control.REQUEST_LEN_MAX
WHATS = {
    PAD: "the pad tries itself: press each key that lights up",
    SIGNS: "for 20 s a number on the display, blinks of the lamp, beeps of the buzzer",
    DELIVERY: "one entry to the platform and its receipt back",
    ACCEPTANCE: "sign how an acceptance went: JSON on stdin, and its receipt back",
    END: "end the test that runs",
}


def configure(parser: argparse.ArgumentParser) -> None:
    whats = parser.add_subparsers(dest="what", required=True, metavar="WHAT")
    for what, help_ in WHATS.items():
        asked = whats.add_parser(what, help=help_, description=help_)
        asked.add_argument("--window", required=True, metavar="N", help="the window's number")
        config.ask_for(asked)
        if what == SIGNS:
            for name, most in (("number", NUMBER_MAX), ("lamp", COUNT_MAX), ("buzzer", COUNT_MAX)):
                asked.add_argument(
                    f"--{name}", type=int, required=True, metavar="N", help=f"0 to {most}"
                )
        if what == ACCEPTANCE:
            asked.add_argument("--by", required=True, metavar="STAFF", help="who accepts")


def run(arguments: argparse.Namespace) -> int:
    """Print what is said of the test; 0 when it is good, 1 when it failed."""
    settings = config.load(arguments.config)
    last: dict[str, Any] = {}
    try:
        for last in control.ask(settings.store.database, _request(arguments), TEST_S):
            if "error" in last:
                raise DaemonError(last["error"])
            print(json.dumps(last, ensure_ascii=False), flush=True)
    except KeyboardInterrupt:
        # The daemon ends it when the connection does.
        raise DaemonError("the test was ended here: ask again for another") from None
    return EXIT_GOOD if last.get("ok") is True else EXIT_FAILED


def _request(arguments: argparse.Namespace) -> dict[str, Any]:
    request = {"ask": "test", "what": arguments.what, "window": arguments.window}
    if arguments.what == SIGNS:
        request |= {name: getattr(arguments, name) for name in ("number", "lamp", "buzzer")}
    if arguments.what == ACCEPTANCE:
        request |= {"by": arguments.by, "steps": _steps(sys.stdin.read(STEPS_LEN_MAX))}
    return request


def _steps(text: str) -> object:
    """The steps in what was typed; whether they are any, the daemon says."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise DaemonError(f"stdin is not JSON ({error}): pipe one object with steps in") from error
    if not isinstance(value, dict) or value.keys() != {"steps"}:
        raise DaemonError('stdin: one object {"steps": [...]}, and nothing else in it')
    return value["steps"]
