"""Envelopes: what anybody may close and the holder of one key alone can open (pure but for load).

libsodium's sealed box: X25519 with a key made for each envelope, so that who closed one cannot open
it again. It says nothing of who that was. The files are those that
`openssl genpkey -algorithm x25519` writes.
"""

from pathlib import Path
from typing import Self

from nacl.exceptions import CryptoError
from nacl.public import PrivateKey, PublicKey, SealedBox

from protocol.central.canonical import ContractError
from protocol.central.pem import KeyFile

# An envelope is longer than its letter by the one key and the tag.
ENVELOPE_LEN_MORE = 48
# The object identifier 1.3.101.110 (RFC 8410 3).
_FILE = KeyFile("X25519", bytes.fromhex("2b656e"))


class EnvelopeError(ContractError):
    """An envelope is damaged or meant for somebody else."""


class Addressee:
    """The public half: closes envelopes for the owner of the other half."""

    def __init__(self, raw: bytes) -> None:
        self._raw, self._box = raw, SealedBox(PublicKey(raw))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read a public key from a PEM file. Raises KeyUnreadable."""
        return cls(_FILE.read_public(Path(path)))

    def save(self, path: str | Path) -> None:
        """Write the PEM file; an existing file is never replaced."""
        _FILE.write_public(Path(path), self._raw)

    def close(self, letter: bytes) -> bytes:
        """Return the envelope, ENVELOPE_LEN_MORE bytes longer than the letter."""
        return self._box.encrypt(letter)


class Opener:
    """The private half: opens what was closed for it."""

    def __init__(self, key: PrivateKey) -> None:
        self._key, self._box = key, SealedBox(key)
        self.public = Addressee(bytes(key.public_key))

    @classmethod
    def generate(cls) -> Self:
        """Make a new key from the machine's randomness."""
        return cls(PrivateKey.generate())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read an unencrypted PKCS #8 PEM file. Raises KeyUnreadable."""
        return cls(PrivateKey(_FILE.read_private(Path(path))))

    def save(self, path: str | Path) -> None:
        """Write the PEM file for its owner's eyes only; an existing file is never replaced."""
        _FILE.write_private(Path(path), bytes(self._key))

    def open(self, envelope: bytes) -> bytes:
        """Return the letter. Raises EnvelopeError."""
        try:
            return self._box.decrypt(envelope)
        except (CryptoError, ValueError) as error:
            raise EnvelopeError("damaged, or closed for another key") from error
