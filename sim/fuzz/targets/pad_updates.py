"""New firmware offered to a pad: any manifest and pieces end in a state, and taken means whole."""

from collections.abc import Iterator
from hashlib import sha256

from device.update import Update
from protocol.pad import messages
from protocol.pad.messages import BYTES8, PIECE, Offer, Piece
from sim.flash import Flash, LittleFiles
from sim.fuzz.tape import Tape
from sim.fuzz.target import Target

BOOT_ID = 7
SLOT = "/b"
PIECE_LEN = PIECE[1]
DIGEST_LEN = BYTES8[1]
CONTENT = b"loop = 2\n"
OFFERS_MAX = 3
# So deep does CPython's JSON go; MicroPython's needs no stack for it.
LEN_MAX = 900


def seeds() -> Iterator[bytes]:
    sha = sha256(CONTENT).hexdigest()
    for files in (
        f'[["device/loop.py",{len(CONTENT)},"{sha}"]]',
        f'[["a",9,"{sha}"],["b/c/d",0,"{sha}"]]',
        '[["a","9",1]]',
        "[[]]",
        "7",
    ):
        manifest = f'{{"files":{files}}}'.encode()
        yield b"\x01" + len(manifest).to_bytes(2, "big") + manifest + CONTENT
    yield b"\x00\x00\x05[[[[[" + CONTENT


def check(data: bytes) -> None:
    tape = Tape(data)
    files = LittleFiles(Flash(), fresh=True)
    update = Update(files, SLOT, messages.NOT_OFFERED)
    for _ in range(OFFERS_MAX):
        if not tape:
            break
        is_whole, manifest = tape.byte(), tape.take(tape.number(2))
        stream = manifest + (tape.rest() if is_whole & 1 else tape.text())
        state = _offered(update, manifest, stream, skips=bool(is_whole & 2))
        assert messages.NOT_OFFERED <= state <= messages.NO_ROOM
        if state == messages.TAKEN:
            assert files.listdir(SLOT) is not None
            assert update.offset == len(stream), "taken before all had come"
            return


def _offered(update: Update, manifest: bytes, stream: bytes, *, skips: bool) -> int:
    """How it stands after this offer and its pieces, one of them perhaps sent too early."""
    digest = sha256(manifest).digest()[:DIGEST_LEN]
    offer = Offer(BOOT_ID, 0, digest, min(len(manifest), messages.U16_MAX), len(stream))
    state = update.heard(offer, is_asking=False)
    for at in range(0, len(stream), PIECE_LEN):
        offset = at + PIECE_LEN if skips and not at else at
        piece = stream[offset : offset + PIECE_LEN].ljust(PIECE_LEN, b"\0")
        state = update.heard(Piece(BOOT_ID, 0, offset, piece), is_asking=False)
    return state


TARGET = Target(
    promise="F3", what="firmware offered to a pad", seeds=seeds, check=check, len_max=LEN_MAX
)
