"""The centre's command line: `python -m central COMMAND --config FILE`."""

import argparse
import logging
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from central import commands, stats
from central.centre import Centre
from central.commands import Answer
from central.config import load
from central.errors import CentralError
from protocol.central import codes
from protocol.central.canonical import INT_MAX, ContractError

EXIT_TROUBLE = 2
ENDS = "Exit code: 0 good, 1 problems were found (verify, evidence), 2 trouble, said in a sentence."


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it went."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        answer: Answer = options.do(options)
        for line in answer.lines:
            print(line)
        # Here, not at the interpreter's end, where a reader that left is a traceback.
        sys.stdout.flush()
        return answer.code
    except (CentralError, ContractError) as error:
        print(f"central: {error}", file=sys.stderr)
        return EXIT_TROUBLE
    except BrokenPipeError:
        # What is still buffered must not meet the closed pipe again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("central: nobody reads the output any more", file=sys.stderr)
        return EXIT_TROUBLE


def _run(options: argparse.Namespace) -> Answer:
    Centre(load(options.config), sys.stdout if options.print else None).run()
    return Answer(())


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m central",
        description="The central platform's side of the ratings.",
        epilog=ENDS,
    )
    subparsers = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def add(name: str, do: Callable[[argparse.Namespace], Answer], says: str) -> _Command:
        command = subparsers.add_parser(name, help=says, description=f"{says}.", epilog=ENDS)
        command.set_defaults(do=do)
        return command

    run = add("run", _run, "subscribe, store each entry once, sign receipts, raise alarms")
    _config(run)
    run.add_argument("--print", action="store_true", help="JSON lines of what happens")
    _add_watching(add)
    _add_proving(add)
    return parser


_Command = argparse.ArgumentParser
_Add = Callable[[str, Callable[[argparse.Namespace], Answer], str], _Command]


def _add_watching(add: _Add) -> None:
    """The commands of the operator."""
    units = add("units", commands.units, "each unit: heard when, how far its journal is here")
    units.add_argument("--keys", action="store_true", help="every key there ever was instead")
    alarms = add("alarms", commands.alarms, "the open alarms; or close one, as an operator's word")
    which = alarms.add_mutually_exclusive_group()
    which.add_argument("--all", action="store_true", help="also those that are closed")
    which.add_argument("--close", type=_number, metavar="ID", help="close this one")
    refused = add("quarantine", commands.quarantine, "the messages that were refused, and why")
    refused.add_argument("--show", type=_number, metavar="ID", help="the text of this one, escaped")
    counted = add("stats", commands.counted, "services and ratings counted by level, never by key")
    counted.add_argument("--by", choices=stats.PLACES, default="unit", help="default: unit")
    for command in (units, alarms, refused, counted):
        _config(command)
        _json(command)


def _add_proving(add: _Add) -> None:
    """The commands of the auditor, and of the platforms above."""
    says = "verify every stored journal again; the report is JSON"
    _config(add("verify", commands.verify, says))
    says = "every stored entry as signed, or a province's messages, as lines of JSON"
    export = add("export", commands.exported, says)
    _config(export)
    says = "service and rating messages in the names and codes of this platform"
    export.add_argument("--profile", choices=codes.profile_names(), help=says)
    evidence = add(
        "evidence", commands.stated, "all that proves one case: entries, signatures, chain, receipt"
    )
    evidence.add_argument("--case", required=True, metavar="P", help="its projectNo")
    where = evidence.add_mutually_exclusive_group(required=True)
    where.add_argument("--config", type=Path, metavar="FILE", help="from the platform's database")
    where.add_argument(
        "--journal", type=Path, metavar="FILE", help="from what `python -m daemon export` printed"
    )
    with_journal = evidence.add_argument_group("with --journal")
    with_journal.add_argument("--registry", type=Path, metavar="FILE", help="the units' keys")
    with_journal.add_argument("--receipt", type=Path, metavar="FILE", help="the unit's latest one")
    evidence.add_argument(
        "--platform-key", type=Path, action="append", metavar="PEM",
        help="public key that receipts are checked with; may be repeated"
        " (default: the one of --config)",
    )  # fmt: skip
    _json(evidence)


def _config(command: _Command) -> None:
    command.add_argument("--config", type=Path, required=True, metavar="FILE", help="TOML file")


def _json(command: _Command) -> None:
    command.add_argument("--json", action="store_true", help="JSON instead of a text")


def _number(text: str) -> int:
    """An id of a table."""
    number = int(text)
    if not 0 < number <= INT_MAX:
        raise ValueError(text)
    return number


if __name__ == "__main__":
    sys.exit(main())
