"""A target: what holds for any bytes, and the bytes a hunt begins with."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`check` raises for bytes that break the property, whatever it raises.

    promise: the id it supports; what: how it is named beside it. seeds: from the repository's
    examples. len_max: of an input; what is longer has no way in, or is refused before it is read.
    """

    promise: str
    what: str
    seeds: Callable[[], Iterable[bytes]]
    check: Callable[[bytes], None]
    len_max: int = 4096
