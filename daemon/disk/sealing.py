"""Drafts become entries of the journal, each chained to the one before (pure)."""

from collections.abc import Iterator

from daemon.events import Sealed
from protocol.central.entry import Draft, Source, digest, seal
from protocol.central.signing import SigningKey


def sealed(
    drafts: tuple[Draft, ...],
    *,
    after: tuple[int, str],
    epoch: str,
    source: Source,
    key: SigningKey,
) -> Iterator[Sealed]:
    """Each draft as it is to be stored; `after` is seq and hash of the last entry there is."""
    last_seq, prevhash = after
    for seq, draft in enumerate(drafts, last_seq + 1):
        assert draft.seq == seq, f"draft {draft.seq} where the journal wants {seq}"
        text = seal(draft, epoch=epoch, source=source, prevhash=prevhash, key=key)
        prevhash = digest(text)
        yield Sealed(seq, draft.kind, prevhash, text)
