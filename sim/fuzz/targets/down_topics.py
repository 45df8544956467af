"""What a unit hears from the broker: no bytes stop it, and none but a receipt delivers anything."""

import atexit
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from daemon.disk.journal import Journal
from daemon.effects import Fetch, FetchRemains, Settle
from daemon.events import Asked, ReceiptReceived
from daemon.net.down import ASK_LEN_MAX, heard
from daemon.net.outbox import Outbox
from daemon.net.remains import Remains
from protocol.central import topics
from protocol.central.entry import GENESIS
from protocol.central.topics import ASK, CONFIG, RECEIPT
from sim.examples import EPOCHS, FOLDER, PLATFORM, SOURCE, UNIT
from sim.fuzz.signed import signed
from sim.fuzz.target import Target

# What was said, and whether the platform signs it.
WAYS = ((RECEIPT, False), (RECEIPT, True), (ASK, False), (CONFIG, False))
DELIVERED, LAST = 3, 9
DAY = 20_000


def seeds() -> Iterator[bytes]:
    receipt, ask = ((FOLDER / f"{name}.json").read_bytes() for name in (RECEIPT, ASK))
    yield from (b"\x00" + receipt, b"\x01" + receipt, b"\x02" + ask, b"\x03{}")
    yield b"\x02" + ask.replace(EPOCHS[0].encode(), EPOCHS[1].encode())
    yield b'\x02{"epoch": "e", "from": -1, "upto": 9007199254740993}'


@cache
def _journal() -> Journal:
    """One journal for all inputs: what is asked of it is looked up, and nothing is found."""
    # Its files are gone at once; what is open stays, and libFuzzer leaves nobody time to tidy up.
    with tempfile.TemporaryDirectory() as folder:
        journal = Journal(Path(folder) / "unit.db", SOURCE, UNIT)
    atexit.register(journal.close)
    return journal


def check(data: bytes) -> None:
    way, payload = WAYS[data[0] % len(WAYS)] if data else WAYS[0], data[1:]
    if way[1]:
        payload = signed(payload, PLATFORM, "sig")
    topic = topics.down(SOURCE, way[0])
    event = heard(topic, payload, SOURCE, {PLATFORM.kid: PLATFORM.public})
    outbox, remains = Outbox(EPOCHS[1], DELIVERED, LAST), Remains(1)
    outbox.broker_up()
    remains.broker_up(0)
    if isinstance(event, Asked):
        outbox.asked(event.epoch, event.first, event.last)
        remains.asked(0, event)
    elif isinstance(event, ReceiptReceived):
        outbox.receipt(0, event.epoch, event.upto, event.hash)
        remains.receipt(event.epoch, event.upto, event.hash)
    for effect in (*outbox.poll(0), *remains.poll(0, DAY)):
        if isinstance(effect, Fetch):
            assert _journal().read(effect.first, effect.limit) == ()
        elif isinstance(effect, FetchRemains):
            assert _journal().remains(effect.after, effect.limit, effect.asked) == ()
        elif isinstance(effect, Settle):
            assert effect.hash == GENESIS or not _journal().settle(*_told(effect))
    assert outbox.delivered == DELIVERED, "delivered by what the platform did not say of our entry"


def _told(settle: Settle) -> tuple[str, int, str, int]:
    return settle.epoch, settle.upto, settle.hash, settle.day


TARGET = Target(
    promise="A4", what="what the platform says", seeds=seeds, check=check, len_max=ASK_LEN_MAX + 16
)
