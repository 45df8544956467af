"""The services already asked about (pure): what makes a repeat a repeat, and a late number fit."""

from collections import deque
from collections.abc import Iterable
from typing import Any, NamedTuple

# Half a day at a busy window. The row is written with each service, so it stays small (some 3 KB).
RECENT_MAX = 32

Case = tuple[str, int | None]


class Known(NamedTuple):
    """One service asked about; `id` is its service entry."""

    id: str
    ticket_serial: str
    project_no: str | None
    service_number: int | None

    @property
    def case(self) -> Case | None:
        return None if self.project_no is None else (self.project_no, self.service_number)


class Recent:
    def __init__(self) -> None:
        self._known: deque[Known] = deque(maxlen=RECENT_MAX)

    def restore(self, rows: Iterable[Any]) -> None:
        self._known.extend(Known(*row) for row in rows)

    def as_json(self) -> list[Known]:
        return list(self._known)

    def add(self, known: Known) -> None:
        self._known.append(known)

    def has_case(self, case: Case | None) -> bool:
        return case is not None and any(known.case == case for known in self._known)

    def has_ticket(self, serial: str) -> bool:
        return any(known.ticket_serial == serial for known in self._known)

    def bind(self, serial: str, project_no: str, service_number: int | None) -> Known | None:
        """Give the ticket's oldest service without a case its number; None if there is none."""
        for index, known in enumerate(self._known):
            if known.ticket_serial == serial and known.case is None:
                self._known[index] = Known(known.id, serial, project_no, service_number)
                return self._known[index]
        return None
