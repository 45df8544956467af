"""How an acceptance went (pure): its steps, what each is called, and what follows from them."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

GOOD, BAD, ABSENT, SKIPPED = "good", "bad", "absent", "skipped"
# Of the entry that the unit signs (protocol/central/schemas/test.schema.json).
DETAIL_LEN_MAX = 200
# Every step, in order: what the entry calls it, what the sheet does.
TITLES = {
    "versions": ("软件与固件版本", "Software and firmware"),
    "clock": ("时钟", "Clock"),
    "disk": ("存储", "Disk"),
    "broker": ("消息服务器连接", "Broker"),
    "certificate": ("TLS 证书", "TLS certificate"),
    "keys": ("五个按键", "Five keys"),
    "labels": ("按键标签", "Key labels"),
    "lamps": ("按键灯", "Key lamps"),
    "sound": ("评价器声音", "Pad's sound"),
    "display": ("显示屏", "Display"),
    "lamp": ("窗口灯", "Window's lamp"),
    "buzzer": ("蜂鸣器", "Window's buzzer"),
    "queue": ("叫号信号", "Queue line"),
    "delivery": ("送达平台与回执", "Delivered, with a receipt"),
}


@dataclass(frozen=True, slots=True)
class Step:
    """How one step ended: `step` is a word of TITLES, `detail` a sentence."""

    step: str
    outcome: str
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole run."""

    window: str
    steps: tuple[Step, ...]

    @property
    def is_ok(self) -> bool:
        """No step is bad: what the signed entry says."""
        return all(step.outcome != BAD for step in self.steps)

    @property
    def is_whole(self) -> bool:
        """No step was left out."""
        return all(step.outcome != SKIPPED for step in self.steps)

    @property
    def is_accepted(self) -> bool:
        return self.is_ok and self.is_whole

    @property
    def bad(self) -> tuple[Step, ...]:
        """What stands in the way."""
        return tuple(step for step in self.steps if step.outcome in (BAD, SKIPPED))

    def as_json(self) -> list[dict[str, Any]]:
        """The steps, as the daemon takes them."""
        return [asdict(step) for step in self.steps]


def mark(step: Step) -> str:
    """How a step ended, in one sign."""
    return {GOOD: "✓", BAD: "✗", ABSENT: "–", SKIPPED: "?"}[step.outcome]


def ended_as(name: str, outcome: str, detail: str) -> Step:
    """One step; its sentence fits the entry, whatever it quotes."""
    line = "".join(_printable(detail)).strip()
    fits = line if len(line) <= DETAIL_LEN_MAX else line[: DETAIL_LEN_MAX - 1] + "…"
    return Step(name, outcome, fits)


def _printable(text: str) -> Iterator[str]:
    return (letter if letter.isprintable() else " " for letter in text)
