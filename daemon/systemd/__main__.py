"""`python3 -m daemon.systemd install | uninstall`: make this machine a unit, or no longer one."""

import argparse
import importlib.util
import os
import sys
from pathlib import Path

from daemon.errors import DaemonError
from daemon.systemd import installer
from daemon.systemd.tree import Tree

EXIT_TROUBLE = 2


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Trouble is one sentence and 2."""
    asked = _parser().parse_args(arguments)
    tree = Tree(asked.root.resolve(), print)
    try:
        if asked.command == "install":
            _install(tree, asked)
        else:
            _uninstall(tree)
    except (DaemonError, OSError) as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    if not tree.changed:
        print("nothing to do")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python3 -m daemon.systemd", description="Make this machine a unit of a window."
    )
    parser.add_argument("command", choices=("install", "uninstall"))
    parser.add_argument(
        "--root",
        type=Path,
        default=Path("/"),
        metavar="DIR",
        help="the root directory of an image instead of this machine",
    )
    parser.add_argument(
        "--wheels",
        type=Path,
        metavar="DIR",
        help="take every Python package from here, for a machine without an index",
    )
    parser.add_argument(
        "--files-only",
        action="store_true",
        help="leave the Python packages out, for an image of another processor",
    )
    return parser


def _install(tree: Tree, asked: argparse.Namespace) -> None:
    if os.geteuid():
        raise DaemonError("only root may install: put sudo before the command")
    if not asked.files_only and importlib.util.find_spec("ensurepip") is None:
        raise DaemonError("Python's venv is missing: apt install python3-venv, then try again")
    # Root's own mask may be tight, and the unit's user is to read its programs.
    os.umask(0o022)
    is_new = not tree.at(installer.CONFIG).exists()
    make = None if asked.files_only else installer.environment
    installer.install(tree, source(), asked.wheels, make)
    if tree.root == Path("/") and tree.changed and _runs_systemd():
        installer.reload(tree)
        # With the example's configuration there is nothing to serve. An open prompt is in the
        # journal, and a restarted unit resumes it.
        installer.control("stop" if is_new else "restart")
    if is_new:
        print(installer.FIRST_START_NEXT)


def _uninstall(tree: Tree) -> None:
    is_here = tree.root == Path("/") and _runs_systemd()
    if is_here and tree.at(installer.FILES[installer.SERVICE]).exists():
        installer.control("stop")
    installer.uninstall(tree)
    if is_here and tree.changed:
        installer.reload(tree)
    print(f"kept: {installer.CONFIG} and {installer.STATE}, the journal and its keys")


def _runs_systemd() -> bool:
    """As sd_booted(3) says it."""
    return Path("/run/systemd/system").is_dir()


def source() -> Path:
    """The wheel this runs from, or the source tree."""
    for path in Path(__file__).resolve().parents:
        if path.suffix == ".whl" or (path / "pyproject.toml").exists():
            return path
    raise DaemonError("run this from the wheel or from the source: it installs what it runs from")


if __name__ == "__main__":
    sys.exit(main())
