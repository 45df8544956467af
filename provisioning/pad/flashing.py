"""A pad's firmware onto a board: look, plan, do what differs, and hear the pad's own hello."""

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

from device.firmware import RELEASE
from provisioning.pad import drive, hello, ports
from provisioning.pad.board import ENTER_S, Board, Who
from provisioning.pad.contents import (
    ENROLLED,
    MAIN,
    SETTINGS,
    firmware_digest,
    is_on_usb,
    is_pad,
    merged,
    read_object,
    wanted,
)
from provisioning.pad.errors import BoardNotFound, BoardSilent, BoardTaken
from provisioning.pad.plan import FOLDER, MakeFolder, Put, Remove, Step, plan

# What is written, how many bytes of all are, and how many there are.
Progress = Callable[[str, int, int], None]

BACK_S = 30.0  # a board that has got a new image: it starts, and makes its file system
LOOK_S = 0.1
FILES_SHOWN_MAX = 5

_KEYS = "hold both outer keys while you plug it in, and run the same command again"


@dataclass(frozen=True, slots=True, kw_only=True)
class Flashed:
    """A pad as it is now; with `is_dry` as it would be."""

    port: str
    uid: str
    firmware: str
    release: int
    micropython: str
    put: Sequence[str] = ()
    removed: Sequence[str] = ()
    kept: int = 0
    seconds: float = 0.0
    # Which line it speaks on, and whether it said hello there; None: that line is not this cable.
    line: str = "usb"
    hello: bool | None = None
    # Its files were looked at; of a pad that runs and lets nobody in they were not.
    is_read: bool = True
    is_dry: bool = False
    steps: Sequence[str] = ()

    @property
    def is_changed(self) -> bool:
        return bool(self.steps)

    @property
    def facts(self) -> dict[str, Any]:
        """What the inventory keeps of it."""
        names = ("firmware", "release", "micropython", "line")
        return {name: getattr(self, name) for name in names}

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def flash(
    port: str | None = None,
    *,
    settings: Mapping[str, Any] | None = None,
    enrolled: Mapping[str, str] | None = None,
    force_move: bool = False,
    uf2: Path | None = None,
    line: str | None = None,
    check: Callable[[str], None] = lambda _uid: None,
    on_progress: Progress = lambda _path, _done, _total: None,
    dry_run: bool = False,
    patience_s: float = ENTER_S,
    boards: Callable[[], Collection[str]] = ports.boards,
) -> Flashed:
    """Make the board at `port` (None: the only one) a pad, and hear its hello.

    settings: changes to /settings.json, a None takes one away; None leaves all as they are.
    enrolled: whose pad it is, {"source", "window"}; None leaves what the board says.
    force_move: also a board that says it is another window's, or that holds another program.
    uf2: MicroPython's image, for a board that is in its boot loader.
    line: the port where the UART of a pad arrives that does not speak over USB.
    check: gets the board's uid before anything is changed, and raises if it is the wrong one.
    boards: the ports of those that are plugged in.
    patience_s: how long a board may take to come to its prompt, and a pad to say who it is.

    What is right already stays, so that it can be run again at any time. Raises
    ProvisioningError.
    """
    started_s = time.monotonic()
    path = _at_prompt(port, uf2, on_progress, boards)
    try:
        board = Board(path, patience_s)
    except BoardSilent as silent:
        running = _running(path, silent, patience_s)
        check(running.uid)
        return running
    with board:
        check(board.who.uid)
        found = board.look()
        _check_owner(path, board, found, enrolled, force_move)
        before = board.read(SETTINGS) if found.get(SETTINGS) else None
        contents = wanted(merged(before, settings), enrolled)
        left = [path for path in (SETTINGS, ENROLLED) if path not in contents]
        steps = plan(contents, found, left)
        if not dry_run:
            _carry_out(board, steps, on_progress)
        board.restart()
    digest, is_usb = firmware_digest(contents), is_on_usb(contents.get(SETTINGS, before))
    heard_at = path if is_usb else line
    if not dry_run:
        if is_usb:
            path = hello.wait(path, board.who.uid, digest)
        elif line is None:
            path = hello.wait(path, board.who.uid, None, hello.CRASH_S)
        else:
            hello.wait(line, board.who.uid, digest)
    return _flashed(
        path,
        board.who,
        digest,
        steps,
        kept=len(contents) - sum(isinstance(step, Put) for step in steps),
        seconds=time.monotonic() - started_s,
        line="usb" if is_usb else "uart",
        hello=None if dry_run or heard_at is None else True,
        is_dry=dry_run,
    )


def _at_prompt(
    port: str | None,
    image: Path | None,
    on_progress: Progress,
    boards: Callable[[], Collection[str]],
) -> str:
    """The port of the one board that is meant, which has been given its image if it needs one."""
    if port is not None and Path(port).exists():
        return port
    found = _the_only(boards()) if port is None else None
    if found is not None:
        return found
    folder = drive.find()
    if folder is None:
        if port is not None:
            ports.check(port)
        raise BoardNotFound(
            "no board is plugged in",
            "plug it in with a cable that has data wires; if it is, name its port with --port",
        )
    if image is None:
        raise BoardNotFound(
            f"a board is in its boot loader ({folder})",
            "give MicroPython's image for it with --uf2 (micropython.org/download/RPI_PICO), "
            "or plug it in again without BOOTSEL",
        )
    drive.load(folder, image, lambda done, total: on_progress(image.name, done, total))
    return _back(port, boards)


def _the_only(boards: Collection[str]) -> str | None:
    """The port of the board that is plugged in; BoardNotFound for several."""
    if len(boards) > 1:
        raise BoardNotFound(
            f"several boards are plugged in: {', '.join(sorted(boards))}",
            "unplug the others, or name one with --port",
        )
    return next(iter(boards), None)


def _back(port: str | None, boards: Callable[[], Collection[str]]) -> str:
    until_s = time.monotonic() + BACK_S
    while time.monotonic() < until_s:
        found = next(iter(boards()), None) if port is None else port
        if found is not None and Path(found).exists():
            return found
        time.sleep(LOOK_S)
    raise BoardNotFound(
        f"the board has not come back within {BACK_S:.0f} s after its image was copied",
        "unplug it, plug it in again, and run the same command again",
    )


def _running(path: str, silent: BoardSilent, patience_s: float) -> Flashed:
    """A pad that runs this very firmware and lets nobody in; else why nobody answers."""
    heard = hello.ask(path, patience_s)
    if heard.hello is None:
        if heard.noise:
            raise BoardSilent(
                f"{path}: something speaks there, and it is no board at its prompt and no pad",
                "name another port with --port; if it is the board, unplug it and plug it in again",
            )
        raise BoardSilent(f"{path}: nobody answers", f"if a pad is there: {_KEYS}") from silent
    digest, told = firmware_digest(wanted(None, None)), heard.hello
    if told.firmware != digest:
        raise BoardSilent(
            f"{path}: a pad runs there, release {told.release}, and takes no commands", _KEYS
        )
    return Flashed(
        port=path,
        uid=told.uid.hex(),
        firmware=digest.hex(),
        release=told.release,
        micropython="",
        hello=True,
        is_read=False,
    )


def _check_owner(
    path: str,
    board: Board,
    found: Mapping[str, str],
    enrolled: Mapping[str, str] | None,
    force_move: bool,
) -> None:
    if force_move:
        return
    owner = read_object(board.read(ENROLLED)) if found.get(ENROLLED) else {}
    if enrolled is not None and owner and owner != enrolled:
        window, source = (str(owner.get(name, "?"))[:64] for name in ("window", "source"))
        raise BoardTaken(
            f"{path}: this is the pad of window {window} of {source}",
            "take another board; or, if it has moved to this window, give --take-over",
        )
    files = sorted(path for path, digest in found.items() if digest != FOLDER)
    if files and not is_pad(files) and files != [SETTINGS]:
        shown = ", ".join(files[:FILES_SHOWN_MAX])
        raise BoardTaken(
            f"{path}: the board holds another program: {shown}",
            "take another board; or, if that may be erased, give --take-over",
        )


def _carry_out(board: Board, steps: Sequence[Step], on_progress: Progress) -> None:
    total = sum(len(step.content) for step in steps if isinstance(step, Put))
    done = 0
    for step in steps:
        board.do(step, partial(_tell, on_progress, step.path, done, total))
        done += len(step.content) if isinstance(step, Put) else 0


def _tell(on_progress: Progress, path: str, before: int, total: int, written: int) -> None:
    on_progress(path, before + written, total)


def _flashed(path: str, who: Who, digest: bytes, steps: Sequence[Step], **more: Any) -> Flashed:
    return Flashed(
        port=path,
        uid=who.uid,
        firmware=digest.hex(),
        release=RELEASE,
        micropython=who.micropython,
        put=[step.path for step in steps if isinstance(step, Put)],
        removed=[step.path for step in steps if isinstance(step, Remove) and step.path != MAIN],
        steps=[str(step) for step in steps if not isinstance(step, MakeFolder)],
        **more,
    )
