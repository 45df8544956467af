"""`python -m sim demo`: the hall in a box with its page, or one scripted morning in it."""

import argparse
import json
import sys
import threading
import time
from pathlib import Path

from sim.brokers import BrokerUnavailable
from sim.demo import report
from sim.demo.arrivals import Arrival
from sim.demo.bulletin import Bulletin
from sim.demo.hall import Hall, HallError
from sim.demo.judging import judge
from sim.demo.morning import RULES, Morning, TooLate
from sim.demo.orders import Orders
from sim.demo.premises import Rules
from sim.demo.server import Server
from sim.demo.view import View, entry_row
from sim.processes import end_on_signals

PORT = 8780
EXIT_WRONG = 1
EXIT_TROUBLE = 2

NAME = "demo"
HELP = "a whole window in a box: page, pad, terminal, unit, broker and centre on loopback"


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the options of the command."""
    parser.add_argument(
        "--once",
        action="store_true",
        help="play a scripted morning, count, and exit 0 if all is right",
    )
    parser.add_argument(
        "--json", action="store_true", help="with --once: one JSON object on stdout"
    )
    parser.add_argument(
        "--keep", type=Path, metavar="DIR", help="keep databases, logs and received entries in DIR"
    )
    parser.add_argument(
        "--port", type=int, default=PORT, help=f"of the page, 0 for a free one (default {PORT})"
    )


def run(arguments: argparse.Namespace) -> int:
    """Carry the command out; the exit code."""
    end_on_signals()
    try:
        if arguments.once:
            return _once(as_json=arguments.json, keep=arguments.keep)
        return _serve(arguments.port, arguments.keep)
    except (HallError, BrokerUnavailable) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_TROUBLE
    except KeyboardInterrupt:
        # The way to end the page; a morning that was broken off has proved nothing.
        return EXIT_TROUBLE if arguments.once else 0


def _once(*, as_json: bool, keep: Path | None) -> int:
    started_s = time.monotonic()
    with Hall(RULES, keep=keep) as hall:
        morning, trouble = Morning(hall), None
        try:
            morning.play()
            morning.deliver()
        except TooLate as error:
            trouble = str(error)
        verdict = judge(morning.expected, [each.data for each in hall.arrivals.all("rating")])
        verified = hall.verify()
        if keep is not None:
            _keep_received(hall)
        figures = report.figures(morning, hall.arrivals, verdict, chain_verified=verified)
    if as_json:
        sys.stdout.write(json.dumps(figures) + "\n")
        if trouble is not None:
            sys.stderr.write(f"trouble: {trouble}\n")
    else:
        took_s = time.monotonic() - started_s
        sys.stdout.writelines(
            f"{line}\n" for line in report.table(figures, verdict, trouble, took_s)
        )
    return 0 if verdict.good and verified and trouble is None else EXIT_WRONG


def _serve(port: int, keep: Path | None) -> int:
    bulletin = Bulletin()

    def stored(arrival: Arrival) -> None:
        bulletin.post_entry(entry_row(arrival))

    with Hall(Rules(), keep=keep, stored=stored) as hall:
        view = View(hall, bulletin)
        try:
            server = Server(bulletin, Orders(hall).perform, view.picture, port, hall.plug)
        except OSError as error:
            raise HallError(
                f"port {port} cannot be used ({error.strerror}): try --port 0"
            ) from error
        hall.clerk.login()
        view.start()
        server.start()
        sys.stdout.write(f"{server.url}\n")
        sys.stdout.write(f"logs and databases: {hall.directory}\nend with Ctrl-C\n")
        sys.stdout.flush()
        try:
            threading.Event().wait()
        finally:
            bulletin.close()
            server.stop()
            view.stop()
    return 0


def _keep_received(hall: Hall) -> None:
    """The entries as the centre received them, beside its database and all logs."""
    with (hall.directory / "received.jsonl").open("w", encoding="utf-8") as file:
        for arrival in hall.arrivals.all():
            file.write(json.dumps(arrival.entry, ensure_ascii=False) + "\n")
