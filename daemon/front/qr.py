"""The modules of a QR code: the one place that knows how to make them."""

from functools import lru_cache

from daemon.front.phone import VERSION_MAX

Modules = tuple[tuple[bool, ...], ...]


# The seconds beside a code are drawn each second, the code is made once.
@lru_cache(maxsize=4)
def modules(text: str) -> Modules | None:
    """Rows of dark modules, without a quiet zone; None when the text has no room."""
    # Only where halls ask for codes: the library is loaded with the first.
    from qrcodegen import DataTooLongError, QrCode, QrSegment

    try:
        code = QrCode.encode_segments(
            QrSegment.make_segments(text), QrCode.Ecc.LOW, maxversion=VERSION_MAX
        )
    except DataTooLongError:
        return None
    places = range(code.get_size())
    return tuple(tuple(code.get_module(x, y) for x in places) for y in places)
