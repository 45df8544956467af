"""A store's worker in a process of its own, to be killed amid its jobs. Real I/O.

`python -m sim.doomed_store FILE COUNT` asks for so many commits at once, each of one entry and of a
row that counts them; each answer is a line of its number and hash. Then it waits for its end.
"""

import argparse
import signal
import sys
from pathlib import Path

from daemon.disk.journal import Journal
from daemon.disk.store import Store
from daemon.effects import Commit
from daemon.events import Committed, Event
from protocol.central.entry import Draft, Source, Stamp
from protocol.central.signing import SigningKey

SOURCE = Source("330102", "h01", "w03")
KEY = SigningKey.from_seed(bytes(31) + b"\x03")
ROW = "count"


def commit(seq: int) -> Commit:
    """The one that writes this entry, and its number into the row."""
    stamp = Stamp("boot-1", 1000 * seq, 1_795_000_000_000 + seq, True, 5)
    draft = Draft(seq, "test", "w03", {"what": "评价", "detail": "x" * seq}, stamp)
    return Commit(seq, (draft,), {ROW: str(seq)})


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.doomed_store", description="Be killed.")
    parser.add_argument("file", type=Path)
    parser.add_argument("count", type=int)
    asked = parser.parse_args()
    journal = Journal(asked.file, SOURCE, KEY)
    store = Store(journal, _tell, sys.exit)
    for seq in range(1, asked.count + 1):
        store.do(commit(journal.restored.last_seq + seq))
    store.start()
    signal.pause()
    return 0


def _tell(event: Event) -> None:
    assert isinstance(event, Committed), event
    sys.stdout.write("".join(f"{entry.seq} {entry.hash}\n" for entry in event.sealed))
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
