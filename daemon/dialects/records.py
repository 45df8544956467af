"""Records that end with a mark, cut out of a stream (pure): bounded, however the bytes come."""

# Longer than any record seen in the field; what grows past it without an end is noise.
RECORD_LEN_MAX = 512


class Cutter:
    def __init__(self, end: bytes, len_max: int = RECORD_LEN_MAX) -> None:
        self._end, self._len_max = end, len_max
        self._buffer = bytearray()
        self._is_torn = False

    def push(self, byte: int) -> tuple[bytes, bool] | None:
        """Take one byte; the record it ended, without its end, and whether its beginning is lost.

        What is blank and whole is none.
        """
        self._buffer.append(byte)
        if self._buffer.endswith(self._end):
            record = bytes(self._buffer[: -len(self._end)])
            is_torn, self._is_torn = self._is_torn, False
            self._buffer.clear()
            return (record, is_torn) if is_torn or record.strip() else None
        if len(self._buffer) > self._len_max:
            # The latest bytes stay: a start mark among them begins a record of its own.
            del self._buffer[0]
            self._is_torn = True
        return None
