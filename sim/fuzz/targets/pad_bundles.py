"""Bundles of pad firmware: only what the maker signed is one, and it is whole."""

from collections.abc import Iterator
from functools import cache
from hashlib import sha256

from protocol import bundle
from protocol.bundle import BundleError
from protocol.pad import VERSION
from sim.fuzz.target import Target
from sim.journals import key

MAKER = key(7)
SIGNATURE_AT, SIGNATURE_LEN = len(bundle.MAGIC), 64
LENGTH_AT = SIGNATURE_AT + SIGNATURE_LEN
MANIFEST_AT = LENGTH_AT + 2
AS_IT_IS, SIGNED = 0, 1


def seeds() -> Iterator[bytes]:
    for how in (AS_IT_IS, SIGNED):
        yield bytes((how,)) + _genuine()


@cache
def _genuine() -> bytes:
    files = {"device/loop.py": b'"""Starts."""\n', "protocol/pad/link.py": b'"""The pair."""\n'}
    return bundle.build(files, 5, 2, VERSION, MAKER)


def check(data: bytes) -> None:
    raw, is_signed = data[1:], data[:1] == bytes((SIGNED,))
    if is_signed:
        raw = _signed(raw)
    try:
        found = bundle.read(raw, MAKER.public)
    except BundleError:
        return
    assert is_signed or raw == _genuine(), "a bundle that nobody signed"
    assert 1 <= found.release_min <= found.release
    assert found.stream == raw[MANIFEST_AT:]
    assert found.digest == sha256(found.stream[: found.manifest_len]).digest()[: len(found.digest)]


def _signed(raw: bytes) -> bytes:
    """The bundle with its manifest signed by the maker."""
    length = int.from_bytes(raw[LENGTH_AT:MANIFEST_AT], "big")
    manifest = raw[MANIFEST_AT : MANIFEST_AT + length]
    return bundle.MAGIC + MAKER.sign(manifest) + raw[LENGTH_AT:]


TARGET = Target(promise="F3", what="bundles of pad firmware", seeds=seeds, check=check)
