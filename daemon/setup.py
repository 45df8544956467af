"""What the core is set up with (pure): who the unit is, its windows, what the hall decided."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from daemon.case.rules import Rules
from daemon.front.night import FULL_DAY, Looks
from daemon.signers import PublicKey
from protocol.bundle import Bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """Who this unit is, what runs on it, and what its entries are signed with."""

    source: str
    boot_id: str
    versions: Mapping[str, str]
    config_hash: str
    key: PublicKey


@dataclass(frozen=True, slots=True, kw_only=True)
class QueueLine:
    """One queue line: its port, and the windows of this unit it speaks of."""

    port: str
    windows: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outputs:
    """What hangs at a window beside its pad."""

    display: bool = False
    lamp: bool = False
    buzzer: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Setup:
    """Everything that does not change while the core lives; `bundle` is what its pads get.

    qr: the template of the text a phone may read, see daemon/front/phone.py.
    outputs: of each window that has any.
    """

    identity: Identity
    lines: tuple[QueueLine, ...]
    rules: Rules
    looks: Looks = FULL_DAY
    bundle: Bundle | None = None
    qr: str = ""
    outputs: Mapping[str, Outputs] = field(default_factory=dict)

    @property
    def windows(self) -> tuple[str, ...]:
        """The numbers of the windows, each once, in the order of the lines."""
        return tuple(number for line in self.lines for number in line.windows)
