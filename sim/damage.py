"""What a dying card does to a file (pure): bytes in, bytes out, from a chance that is given."""

import random
from collections.abc import Callable, Mapping

PAGE_LEN = 4096
SECTOR_LEN = 512

Files = Mapping[str, bytes]
Kind = Callable[[bytes, random.Random], bytes]


def flip(data: bytes, chance: random.Random) -> bytes:
    """One to three bits."""
    changed = bytearray(data)
    for _ in range(chance.randint(1, 3)):
        changed[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    return bytes(changed)


def garbage(data: bytes, chance: random.Random) -> bytes:
    """A sector of nonsense."""
    at = chance.randrange(0, len(data), SECTOR_LEN)
    return data[:at] + chance.randbytes(min(SECTOR_LEN, len(data) - at)) + data[at + SECTOR_LEN :]


def zeros(data: bytes, chance: random.Random) -> bytes:
    """A page of zeros."""
    at = chance.randrange(0, len(data), PAGE_LEN)
    return data[:at] + bytes(min(PAGE_LEN, len(data) - at)) + data[at + PAGE_LEN :]


def cut(data: bytes, chance: random.Random) -> bytes:
    """The end of the file is gone."""
    return data[: chance.randrange(len(data))]


def swap(data: bytes, chance: random.Random) -> bytes:
    """Two pages in each other's place."""
    first, second = sorted(chance.randrange(max(1, len(data) // PAGE_LEN)) for _ in range(2))
    one = data[first * PAGE_LEN : (first + 1) * PAGE_LEN]
    other = data[second * PAGE_LEN : (second + 1) * PAGE_LEN]
    if first == second or len(one) != len(other):
        return data
    between = data[(first + 1) * PAGE_LEN : second * PAGE_LEN]
    return data[: first * PAGE_LEN] + other + between + one + data[(second + 1) * PAGE_LEN :]


KINDS: dict[str, Kind] = {
    "flipped bits": flip,
    "garbage sector": garbage,
    "zeroed page": zeros,
    "truncated": cut,
    "swapped pages": swap,
}


def damaged(files: Files, names: tuple[str, ...], kind: str, chance: random.Random) -> Files:
    """The files with one damage of a kind in one of those named."""
    name = chance.choice([name for name in names if files.get(name)])
    return {**files, name: KINDS[kind](files[name], chance)}
