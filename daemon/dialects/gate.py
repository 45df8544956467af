"""The one gate every dialect's fields pass (pure): allow-list, bounds, window, repeats.

What names a ticket or a case must fit, or the whole record is damaged. What only describes it
(item, staff number) is left out when it does not fit: a rating is not lost over a long name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields

from daemon.privacy import bears_contact
from daemon.wire.signals import SAYS, Signal

# Vehicle-office and tapped lines repeat a frame up to three times within seconds; a second call
# of one window within 5 s is ignored (domain.md 5).
REPEAT_MS = 5000
# The bounds of the entry's schema (protocol/central/schemas).
TICKET_LEN_MAX = 16
SERIAL_LEN_MAX = 64
PROJECT_LEN_MAX = 64
STAFF_LEN_MAX = 32
NAME_LEN_MAX = 64
SERVICE_NUMBER_MAX = 999
# A listener of every window remembers the last word of this many; a bus in the field has 32.
WINDOWS_HEARD_MAX = 64
# taskCode and taskHandleItem (domain.md 1). Their digits may look like an ID number by chance.
TASK_CODE_LENS = (31, 33)

_WINDOW = re.compile(r"[0-9A-Za-z-]{1,8}")
_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:/-]*")
_CODE = re.compile(r"[0-9A-Za-z]+")
_STATES = ("login", "logout")


@dataclass(slots=True)
class Counts:
    """What came over the line, by what became of it; `trimmed` counts fields, the rest records.

    why: what was wrong with the last record that was not believed, without any of its content.
    """

    good: int = 0
    damaged: int = 0
    unknown: int = 0
    other_window: int = 0
    no_window: int = 0
    repeated: int = 0
    trimmed: int = 0
    why: str = ""

    def as_dict(self) -> dict[str, int]:
        """The counters alone."""
        return {field.name: getattr(self, field.name) for field in fields(self)[:-1]}


class Gate:
    """Turns a record of fields into a Signal for one of the unit's windows, or counts why not.

    windows: the numbers as the unit writes them; none means that every window is listened to.
    """

    def __init__(self, windows: tuple[str, ...], conceal: Callable[[str], str]) -> None:
        self._windows = {window.lstrip("0"): window for window in windows}
        self._only = windows[0] if len(windows) == 1 else None
        self._conceal = conceal
        # The last word of each window, and when it was first said.
        self._last: dict[str, tuple[object, int]] = {}
        self.counts = Counts()

    def damaged(self, why: str) -> list[Signal]:
        """Count a record that could not be read at all."""
        self.counts.damaged += 1
        self.counts.why = why
        return []

    def admit(
        self, now_ms: int, say: str | None, record: Mapping[str, object], mark: object = None
    ) -> list[Signal]:
        """At most one signal. `mark` identifies a repeat; without it the fields do."""
        if say not in SAYS:
            self.counts.unknown += 1
            self.counts.why = "its word is none of the known ones"
            return []
        window = self._window(record.get("window"))
        if window is None:
            return []
        try:
            signal = self._signal(say, window, record)
        except ValueError as error:
            return self.damaged(str(error))
        if self._is_repeat(now_ms, window, (mark, signal)):
            self.counts.repeated += 1
            return []
        self.counts.good += 1
        return [signal]

    def translate(
        self, now_ms: int, words: Mapping[str, str], record: Mapping[str, object]
    ) -> list[Signal]:
        """As `admit`, for a record whose `say` is a vendor's word."""
        theirs = record.get("say")
        say = words.get(theirs) if isinstance(theirs, str) else None
        if say in _STATES:
            return self.admit(now_ms, "staff", {**record, "state": say})
        return self.admit(now_ms, say, record)

    def _window(self, said: object) -> str | None:
        """Which of the unit's windows is meant, in the unit's own spelling; None is counted."""
        if said is None and self._only is not None:
            return self._only
        if said is None and self._windows:
            self.counts.no_window += 1
            self.counts.why = "it names no window, and the line serves several"
            return None
        text = "" if said is None else str(said)
        if not self._windows and (said is None or _WINDOW.fullmatch(text)):
            return text
        window = self._windows.get(text.lstrip("0"))
        if window is None:
            self.counts.other_window += 1
            self.counts.why = "it speaks of another window"
        return window

    def _is_repeat(self, now_ms: int, window: str, seen: object) -> bool:
        before, since_ms = self._last.get(window, (None, 0))
        if seen == before and now_ms - since_ms < REPEAT_MS:
            return True
        self._last.pop(window, None)
        self._last[window] = (seen, now_ms)
        if len(self._last) > WINDOWS_HEARD_MAX:
            del self._last[next(iter(self._last))]
        return False

    def _signal(self, say: str, window: str, record: Mapping[str, object]) -> Signal:
        return Signal(
            say=say,
            window=window,
            ticket=self._key(record, "ticket", TICKET_LEN_MAX),
            ticket_serial=self._key(record, "ticketSerial", SERIAL_LEN_MAX),
            project_no=self._key(record, "projectNo", PROJECT_LEN_MAX),
            service_number=_service_number(record.get("serviceNumber")),
            task_code=self._task_code(record.get("taskCode")),
            task_name=self._task_name(record.get("taskName")),
            staff=self._staff(record),
            state=_state(record.get("state")),
        )

    def _key(self, record: Mapping[str, object], name: str, len_max: int) -> str | None:
        """What names something, concealed when it bears an ID number. Raises ValueError."""
        text = _text(name, record.get(name))
        if text is None:
            return None
        if len(text) > len_max:
            raise ValueError(f"{name} is longer than {len_max} characters")
        if not _KEY.fullmatch(text):
            raise ValueError(f"{name} holds a character that no key has")
        return self._conceal(text)[:len_max]

    def _task_code(self, value: object) -> str | None:
        text = _text("taskCode", value) if isinstance(value, str) else None
        if text is None:
            return None
        is_plain = len(text) in TASK_CODE_LENS or self._conceal(text) == text
        is_code = len(text) <= max(TASK_CODE_LENS) and _CODE.fullmatch(text) is not None
        return text if self._fits(is_code and is_plain) else None

    def _task_name(self, value: object) -> str | None:
        """The item's name, cut to what is kept of one."""
        text = _text("taskName", value) if isinstance(value, str) else None
        if text is None:
            return None
        is_plain = self._conceal(text) == text and not bears_contact(text)
        if not self._fits(text.isprintable() and is_plain):
            return None
        return text if self._fits(len(text) <= NAME_LEN_MAX) else text[:NAME_LEN_MAX]

    def _staff(self, record: Mapping[str, object]) -> str | None:
        try:
            return self._key(record, "staff", STAFF_LEN_MAX)
        except ValueError:
            self.counts.trimmed += 1
            return None

    def _fits(self, does: bool) -> bool:
        self.counts.trimmed += not does
        return does


def record(signal: Signal) -> dict[str, object]:
    """The fields of a signal, as a dialect gives them to its gate."""
    return {
        "window": signal.window,
        "ticket": signal.ticket,
        "ticketSerial": signal.ticket_serial,
        "projectNo": signal.project_no,
        "serviceNumber": signal.service_number,
        "taskCode": signal.task_code,
        "taskName": signal.task_name,
        "staff": signal.staff,
        "state": signal.state,
    }


def _text(name: str, value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError(f"{name} is no text")
    return value.strip() or None


def _service_number(value: object) -> int | None:
    text = _text("serviceNumber", value) if isinstance(value, str) else value
    # Digits without end are none; int() would refuse them, and in words of its own.
    is_digits = isinstance(text, str) and text.isdecimal() and len(text) <= SERIAL_LEN_MAX
    number = int(text) if isinstance(text, str) and is_digits else text
    if number is None:
        return None
    if type(number) is not int or not 1 <= number <= SERVICE_NUMBER_MAX:
        raise ValueError(f"serviceNumber is no number from 1 to {SERVICE_NUMBER_MAX}")
    return number


def _state(value: object) -> str | None:
    state = _text("state", value)
    if state not in (None, *_STATES):
        raise ValueError("state is neither login nor logout")
    return state
