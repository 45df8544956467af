"""A journal in memory: the store's double, held to the contract suite of the real one."""

import json
from collections.abc import Mapping

from daemon.disk.sealing import sealed
from daemon.errors import StoreFailed
from daemon.events import Restored, Sealed
from protocol.central.entry import GENESIS, Draft, Source
from protocol.central.signing import SigningKey


class MemoryJournal:
    """What daemon.disk.journal.Journal does, without a disk; `fail` makes the next commits fail.

    `key` may be exchanged, as it is between two starts of a unit.
    """

    def __init__(self, source: Source, key: SigningKey, epoch: str = "00000000000000aa") -> None:
        self._source, self.key, self._epoch = source, key, epoch
        self._entries: list[Sealed] = []
        self._state: dict[str, str] = {}
        self.fail: str | None = None

    @property
    def entries(self) -> tuple[Sealed, ...]:
        return tuple(self._entries)

    def row(self, name: str) -> str | None:
        """A state row as it lies there."""
        return self._state.get(name)

    @property
    def last_seq(self) -> int:
        return self._head[0]

    @property
    def _head(self) -> tuple[int, str]:
        last = self._entries[-1] if self._entries else None
        return (0, GENESIS) if last is None else (last.seq, last.hash)

    @property
    def restored(self) -> Restored:
        """What a daemon started now would find."""
        seq, hash_ = self._head
        return Restored(
            epoch=self._epoch,
            fresh=seq == 0,
            last_seq=seq,
            last_hash=hash_,
            state={name: json.loads(value) for name, value in self._state.items()},
        )

    def commit(self, drafts: tuple[Draft, ...], state: Mapping[str, str]) -> tuple[Sealed, ...]:
        if self.fail is not None:
            raise StoreFailed(self.fail)
        entries = tuple(
            sealed(
                drafts,
                after=self._head,
                epoch=self._epoch,
                source=self._source,
                key=self.key,
            )
        )
        self._entries += entries
        self._state.update(state)
        return entries

    def read(self, first: int, limit: int) -> tuple[Sealed, ...]:
        start = max(first, 1) - 1
        return tuple(self._entries[start : start + limit])
