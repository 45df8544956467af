"""The pad's own word that its firmware runs: its Hello, asked for on its line (real I/O)."""

import os
import time
from dataclasses import dataclass

from protocol.pad import VERSION, framing
from protocol.pad.errors import ProtocolError
from protocol.pad.messages import Hello, UnitHello, decode, encode
from provisioning.pad import ports
from provisioning.pad.errors import BoardLost, PortUnusable, VerifyFailed

HELLO_S = 10.0
ASK_S = 0.5  # between two times of asking
LOOK_S = 0.05  # for a port that is not there yet
CRASH_S = 3.0  # the pad shows distress for two seconds, then starts anew
NOISE_LEN_MAX = 4096

_ASKED = framing.encode(encode(UnitHello(0, 0, VERSION)))
_CRASH = b"Traceback (most recent call last)"
_PROMPT = (b">>> ", b"raw REPL; CTRL-B to exit")


@dataclass(slots=True)
class Heard:
    """What came on a line."""

    hello: Hello | None = None
    noise: bytes = b""

    @property
    def crash(self) -> str | None:
        """The last line of a firmware that ended in an error."""
        if _CRASH not in self.noise:
            return None
        lines = self.noise.rpartition(_CRASH)[2].decode("ascii", "replace").split("\r\n")
        ends = [line for line in lines if line[:1].isalpha()]
        return ends[0] if ends else "an error"

    @property
    def is_prompt(self) -> bool:
        """MicroPython's prompt is there, and no firmware."""
        return any(sign in self.noise for sign in _PROMPT)


def ask(path: str, timeout_s: float) -> Heard:
    """Ask who is there. Raises PortUnusable and BoardLost."""
    heard, until_s, again_s = Heard(), time.monotonic() + timeout_s, 0.0
    decoder = framing.Decoder()
    with ports.Line(path) as line:
        while heard.hello is None and (now_s := time.monotonic()) < until_s:
            if now_s >= again_s:
                line.write(_ASKED)
                again_s = now_s + ASK_S
            data = line.read(min(again_s, until_s) - now_s)
            heard.noise = (heard.noise + data)[-NOISE_LEN_MAX:]
            for byte in data:
                body = decoder.push(byte)
                if body is not None:
                    heard.hello = _hello(body) or heard.hello
            if heard.is_prompt or (heard.crash is not None and heard.noise.endswith(b"\r\n")):
                break
    return heard


def wait(path: str, uid: str, firmware: bytes | None, timeout_s: float = HELLO_S) -> str:
    """The port on which the pad says that it runs this firmware, from its start on.

    Without `firmware` the pad speaks elsewhere: that nothing crashes meanwhile is all there is to
    hear. Raises VerifyFailed.
    """
    until_s = time.monotonic() + timeout_s
    port, heard = path, Heard()
    while (now_s := time.monotonic()) < until_s:
        try:
            port = _again(path, uid)
            heard = ask(port, until_s - now_s)
        except (PortUnusable, BoardLost):
            time.sleep(LOOK_S)
            continue
        if heard.hello is not None or heard.crash is not None or heard.is_prompt:
            break
    _check(port, heard, firmware, timeout_s)
    return port


def _check(port: str, heard: Heard, firmware: bytes | None, timeout_s: float) -> None:
    if heard.crash is not None:
        raise VerifyFailed(
            f"{port}: the pad's firmware ended in an error: {heard.crash}",
            "run it again with the outer keys held while it is plugged in; if it comes again, "
            "report this sentence",
        )
    if heard.is_prompt:
        raise VerifyFailed(
            f"{port}: all files are on the board, and MicroPython's prompt answers instead of them",
            "let go of the pad's keys, and run the same command again",
        )
    if firmware is None:
        return
    if heard.hello is None:
        raise VerifyFailed(
            f"{port}: the pad has not said hello within {timeout_s:.0f} s",
            "unplug it, plug it in again, and run the same command again",
        )
    if heard.hello.firmware != firmware:
        raise VerifyFailed(
            f"{port}: the pad runs the firmware {heard.hello.firmware.hex()} and not "
            f"{firmware.hex()}",
            "hold both outer keys while you plug it in, and run the same command again",
        )


def _hello(body: bytes) -> Hello | None:
    try:
        message = decode(body)
    except ProtocolError:
        return None
    return message if isinstance(message, Hello) else None


def _again(path: str, uid: str) -> str:
    """The board may come back under another name; its serial number is its uid."""
    if os.path.exists(path):
        return path
    found = (port for port, serial in ports.boards().items() if (serial or "").lower() == uid)
    return next(found, path)
