"""A platform without a broker: what units send is judged, stored and receipted as a worker does it.

Its folder holds what the centre's commands need: configuration, registry, the platform's key.
"""

from collections.abc import Iterable
from pathlib import Path

from central.config import StoreConfig
from central.ingest import Outcome
from central.journal import Epoch
from central.judge import Arrival, admit
from central.registry import Registry, Unit, dump
from central.store import Store
from central.tables import open_database
from protocol.central import receipts, topics
from protocol.central.canonical import canonical
from protocol.central.entry import Source, read, utc_text
from protocol.central.signing import SigningKey

BATCH_COUNT = 200


class Platform:
    """The centre's side; `now_ms` is when it receives, and is for the test to move."""

    def __init__(
        self, folder: Path, config: StoreConfig, units: dict[Source, Unit], key: SigningKey,
        now_ms: int,
    ) -> None:  # fmt: skip
        self.folder, self.key, self.now_ms = folder, key, now_ms
        self.store = Store(open_database(config))
        self.config = folder / "central.toml"
        where = f'database = "{config.database}"' if config.url is None else f'url = "{config.url}"'
        self.config.write_text(
            f'registry = "registry.json"\n[store]\n{where}\n[platform]\nkey = "platform.pem"\n'
        )
        key.save(folder / "platform.pem")
        key.public.save(folder / "platform-public.pem")
        self.register(units)

    def register(self, units: dict[Source, Unit]) -> None:
        """Replace the registry."""
        self._registry = Registry(units)
        (self.folder / "registry.json").write_text(dump(units))
        self.store.keep_keys(self._registry, self.now_ms)

    def take(self, *arrivals: Arrival) -> Outcome:
        """Take a batch of messages, as one worker's transaction."""
        admitted = [admit(each, self._registry, self.now_ms) for each in arrivals]
        return self.store.take(admitted, self.now_ms, self._sign)

    def _sign(self, source: Source, epoch: Epoch) -> str:
        time_text = utc_text(self.now_ms)
        return receipts.make(self.key, source, epoch.name, epoch.upto, epoch.hash, time_text)

    def take_entries(self, texts: Iterable[str]) -> None:
        """Take entries, each on its topic."""
        arrivals = []
        for text in texts:
            entry = read(text)
            arrivals.append(Arrival(topics.up(entry.source, entry.kind), text.encode()))
        for at in range(0, len(arrivals), BATCH_COUNT):
            self.take(*arrivals[at : at + BATCH_COUNT])

    def hear(self, source: Source, name: str, value: object) -> None:
        """Take a unit's state or health."""
        self.take(Arrival(topics.up(source, name), canonical(value)))

    def close(self) -> None:
        """Let go of the database."""
        self.store.close()
