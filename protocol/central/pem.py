"""Key files: the PEM forms of 32-byte keys (pure but for reading and writing them).

The two forms below are the whole of what RFC 8410 allows for these keys without attributes, and
what `openssl genpkey` writes.
"""

import base64
import binascii
import os
import re
from pathlib import Path

from protocol.central.canonical import ContractError

KEY_LEN = 32
_PEM_LEN_MAX = 4096


class KeyUnreadable(ContractError):
    """A key is missing or is not what it should be; the text is a sentence for people."""


class KeyFile:
    """Reads and writes the keys of one algorithm; `oid` is its identifier in DER."""

    def __init__(self, algorithm: str, oid: bytes) -> None:
        self._algorithm = algorithm
        named = b"\x30\x05\x06\x03" + oid
        self._pkcs8 = b"\x30\x2e\x02\x01\x00" + named + b"\x04\x22\x04\x20"
        self._spki = b"\x30\x2a" + named + b"\x03\x21\x00"

    def read_public(self, path: Path) -> bytes:
        """Return the key's 32 bytes. Raises KeyUnreadable."""
        return self._read(path, "PUBLIC KEY", self._spki)

    def read_private(self, path: Path) -> bytes:
        """Return the seed or scalar's 32 bytes. Raises KeyUnreadable."""
        return self._read(path, "PRIVATE KEY", self._pkcs8)

    def write_public(self, path: Path, raw: bytes) -> None:
        """Write a file everybody may read; an existing one is never replaced."""
        _write(path, "PUBLIC KEY", self._spki + raw, mode=0o644)

    def write_private(self, path: Path, raw: bytes) -> None:
        """Write a file for its owner's eyes only; an existing one is never replaced."""
        _write(path, "PRIVATE KEY", self._pkcs8 + raw, mode=0o600)

    def _read(self, path: Path, label: str, prefix: bytes) -> bytes:
        try:
            with path.open("rb") as file:
                pem = file.read(_PEM_LEN_MAX).decode("ascii", "replace")
        except OSError as error:
            raise KeyUnreadable(f"{path}: {error.strerror}") from error
        found = re.search(f"-----BEGIN {label}-----([A-Za-z0-9+/=\\s]+)-----END {label}-----", pem)
        if not found:
            raise KeyUnreadable(f"{path}: no unencrypted PEM block {label!r} in it")
        try:
            der = base64.b64decode("".join(found[1].split()), validate=True)
        except binascii.Error as error:
            raise KeyUnreadable(f"{path}: damaged PEM block") from error
        if not der.startswith(prefix) or len(der) != len(prefix) + KEY_LEN:
            raise KeyUnreadable(f"{path}: not a plain {self._algorithm} key")
        return der[len(prefix) :]


def _write(path: Path, label: str, der: bytes, *, mode: int) -> None:
    pem = f"-----BEGIN {label}-----\n{base64.b64encode(der).decode()}\n-----END {label}-----\n"
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except OSError as error:
        raise KeyUnreadable(f"{path}: {error.strerror}") from error
    with os.fdopen(descriptor, "w") as file:
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
