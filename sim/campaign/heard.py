"""What a campaign has heard of a run of the tests, as one JSON file."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Self

from sim.campaign.outcome import Tried


@dataclass(frozen=True, slots=True)
class Heard:
    """What was tried, and how the tests ended; `skipped` says why."""

    tried: tuple[Tried, ...] = ()
    passed: int = 0
    failed: tuple[str, ...] = ()
    skipped: tuple[str, ...] = ()

    @classmethod
    def load(cls, path: Path) -> Self:
        """The report of a run; an empty one when the run did not come to its end."""
        if not path.exists():
            return cls()
        found = json.loads(path.read_text("utf-8"))
        return cls(
            tuple(Tried(**row) for row in found["tried"]),
            found["passed"],
            tuple(found["failed"]),
            tuple(found["skipped"]),
        )

    def save(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(asdict(self), ensure_ascii=False, indent=1), "utf-8")
