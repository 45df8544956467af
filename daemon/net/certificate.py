"""The life of a certificate (pure): from when to when it holds, read from its file.

Nothing of the standard library tells it without a connection, and a whole X.509 package is 10 MB of
the unit's memory for two dates.
"""

import base64
import binascii
import re
from datetime import UTC, datetime

# The first certificate of a file is its owner's; who signed it may follow.
_PEM = re.compile(b"-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\\s]+)-----END CERTIFICATE-----")
# Validity ::= SEQUENCE { notBefore Time, notAfter Time }: UTCTime to 2049, GeneralizedTime after
# (RFC 5280 4.1.2.5).
_TIME = rb"(?:\x17\x0d(\d{12})Z|\x18\x0f(\d{14})Z)"
_VALIDITY = re.compile(rb"\x30[\x1e\x20\x22]" + _TIME + _TIME)


Life = tuple[datetime, datetime]


def life(pem: bytes) -> Life | None:
    """When the certificate in a PEM file begins and ends to hold; None if that cannot be read."""
    block = _PEM.search(pem)
    if block is None:
        return None
    try:
        found = _VALIDITY.search(base64.b64decode(block[1]))
        if found is None:
            return None
        return _time(found[1], found[2]), _time(found[3], found[4])
    except (binascii.Error, ValueError):
        return None


def _time(short: bytes | None, long: bytes | None) -> datetime:
    if long is not None:
        text = long.decode()
    else:
        assert short is not None
        # Years 50 to 99 are of the last century (RFC 5280 4.1.2.5.1).
        text = ("19" if short >= b"50" else "20") + short.decode()
    return datetime.strptime(text, "%Y%m%d%H%M%S").replace(tzinfo=UTC)
