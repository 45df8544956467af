"""The broker's revocation lists as they lie on disk: one or more in PEM (real I/O)."""

import os
import re
from pathlib import Path

from cryptography import x509
from cryptography.x509.oid import NameOID

from central.columns import plain
from central.errors import ListUnreadable
from central.revocation import RevocationList

_BEGIN = b"-----BEGIN X509 CRL-----"
_PEM = re.compile(_BEGIN + b".*?-----END X509 CRL-----", re.S)
_ISSUER_LEN_MAX = 64  # of a common name, X.520; other names may be longer
_PATH_LEN_MAX = 200  # an alarm's sentence has room for 512


class RevocationFile:
    """The file a broker has its lists from, or a copy of it."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._seen: tuple[int, int, int] | None = None  # inode, time of change, size
        self._lists: tuple[RevocationList, ...] = ()

    def read(self) -> tuple[RevocationList, ...]:
        """The lists that are in it now; raises ListUnreadable."""
        try:
            status = os.stat(self._path)
            seen = (status.st_ino, status.st_mtime_ns, status.st_size)
            if seen != self._seen:
                self._lists, self._seen = _parse(self._path.read_bytes()), seen
        except (OSError, ValueError) as error:
            self._seen = None
            reason = getattr(error, "strerror", None) or "no revocation list in PEM"
            raise ListUnreadable(
                f"the broker's revocation list {str(self._path)[-_PATH_LEN_MAX:]} cannot be read"
                f" ({reason}): put it there again, readable by the centre"
            ) from error
        return self._lists


def _parse(text: bytes) -> tuple[RevocationList, ...]:
    """Each list of a file; raises ValueError when one cannot be read, or none is there."""
    blocks = _PEM.findall(text)
    if not blocks or len(blocks) != text.count(_BEGIN):
        raise ValueError("no list, or a torn one")
    return tuple(_life(x509.load_pem_x509_crl(block)) for block in blocks)


def _life(found: x509.CertificateRevocationList) -> RevocationList:
    names = found.issuer.get_attributes_for_oid(NameOID.COMMON_NAME)
    issuer = str(names[0].value) if names else found.issuer.rfc4514_string()
    ends = found.next_update_utc
    return RevocationList(
        plain(issuer)[:_ISSUER_LEN_MAX],
        int(found.last_update_utc.timestamp()) * 1000,
        None if ends is None else int(ends.timestamp()) * 1000,
    )
