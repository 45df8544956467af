"""The bundle (pure): new firmware of the pad in one file, signed by its maker.

    8    MAGIC
    64   Ed25519 signature of the manifest
    2    length of the manifest, big-endian
    ...  manifest, canonical JSON of at most 4096 bytes:
         {"files": [[path, length, SHA-256], ...], "release": 2, "releaseMin": 1, "version": 1}
    ...  the files, in the manifest's order

Manifest and files together are what goes over the pad's line (protocol/pad/PROTOCOL.md 5), so a
file that is read here is one that the pad can take.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from protocol.central.canonical import ContractError, canonical, parse_canonical
from protocol.central.signing import SIGNATURE_LEN, SigningKey, VerifyKey
from protocol.pad import VERSION
from protocol.pad.messages import BYTES8, PIECE, U16_MAX

MAGIC = b"HCPAD1\n\x00"
MANIFEST_LEN_MAX = 4096  # thirty files; the pad keeps it in memory
STREAM_LEN_MAX = 256 * 1024  # an RP2040 has 264 KB of memory for what becomes of it
PIECE_LEN = PIECE[1]
DIGEST_LEN = BYTES8[1]
_LENGTH_AT = len(MAGIC) + SIGNATURE_LEN
_MANIFEST_AT = _LENGTH_AT + 2
_MEMBERS = {"files", "release", "releaseMin", "version"}
# What a board can import, and nothing that could lie outside the slot.
_PATH = re.compile(r"(device|protocol)(/[a-z_][a-z0-9_]*)+\.py")
_SHA256 = re.compile(r"[0-9a-f]{64}")
_SHOWN_LEN_MAX = 64

_COPY = "copy it again"
_MAKE = "make it again with `provision pad bundle`"


class BundleError(ContractError):
    """A bundle cannot be used or made; the text is a sentence for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """What a unit may offer to its pad: the signature was good and the files are whole."""

    release: int
    release_min: int  # the least release of a pad that may take this over the line
    digest: bytes  # of the manifest: names it on the line
    firmware: bytes  # of the files: what a Hello says once the pad runs them
    manifest_len: int
    stream: bytes = field(repr=False)  # manifest and files, as they go over the line

    def piece(self, offset: int) -> bytes:
        """The PIECE_LEN bytes from `offset` on; the last ones filled up with zeros."""
        return self.stream[offset : offset + PIECE_LEN].ljust(PIECE_LEN, b"\x00")


@dataclass(frozen=True, slots=True)
class _Manifest:
    files: list[tuple[str, int, str]]
    release: int
    release_min: int

    @property
    def contents_len(self) -> int:
        return sum(length for _, length, _ in self.files)


def build(
    files: Mapping[str, bytes], release: int, release_min: int, version: int, key: SigningKey
) -> bytes:
    """The file for these contents by path. Raises BundleError for all that `read` would refuse."""
    paths = sorted(files)
    listed = [[path, len(files[path]), hashlib.sha256(files[path]).hexdigest()] for path in paths]
    told = {"files": listed, "release": release, "releaseMin": release_min, "version": version}
    _understand(told)
    manifest = canonical(told)
    _check_lengths(len(manifest), sum(map(len, files.values())))
    head = MAGIC + key.sign(manifest) + len(manifest).to_bytes(2, "big")
    return head + manifest + b"".join(files[path] for path in paths)


def read(raw: bytes, key: VerifyKey) -> Bundle:
    """The bundle in the bytes of a file. Raises BundleError and nothing else."""
    if not raw.startswith(MAGIC):
        raise BundleError(f"it is no bundle of pad firmware: {_MAKE}")
    manifest_len = int.from_bytes(raw[_LENGTH_AT:_MANIFEST_AT], "big")
    stream = raw[_MANIFEST_AT:]
    if len(raw) < _MANIFEST_AT or len(stream) < manifest_len:
        raise BundleError(f"it ends within its manifest: {_COPY}")
    signed = stream[:manifest_len]
    if not key.verify(signed, raw[len(MAGIC) : _LENGTH_AT]):
        raise BundleError(
            f"its manifest was not signed with the key {key.kid}: "
            "copy bundle and key again from who makes the firmware"
        )
    try:
        manifest = _understand(parse_canonical(signed))
    except BundleError:
        raise
    except ContractError as error:
        raise BundleError(f"its manifest cannot be read ({error}): {_MAKE}") from error
    _check_lengths(manifest_len, manifest.contents_len)
    return Bundle(
        release=manifest.release,
        release_min=manifest.release_min,
        digest=hashlib.sha256(signed).digest()[:DIGEST_LEN],
        firmware=_firmware(manifest, stream[manifest_len:]),
        manifest_len=manifest_len,
        stream=stream,
    )


def _understand(told: Any) -> _Manifest:
    """The members, each checked. Raises BundleError for the first that cannot be."""
    if not isinstance(told, dict) or set(told) != _MEMBERS or not isinstance(told["files"], list):
        raise BundleError(f"its manifest has not the members {sorted(_MEMBERS)}: {_MAKE}")
    release, release_min, version = told["release"], told["releaseMin"], told["version"]
    if type(version) is not int or version != VERSION:
        raise BundleError(
            f"it is for version {_shown(version)} of the pad's line, here it is {VERSION}: "
            "take the bundle that came with this daemon"
        )
    if type(release) is not int or not 1 <= release <= U16_MAX:
        raise BundleError(
            f"its release {_shown(release)} is no number from 1 to {U16_MAX}: {_MAKE}"
        )
    if type(release_min) is not int or not 1 <= release_min <= release:
        raise BundleError(
            f"the least release to come from, {_shown(release_min)}, is no number from 1 to its "
            f"own release, {release}: {_MAKE}"
        )
    files = [_file(item) for item in told["files"]]
    paths = [path for path, _, _ in files]
    if not paths or any(path >= following for path, following in pairwise(paths)):
        raise BundleError(f"its files are not sorted, each there once: {_MAKE}")
    return _Manifest(files, release, release_min)


def _file(item: Any) -> tuple[str, int, str]:
    is_list = isinstance(item, list) and [type(one) for one in item] == [str, int, str]
    if not is_list or not _SHA256.fullmatch(item[2]):
        raise BundleError(f"its manifest says {_shown(item)} of a file: {_MAKE}")
    path, length, sha256 = item
    if not _PATH.fullmatch(path):
        raise BundleError(
            f"{_shown(path)} is no path of a pad's firmware: {_MAKE} from device/ and protocol/"
        )
    if length < 1:
        raise BundleError(f"{_shown(path)} has {length} bytes: write a docstring into it")
    return path, length, sha256


def _check_lengths(manifest_len: int, contents_len: int) -> None:
    if manifest_len > MANIFEST_LEN_MAX:
        raise BundleError(
            f"its manifest has {manifest_len} bytes, a pad takes {MANIFEST_LEN_MAX}: "
            "make the firmware of fewer files"
        )
    if manifest_len + contents_len > STREAM_LEN_MAX:
        raise BundleError(
            f"its files have {contents_len} bytes, a pad takes {STREAM_LEN_MAX - manifest_len}: "
            "make the firmware smaller"
        )


def _firmware(manifest: _Manifest, contents: bytes) -> bytes:
    """The digest of the firmware that these contents are. Raises BundleError if they are not."""
    if len(contents) < manifest.contents_len:
        raise BundleError(f"it ends within its files: {_COPY}")
    if len(contents) > manifest.contents_len:
        raise BundleError(f"something follows its last file: {_COPY}")
    firmware, start = hashlib.sha256(), 0
    for path, length, sha256 in manifest.files:
        content = contents[start : start + length]
        if hashlib.sha256(content).hexdigest() != sha256:
            raise BundleError(f"{path} is not what its manifest says: {_COPY}")
        firmware.update(path.encode() + b"\x00" + content)
        start += length
    return firmware.digest()[:DIGEST_LEN]


def _shown(value: object) -> str:
    return repr(value)[:_SHOWN_LEN_MAX]
