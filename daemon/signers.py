"""What has signed this unit's entries (pure): the key of today, and those before it.

A signing key is exchanged while the daemon is stopped, and the journal goes on in the same chain.
Nobody has to remember the old key's public half: the unit notes it with the first entry of the new
one, in the same commit, because entries are proved by it for as long as there are any.
"""

from collections.abc import Iterable
from dataclasses import dataclass

# The state row they are kept in; one a year is more than anybody changes.
KEYS = "keys"
KEYS_MAX = 64


@dataclass(frozen=True, slots=True)
class PublicKey:
    """The public half of a signing key: its name, and the text the registry has of it."""

    kid: str
    public: str


def signers(known: Iterable[PublicKey], key: PublicKey) -> tuple[PublicKey, ...]:
    """All of them when `key` signs from now on, which is the last one; an old one may come back."""
    return (*(one for one in known if one != key), key)[-KEYS_MAX:]
