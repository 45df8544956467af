"""What other packages bring: entry points, found and loaded by name."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

# A package that brings a dialect names it in this group (docs/dialects.md).
DIALECTS = "haochaping.dialects"


class Unusable(Exception):
    """An entry point is there and cannot be used: str() is a sentence."""


def names(group: str) -> tuple[str, ...]:
    """The names of a group, in alphabetical order."""
    return tuple(sorted({each.name for each in _entry_points(group)}))


def installed(group: str, name: str) -> Callable[..., Any]:
    """What a package calls by this name. Raises Unusable."""
    (found, *_) = _entry_points(group).select(name=name)
    package = "a package" if found.dist is None else found.dist.name
    try:
        loaded = found.load()
    except (ImportError, AttributeError, SyntaxError) as error:
        raise Unusable(f"{package} brings it and cannot be loaded ({error}): mend it") from error
    if not callable(loaded):
        raise Unusable(f"{package} names something that cannot be called: mend it")
    made: Callable[..., Any] = loaded
    return made


def _entry_points(group: str) -> "EntryPoints":
    # 2 MB and a look into every installed package: only for a unit that asks for another's dialect.
    from importlib.metadata import entry_points

    return entry_points(group=group)
