"""The centre's command line: `python -m central run|verify|entries --config FILE`."""

import argparse
import json
import logging
import os
import sys
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from central import evidence
from central.centre import Centre
from central.config import Config, load
from central.errors import CentralError
from central.registry import RegistryFile
from central.store import Store
from protocol.central.canonical import ContractError

EXIT_PROBLEMS = 1
EXIT_TROUBLE = 2


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; the exit code says how it went."""
    options = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s", stream=sys.stderr)
    try:
        code = _run(options)
        # Here, not at the interpreter's end, where a reader that left is a traceback.
        sys.stdout.flush()
        return code
    except (CentralError, ContractError) as error:
        print(f"central: {error}", file=sys.stderr)
        return EXIT_TROUBLE
    except BrokenPipeError:
        # What is still buffered must not meet the closed pipe again when Python ends.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        print("central: nobody reads the output any more", file=sys.stderr)
        return EXIT_TROUBLE


def _run(options: argparse.Namespace) -> int:
    config = load(options.config)
    match options.command:
        case "run":
            Centre(config, sys.stdout if options.print else None).run()
            return 0
        case "verify":
            return _verify(config)
        case _:
            return _entries(config)


def _verify(config: Config) -> int:
    with closing(Store(config.database, read_only=True)) as store:
        report = evidence.report(store, RegistryFile(config.registry).registry)
    print(json.dumps(report, ensure_ascii=False, indent=1))
    wrong = not report["chain_verified"] or any(unit["problems"] for unit in report["units"])
    return EXIT_PROBLEMS if wrong else 0


def _entries(config: Config) -> int:
    with closing(Store(config.database, read_only=True)) as store:
        for line in evidence.lines(store):
            print(line)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m central", description="The central platform's side of the ratings."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    for name, help_ in (
        ("run", "subscribe, store each entry once, sign receipts"),
        ("verify", "verify every stored journal; exit code 1 when anything is wrong"),
        ("entries", "print every stored entry as a line of JSON"),
    ):
        command = commands.add_parser(name, help=help_, description=help_)
        command.add_argument("--config", type=Path, required=True, help="TOML file")
        if name == "run":
            command.add_argument("--print", action="store_true", help="JSON lines of what happens")
    return parser


if __name__ == "__main__":
    sys.exit(main())
