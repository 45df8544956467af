"""What the centre takes in: only what its unit signed is an entry, and no bytes stop the centre."""

import json
from collections.abc import Iterator
from functools import cache

from central import ingest
from central.ingest import Admitted, Standing
from central.judge import Arrival, Kept, Note, admit
from central.registry import Registry
from protocol.central import topics
from protocol.central.canonical import INT_MAX
from protocol.central.entry import KINDS
from sim.examples import FOLDER, SOURCE, UNIT
from sim.fuzz.signed import signed
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target

NOW_UTC_MS = 1_790_060_000_000
# What a unit may say; what nobody may say there is refused by the topic alone.
NAMES = (*topics.UP_NAMES, topics.RECEIPT)
BATCH_MAX = 3
LEN_MAX = 8192


def seeds() -> Iterator[bytes]:
    for index, name in enumerate(NAMES):
        text = (FOLDER / f"{name}.json").read_bytes()
        yield _message(index, 0, text)
        if name in KINDS:
            yield _message(index, 1, text) + _message(index, 0, text)
    yield _message(NAMES.index(topics.STATE), 0, b'{"state": "\\ud800\\udc00"}')


def _message(index: int, by: int, text: bytes) -> bytes:
    return bytes((index, by)) + len(text).to_bytes(2, "big") + text


@cache
def _registry() -> Registry:
    return Registry.parse((FOLDER / "registry.json").read_text("utf-8"))


@cache
def _genuine() -> frozenset[bytes]:
    """Every entry this unit's key ever signed."""
    lines = (FOLDER / "journal.jsonl").read_bytes().splitlines()
    return frozenset((*lines, *((FOLDER / f"{kind}.json").read_bytes() for kind in KINDS)))


def check(data: bytes) -> None:
    tape = Tape(data)
    batch: list[Admitted] = []
    while tape and len(batch) < BATCH_MAX:
        name, is_signed = tape.choice(NAMES), tape.byte() % 2
        payload = tape.take(tape.number(2))
        if is_signed:
            payload = signed(payload, UNIT, "signature")
        topic = f"{topics.ROOT}{SOURCE}/{'down' if name == topics.RECEIPT else 'up'}/{name}"
        one = admit(Arrival(topic, payload), _registry(), NOW_UTC_MS)
        if isinstance(one, Kept):
            assert is_signed or payload in _genuine(), "an entry that nobody signed"
            assert one.entry.text.encode() == payload
        elif isinstance(one, Note):
            assert one.head is None or one.head.seq <= INT_MAX
        batch.append(one)
    outcome = ingest.decide(NOW_UTC_MS, batch, Standing())
    # A text that is none could not be stored, nor printed.
    for finding in outcome.findings:
        assert finding.problem.sentence.encode()
    assert json.dumps([note.encode().decode() for note in outcome.notes.values()])


TARGET = Target(
    promise="E1", what="what the centre takes in", seeds=seeds, check=check, len_max=LEN_MAX
)
