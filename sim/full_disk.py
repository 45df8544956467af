"""The store on a disk that fills up: `python -m sim.full_disk DIRECTORY`, a JSON line a step.

The directory is to be a file system of its own with a megabyte or two; whoever runs this mounts it.
A stranger's file takes all the room there is, then entries are committed as a window does.
"""

import argparse
import json
import queue
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

from daemon.disk.journal import Journal
from daemon.disk.store import Store
from daemon.effects import Commit, Tend
from daemon.events import CommitFailed, Committed, Event, StoreMeasured
from protocol.central.entry import Draft, Stamp
from sim.promises import DATABASE, KEY, SOURCE

BALLAST_LEN = 256 * 1024
DAY = 20_000
BEFORE, COMMITS = 240, 400
WAIT_S = 20.0


def steps(directory: Path) -> Iterator[dict[str, Any]]:
    """What happens, in order."""
    events: queue.Queue[Event] = queue.Queue()
    journal = Journal(directory / DATABASE, SOURCE, KEY, checkpoint_pages=12)
    store = Store(journal, events.put, lambda name: sys.exit(name), ballast_len=BALLAST_LEN)
    store.start()
    try:
        yield {"step": "begun", **_tended(store, events, 0, DAY)}
        committed = 0
        for number in range(1, 1 + BEFORE):
            committed += _commit(store, events, number, committed)[0]
        yield {"step": "receipted", **_tended(store, events, committed, DAY + 1)}
        with suppress(OSError), (directory / "stranger").open("wb", buffering=0) as stranger:
            while stranger.write(bytes(4096)):
                pass
        first_failed, was_full = None, False
        for number in range(1 + BEFORE, 1 + BEFORE + COMMITS):
            done, disk = _commit(store, events, number, committed)
            committed += done
            was_full = was_full or disk == "full"
            if not done:
                first_failed = committed + 1
                break
        yield {"step": "filled", "failed_at": first_failed, "said_full": was_full}
        yield {"step": "still full", **_tended(store, events, committed, DAY + 1)}
        (directory / "stranger").unlink()
        done, _ = _commit(store, events, 1001, committed)
        committed += done
        yield {
            "step": "room again",
            "committed": done,
            **_tended(store, events, committed, DAY + 1),
        }
    finally:
        store.stop()
    with Journal(directory / DATABASE, SOURCE, KEY) as reopened:
        yield {"step": "reopened", "last_seq": reopened.restored.last_seq, "wanted": committed}


def _commit(
    store: Store, events: "queue.Queue[Event]", number: int, last_seq: int
) -> tuple[int, str | None]:
    """Whether it holds, and what the disk was said to be meanwhile."""
    stamp = Stamp("boot-1", number, None, False, None)
    data = {"window": "3", "what": "self_test", "ok": True, "detail": "x" * 200}
    state = {"outbox": json.dumps({"delivered": min(BEFORE, last_seq)}, separators=(",", ":"))}
    store.do(Commit(number, (Draft(last_seq + 1, "test", "w03", data, stamp),), state))
    disk = None
    while True:
        event = events.get(timeout=WAIT_S)
        if isinstance(event, StoreMeasured):
            disk = event.disk
        elif isinstance(event, Committed):
            return 1, disk
        elif isinstance(event, CommitFailed):
            return 0, disk


def _tended(store: Store, events: "queue.Queue[Event]", delivered: int, day: int) -> dict[str, Any]:
    store.do(Tend(delivered, day))
    while True:
        event = events.get(timeout=WAIT_S)
        if isinstance(event, StoreMeasured):
            return {"disk": event.disk, **event.counters}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m sim.full_disk", description=__doc__)
    parser.add_argument("directory", type=Path)
    for step in steps(parser.parse_args().directory):
        sys.stdout.write(json.dumps(step) + "\n")
        sys.stdout.flush()
    return 0


if __name__ == "__main__":
    sys.exit(main())
