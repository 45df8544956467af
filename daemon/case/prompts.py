"""One prompt (pure): a service that may be rated, from its completion to its one rating record."""

from dataclasses import dataclass, field
from typing import Any, Self

from daemon.wire.signals import Signal

# A key still down counts as held only when the pad was heard after the hold: its status comes each
# second, and a tenth for the line. A cable pulled between press and release is no hold.
HOLD_PROOF_MS = 1100
# A mashing child makes 8 edges a second for a 3 s window; what is beyond is counted, not listed.
EDGES_MAX = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """What is rated. `id` names its service entry once that is written."""

    id: str
    ticket: str | None
    ticket_serial: str
    project_no: str | None
    service_number: int | None
    task_code: str | None
    task_name: str | None
    staff: str | None

    @classmethod
    def of(cls, signal: Signal, ticket: str | None, serial: str, staff: str | None) -> Self:
        return cls(
            id="",
            ticket=ticket,
            ticket_serial=serial,
            project_no=signal.project_no,
            service_number=signal.service_number,
            task_code=signal.task_code,
            task_name=signal.task_name,
            staff=signal.staff or staff,
        )

    @property
    def case(self) -> tuple[str, int | None] | None:
        """What may be rated once, whatever ticket brought it."""
        return None if self.project_no is None else (self.project_no, self.service_number)


@dataclass(slots=True, kw_only=True)
class Prompt:
    """Times are boottime ms of `boot_id`."""

    number: int
    service: Service
    boot_id: str
    asked_ms: int
    deadline_ms: int
    opened_ms: int | None = None
    settle_ms: int | None = None
    key: int | None = None
    pressed_ms: int | None = None
    held: bool = False
    public: bool = True
    inquired_ms: int | None = None
    reason_until_ms: int | None = None
    reason_key: int | None = None
    presses: int = 0
    corrections: int = 0
    edges: list[tuple[int, bool, int]] = field(default_factory=list)

    @classmethod
    def restore(cls, value: dict[str, Any]) -> Self:
        edges = [(key, down, ms) for key, down, ms in value["edges"]]
        return cls(**{**value, "service": Service(**value["service"]), "edges": edges})

    def as_json(self) -> dict[str, Any]:
        """As it stands; what is in it is shared, not copied."""
        row = {name: getattr(self, name) for name in self.__slots__}
        service = self.service
        return row | {"service": {name: getattr(service, name) for name in service.__slots__}}

    @property
    def until_ms(self) -> int:
        """Until when a press counts: for a level, for another one instead, for a reason."""
        if self.reason_until_ms is not None:
            return self.reason_until_ms
        return max(self.deadline_ms, self.settle_ms or 0)

    def light(self, now_ms: int) -> None:
        """The citizen sees the question; the first time counts."""
        if self.opened_ms is None:
            self.opened_ms = now_ms

    def press(self, key: int, at_ms: int) -> None:
        """A key went down at boottime `at_ms`; the last one pressed is the one that counts."""
        self._list(key, True, at_ms)
        self.corrections += self.key not in (None, key)
        self.presses += 1
        self.key, self.pressed_ms = key, at_ms
        self.held, self.public = True, True

    def release(self, key: int, at_ms: int, was_long: bool) -> None:
        """A key came up at boottime `at_ms`; a long press of the one that counts is not public."""
        self._list(key, False, at_ms)
        if key == self.key and self.held:
            self.held, self.public = False, not was_long

    def inquire(self, now_ms: int, for_ms: int) -> None:
        """The level stands; a key pressed from now on says why."""
        self.inquired_ms, self.reason_until_ms = now_ms, now_ms + for_ms

    def reason(self, key: int, at_ms: int) -> None:
        """The key that said why."""
        self._list(key, True, at_ms)
        self.reason_key = key

    def _list(self, key: int, down: bool, at_ms: int) -> None:
        if len(self.edges) < EDGES_MAX:
            self.edges.append((key, down, self._from_prompt(at_ms)))

    def settles_at_ms(self, hold_ms: int) -> int | None:
        """When the press is final: the correction window is over and the hold is decided."""
        if self.settle_ms is None or self.pressed_ms is None or not (self.held and hold_ms):
            return self.settle_ms
        return max(self.settle_ms, self.pressed_ms + hold_ms + HOLD_PROOF_MS)

    def settle(self, heard_ms: int | None, hold_ms: int) -> None:
        """Decide publicity when no release came; `heard_ms` is when the pad was heard last."""
        if self.held and hold_ms and self.pressed_ms is not None:
            self.public = heard_ms is None or heard_ms < self.pressed_ms + hold_ms

    def record(self, outcome: str, keys: tuple[int, ...], key_table: str) -> dict[str, Any]:
        """The data of the rating entry, but for the window and the stamp."""
        service = self.service
        from_prompt_ms = None if self.pressed_ms is None else self._from_prompt(self.pressed_ms)
        return {
            "service": service.id,
            "ticketSerial": service.ticket_serial,
            "projectNo": service.project_no,
            "serviceNumber": service.service_number,
            "staff": service.staff,
            "outcome": outcome,
            "satisfaction": None if self.key is None else keys[self.key - 1],
            "key": self.key,
            "keyTable": key_table,
            "public": self.public,
            "promptAt": self._moment(self.opened_ms),
            "pressedAt": self._moment(self.pressed_ms),
            "msFromPrompt": from_prompt_ms,
            "presses": self.presses,
            "corrections": self.corrections,
            "edges": [
                {"key": key, "down": down, "msFromPrompt": ms} for key, down, ms in self.edges
            ],
            "isDefault": False,
        }

    def _moment(self, at_ms: int | None) -> dict[str, Any] | None:
        return None if at_ms is None else {"bootId": self.boot_id, "boottimeMs": at_ms}

    def _from_prompt(self, at_ms: int) -> int:
        opened_ms = self.asked_ms if self.opened_ms is None else self.opened_ms
        return max(0, at_ms - opened_ms)
