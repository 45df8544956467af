"""What may go wrong with a board on a cable, each told in one sentence with what to do next."""

from provisioning.errors import ProvisioningError


class PortUnusable(ProvisioningError):
    """There is no such port, or another program has it, or this user may not open it."""


class BoardNotFound(ProvisioningError):
    """No board is plugged in, or more than one is."""


class BoardSilent(ProvisioningError):
    """What is at the port does not come to MicroPython's prompt."""


class BoardLost(ProvisioningError):
    """It was unplugged, or stopped answering, in the middle."""


class BoardUnfit(ProvisioningError):
    """It is no board for a pad, or its MicroPython is too old."""


class BoardTaken(ProvisioningError):
    """It is another window's pad, or holds a program of somebody's."""


class VerifyFailed(ProvisioningError):
    """What was read back is not what was written, or the new firmware does not run."""


class ImageUnfit(ProvisioningError):
    """The UF2 file is none for this board, or it could not be copied."""


class SettingsWrong(ProvisioningError):
    """The firmware would not take these settings."""
