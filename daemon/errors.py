"""Trouble the daemon says in one sentence (exit 2); a worker turns it into an event."""


class DaemonError(Exception):
    """Base: str() is a sentence for a technician, with what to do next."""


class ConfigError(DaemonError):
    """The configuration cannot be used; `problems` names every mistake at once."""

    def __init__(self, path: str, problems: list[str]) -> None:
        self.problems = problems
        lines = "".join(f"\n  {problem}" for problem in problems)
        count = "1 mistake" if len(problems) == 1 else f"{len(problems)} mistakes"
        super().__init__(f"{path}: {count}; mend it and start again:{lines}")


class StoreUnusable(DaemonError):
    """The journal cannot be opened at all: nothing can go on."""


class StoreDamaged(StoreUnusable):
    """The journal's file is not as it was written: it is to be set aside."""


class StoreFailed(DaemonError):
    """One transaction did not become durable; it may be tried again."""


class DamageFound(StoreFailed):
    """While the journal is in use: no try helps, the next start sets the file aside."""


class StoreFull(StoreFailed):
    """The disk has no room for the transaction."""


class PortLost(DaemonError):
    """A serial port is absent, busy, no terminal, or went away."""


class NotAnswering(DaemonError):
    """No daemon listens on the control socket."""
