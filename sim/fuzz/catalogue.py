"""The targets by their names; each is loaded when it is wanted, so that an engine sees its code."""

from importlib import import_module
from pathlib import Path

from sim.fuzz.target import Target

PACKAGE = "sim.fuzz.targets"
NAMES = tuple(
    sorted(
        path.stem
        for path in Path(__file__).with_name("targets").glob("*.py")
        if path.stem != "__init__"
    )
)


def module_of(name: str) -> str:
    """The module of a target of ours; what has a dot is one already."""
    return name if "." in name else f"{PACKAGE}.{name}"


def find(name: str) -> Target:
    """The target of this name."""
    target: Target = import_module(module_of(name)).TARGET
    return target
