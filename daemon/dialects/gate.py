"""The one gate every dialect's fields pass (pure): allow-list, bounds, window, repeats.

What names a ticket or a case must fit, or the whole record is damaged. What only describes it
(item, staff number) is left out when it does not fit: a rating is not lost over a long name.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

from daemon.signals import SAYS, Signal

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
# taskCode and taskHandleItem (domain.md 1). Their digits may look like an ID number by chance.
TASK_CODE_LENS = (31, 33)

_KEY = re.compile(r"[0-9A-Za-z][0-9A-Za-z_.:/-]*")
_CODE = re.compile(r"[0-9A-Za-z]+")
_STATES = ("login", "logout")


@dataclass(slots=True)
class Counts:
    """What came over the line, by what became of it; `trimmed` counts fields, the rest records."""

    good: int = 0
    damaged: int = 0
    unknown: int = 0
    other_window: int = 0
    repeated: int = 0
    trimmed: int = 0

    def as_dict(self) -> dict[str, int]:
        return asdict(self)


class Gate:
    """Turns a record of fields into a Signal for this window, or counts why not."""

    def __init__(self, windows: tuple[str, ...], conceal: Callable[[str], str]) -> None:
        self._windows = {number.lstrip("0"): number for number in windows}
        self._conceal = conceal
        # By window: what was said last, and when.
        self._last: dict[str, tuple[object, int]] = {}
        self.counts = Counts()

    def damaged(self) -> list[Signal]:
        """Count a record that could not be read at all."""
        self.counts.damaged += 1
        return []

    def admit(
        self, now_ms: int, say: str | None, record: Mapping[str, object], mark: object = None
    ) -> list[Signal]:
        """At most one signal. `mark` identifies a repeat; without it the fields do."""
        if say not in SAYS:
            self.counts.unknown += 1
            return []
        window = self._window(record.get("window"))
        if window is None:
            self.counts.other_window += 1
            return []
        try:
            signal = self._signal(say, window, record)
        except ValueError:
            return self.damaged()
        seen = (mark, signal)
        last, last_ms = self._last.get(window, (None, 0))
        repeated = seen == last and now_ms - last_ms < REPEAT_MS
        self._last[window] = (seen, last_ms if repeated else now_ms)
        if repeated:
            self.counts.repeated += 1
            return []
        self.counts.good += 1
        return [signal]

    def _window(self, said: object) -> str | None:
        """Which window of ours is meant; who names none means the only one there is."""
        if said is None and len(self._windows) == 1:
            return next(iter(self._windows.values()))
        return self._windows.get(str(said).lstrip("0"))

    def _signal(self, say: str, window: str, record: Mapping[str, object]) -> Signal:
        return Signal(
            say=say,
            window=window,
            ticket=self._key(record.get("ticket"), TICKET_LEN_MAX),
            ticket_serial=self._key(record.get("ticketSerial"), SERIAL_LEN_MAX),
            project_no=self._key(record.get("projectNo"), PROJECT_LEN_MAX),
            service_number=_service_number(record.get("serviceNumber")),
            task_code=self._task_code(record.get("taskCode")),
            task_name=self._task_name(record.get("taskName")),
            staff=self._staff(record.get("staff")),
            state=_state(record.get("state")),
        )

    def _key(self, value: object, len_max: int) -> str | None:
        """What names something, concealed when it bears an ID number. Raises ValueError."""
        text = _text(value)
        if text is None:
            return None
        if len(text) > len_max or not _KEY.fullmatch(text):
            raise ValueError
        return self._conceal(text)[:len_max]

    def _task_code(self, value: object) -> str | None:
        text = _text(value) if isinstance(value, str) else None
        if text is None:
            return None
        is_plain = len(text) in TASK_CODE_LENS or self._conceal(text) == text
        is_code = len(text) <= max(TASK_CODE_LENS) and _CODE.fullmatch(text) is not None
        return text if self._fits(is_code and is_plain) else None

    def _task_name(self, value: object) -> str | None:
        """The item's name, cut to what is kept of one."""
        text = _text(value) if isinstance(value, str) else None
        if text is None:
            return None
        if not self._fits(text.isprintable() and self._conceal(text) == text):
            return None
        return text if self._fits(len(text) <= NAME_LEN_MAX) else text[:NAME_LEN_MAX]

    def _staff(self, value: object) -> str | None:
        try:
            return self._key(value, STAFF_LEN_MAX)
        except ValueError:
            self.counts.trimmed += 1
            return None

    def _fits(self, does: bool) -> bool:
        self.counts.trimmed += not does
        return does


def _text(value: object) -> str | None:
    if value is None:
        return None
    if not isinstance(value, str):
        raise ValueError
    return value.strip() or None


def _service_number(value: object) -> int | None:
    text = _text(value) if isinstance(value, str) else value
    number = int(text) if isinstance(text, str) and text.isdecimal() else text
    if number is None:
        return None
    if type(number) is not int or not 1 <= number <= SERVICE_NUMBER_MAX:
        raise ValueError
    return number


def _state(value: object) -> str | None:
    state = _text(value)
    if state not in (None, *_STATES):
        raise ValueError
    return state
