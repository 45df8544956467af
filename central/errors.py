"""Trouble that is not ours to repair: said in one sentence, exit code 2, no traceback."""


class CentralError(Exception):
    """Base of all; str() is a sentence for the operator."""


class ConfigError(CentralError):
    """The configuration has mistakes; each is "dotted.key: what is wrong"."""

    def __init__(self, problems: list[str]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


class RegistryError(CentralError):
    """The registry of units cannot be read."""


class ListUnreadable(CentralError):
    """The broker's revocation lists are not there, or none can be read."""


class StoreError(CentralError):
    """The database cannot be opened, is not ours, or does not take a commit."""
