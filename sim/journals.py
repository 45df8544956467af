"""Journals of units that never existed: valid, signed and chained, from a seed (pure)."""

import random
from collections import Counter
from copy import deepcopy
from functools import cache
from typing import Any

from protocol.central import schema
from protocol.central.chain import Head
from protocol.central.entry import GENESIS, KINDS, Draft, Source, Stamp, digest, seal
from protocol.central.signing import SigningKey

BOOT_UTC_MS = 1_790_000_000_000  # 2026-09-21T14:13:20Z
NOT_RATED = ("timeout", "superseded", "cancelled", "pad_lost", "interrupted")
OTHER_KINDS = tuple(kind for kind in KINDS if kind not in ("boot", "service", "rating"))


def key(seed: int) -> SigningKey:
    """A key that is always the same for a seed."""
    return SigningKey.from_seed(seed.to_bytes(32, "big"))


class Writer:
    """Writes a unit's entries one after the other, as its daemon would."""

    def __init__(self, source: Source, key: SigningKey, seed: int) -> None:
        self.source = source
        self.key = key
        self._random = random.Random(seed)
        self._boot_id = f"{self._random.getrandbits(128):032x}"
        self._boottime_ms = 20_000
        self._rated: Counter[str] = Counter()
        self.head = Head(self._new_epoch(), 0, GENESIS)

    def write(self, kind: str, **changes: Any) -> str:
        """Seal the next entry: its kind's example, with changes to the data."""
        data = deepcopy(_example(kind)) | self._counts(kind) | changes
        data.pop("stamp")
        self._boottime_ms += self._random.randrange(10, 60_000)
        boottime_ms = self._boottime_ms
        stamp = Stamp(self._boot_id, boottime_ms, BOOT_UTC_MS + boottime_ms, True, 15)
        draft = Draft(self.head.seq + 1, kind, self.source.unit, data, stamp)
        if kind == "rating":
            self._rated[str(data["satisfaction"] or data["outcome"])] += 1
        return self._seal(draft)

    def write_any(self) -> str:
        """Seal the next entry of a plausible day."""
        if self.head.seq == 0:
            return self.write("boot")
        if self._random.random() < 0.1:
            return self.write(self._random.choice(OTHER_KINDS))
        if self.head.seq % 2:
            return self.write("service", promptId=self.head.seq)
        service = f"{self.head.epoch}-{self.head.seq}"
        level = self._random.choice((5, 5, 5, 5, 4, 4, 3, 2, 1, None))
        if level is not None:
            return self.write(
                "rating", service=service, satisfaction=level, key=6 - level, reasons=[]
            )
        unrated = _example("rating", 1)
        changes = {**unrated, "service": service, "outcome": self._random.choice(NOT_RATED)}
        return self.write("rating", **changes)

    def begin_epoch(self, previous: Head | None = None, reason: str = "new_epoch") -> str:
        """Start a new epoch that says where the one before ended (default: where it did)."""
        ended = previous or self.head
        self.head = Head(self._new_epoch(), 0, GENESIS)
        self._rated.clear()
        value = {"epoch": ended.epoch, "seq": ended.seq, "hash": ended.hash}
        return self.write("boot", reason=reason, previous=value)

    def _counts(self, kind: str) -> dict[str, Any]:
        """What a day's entry says of the ratings since the one before."""
        if kind != "daily":
            return {}
        rated = {level: self._rated[level] for level in "12345"}
        not_rated = {reason: self._rated[reason] for reason in NOT_RATED}
        self._rated.clear()
        return {"rated": rated, "notRated": not_rated}

    def _seal(self, draft: Draft) -> str:
        epoch, prevhash = self.head.epoch, self.head.hash
        text = seal(draft, epoch=epoch, source=self.source, prevhash=prevhash, key=self.key)
        self.head = Head(epoch, draft.seq, digest(text))
        return text

    def _new_epoch(self) -> str:
        return f"{self._random.getrandbits(64):016x}"


@cache
def _example(kind: str, index: int = 0) -> dict[str, Any]:
    example: dict[str, Any] = schema.load(kind)["examples"][index]
    return example


def journal(writer: Writer, count: int) -> list[str]:
    """The writer's next entries."""
    return [writer.write_any() for _ in range(count)]
