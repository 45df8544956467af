"""What is plugged in at USB, read from real trees: a kernel's, odd ones, and a huge one."""

import os
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.wire.usb import ENTRIES_MAX, attached

BOOT_LOADER = (
    "the pad is in its boot loader: unplug it and plug it in again without holding BOOTSEL"
)
MICROPYTHON = "a board with MicroPython is plugged in: if it is the pad, unplug it"
CIRCUITPYTHON = "a board with CircuitPython is plugged in: if it is the pad, put MicroPython there"
OTHER = "a board with another firmware is plugged in: if it is the pad, put MicroPython there"
SENTENCE_LEN_MAX = 256  # common.schema.json

HUB = ("1d6b", "0002")
ADAPTER = ("1a86", "7523")
DEBUG_PROBE = ("2e8a", "000c")
SAID = {
    ("2e8a", "0003"): BOOT_LOADER,
    ("2e8a", "000f"): BOOT_LOADER,
    ("2e8a", "0005"): MICROPYTHON,
    ("2e8a", "0009"): OTHER,
    ("2e8a", "000a"): OTHER,
    ("2e8a", "000b"): CIRCUITPYTHON,
    ("239a", "80f4"): CIRCUITPYTHON,
    HUB: None,
    ADAPTER: None,
    DEBUG_PROBE: None,
}


def plugged(root, *devices):
    """A tree as the kernel makes it: links to devices, and the interfaces beside them."""
    bus, sys_devices = root / "bus/usb/devices", root / "devices/usb1"
    bus.mkdir(parents=True)
    for number, (vendor, product) in enumerate(devices):
        device = sys_devices / f"1-{number}"
        interface = device / f"1-{number}:1.0"
        interface.mkdir(parents=True)
        (interface / "bInterfaceClass").write_text("02\n")
        (device / "idVendor").write_text(f"{vendor}\n")
        (device / "idProduct").write_text(f"{product}\n")
        for entry in (device, interface):
            (bus / entry.name).symlink_to(entry)
    return bus


def odd(root, vendor, product):
    """A tree of one device whose files hold any bytes; None = no such file."""
    device = root / "1-1"
    device.mkdir()
    for name, data in (("idVendor", vendor), ("idProduct", product)):
        if data is not None:
            (device / name).write_bytes(data)
    return root


def is_said(said, wanted):
    return said is None if wanted is None else said is not None and said.startswith(wanted)


@pytest.mark.parametrize("device", SAID, ids=":".join)
def test_device_beside_hub_and_adapter_then_said_in_words(tmp_path, device):
    said = attached(plugged(tmp_path, HUB, ADAPTER, device))
    assert is_said(said, SAID[device]), said
    if said is not None:
        assert said.isascii()
        assert said.isprintable()
        assert len(said) <= SENTENCE_LEN_MAX


def test_boot_loader_among_others_then_it_is_what_is_said(tmp_path):
    others = [device for device, said in SAID.items() if said != BOOT_LOADER]
    assert attached(plugged(tmp_path, *others, ("2e8a", "0003"))).startswith(BOOT_LOADER)


def test_micropython_beside_another_firmware_then_the_other_is_said(tmp_path):
    devices = plugged(tmp_path, ("2e8a", "0005"), ("2e8a", "000a"))
    assert attached(devices).startswith(OTHER)


def test_device_when_pulled_out_then_no_words(tmp_path):
    bus = plugged(tmp_path, HUB, ("2e8a", "0003"))
    assert attached(bus).startswith(BOOT_LOADER)
    (tmp_path / "devices/usb1/1-1/idVendor").unlink()
    assert attached(bus) is None


def test_nothing_plugged_in_then_no_words(tmp_path):
    assert attached(plugged(tmp_path)) is None


def test_no_usb_at_all_then_no_words(tmp_path):
    assert attached(tmp_path / "missing") is None
    (tmp_path / "file").write_text("2e8a\n")
    assert attached(tmp_path / "file") is None


def test_this_machine_then_words_or_none():
    assert isinstance(attached(), str | None)


@pytest.mark.parametrize(
    ("vendor", "product"),
    [
        (None, None),
        (b"2e8a\n", None),
        (None, b"0003\n"),
        (b"239a\n", b""),
        (b"", b"0003\n"),
        (b"2e8a0003", b"0003\n"),
        (b"\xff\xfe2e8a", b"0003\n"),
        (b"2e8a" * 100_000, b"0003" * 100_000),
        (b"2e8a\n", b"3\n"),
    ],
)
def test_file_when_missing_or_garbage_then_no_words(tmp_path, vendor, product):
    assert attached(odd(tmp_path, vendor, product)) is None


def test_ids_in_capitals_then_they_are_the_same(tmp_path):
    assert attached(odd(tmp_path, b" 2E8A\r\n", b"000F")).startswith(BOOT_LOADER)


@given(vendor=st.binary(max_size=12), product=st.binary(max_size=12))
def test_files_of_any_bytes_then_no_error(tmp_path_factory, vendor, product):
    root = tmp_path_factory.mktemp("usb", numbered=True)
    assert attached(odd(root, vendor, product)) is None


def test_odd_entries_then_they_are_passed_over(tmp_path):
    bus = plugged(tmp_path, ("2e8a", "0003"))
    (bus / "file").write_text("x")
    (bus / "nowhere").symlink_to(tmp_path / "gone")
    (bus / "loop").symlink_to(bus / "loop")
    for name, make in (("directory", os.mkdir), ("fifo", os.mkfifo)):
        (bus / name).mkdir()
        make(bus / name / "idVendor")
        make(bus / name / "idProduct")
    os.mkdir(os.fsencode(bus) + b"/1-\xff")
    before = len(os.listdir("/proc/self/fd"))
    assert attached(bus).startswith(BOOT_LOADER)
    assert len(os.listdir("/proc/self/fd")) == before


def test_more_devices_than_may_be_then_only_so_many_are_read(tmp_path):
    for number in range(ENTRIES_MAX + 100):
        device = tmp_path / f"1-{number}"
        device.mkdir()
        (device / "idVendor").write_text("1a86\n")
        (device / "idProduct").write_text("7523\n")
    opened = []
    watching = True
    sys.addaudithook(lambda event, args: opened.append(args) if watching and event == "open" else 0)
    said = attached(tmp_path)
    watching = False
    assert said is None
    assert len(opened) == ENTRIES_MAX * 2
