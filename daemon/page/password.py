"""The page's password as a scrypt hash text: `$scrypt$ln=14,r=8,p=5$SALT$HASH` (PHC's form)."""

import base64
import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Self

# OWASP's smallest scrypt in 16 MiB (password storage cheat sheet): a Pi with 512 MB holds that for
# the second it takes. As many in memory of the daemon would be too much: one at a time.
LN, R, P = 14, 8, 5
SALT_LEN, HASH_LEN = 16, 32
# What a technician can type on a phone, and what nobody guesses at one attempt a second.
LEN_LEAST, LEN_MAX = 12, 128
FORM = re.compile(r"\$scrypt\$ln=(1[0-5]),r=8,p=([1-8])\$([A-Za-z0-9+/]{22})\$([A-Za-z0-9+/]{43})")


@dataclass(frozen=True, slots=True)
class Password:
    """What is kept of a password: nothing that could be typed."""

    ln: int
    p: int
    salt: bytes
    hash: bytes

    @classmethod
    def make(cls, text: str, *, ln: int = LN, p: int = P) -> Self:
        salt = secrets.token_bytes(SALT_LEN)
        return cls(ln, p, salt, _scrypt(text, ln, p, salt))

    @classmethod
    def read(cls, line: str) -> Self:
        """From its text. Raises ValueError for anything else."""
        found = FORM.fullmatch(line)
        if found is None:
            raise ValueError("no scrypt hash text")
        ln, p, salt, hash_ = found.groups()
        return cls(int(ln), int(p), _decoded(salt), _decoded(hash_))

    def __str__(self) -> str:
        return f"$scrypt$ln={self.ln},r={R},p={self.p}${_encoded(self.salt)}${_encoded(self.hash)}"

    def __repr__(self) -> str:
        return "Password()"

    def fits(self, text: str) -> bool:
        """Whether this is the password; takes as long when it is not."""
        return hmac.compare_digest(_scrypt(text, self.ln, self.p, self.salt), self.hash)


def why_not(text: str) -> str | None:
    """Why a text cannot be the password, as a sentence; None when it can."""
    if len(text) < LEN_LEAST:
        return f"the password has {len(text)} characters: take {LEN_LEAST} or more"
    if len(text.encode()) > LEN_MAX:
        return f"the password is longer than {LEN_MAX} bytes: take a shorter one"
    return None


def _scrypt(text: str, ln: int, p: int, salt: bytes) -> bytes:
    n = 1 << ln
    return hashlib.scrypt(
        text.encode(errors="replace"), salt=salt, n=n, r=R, p=p, maxmem=256 * R * n, dklen=HASH_LEN
    )


def _encoded(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def _decoded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))
