"""A UF2 file: whether it is whole, and for an RP2040 (pure).

Source: github.com/microsoft/uf2, README.md; the families from its utils/uf2families.json.
"""

import struct

from provisioning.pad.errors import ImageUnfit

BLOCK_LEN = 512
MAGIC_FIRST, MAGIC_SECOND, MAGIC_LAST = 0x0A324655, 0x9E5D5157, 0x0AB16F30
HEAD = struct.Struct("<8I")  # two magics, flags, address, payload's length, number, count, family
LAST = struct.Struct("<I")
FLAG_NOT_FLASH, FLAG_FAMILY = 0x1, 0x2000
RP2040 = 0xE48BFF56
OTHERS = {0xE48BFF57: "any RP2 chip", 0xE48BFF59: "an RP2350", 0xE48BFF5A: "an RP2350 (RISC-V)"}
# RP2040 datasheet 2.6.3: the flash is here, 16 MB at most. Its boot ROM takes pages of 256 bytes.
FLASH_START, FLASH_END, PAGE_LEN = 0x10000000, 0x11000000, 256
# Flash of that size, at two blocks to a page, is the largest file there can be.
FILE_LEN_MAX = (FLASH_END - FLASH_START) // PAGE_LEN * BLOCK_LEN

_NEXT = "take the RPI_PICO image from micropython.org/download/RPI_PICO, and load it again"


def check(raw: bytes) -> int:
    """How many bytes of flash the image fills; ImageUnfit says what is wrong with it."""
    if not raw or len(raw) % BLOCK_LEN or len(raw) > FILE_LEN_MAX:
        raise ImageUnfit(f"the UF2 file is not whole: it has {len(raw)} bytes", _NEXT)
    pages: set[int] = set()
    numbers: set[int] = set()
    count = -1
    for at in range(0, len(raw), BLOCK_LEN):
        first, second, flags, address, length, number, count_here, family = HEAD.unpack_from(
            raw, at
        )
        (last,) = LAST.unpack_from(raw, at + BLOCK_LEN - LAST.size)
        if (first, second, last) != (MAGIC_FIRST, MAGIC_SECOND, MAGIC_LAST):
            raise ImageUnfit(f"this is no UF2 file: block {at // BLOCK_LEN} has no mark", _NEXT)
        if flags & FLAG_NOT_FLASH:
            continue
        _check_family(flags, family)
        if length != PAGE_LEN or address % PAGE_LEN:
            raise ImageUnfit(f"the UF2 file has a page of {length} bytes at {address:#x}", _NEXT)
        if not FLASH_START <= address < FLASH_END:
            raise ImageUnfit(f"the UF2 file leads outside of the flash, to {address:#x}", _NEXT)
        count = count_here if count < 0 else count
        if count_here != count or number in numbers or address in pages:
            raise ImageUnfit(f"the UF2 file contradicts itself in block {number}", _NEXT)
        pages.add(address)
        numbers.add(number)
    if not numbers:
        raise ImageUnfit("the UF2 file has nothing for the flash", _NEXT)
    there = len(numbers & set(range(count)))
    if there != count:
        raise ImageUnfit(f"the UF2 file has only {there} of its {count} blocks", _NEXT)
    return len(pages) * PAGE_LEN


def _check_family(flags: int, family: int) -> None:
    if not flags & FLAG_FAMILY:
        raise ImageUnfit("the UF2 file does not say for which chip it is", _NEXT)
    if family != RP2040:
        chip = OTHERS.get(family, f"another chip ({family:#x})")
        raise ImageUnfit(f"the UF2 file is for {chip}, and the pad's board is an RP2040", _NEXT)
