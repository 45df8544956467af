"""What the page shows of the hall, gathered from its parts several times a second."""

import threading
import time
from collections import Counter
from dataclasses import dataclass
from typing import Any

from protocol.central.canonical import canonical
from protocol.central.entry import digest
from sim.demo import premises, shelf
from sim.demo.arrivals import Arrival
from sim.demo.bulletin import Bulletin
from sim.demo.hall import Hall, fingerprint
from sim.pads import Press

# A lamp's shortest flash is 40 ms; the eye sees 20 ms as at once.
LOOK_S = 0.02
ASK_S = 0.15
# A key held down delays the end of the correction window by up to the hold.
SETTLE_SLACK_S = 2.0


class View:
    """Looks at a hall and posts to a bulletin until `stop`."""

    def __init__(self, hall: Hall, bulletin: Bulletin) -> None:
        self._hall, self._bulletin = hall, bulletin
        self._status: dict[str, Any] | None = None
        self._picture: bytes | None = None
        self._has_micropython = shelf.has_micropython()
        self._stopping = threading.Event()
        self._threads = [
            threading.Thread(target=self._every, args=each, daemon=True)
            for each in ((ASK_S, self._ask), (LOOK_S, self._look))
        ]

    def start(self) -> None:
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stopping.set()
        for thread in self._threads:
            thread.join()

    def picture(self) -> bytes | None:
        """The citizen's screen as it was last seen; None without power."""
        return self._picture

    def _every(self, pause_s: float, look: Any) -> None:
        while not self._stopping.wait(pause_s):
            look()

    def _ask(self) -> None:
        self._has_micropython = shelf.has_micropython()
        self._status = self._hall.status()
        self._picture = None if self._status is None else self._hall.picture()

    def _look(self) -> None:
        hall, status, picture = self._hall, self._status, self._picture
        pad = hall.plug.pad
        prompts = pressed_prompts(hall.plug.presses, hall.arrivals.all())
        self._bulletin.post_state({
            "place": {"source": str(premises.SOURCE), "window": premises.WINDOW},
            "oled": None if picture is None else fingerprint(picture),
            "switches": hall.switches(),
            "pad": {
                "face": pad.face,
                "lamps": pad.lamps,
                "buzzerHz": pad.buzzer_hz,
                "queued": pad.queued,
                "runsIn": hall.plug.runs_in,
                "mayMove": self._has_micropython,
            },
            "clerk": _clerk(hall),
            "unit": {
                "running": hall.unit.running,
                "pid": hall.unit.pid,
                "connected": status is not None and status["uplink"]["state"] == "up",
                "unreceipted": None if status is None else status["uplink"]["backlog"],
            },
            "platform": _counts(hall.arrivals.all()),
            "latency": latency(prompts),
            "tally": tally(prompts, hall.rules.correction_s),
        })  # fmt: skip


@dataclass(slots=True)
class PressedPrompt:
    """One prompt in which a key was pressed: its last press, and its rating once it arrived."""

    first_s: float
    press: Press
    rating: Arrival | None = None

    @property
    def counts(self) -> bool:
        """Not so when the key came after the unit had closed the prompt: no rating then."""
        return self.rating is None or self.rating.data["outcome"] == "rated"


def pressed_prompts(presses: list[Press], arrivals: list[Arrival]) -> list[PressedPrompt]:
    """Join presses and ratings over the number of their prompt, oldest first."""
    prompts: dict[int, PressedPrompt] = {}
    for press in presses:
        if press.prompt_id:
            known = prompts.setdefault(press.prompt_id, PressedPrompt(press.accepted_s, press))
            known.press = press
    services = {each.id: each.data["promptId"] for each in arrivals if each.kind == "service"}
    for each in arrivals:
        if each.kind == "rating":
            prompt = prompts.get(services.get(each.data["service"], 0))
            if prompt is not None:
                prompt.rating = each
    return list(prompts.values())


def tally(prompts: list[PressedPrompt], correction_s: float) -> dict[str, int]:
    """Pressed, on disk (acknowledged, which is after the commit), at the platform."""
    counted = [prompt for prompt in prompts if prompt.counts]
    young_s = time.monotonic() - correction_s - SETTLE_SLACK_S
    return {
        "pressed": len(counted),
        "onDisk": sum(prompt.press.acked_s is not None for prompt in counted),
        "atPlatform": sum(prompt.rating is not None for prompt in counted),
        "settling": sum(
            prompt.rating is None and prompt.press.accepted_s > young_s for prompt in counted
        ),
    }


def latency(prompts: list[PressedPrompt]) -> dict[str, float | bool | None]:
    """Of the last press: to disk, held by the correction window, and from there to the platform."""
    if not prompts:
        return {"ackMs": None, "heldMs": None, "platformMs": None, "pending": False}
    last = prompts[-1]
    held_ms = platform_ms = None
    if last.rating is not None and last.rating.data["pressedAt"] is not None:
        data = last.rating.data
        held_ms = data["stamp"]["boottimeMs"] - data["pressedAt"]["boottimeMs"]
        # The journal counts whole ms, so the difference may be half a one below zero.
        platform_ms = (last.rating.arrived_s - last.press.accepted_s) * 1000 - held_ms
        platform_ms = round(max(0.0, platform_ms), 1)
    ack_ms = last.press.ack_ms
    return {
        "ackMs": None if ack_ms is None else round(ack_ms, 1),
        "heldMs": held_ms,
        "platformMs": platform_ms,
        "pending": last.counts,
    }


def entry_row(arrival: Arrival) -> dict[str, Any]:
    """One entry as a row of the platform's view."""
    data = arrival.data
    return {
        "seq": arrival.seq,
        "kind": arrival.kind,
        "problems": arrival.problems,
        "hash": digest(canonical(arrival.entry).decode()),
        **{
            name: data[name]
            for name in (
                "outcome",
                "satisfaction",
                "public",
                "projectNo",
                "ticket",
                "prompts",
                "state",
            )
            if name in data
        },
    }


def _clerk(hall: Hall) -> dict[str, Any]:
    clerk, service = hall.clerk, hall.clerk.service
    return {
        "loggedIn": clerk.logged_in,
        "staff": clerk.staff,
        "ticket": clerk.ticket,
        "item": clerk.item_index,
        "projectNo": None if service is None else service.project_no,
        "serviceNumber": None if service is None else service.service_number,
        "said": clerk.said_count,
        "frame": clerk.last_frame.hex(" "),
        "frameLen": len(clerk.last_frame),
        "copies": clerk.copies,
    }


def _counts(arrivals: list[Arrival]) -> dict[str, Any]:
    ratings = [each.data for each in arrivals if each.kind == "rating"]
    rated = Counter(str(each["satisfaction"]) for each in ratings if each["outcome"] == "rated")
    not_rated = Counter(each["outcome"] for each in ratings if each["outcome"] != "rated")
    return {"stored": len(arrivals), "rated": dict(rated), "notRated": dict(not_rated)}
