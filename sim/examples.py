"""The contract's examples: `python -m sim.examples` writes protocol/central/examples anew.

Two days at one window, so that each kind of entry is there and fits the others: what a rating
quotes was written before it, and the day's totals are those of its entries. The keys are known to
everyone who reads this file; none of them is any unit's.
"""

import json
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

from central.registry import Unit, dump
from protocol.central import receipts
from protocol.central.canonical import canonical
from protocol.central.chain import Head
from protocol.central.entry import (
    GENESIS,
    KINDS,
    Draft,
    Source,
    Stamp,
    digest,
    read,
    seal,
    utc_text,
)
from sim.journals import key
from sim.tampering import attacks

FOLDER = Path(__file__).parents[1] / "protocol" / "central" / "examples"
SOURCE, NEIGHBOUR = Source("330102", "h01", "w03"), Source("330102", "h01", "w04")
UNIT, PLATFORM, NEIGHBOURS = key(3), key(100), key(4)
EPOCHS = ("0a1b2c3d4e5f6071", "1b2c3d4e5f607182")
BOOT_IDS = ("5f1c2f6e-2d5a-4c1e-9c2b-7a4f0d3b8e11", "c2f4b0de-90a3-4f3d-8a11-3b6f1d9e7702")
HALL_TIME = timezone(timedelta(hours=8))
VERSIONS = {"daemon": "0.1.0", "python": "3.11.2", "sqlite": "3.40.1"}
CONFIG_HASH = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
ERROR_MS = 12
CORRECTION_MS = 3_000
LIT_MS = 6  # the service entry is on disk before the lamp goes on
ATTACKED_COUNT = 6  # one rating, one that was not given, and all that is before them
ITEMS = {
    "licence": ("1133010200250001234000125001000", "营业执照变更"),
    "pension": ("1133010200250005678000125002000", "养老保险关系转移"),
}


class Author:
    """Writes the entries of one unit, as its daemon would."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self._head = Head(EPOCHS[0], 0, GENESIS)
        self._prompts = 0

    @property
    def head(self) -> dict[str, Any]:
        """The last entry, as `previous` and health name it."""
        return {"epoch": self._head.epoch, "seq": self._head.seq, "hash": self._head.hash}

    def power_on(self, boot_id: str, utc_ms: int) -> None:
        """The machine starts; its wall clock is wrong until it is set."""
        self._boot_id, self._booted_ms = boot_id, utc_ms
        self._synced = False
        self.at(utc_ms)

    def at(self, utc_ms: int) -> None:
        """Go on to a later moment."""
        self._now_ms = utc_ms - self._booted_ms

    def later(self, ms: int) -> None:
        """Let time pass."""
        self._now_ms += ms

    def moment(self, before_ms: int = 0) -> dict[str, Any]:
        """Now, or a while ago."""
        return {"bootId": self._boot_id, "boottimeMs": self._now_ms - before_ms}

    @property
    def stamp(self) -> Stamp:
        """Now, as an entry carries it."""
        if not self._synced:
            return Stamp(self._boot_id, self._now_ms, None, False, None)
        return Stamp(self._boot_id, self._now_ms, self._booted_ms + self._now_ms, True, ERROR_MS)

    def write(self, kind: str, subject: str, **data: Any) -> str:
        """Seal the next entry; its id."""
        epoch, seq, prevhash = self._head.epoch, self._head.seq + 1, self._head.hash
        draft = Draft(seq, kind, subject, data, self.stamp)
        text = seal(draft, epoch=epoch, source=SOURCE, prevhash=prevhash, key=UNIT)
        self.texts.append(text)
        self._head = Head(epoch, seq, digest(text))
        return f"{epoch}-{seq}"

    def boot(
        self,
        reason: str,
        previous: dict[str, Any] | None,
        epoch: str | None = None,
        **more: Any,
    ) -> None:
        """The daemon starts, in a new epoch if one is named."""
        if epoch is not None:
            self._head = Head(epoch, 0, GENESIS)
        self.write(
            "boot", "unit", reason=reason, versions=VERSIONS, configHash=CONFIG_HASH,
            prompts={"3": "none"}, previous=previous, **more,
        )  # fmt: skip

    def set_clock(self) -> None:
        """The wall clock becomes known."""
        self._synced = True
        utc_ms = self.stamp.utc_ms
        self.write("clock", "clock", utcMs=utc_ms, errorMs=ERROR_MS, stepMs=None)

    def line(self, kind: str, state: str, reason: str, since_ms: int, **counters: int) -> None:
        """The pad's or the queue signal's line changes its state, as of a while ago."""
        since = self.moment(since_ms)
        whose: dict[str, Any] = {"window": "3"} if kind == "pad" else {"windows": ["3"]}
        self.write(
            kind,
            f"{kind}-{state}",
            **whose,
            state=state,
            reason=reason,
            since=since,
            counters=counters,
        )

    def serve(self, ticket: str, case: str | None, item: str | None, served_ms: int) -> str:
        """A service is completed, so long after its ticket was called; the service entry's id."""
        self._prompts += 1
        date = datetime.fromtimestamp((self._booted_ms + self._now_ms) / 1000, HALL_TIME)
        task_code, task_name = ITEMS[item] if item else (None, None)
        serial = f"{date:%Y%m%d}-1-{ticket}"
        self._subject = case or serial
        self._service: dict[str, Any] = {
            "ticketSerial": serial,
            "projectNo": case,
            "serviceNumber": None if case is None else 1,
            "staff": "1007",
            "window": "3",
        }
        written = self.write(
            "service", self._subject, **self._service, ticket=ticket,
            taskCode=task_code, taskName=task_name, promptId=self._prompts,
            calledAt=self.moment(served_ms), completedAt=self.moment(),
        )  # fmt: skip
        self._service["service"] = written
        self.later(LIT_MS)
        return written

    def rate(self, *presses: tuple[int, int, int], reason: tuple[int, str] | None = None) -> str:
        """The citizen presses: keys, each with when and for how long; the rating entry's id."""
        pressed, after_ms, held_ms = presses[-1]
        edges = [
            {"key": number, "down": down, "msFromPrompt": ms}
            for number, down_ms, length_ms in presses
            for down, ms in ((True, down_ms), (False, down_ms + length_ms))
        ]
        lit, press = self.moment(), self.moment(-after_ms)
        reason_key, code = reason or (None, None)
        self.later(presses[0][1] + CORRECTION_MS)
        return self._close(
            "rated", satisfaction=6 - pressed, key=pressed, reasons=[code] if code else [],
            reasonKey=reason_key, reasonTable="r1" if code else None,
            public=held_ms < 1_200, promptAt=lit, pressedAt=press, msFromPrompt=after_ms,
            presses=len(presses), corrections=len(presses) - 1, edges=edges,
        )  # fmt: skip

    def not_rated(self, outcome: str, after_ms: int) -> str:
        """The prompt ends without a press; the rating entry's id."""
        lit = self.moment()
        self.later(after_ms)
        return self._close(
            outcome, satisfaction=None, key=None, reasons=[], reasonKey=None, reasonTable=None,
            public=True, promptAt=lit, pressedAt=None, msFromPrompt=None, presses=0, corrections=0,
            edges=[],
        )  # fmt: skip

    def _close(self, outcome: str, **what: Any) -> str:
        return self.write(
            "rating", self._subject, **self._service, **what,
            outcome=outcome, keyTable="k5-1", isDefault=False,
        )  # fmt: skip


def journal() -> Author:
    """Two days at the window; every kind of entry, every outcome a quiet day has, two epochs."""
    author = Author()
    author.power_on(BOOT_IDS[0], local(21, "08:28:50"))
    author.later(21_400)
    author.boot("new_epoch", None)
    author.at(local(21, "08:29:52"))
    author.set_clock()
    author.at(local(21, "09:02:10"))
    author.serve("A001", "330102260921000117", "licence", 412_000)
    author.rate((4, 6_180, 140), reason=(4, "207"))
    author.at(local(21, "09:11:45"))
    consulted = author.serve("A002", None, None, 505_000)
    author.not_rated("timeout", 30_000)
    author.at(local(21, "09:13:20"))
    author.write(
        "binding", consulted, service=consulted, ticketSerial="20260921-1-A002",
        projectNo="330102260921000118", serviceNumber=1,
    )  # fmt: skip
    author.at(local(21, "10:14:03"))
    author.line("pad", "lost", "nothing heard for 3000 ms", 3_000, good=6_304, damaged=0)
    author.at(local(21, "10:17:20"))
    author.line("pad", "back", "heard again", 200_000, good=6_306, damaged=1)
    author.at(local(21, "10:40:00"))
    author.line(
        "signal", "lost", "the port went away: plug the cable in again", 0, good=9, damaged=0
    )
    author.at(local(21, "10:41:30"))
    author.line("signal", "back", "the port is open again", 90_000, good=9, damaged=0)
    author.at(local(21, "11:05:31"))
    author.serve("A003", "330102260921000131", "pension", 333_000)
    mistaken = author.rate((1, 2_950, 120))
    author.at(local(21, "11:09:00"))
    author.write("correction", mistaken, rating=mistaken, actor="1002", reason="pressed by mistake")
    author.at(local(21, "14:20:08"))
    author.serve("A004", "330102260921000164", "licence", 610_000)
    author.rate((1, 3_400, 110), (2, 4_700, 1_650))
    author.at(local(21, "15:30:40"))
    author.serve("A005", None, None, 95_000)
    author.not_rated("superseded", 8_200)
    author.at(local(21, "17:31:00"))
    author.write("test", "self_test", window="3", what="self_test", ok=True, detail="5 of 5 keys")
    author.at(local(21, "17:36:10"))
    steps = [
        {"step": "keys", "outcome": "good", "detail": "5 of 5 keys"},
        {"step": "display", "outcome": "good", "detail": "4711"},
        {"step": "buzzer", "outcome": "absent", "detail": ""},
    ]
    author.write(
        "test", "acceptance", window="3", what="acceptance", ok=True, detail="2 of 3 steps good",
        by="T07", steps=steps,
    )  # fmt: skip
    author.at(local(22, "00:00:00") + 40)
    author.write("daily", "2026-09-21", **totals(author.texts, "2026-09-21", strays=2))
    author.at(local(22, "02:00:00"))
    author.write("stopped", "unit", reason="SIGTERM")
    author.power_on(BOOT_IDS[1], local(22, "02:00:31"))
    author.later(19_870)
    author.boot("start", author.head)
    author.at(local(22, "02:01:15"))
    author.set_clock()
    author.at(local(22, "09:07:02"))
    author.serve("A001", "330102260922000102", "pension", 287_000)
    author.rate((1, 2_210, 130))
    author.at(local(22, "12:30:00"))
    salvage = {
        "file": f"0001-{EPOCHS[0]}.db", "why": "the state 'tally' is damaged",
        "salvaged": author.head["seq"], "first": 1, "missing": [], "state": "partly",
    }  # fmt: skip
    author.boot("quarantine", author.head, EPOCHS[1], salvage=salvage)
    author.later(600)
    author.set_clock()
    author.at(local(22, "13:02:44"))
    author.serve("A017", "330102260922000188", "licence", 540_000)
    author.rate((3, 5_020, 150))
    return author


def totals(texts: list[str], date: str, strays: int) -> dict[str, Any]:
    """A day's totals: strays left no entry, all else is counted from the entries."""
    entries = [read(text) for text in texts]
    services = [entry.data for entry in entries if entry.kind == "service"]
    ratings = [entry.data for entry in entries if entry.kind == "rating"]
    unbound = [data for data in services if data["projectNo"] is None]
    bound_count = sum(entry.kind == "binding" for entry in entries)
    fault_ms = sum(
        entry.stamp.boottime_ms - entry.data["since"]["boottimeMs"]
        for entry in entries
        if entry.kind == "pad" and entry.data["state"] == "back"
    )
    outcomes = [data["outcome"] for data in ratings]
    unrated = ("timeout", "superseded", "cancelled", "pad_lost", "interrupted")
    levels = [data["satisfaction"] for data in ratings]
    return {
        "date": date,
        "called": len({data["ticketSerial"] for data in services}),
        "completed": len(services),
        "prompted": len([data for data in ratings if data["promptAt"]]),
        "rated": {str(level): levels.count(level) for level in range(1, 6)},
        "notRated": {outcome: outcomes.count(outcome) for outcome in unrated},
        "unbound": len(unbound) - bound_count,
        "faultMinutes": fault_ms // 60_000,
        "strays": strays,
    }


def messages(author: Author) -> dict[str, str]:
    """One message of each topic by the topic's last name, exactly as it is sent."""
    entries = [read(text) for text in reversed(author.texts)]
    first = {entry.kind: entry.text for entry in entries}
    end = entries[0]
    assert end.stamp.utc_ms is not None
    sent_utc_ms = end.stamp.utc_ms + 38
    health = {
        "source": str(SOURCE),
        "stamp": author.stamp.to_json(),
        "head": author.head,
        "delivered": end.seq - 1,
        "counters": {
            "pad": {"good": 2_304, "damaged": 0, "repeated": 1, "gaps": 0, "foreign": 0},
            "signal": {"good": 3, "damaged": 0, "unknown": 0, "other_window": 7, "repeated": 0},
            "uplink": {"delivered": end.seq - 1, "backlog": 1, "receipts_refused": 0, "resends": 0},
            "journal": {
                "last_seq": end.seq,
                "kept": end.seq,
                "database_len": 126_976,
                "free_len": 22_548_578_304,
                "ballast_len": 8_388_608,
                "written_len": 196_608,
                "remains": 0,
                "quarantined": 1,
            },
            "day": {"called": 2, "completed": 2, "prompted": 2, "rated": 2, "strays": 0},
        },
        "versions": VERSIONS,
    }
    gap = {
        "source": str(NEIGHBOUR),
        "name": "gap",
        "state": "open",
        "since": utc_text(sent_utc_ms - 31_000),
        "last": utc_text(sent_utc_ms - 1_000),
        "count": 1,
        "sentence": "entries 42 to 57 are missing",
    }
    told = receipts.make(PLATFORM, SOURCE, end.epoch, end.seq, end.hash, utc_text(sent_utc_ms))
    return {
        **{kind: first[kind] for kind in KINDS},
        "state": canonical({"state": "online"}).decode(),
        "health": canonical(health).decode(),
        "receipt": told,
        "ask": canonical({"epoch": EPOCHS[0], "from": 42, "upto": 57}).decode(),
        "alarm": canonical(gap).decode(),
    }


def local(day: int, time: str) -> int:
    """UTC in ms of a time of day in the hall, in September 2026."""
    moment = datetime.fromisoformat(f"2026-09-{day:02}T{time}").replace(tzinfo=HALL_TIME)
    return int(moment.astimezone(UTC).timestamp()) * 1000


def write(folder: Path) -> None:
    """Write all examples; what else the folder held is gone."""
    folder.mkdir(parents=True, exist_ok=True)
    for path in folder.iterdir():
        path.unlink()
    author = journal()
    texts = author.texts
    for name, text in messages(author).items():
        # Without an end of line: the file is the payload, byte for byte.
        (folder / f"{name}.json").write_text(text, "utf-8")
    rows = attacks(texts[:ATTACKED_COUNT], UNIT, PLATFORM, (NEIGHBOUR, NEIGHBOURS))
    tampered = [json.dumps(row, ensure_ascii=False) for row in rows]
    for name, lines in (("journal", texts), ("tampered", tampered)):
        (folder / f"{name}.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    units = {
        SOURCE: Unit({UNIT.kid: UNIT.public}, windows=("3",)),
        NEIGHBOUR: Unit({NEIGHBOURS.kid: NEIGHBOURS.public}, windows=("4",)),
    }
    (folder / "registry.json").write_text(dump(units), "utf-8")
    UNIT.public.save(folder / "unit.pem")
    PLATFORM.public.save(folder / "platform.pem")


if __name__ == "__main__":
    write(FOLDER)
