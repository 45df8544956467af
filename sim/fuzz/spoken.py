"""What holds of every dialect, whatever is said on its line (pure)."""

import re
from collections import deque
from collections.abc import Iterable, Sized

from daemon.dialects import Dialect
from daemon.dialects.gate import (
    NAME_LEN_MAX,
    PROJECT_LEN_MAX,
    SERIAL_LEN_MAX,
    SERVICE_NUMBER_MAX,
    STAFF_LEN_MAX,
    TASK_CODE_LENS,
    TICKET_LEN_MAX,
)
from daemon.privacy import bears_id_number, concealer
from daemon.wire.signals import SAYS, Signal

WINDOWS = ("3", "04")
BORN_BEFORE = 20_250_101
CONCEAL = concealer(b"fuzz", BORN_BEFORE)
# The longest record of any dialect; of it a line keeps bytes, and where in them something begins.
HELD_LEN_MAX = 2048 + 512
KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:/-]*")
CODE = re.compile(r"[0-9A-Za-z]+")


def heard(dialect: Dialect, pieces: Iterable[bytes]) -> list[Signal]:
    """All that the pieces say, each signal looked at."""
    signals = []
    for piece in pieces:
        signals += dialect.received(0, piece)
        assert _held_len(dialect, 3) <= HELD_LEN_MAX, "a line that fills the memory"
    for signal in signals:
        _check_signal(signal)
    assert dialect.counts.good == len(signals)
    return signals


def _check_signal(signal: Signal) -> None:
    """Each field as the entry's schema takes it, and nobody's ID number in any."""
    assert signal.say in SAYS
    assert signal.window in WINDOWS
    for text, len_max in (
        (signal.ticket, TICKET_LEN_MAX),
        (signal.ticket_serial, SERIAL_LEN_MAX),
        (signal.project_no, PROJECT_LEN_MAX),
        (signal.staff, STAFF_LEN_MAX),
    ):
        assert text is None or (KEY.fullmatch(text) and len(text) <= len_max), text
        assert text is None or text.startswith("hmac-") or not bears_id_number(text, BORN_BEFORE)
    code, name, number = signal.task_code, signal.task_name, signal.service_number
    assert code is None or (CODE.fullmatch(code) and len(code) <= max(TASK_CODE_LENS))
    assert code is None or len(code) in TASK_CODE_LENS or not bears_id_number(code, BORN_BEFORE)
    assert name is None or (name.isprintable() and len(name) <= NAME_LEN_MAX)
    assert name is None or not bears_id_number(name, BORN_BEFORE)
    assert name is None or name.encode()
    assert number is None or 1 <= number <= SERVICE_NUMBER_MAX
    assert signal.state in (None, "login", "logout")


def _held_len(thing: object, depth: int) -> int:
    """How much of what came a dialect keeps."""
    if isinstance(thing, bytearray | deque):
        return len(thing)
    if not depth or isinstance(thing, Sized):
        return 0
    return sum(_held_len(part, depth - 1) for part in getattr(thing, "__dict__", {}).values())
