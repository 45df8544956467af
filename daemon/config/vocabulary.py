"""What every description of a queue line is made of (pure): our fields, our words, its encoding."""

from daemon.config.table import Table, did_you_mean
from daemon.wire.signals import SAYS

FIELDS = (
    "say", "window", "ticket", "ticketSerial", "projectNo", "serviceNumber",
    "taskCode", "taskName", "staff", "state",
)  # fmt: skip
# What a vendor's word may mean; login and logout are `staff` with its state.
WORDS = (*SAYS, "login", "logout")
ENCODINGS = ("utf-8", "gbk")
# What a description tells the clerk's terminal: its longest record and no more.
CLOSED_LEN_MAX = 200
# Where the number of the window goes in it.
WINDOW_MARK = "{window}"


def words(table: Table) -> dict[str, str]:
    """The vendor's words, or sentences, and what each means here."""
    found = {}
    for theirs, ours in table.items():
        if ours not in WORDS:
            table.wrong(theirs, ours, "one of " + ", ".join(WORDS) + did_you_mean(ours, WORDS))
        else:
            found[theirs] = ours
    return found


def encodes(encoding: str, text: str) -> bool:
    """Whether the encoding has every character, and there is one."""
    try:
        return bool(text.encode(encoding))
    except UnicodeEncodeError:
        return False


def filled(template: str, window: str, encoding: str) -> bytes:
    """What the terminal of a window is told."""
    return template.replace(WINDOW_MARK, window).encode(encoding)
