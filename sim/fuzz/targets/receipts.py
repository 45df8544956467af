"""The platform's receipts: refused in words, or what the platform did sign."""

from collections.abc import Iterator
from functools import cache

from protocol.central import receipts
from protocol.central.canonical import INT_MAX
from protocol.central.receipts import TEXT_LEN_MAX, BadReceipt, Receipt
from sim.examples import FOLDER, PLATFORM
from sim.fuzz.signed import signed
from sim.fuzz.target import Target

KEYS = {PLATFORM.kid: PLATFORM.public}
AS_IT_IS, SIGNED = 0, 1


def seeds() -> Iterator[bytes]:
    for how in (AS_IT_IS, SIGNED):
        yield bytes((how,)) + _genuine()
        yield bytes((how,)) + _genuine().replace(b"330102", b"\\ud83d\\ude00")
        yield bytes((how,)) + b'{"source": null, "upto": 1e3, "time": [[[[]]]]}'


@cache
def _genuine() -> bytes:
    return (FOLDER / "receipt.json").read_bytes()


@cache
def _true() -> Receipt:
    return receipts.read(_genuine(), KEYS)


def check(data: bytes) -> None:
    how, payload = data[:1], data[1:]
    is_signed = how == bytes((SIGNED,))
    try:
        receipt = receipts.read(signed(payload, PLATFORM, "sig") if is_signed else payload, KEYS)
    except BadReceipt:
        return
    assert is_signed or receipt == _true(), "a receipt that nobody signed"
    assert 1 <= receipt.upto <= INT_MAX
    again = receipts.make(
        PLATFORM, receipt.source, receipt.epoch, receipt.upto, receipt.hash, receipt.time
    )
    assert receipts.read(again, KEYS, receipt.source) == receipt


TARGET = Target(promise="A4", what="receipts", seeds=seeds, check=check, len_max=TEXT_LEN_MAX + 16)
