"""The loader: chooses the firmware that runs (MicroPython; on the board this file is /main.py).

    /main.py, /lib   this, the board, and the firmware that came by cable (or all of it frozen)
    /a, /b           two slots for firmware that came over the line
    /slot            the slot that has proven itself; without it /lib is
    /trial           the slot to try at the next start, once

A trial is over before it begins: /trial is gone when the first line of the new firmware runs. So
whatever happens then, the next start is that of the proven one, unless the new one has put its
own name into /slot. That is written once it was heard by the unit (device/loop.py).
"""

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from device.hardware import Files

SLOTS = (b"a", b"b")
BAD_ROW_MAX = 3  # starts that ended badly, after which a slot is proven no more


def choose(files: "Files", bad_row: int) -> tuple[str, bool]:
    """Where the firmware to run lies, and whether it is on trial."""
    trial = _word(files, "/trial")
    if trial:
        files.remove("/trial")
    if trial in SLOTS:
        return "/" + trial.decode(), True
    proven = _word(files, "/slot")
    if proven and bad_row >= BAD_ROW_MAX:
        files.remove("/slot")
        proven = b""
    return "/" + proven.decode() if proven in SLOTS else "/lib", False


def _word(files: "Files", path: str) -> bytes:
    try:
        with files.open(path, "rb") as file:
            return bytes(file.read(8))
    except OSError:
        return b""


def start() -> None:
    """Run on the real board; an error anywhere shows distress and starts it anew."""
    import micropython

    micropython.kbd_intr(-1)  # before all else: 0x03 on the line is data, not a way in
    from device import board
    from device.settings import load

    settings = load("/settings.json", board)
    if board.is_held_open(settings):
        micropython.kbd_intr(3)
        return
    pad = board.Rp2040(settings)
    try:
        root, on_trial = choose(pad.files, pad.bad_row)
        del sys.modules["device"]  # the package of that name in `root` takes its place
        sys.path.insert(0, root)
        from device.loop import run

        run(pad, root, on_trial)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the pad starts anew
        pad.fail(error)


if __name__ == "__main__":
    start()
