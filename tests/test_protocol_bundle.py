"""The bundle: what goes in comes out, and nothing else is ever believed."""

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from device import firmware, update
from protocol.bundle import (
    DIGEST_LEN,
    MAGIC,
    MANIFEST_LEN_MAX,
    PIECE_LEN,
    STREAM_LEN_MAX,
    BundleError,
    build,
    read,
)
from protocol.central.canonical import canonical
from protocol.central.signing import SIGNATURE_LEN, SigningKey
from protocol.pad import VERSION
from protocol.pad.messages import U16_MAX
from sim.flash import HostFiles

ROOT = Path(__file__).resolve().parents[1]
KEY = SigningKey.from_seed(b"maker of the pad's own firmware.")
OTHER_KEY = SigningKey.from_seed(b"somebody who also has got a key.")
SMALL = {"device/pad.py": b"pad = 1\n" * 9, "protocol/__init__.py": b'"""The contract."""\n'}
RAW = build(SMALL, 3, 2, VERSION, KEY)

NAME = st.text("abz_", min_size=1, max_size=9)
PATH = st.builds(
    lambda top, names: "/".join([top, *names]) + ".py",
    st.sampled_from(["device", "protocol"]),
    st.lists(NAME, min_size=1, max_size=3),
)
FILES = st.dictionaries(PATH, st.binary(min_size=1, max_size=200), min_size=1, max_size=8)


def sealed(manifest: bytes, contents: bytes = b"") -> bytes:
    """A bundle of whatever this is, well signed."""
    return MAGIC + KEY.sign(manifest) + len(manifest).to_bytes(2, "big") + manifest + contents


def told(**changed: Any) -> dict[str, Any]:
    """The members of a good manifest of SMALL, but for these."""
    files = [[path, len(data), hashlib.sha256(data).hexdigest()] for path, data in SMALL.items()]
    return {"files": files, "release": 3, "releaseMin": 2, "version": VERSION} | changed


def why_not(raw: bytes, key: SigningKey = KEY) -> str:
    with pytest.raises(BundleError) as refused:
        read(raw, key.public)
    return str(refused.value)


@given(files=FILES, release=st.integers(1, U16_MAX), data=st.data())
def test_bundle_then_reads_as_what_was_built(files, release, data):
    release_min = data.draw(st.integers(1, release))
    bundle = read(build(files, release, release_min, VERSION, KEY), KEY.public)
    assert (bundle.release, bundle.release_min) == (release, release_min)
    manifest = bundle.stream[: bundle.manifest_len]
    assert hashlib.sha256(manifest).digest()[:DIGEST_LEN] == bundle.digest
    contents = bundle.stream[bundle.manifest_len :]
    for path, length, sha256 in json.loads(manifest)["files"]:
        assert contents[:length] == files[path]
        assert hashlib.sha256(files[path]).hexdigest() == sha256
        contents = contents[length:]
    assert contents == b""


@given(files=FILES)
def test_pieces_then_are_the_stream_filled_up_with_zeros(files):
    bundle = read(build(files, 1, 1, VERSION, KEY), KEY.public)
    pieces = [bundle.piece(at) for at in range(0, len(bundle.stream), PIECE_LEN)]
    assert {len(piece) for piece in pieces} == {PIECE_LEN}
    assert b"".join(pieces).rstrip(b"\x00") == bundle.stream.rstrip(b"\x00")


def test_bundle_of_the_same_firmware_then_is_the_same_file():
    assert build(dict(reversed(SMALL.items())), 3, 2, VERSION, KEY) == RAW


def test_bundle_of_this_tree_then_has_the_digest_of_a_pad_that_runs_it():
    files = {path: (ROOT / path).read_bytes() for path in firmware.FILES}
    bundle = read(build(files, firmware.RELEASE, 1, VERSION, KEY), KEY.public)
    assert bundle.firmware == firmware.digest(HostFiles(Path("/")), str(ROOT))


def test_limits_then_are_those_of_the_pad():
    assert MANIFEST_LEN_MAX == update.MANIFEST_LEN_MAX
    assert DIGEST_LEN == firmware.DIGEST_LEN


def test_bundle_with_any_byte_changed_then_refused():
    for at in range(len(RAW)):
        for flipped in (0x01, 0x80, 0xFF):
            why_not(RAW[:at] + bytes([RAW[at] ^ flipped]) + RAW[at + 1 :])


def test_bundle_cut_off_or_longer_then_refused():
    for length in range(len(RAW)):
        why_not(RAW[:length])
    why_not(RAW + b"\x00")


HEAD_LEN = len(MAGIC) + SIGNATURE_LEN + 9
MANIFEST = canonical(told())
MANY = [[f"device/a_module_{n:02}.py", 1, "0" * 64] for n in range(45)]
CONTENTS = b"".join(SMALL.values())
PATHS = (
    "device/../../slot.py",
    "../trial.py",
    "/device/pad.py",
    "device//pad.py",
    "device/pad.py/",
    "device/pad.pyc",
    "device/pad.PY",
    "device/.py",
    "device.py",
    "main.py",
    "daemon/core.py",
    "device/pad\u0000.py",
    "device/pad.py\n",
    "device\\pad.py",
    "device/ｐad.py",
)
MAKE, COPY = "make it again with `provision pad bundle`", "copy it again"
REFUSED = {
    "something else": (b"PK\x03\x04", f"it is no bundle of pad firmware: {MAKE}"),
    "half a manifest": (RAW[:HEAD_LEN], f"it ends within its manifest: {COPY}"),
    "half its files": (RAW[:-1], f"it ends within its files: {COPY}"),
    "too much": (RAW + b"x", f"something follows its last file: {COPY}"),
    "another key": (
        build(SMALL, 3, 2, VERSION, OTHER_KEY),
        f"its manifest was not signed with the key {KEY.public.kid}: "
        "copy bundle and key again from who makes the firmware",
    ),
    "no JSON": (
        sealed(b"{"),
        "its manifest cannot be read (not JSON: Expecting property name enclosed in double quotes: "
        f"line 1 column 2 (char 1)): {MAKE}",
    ),
    "JSON that is not canonical": (
        sealed(json.dumps(told()).encode()),
        f"its manifest cannot be read (not in canonical form): {MAKE}",
    ),
    "other members": (
        sealed(canonical({"files": []})),
        "its manifest has not the members ['files', 'release', 'releaseMin', 'version']: " + MAKE,
    ),
    "another line": (
        sealed(canonical(told(version=VERSION + 1)), CONTENTS),
        f"it is for version {VERSION + 1} of the pad's line, here it is {VERSION}: "
        "take the bundle that came with this daemon",
    ),
    "no release": (
        sealed(canonical(told(release=0)), CONTENTS),
        f"its release 0 is no number from 1 to 65535: {MAKE}",
    ),
    "from later releases": (
        sealed(canonical(told(releaseMin=4)), CONTENTS),
        "the least release to come from, 4, is no number from 1 to its own release, 3: " + MAKE,
    ),
    "no files": (
        sealed(canonical(told(files=[]))),
        f"its files are not sorted, each there once: {MAKE}",
    ),
    "half a file": (
        sealed(canonical(told(files=[["device/pad.py", 72]]))),
        f"its manifest says ['device/pad.py', 72] of a file: {MAKE}",
    ),
    "path": (
        sealed(canonical(told(files=[["device/../slot", 1, "0" * 64]])), b"a"),
        f"'device/../slot' is no path of a pad's firmware: {MAKE} from device/ and protocol/",
    ),
    "empty file": (
        sealed(canonical(told(files=[["device/pad.py", 0, "0" * 64]]))),
        "'device/pad.py' has 0 bytes: write a docstring into it",
    ),
    "other content": (
        sealed(MANIFEST, CONTENTS.swapcase()),
        f"device/pad.py is not what its manifest says: {COPY}",
    ),
    "long manifest": (
        sealed(canonical(told(files=MANY))),
        "its manifest has 4325 bytes, a pad takes 4096: make the firmware of fewer files",
    ),
    "long files": (
        sealed(canonical(told(files=[["device/pad.py", STREAM_LEN_MAX, "0" * 64]]))),
        "its files have 262144 bytes, a pad takes 262002: make the firmware smaller",
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", REFUSED)
def test_bundle_that_is_wrong_then_one_sentence_with_what_to_do(what):
    raw, sentence = REFUSED[what]
    assert why_not(raw) == sentence


@pytest.mark.parametrize("path", PATHS)
def test_path_outside_the_slot_or_not_a_module_then_refused_both_ways(path):
    with pytest.raises(BundleError, match="is no path of a pad's firmware"):
        build({path: b"x"}, 1, 1, VERSION, KEY)
    listed = [[path, 1, hashlib.sha256(b"x").hexdigest()]]
    assert "is no path of a pad's firmware" in why_not(sealed(canonical(told(files=listed)), b"x"))


@pytest.mark.parametrize(
    ("files", "release", "release_min", "version"),
    [
        ({}, 1, 1, VERSION),
        ({"device/pad.py": b""}, 1, 1, VERSION),
        ({"device/pad.py": bytes(STREAM_LEN_MAX)}, 1, 1, VERSION),
        ({f"device/{'x' * 50}{n}.py": b"x" for n in range(1000)}, 1, 1, VERSION),
        (SMALL, 0, 1, VERSION),
        (SMALL, U16_MAX + 1, 1, VERSION),
        (SMALL, 2, 3, VERSION),
        (SMALL, 2, 0, VERSION),
        (SMALL, 2, 1, VERSION + 1),
        ({"device/\ud800.py": b"x"}, 1, 1, VERSION),
    ],
)
def test_build_of_what_would_not_be_read_then_refused(files, release, release_min, version):
    with pytest.raises(BundleError):
        build(files, release, release_min, version, KEY)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | st.floats(-9, 9) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)
NEARLY = st.builds(
    lambda member, value: told(**{member: value}), st.sampled_from(sorted(told())), JSON
) | st.builds(
    lambda at, value: told(
        files=[[*told()["files"][0][:at], value, *told()["files"][0][at + 1 :]]]
    ),
    st.integers(0, 2),
    JSON,
)


@given(manifest=st.binary(max_size=300) | st.builds(canonical, JSON | NEARLY))
def test_manifest_that_is_signed_garbage_then_refused_and_nothing_worse(manifest):
    why_not(sealed(manifest))


@given(garbage=st.binary(max_size=400))
def test_garbage_behind_the_magic_then_refused_and_nothing_worse(garbage):
    why_not(MAGIC + garbage)
