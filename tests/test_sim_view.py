"""What the page counts: presses, acknowledgements and ratings, joined by their prompt."""

import json
import time
from importlib import resources

from sim.demo.arrivals import Arrival, Arrivals
from sim.demo.view import entry_row, latency, pressed_prompts, tally
from sim.desk import Desk
from sim.pads import Press

EPOCH = "00112233aabbccdd"


def press(prompt: int, accepted_s: float, acked_s: float | None) -> Press:
    return Press(seq=prompt, prompt_id=prompt, key=1, accepted_s=accepted_s, acked_s=acked_s)


def arrivals(*ratings: tuple[int, str, float]) -> list[Arrival]:
    """A service and a rating per (prompt, outcome, arrived_s)."""
    found = []
    for prompt, outcome, arrived_s in ratings:
        service, entry = f"{EPOCH}-{prompt}", {"data": {"promptId": prompt}}
        found.append(Arrival(EPOCH, prompt, "service", service, (), entry, arrived_s))
        data = {
            "service": service,
            "outcome": outcome,
            "pressedAt": {"boottimeMs": 5000},
            "stamp": {"boottimeMs": 8000},
        }
        found.append(Arrival(EPOCH, prompt + 1, "rating", "r", (), {"data": data}, arrived_s))
    return found


def test_tally_when_one_is_on_its_way_then_numbers_differ() -> None:
    presses = [press(1, 10.0, 10.002), press(2, 11.0, 11.002), press(3, 12.0, None)]
    prompts = pressed_prompts(presses, arrivals((1, "rated", 13.01)))
    assert tally(prompts, 3.0) == {"pressed": 3, "onDisk": 2, "atPlatform": 1, "settling": 0}


def test_tally_when_correction_window_is_open_then_says_so() -> None:
    now_s = time.monotonic()
    prompts = pressed_prompts([press(1, now_s, now_s)], [])
    assert tally(prompts, 3.0)["settling"] == 1


def test_tally_when_key_came_after_the_prompt_was_closed_then_does_not_count() -> None:
    prompts = pressed_prompts([press(1, 10.0, 10.1)], arrivals((1, "superseded", 10.2)))
    assert tally(prompts, 3.0) == {"pressed": 0, "onDisk": 0, "atPlatform": 0, "settling": 0}


def test_tally_when_key_is_a_stray_then_does_not_count() -> None:
    assert pressed_prompts([press(0, 10.0, 10.1)], []) == []


def test_latency_when_rating_arrived_then_shows_the_correction_window_apart() -> None:
    prompts = pressed_prompts([press(1, 10.0, 10.002)], arrivals((1, "rated", 13.005)))
    shown = latency(prompts)
    assert (shown["ackMs"], shown["heldMs"], shown["platformMs"]) == (2.0, 3000, 5.0)


def test_arrivals_when_the_centre_prints_then_entries_are_kept_with_their_time() -> None:
    heard = Arrivals()
    entry = {"data": {"projectNo": "BJ1", "serviceNumber": 1}}
    stored = {
        "source": "/330102/h01/w03", "epoch": EPOCH, "seq": 1, "kind": "rating", "id": "x",
        "problems": [], "receivedUtcMs": 0, "entry": entry,
    }  # fmt: skip
    for line in ('{"ready": true}', json.dumps({"stored": stored}), "not JSON", '{"problem": {}}'):
        heard.heard(line)
    assert heard.ready
    assert heard.problem_count == 1
    assert heard.wait(lambda: True, 1.0)
    found = heard.rating_of("BJ1", 1)
    assert found is not None
    assert found.arrived_s <= time.monotonic()
    assert heard.rating_of("BJ1", 2) is None


def test_row_of_a_start_says_what_became_of_the_prompt_in_words_of_the_page() -> None:
    desk = Desk()
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    desk.crash()
    words = resources.files("sim.demo").joinpath("strings.js").read_text("utf-8")
    for boot in desk.entries("boot"):
        arrival = Arrival(boot.epoch, boot.seq, "boot", boot.id, (), boot.value, 0.0)
        (prompt,) = entry_row(arrival)["prompts"].values()
        assert f'"boot.{prompt}"' in words
