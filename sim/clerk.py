"""The clerk's queue terminal at a window, speaking the `native` dialect. Pure.

It only talks: the unit is a silent listener on this line, so nothing here ever waits.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date

from protocol.pad import framing

FRAME_LEN_MAX = 512
# Terminals in the field say everything three times, since nobody answers them.
COPIES = 3
CONTROLLER = 1
AGENCY = "11330102MB1X000018"
# (kind of power, item, variant) make the last 13 of the 31 characters of a taskCode.
ITEMS = (
    ("居民身份证换领", "2000109001001"),
    ("户口迁移登记", "2000109003002"),
    ("机动车驾驶证期满换证", "0100109011004"),
    ("社会保障卡补换", "2000114006001"),
    ("住房公积金提取", "2000117002003"),
    ("不动产登记资料查询", "2000115008001"),
    ("企业名称变更登记", "0700131001002"),
    ("食品经营许可延续", "0100131013003"),
    ("出生医学证明首次签发", "0700123009001"),
    ("城乡居民基本医疗保险参保登记", "2000136001001"),
)


@dataclass(frozen=True, slots=True)
class Service:
    """What a rating is asked for: one service of one case, or of a ticket without a case."""

    ticket_serial: str
    project_no: str | None
    service_number: int | None
    item_index: int


class Clerk:
    """The terminal of one window; `send` gets each frame, copies included, one at a time."""

    def __init__(
        self,
        send: Callable[[bytes], None],
        *,
        window: str,
        day: date,
        staff: str = "0312",
        copies: int = COPIES,
        first: int = 1,
    ) -> None:
        """first: the number of the first ticket and case, so that no two windows have one."""
        self._send = send
        self._window, self._day, self.copies = window, day, copies
        self.said_count = 0
        self._first = first
        self._ticket_number = self._case_number = first - 1
        self.staff = staff
        self.logged_in = False
        self.ticket: str | None = None
        self.service: Service | None = None
        self.last_say = ""
        self.last_frame = b""

    @property
    def ticket_serial(self) -> str:
        """Unique beyond the day and the hall, unlike the ticket."""
        return f"{self._day:%Y%m%d}-{CONTROLLER}-{self.ticket}"

    @property
    def item_index(self) -> int:
        """Which of ITEMS the present ticket has come for."""
        return (self._ticket_number - self._first) % len(ITEMS)

    def login(self) -> None:
        """The clerk sits down."""
        self.logged_in = True
        self._say("staff", staff=self.staff, state="login")

    def logout(self) -> None:
        """The clerk leaves the window."""
        self.logged_in = False
        self._say("staff", staff=self.staff, state="logout")

    def call(self) -> str:
        """Call the next ticket to the window."""
        self._ticket_number += 1
        self.ticket = f"A{self._ticket_number:03d}"
        self.service = None
        self._say("called", **self._of_ticket())
        return self.ticket_serial

    def recall(self) -> None:
        """Call the same ticket once more."""
        self._say("recalled", **self._of_ticket())

    def skip(self) -> None:
        """The ticket is gone; an open prompt with it."""
        self._say("skipped", **self._of_ticket())
        self.ticket = self.service = None

    def transfer(self) -> None:
        """The ticket goes on to another window."""
        self._say("transferred", **self._of_ticket())
        self.ticket = self.service = None

    def suspend(self) -> None:
        """The window is closed for a while."""
        self._say("suspended")

    def resume(self) -> None:
        """The window is open again."""
        self._say("resumed")

    def complete(self, *, same_case: bool = False) -> Service:
        """A case's service is done and a rating is asked for.

        same_case: the next service of the last case instead of a new case.
        """
        assert self.ticket is not None, "a ticket is called before anything is completed"
        last = self.service
        if same_case and last is not None and last.service_number is not None:
            self.service = replace(last, service_number=last.service_number + 1)
        else:
            self.service = self._new_case()
        name, code = ITEMS[self.item_index]
        self._say("completed", **self._of_case(), taskCode=AGENCY + code, taskName=name)
        return self.service

    def bind(self) -> Service:
        """The case is saved only now, after the rating was asked for."""
        self.service = self._new_case()
        self._say("bound", **self._of_case())
        return self.service

    def ask(self) -> None:
        """Ask again: an open prompt starts anew; a ticket without a case may be rated too."""
        self._say("prompt", **self._of_case())

    def _new_case(self) -> Service:
        self._case_number += 1
        project_no = f"BJ{self._day:%Y%m%d}{self._case_number:04d}"
        return Service(self.ticket_serial, project_no, 1, self.item_index)

    def _of_ticket(self) -> dict[str, object]:
        return {"ticket": self.ticket, "ticketSerial": self.ticket_serial, "staff": self.staff}

    def _of_case(self) -> dict[str, object]:
        if self.service is None:
            return self._of_ticket()
        return self._of_ticket() | {
            "projectNo": self.service.project_no,
            "serviceNumber": self.service.service_number,
        }

    def _say(self, say: str, **fields: object) -> None:
        self.said_count += 1
        message = {"say": say, "n": self.said_count, "window": self._window} | fields
        text = json.dumps(message, ensure_ascii=False, separators=(",", ":"))
        self.last_say, self.last_frame = say, framing.encode(text.encode(), FRAME_LEN_MAX)
        for _ in range(self.copies):
            self._send(self.last_frame)
