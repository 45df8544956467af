"""MicroPython's image for a board in its boot loader: checked, and copied to its drive."""

import struct
from pathlib import Path

import pytest

from provisioning.pad import drive, uf2
from provisioning.pad.errors import BoardNotFound, ImageUnfit

COUNT = 5
INFO = "UF2 Bootloader v3.0\nModel: Raspberry Pi RP2\nBoard-ID: RPI-RP2\n"


def block(place: int, **other: int) -> bytes:
    """One block of a good image of COUNT pages, but for what is given."""
    fields = {
        "first": uf2.MAGIC_FIRST,
        "second": uf2.MAGIC_SECOND,
        "flags": uf2.FLAG_FAMILY,
        "address": uf2.FLASH_START + place * uf2.PAGE_LEN,
        "length": uf2.PAGE_LEN,
        "number": place,
        "count": COUNT,
        "family": uf2.RP2040,
    } | other
    last = fields.pop("last", uf2.MAGIC_LAST)
    return struct.pack("<8I", *fields.values()) + bytes([place]) * 476 + struct.pack("<I", last)


GOOD = b"".join(map(block, range(COUNT)))


def test_good_image_then_how_much_flash_it_fills() -> None:
    assert len(GOOD) == COUNT * uf2.BLOCK_LEN
    assert uf2.check(GOOD) == COUNT * uf2.PAGE_LEN


def test_block_that_is_not_for_the_flash_then_passed_over() -> None:
    assert uf2.check(GOOD + block(9, flags=uf2.FLAG_NOT_FLASH)) == COUNT * uf2.PAGE_LEN


@pytest.mark.parametrize(
    ("other", "sentence"),
    [
        ({"first": 1}, "this is no UF2 file: block 3 has no mark"),
        ({"last": 1}, "this is no UF2 file: block 3 has no mark"),
        ({"flags": 0}, "does not say for which chip it is"),
        ({"family": 0xE48BFF59}, "is for an RP2350, and the pad's board is an RP2040"),
        ({"family": 7}, r"is for another chip \(0x7\)"),
        ({"length": 255}, "has a page of 255 bytes"),
        ({"address": 0x10000301}, "has a page of 256 bytes at 0x10000301"),
        ({"address": 0x20000000}, "leads outside of the flash, to 0x20000000"),
        ({"number": 2}, "contradicts itself in block 2"),
        ({"count": 6}, "contradicts itself in block 3"),
        ({"address": uf2.FLASH_START}, "contradicts itself in block 3"),
        ({"number": 5}, "has only 4 of its 5 blocks"),
    ],
)
def test_image_with_a_wrong_block_then_a_sentence(other: dict[str, int], sentence: str) -> None:
    blocks = [block(number) for number in range(COUNT)]
    blocks[3] = block(3, **other)
    raw = b"".join(blocks)
    with pytest.raises(ImageUnfit, match=sentence):
        uf2.check(raw)


@pytest.mark.parametrize(
    ("raw", "sentence"),
    [
        (b"", "is not whole: it has 0 bytes"),
        (GOOD[:-1], "is not whole: it has 2559 bytes"),
        (GOOD[: -uf2.BLOCK_LEN], "has only 4 of its 5 blocks"),
        (b"x" * uf2.BLOCK_LEN, "this is no UF2 file: block 0"),
        (block(0, flags=uf2.FLAG_NOT_FLASH), "has nothing for the flash"),
    ],
)
def test_image_that_is_not_whole_then_a_sentence(raw: bytes, sentence: str) -> None:
    with pytest.raises(ImageUnfit, match=sentence):
        uf2.check(raw)


@pytest.fixture
def mounted(tmp_path: Path) -> tuple[Path, Path]:
    """A drive with a space in its name, and the list of mounts that has it."""
    folder = tmp_path / "RPI RP2"
    folder.mkdir()
    (folder / "INFO_UF2.TXT").write_text(INFO)
    mounts = tmp_path / "mounts"
    named = str(folder).replace(" ", "\\040")
    mounts.write_text(f"proc /proc proc rw 0 0\n/dev/sdb1 {tmp_path} vfat rw 0 0\n"
                      f"/dev/sda1 {named} vfat rw 0 0\n")  # fmt: skip
    return folder, mounts


def test_drive_of_a_boot_loader_then_found_among_the_mounts(mounted, tmp_path) -> None:
    folder, mounts = mounted
    assert drive.find(mounts, tmp_path / "no label") == folder
    (folder / "INFO_UF2.TXT").write_text("Board-ID: SAMD21")
    assert drive.find(mounts, tmp_path / "no label") is None


def test_drive_that_nobody_mounted_then_the_command_that_does(tmp_path: Path) -> None:
    mounts, label = tmp_path / "mounts", tmp_path / "RPI-RP2"
    mounts.write_text("")
    label.touch()
    with pytest.raises(BoardNotFound, match="is not mounted") as raised:
        drive.find(mounts, label)
    assert raised.value.hint.endswith(f"udisksctl mount -b {label}")


def test_image_then_copied_whole_and_told(mounted, tmp_path: Path) -> None:
    folder, _ = mounted
    image, told = tmp_path / "pico.uf2", []
    image.write_bytes(GOOD)
    assert drive.load(folder, image, lambda *one: told.append(one)) == COUNT * uf2.PAGE_LEN
    assert (folder / "image.uf2").read_bytes() == GOOD
    assert told == [(len(GOOD), len(GOOD))]


def test_image_that_is_none_or_nowhere_then_nothing_is_copied(mounted, tmp_path: Path) -> None:
    folder, _ = mounted
    image = tmp_path / "pico.uf2"
    with pytest.raises(ImageUnfit, match="cannot be read: No such file"):
        drive.load(folder, image, lambda *_: None)
    image.write_bytes(GOOD[:-1])
    with pytest.raises(ImageUnfit, match="is not whole"):
        drive.load(folder, image, lambda *_: None)
    assert [path.name for path in folder.iterdir()] == ["INFO_UF2.TXT"]


def test_drive_that_takes_nothing_then_a_sentence(mounted, tmp_path: Path) -> None:
    folder, _ = mounted
    (folder / "image.uf2").mkdir()
    image = tmp_path / "pico.uf2"
    image.write_bytes(GOOD)
    with pytest.raises(ImageUnfit, match="could not be copied") as raised:
        drive.load(folder, image, lambda *_: None)
    assert "BOOTSEL" in raised.value.hint
