"""What is handed on: every entry as it was signed, or the messages a province asks for.

A message says what the counter knows, under the province's names and in its codes. What the counter
does not know is named with a sentence and left open: nothing is invented, nothing is shifted, and
the way of a rating through here does not depend on its level.
"""

import json
from collections.abc import Iterator
from typing import Any

from central.archive import Archive, Told
from central.boots import Boots
from central.columns import hall_time
from central.errors import CentralError
from protocol.central import codes
from protocol.central.entry import BadEntry, Entry, Source, read, utc_text
from protocol.central.schema import data_problems

Interval = tuple[int, int]

CONCEALED = "hmac-"  # a case number that would show an identity number reaches us like this
FIRST = 1  # what is pressed at the counter is the first rating of its service
UNREADABLE = "the entry's data do not keep their schema"


class NotExported(CentralError):
    """The database was damaged or edited; nothing is made of what is left."""


def entries(archive: Archive) -> Iterator[str]:
    """Each stored entry as a line of JSON, in the order of the journals."""
    for row in archive.rows():
        value = {
            "source": row.source,
            "epoch": row.epoch,
            "seq": row.seq,
            "receivedUtcMs": row.received_utc_ms,
            "text": row.text,
        }
        yield json.dumps(value, ensure_ascii=False)


def messages(archive: Archive, profile: str) -> Iterator[dict[str, Any]]:
    """The messages of a profile, unit by unit in the order of the journals: service, then rating.

    One for each service, and one for each rating that was given; no rating was given, no message:
    a default is the platform's to make, by its own rules.
    """
    for source in archive.sources():
        epochs = [epoch.name for epoch in archive.epochs(source)]
        boots = Boots(archive, source, epochs)
        for epoch in epochs:
            for told in archive.told(source, epoch):
                yield _Message(profile, told, _entry(source, told), boots).value()


def _entry(source: Source, told: Told) -> Entry:
    place = f"{told.epoch}-{told.seq}"
    try:
        entry = read(told.text)
    except BadEntry as error:
        raise NotExported(f"{source} {place}: {error}; `verify` says what was damaged") from error
    if entry.id != place:
        raise NotExported(f"{source} {place}: holds {entry.id}; `verify` says what was damaged")
    return entry


class _Message:
    """One message on its way: the fields that are known, and why others are not."""

    def __init__(self, profile: str, told: Told, entry: Entry, boots: Boots) -> None:
        self._name, self._profile = profile, codes.profile(profile)
        self._told, self._boots = told, boots
        self._entry = entry
        self._is_sound = not data_problems(entry.kind, entry.data)
        self._data = entry.data if self._is_sound else {}
        self._body: dict[str, Any] = {}
        self._why: dict[str, str] = {}
        self._intervals: dict[str, list[str]] = {}

    def value(self) -> dict[str, Any]:
        """The whole line."""
        self._say_case()
        if self._told.kind == "service":
            self._say_service()
        else:
            self._say_rating()
        demanded = codes.fields(self._name, self._told.kind)
        open_fields = {
            name: self._why.get(name, why or UNREADABLE)
            for name, why in demanded.items()
            if self._body.get(name) is None and (why or name in self._why or not self._is_sound)
        }
        value: dict[str, Any] = {
            "message": self._told.kind,
            "profile": self._name,
            "id": self._entry.id,
            "source": str(self._entry.source),
            "body": {name: self._body.get(name) for name, why in demanded.items() if why is None},
            "toJoin": list(open_fields),
            "why": {name: why for name, why in open_fields.items() if why != _elsewhere()},
            "interval": self._intervals,
        }
        if self._told.kind == "rating":
            value["publicity"] = self._publicity()
            value["corrected"] = self._told.correction_count > 0
        return value

    # -- fields

    def _say_case(self) -> None:
        """The case: as the entry says, else as a binding says that came later."""
        data, later = self._data, self._binding()
        bound = data if data.get("projectNo") is not None else later
        project_no, number = bound.get("projectNo"), bound.get("serviceNumber")
        if project_no is not None and project_no.startswith(CONCEALED):
            self._leave("projectNo", "it would show an identity number; the counter kept its hash")
        elif project_no is None:
            self._leave("projectNo", "the terminal has not named the case")
        else:
            self._body["projectNo"] = project_no
        self._body["serviceNumber"] = number
        if number is None:
            self._leave("serviceNumber", "the terminal has not numbered the service")

    def _say_service(self) -> None:
        self._say_time("serviceTime", self._data.get("completedAt"))
        self._say_item(self._data.get("taskCode"))
        self._body["taskName"] = self._data.get("taskName")
        if self._body["taskName"] is None:
            self._leave("taskName", "the terminal has not named the item")
        self._say_area(self._entry.source)

    def _say_rating(self) -> None:
        data, body = self._data, self._body
        body["satisfaction"] = data.get("satisfaction")
        self._say_time("assessTime", data.get("pressedAt"))
        channel = self._profile["keypad"]
        if channel is None:
            self._leave("pf", f"{self._name} has no code for a key pad")
        else:
            body["pf"] = self._profile["pf"][channel]
        if self._profile["assessNumber"] == "serviceNumber":
            body["assessNumber"] = body["serviceNumber"]
            if body["assessNumber"] is None:
                self._leave("assessNumber", f"{self._name} counts it by serviceNumber")
        else:
            body["assessNumber"] = FIRST
        reasons = data.get("reasons")
        if reasons:
            body["evalDetail"] = codes.setting("evalDetailSeparator").join(reasons)
        elif self._is_reason_due():
            self._leave("evalDetail", f"{self._name} demands a reason; the citizen gave none")

    def _say_time(self, name: str, moment: Any) -> None:
        """The middle of the interval in which it truly was, cut to the second."""
        interval = self._boots.when(self._entry, moment)
        if interval is None:
            self._leave(name, "the unit's clock was not set during that boot")
            return
        self._body[name] = hall_time(sum(interval) // 2)
        self._intervals[name] = [utc_text(each) for each in interval]

    def _say_item(self, code: str | None) -> None:
        """taskHandleItem begins with its taskCode; a code of another length is neither."""
        short, long = codes.setting("taskCodeLength"), codes.setting("taskHandleItemLength")
        if code is None:
            why = "the terminal has not named the item"
        else:
            why = f"the terminal named an item of {len(code)} characters"
            if len(code) == long:
                self._body["taskHandleItem"] = code
            if len(code) in (short, long):
                self._body["taskCode"] = code[:short]
        for name in ("taskCode", "taskHandleItem"):
            if name not in self._body:
                self._leave(name, why)

    def _say_area(self, source: Source) -> None:
        """The area as long as the province wants it, when zeros alone make the difference."""
        area, length = source.area, self._profile.get("areaCodeLength")
        fitted = area if length is None else area.ljust(length, "0")[:length]
        if length is None or (area.isdigit() and fitted.rstrip("0") == area.rstrip("0")):
            self._body["areaCode"] = fitted
        else:
            self._leave("areaCode", f"area {area} is no code of {length} digits")

    # -- how

    def _leave(self, name: str, why: str) -> None:
        self._why[name] = why if self._is_sound else UNREADABLE

    def _binding(self) -> dict[str, Any]:
        if self._told.binding is None:
            return {}
        entry: Entry = read(self._told.binding)
        return {} if data_problems(entry.kind, entry.data) else entry.data

    def _is_reason_due(self) -> bool:
        level = self._data.get("satisfaction")
        return level is not None and level < self._profile.get("reasonRequiredBelow", 0)

    def _publicity(self) -> str | None:
        if not self._is_sound:
            return None
        return codes.code("publicity", "public" if self._data["public"] else "not_public")


def _elsewhere() -> str:
    """Why most fields are open: no window knows them, and it need not be said of each."""
    return str(codes.setting("toJoin")["caseSystem"])
