"""New firmware over the line, into the slot that is not running (both interpreters).

The unit offers a manifest and the files it names as one run of bytes, and sends them piece by
piece; each piece is answered with the next offset wanted, so a piece lost or doubled changes
nothing. What has come is read back from the flash and compared with the manifest before /trial
names the slot (device/main.py). Power may fail at any moment: until that rename nothing differs.
"""

import hashlib
import json

from protocol.pad import messages

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import IO

    from device.hardware import Files

MANIFEST_LEN_MAX = 4096  # thirty files
READ_LEN = 512


class Update:
    """One slot being filled; `offset` is the next byte wanted."""

    def __init__(self, files: "Files", slot: str, state: int) -> None:
        self.digest = bytes(8)
        self.offset = 0
        self.state = state
        self._files, self._slot = files, slot
        self._manifest = bytearray()
        self._manifest_len = self._length = 0
        self._wanted: list[tuple[str, int, str]] = []
        self._at = 0  # of the file to open next
        self._file: IO[bytes] | None = None
        self._left = 0  # bytes of the file that is open

    def heard(self, message: messages.Message, is_asking: bool) -> int:
        """Take an Offer or a Piece, and say how it stands; the same offer again goes on.

        While a citizen is asked nothing is written. After NO_ROOM nothing is before the next start:
        littlefs may remember what it did not write (its issue 760).
        """
        if is_asking or self.state in (messages.BUSY, messages.NO_ROOM, messages.TAKEN):
            return messages.BUSY if is_asking else self.state
        try:
            going_on = self.state == messages.GOING_ON
            if isinstance(message, messages.Piece):
                if going_on and message.offset == self.offset:
                    self._take(message.data[: self._length - self.offset])
            elif not (going_on and message.digest == self.digest):
                self._begin(message)
        except OSError:
            self.state = messages.NO_ROOM
        except (ValueError, LookupError, TypeError, AttributeError):
            self.state = messages.DAMAGED
        return self.state

    def _begin(self, offer: messages.Message) -> None:
        self._close()
        self.digest, self.offset, self.state = offer.digest, 0, messages.GOING_ON
        self._manifest_len, self._length = offer.manifest_len, offer.length
        self._manifest, self._left = bytearray(), 0
        if not 0 < offer.manifest_len <= min(MANIFEST_LEN_MAX, offer.length - 1):
            raise ValueError
        _make(self._files, self._slot)
        _clear(self._files, self._slot)

    def _take(self, data: bytes) -> None:
        self.offset += len(data)
        missing = self._manifest_len - len(self._manifest)
        if missing:
            self._manifest += data[:missing]
            data = data[missing:]
            if len(self._manifest) == self._manifest_len:
                if hashlib.sha256(self._manifest).digest()[: len(self.digest)] != self.digest:
                    raise ValueError
                self._wanted, self._at = json.loads(self._manifest)["files"], 0
        while data:
            if self._left <= 0:
                self._open_next()
            assert self._file is not None
            part = data[: self._left]
            self._file.write(part)
            self._left -= len(part)
            data = data[len(part) :]
        if self.offset == self._length:
            self._finish()

    def _open_next(self) -> None:
        self._close()
        path, self._left, _ = self._wanted[self._at]
        self._at += 1
        folder = self._slot
        for name in path.split("/")[:-1]:
            folder += "/" + name
            _make(self._files, folder)
        self._file = self._files.open(self._slot + "/" + path, "wb")

    def _finish(self) -> None:
        self._close()
        for path, _, sha256 in self._wanted:
            if _sha256(self._files, self._slot + "/" + path) != sha256:
                raise ValueError
        _put(self._files, "/trial", self._slot)
        self.state = messages.TAKEN

    def _close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.close()


def confirm(files: "Files", slot: str) -> None:
    """From now on `slot` is the one that starts."""
    _put(files, "/slot", slot)


def _put(files: "Files", path: str, slot: str) -> None:
    with files.open(path + ".new", "wb") as file:
        file.write(slot[1:].encode())
    files.rename(path + ".new", path)


def _sha256(files: "Files", path: str) -> str:
    sha = hashlib.sha256()
    with files.open(path, "rb") as file:
        while data := file.read(READ_LEN):
            sha.update(data)
    return sha.digest().hex()


def _make(files: "Files", folder: str) -> None:
    parent, name = folder.rsplit("/", 1)
    if name not in files.listdir(parent or "/"):
        files.mkdir(folder)


def _clear(files: "Files", folder: str) -> None:
    for name in files.listdir(folder):
        path = folder + "/" + name
        try:
            files.listdir(path)
        except OSError:
            files.remove(path)
        else:
            _clear(files, path)
            files.rmdir(path)
