"""A bad line, the same for the same seed: flipped bits, garbage, repeats. Pure."""

import random

# At most two frames in a row are damaged: a sender that says everything three times gets through.
# A line on which all three copies die loses the message itself, and nothing behind it can know.
DAMAGED_IN_A_ROW_MAX = 2
GARBAGE_LEN_MAX = 24


class Noise:
    """Disturbs the frames of one line, one call per frame."""

    def __init__(
        self, seed: int, *, damage: float = 0.6, garbage: float = 0.5, repeat: float = 0.3
    ):
        self._random = random.Random(seed)
        self._damage, self._garbage, self._repeat = damage, garbage, repeat
        self._damaged_in_a_row = 0
        self.damaged_count = 0
        self.garbage_count = 0
        self.repeated_count = 0

    def disturb(self, frame: bytes) -> bytes:
        """What arrives when `frame` is sent: whole or damaged, perhaps twice, amid garbage."""
        arrives = self._damaged(frame) if self._draw_damage() else frame
        if self._random.random() < self._repeat:
            self.repeated_count += 1
            arrives += frame if arrives is frame else arrives
        return self._stray() + arrives + self._stray()

    def _draw_damage(self) -> bool:
        wanted = self._random.random() < self._damage
        if not wanted or self._damaged_in_a_row >= DAMAGED_IN_A_ROW_MAX:
            self._damaged_in_a_row = 0
            return False
        self._damaged_in_a_row += 1
        self.damaged_count += 1
        return True

    def _damaged(self, frame: bytes) -> bytes:
        hurt = bytearray(frame)
        # The delimiters at both ends stay, so that the damage is in what the checksum covers.
        for _ in range(self._random.randint(1, 3)):
            at = self._random.randrange(1, max(2, len(hurt) - 1))
            hurt[at] ^= 1 << self._random.randrange(8)
        return bytes(hurt)

    def _stray(self) -> bytes:
        if self._random.random() >= self._garbage:
            return b""
        self.garbage_count += 1
        return self._random.randbytes(self._random.randint(1, GARBAGE_LEN_MAX))
