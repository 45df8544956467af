"""The case at the window, through the real link, dialect and core on the desk."""

from dataclasses import replace

import pytest

from daemon.case.cases import Cases
from daemon.case.reasons import Reason, Reasons
from daemon.case.transitions import TABLE, UNRATED
from daemon.snapshot import (
    CALLED,
    HEARD,
    IDLE,
    OUT_OF_SERVICE,
    PAUSED,
    PLEASE_RATE,
    REASONS,
    THANKS,
)
from protocol.central.entry import read
from protocol.pad import messages
from sim.desk import RULES, WINDOW, Desk

CASE = {"projectNo": "P1", "serviceNumber": 1, "taskName": "居民身份证换领"}


@pytest.fixture
def desk() -> Desk:
    desk = Desk()
    desk.say("called", ticket="A001", ticketSerial="20261122-3-A001")
    return desk


def outcomes(desk: Desk) -> list[tuple[str | None, str, int | None]]:
    return [(r["projectNo"], r["outcome"], r["satisfaction"]) for r in desk.ratings]


def screen(desk: Desk) -> str:
    return desk.screen.name


def queued(desk: Desk) -> int:
    """Edges the pad has no ack for, as its last status said."""
    return desk.snapshot.windows[0].pad.queued


def test_table_names_only_actions_and_states_that_exist() -> None:
    states = {state for state, _ in TABLE}
    for actions, following in TABLE.values():
        assert following in states
        for action in actions:
            assert action == "close" or hasattr(Cases, f"_do_{action}")
    closing = {said for (_, said), (actions, _) in TABLE.items() if "close" in actions}
    # Where a key was pressed before, the record is a rating; expiry without one is a timeout.
    assert closing - {"settle", "press"} == set(UNRATED)


def test_table_leaves_an_open_prompt_only_by_closing_it() -> None:
    open_states = {"opening", "prompted", "pressed", "reasoned"}
    for (state, said), (actions, following) in TABLE.items():
        leaves = state in open_states and following not in open_states
        renews = state in open_states and "ask" in actions
        assert ("close" in actions) == (leaves or renews), (state, said)


def test_press_when_prompted_is_one_rating_of_that_level(desk: Desk) -> None:
    desk.say("completed", **CASE)
    assert (desk.face, screen(desk)) == (messages.PLEASE_RATE, PLEASE_RATE)
    desk.press(2)
    assert (desk.face, screen(desk)) == (messages.HEARD, HEARD)
    assert outcomes(desk) == []
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 4)]
    assert (desk.face, screen(desk)) == (messages.THANKS, THANKS)
    desk.run(5000)
    assert (desk.face, screen(desk)) == (messages.IDLE, CALLED)


def test_service_entry_is_on_disk_before_the_lamp(desk: Desk) -> None:
    desk.journal.fail = "the disk is full"
    desk.say("completed", **CASE)
    desk.run(3000)
    assert desk.face == messages.PAUSED
    assert screen(desk) == OUT_OF_SERVICE
    desk.journal.fail = None
    desk.run(1500)
    assert desk.face == messages.PLEASE_RATE
    assert len(desk.entries("service")) == 1


def test_press_on_a_failing_disk_is_kept_by_the_pad_and_not_thanked(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.journal.fail = "the disk is full"
    desk.press(1)
    desk.run(2 * RULES.correction_ms)
    assert queued(desk) == 2
    assert screen(desk) not in (HEARD, THANKS)
    desk.journal.fail = None
    desk.run(2500)
    assert queued(desk) == 0
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_pad_says_heard_until_the_record_is_on_disk(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.press(1)
    desk.journal.fail = "the disk is full"
    desk.run(RULES.correction_ms + 2000)
    assert desk.face == messages.HEARD
    assert screen(desk) == HEARD
    desk.journal.fail = None
    desk.run(1200)
    assert desk.face == messages.THANKS
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_second_key_inside_the_window_replaces_the_first(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.press(1)
    desk.press(5)
    desk.run(RULES.correction_ms)
    (rating,) = desk.ratings
    assert (rating["satisfaction"], rating["presses"], rating["corrections"]) == (1, 2, 1)
    assert [(edge["key"], edge["down"]) for edge in rating["edges"]] == [
        (1, True), (1, False), (5, True), (5, False),
    ]  # fmt: skip


def test_press_after_the_window_is_late_and_changes_nothing(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.press(1)
    desk.run(RULES.correction_ms + 500)
    desk.press(5)
    assert outcomes(desk) == [("P1", "rated", 5)]
    assert desk.snapshot.day.strays == 1


def test_window_of_zero_makes_press_and_record_one_commit() -> None:
    desk = Desk(replace(RULES, correction_ms=0, not_public_hold_ms=0))
    desk.say("called", ticket="A001")
    desk.say("completed", **CASE)
    commits_before = desk.core._ledger._number
    desk.edge(3, True)
    desk.run(10)
    assert outcomes(desk) == [("P1", "rated", 3)]
    assert desk.core._ledger._number == commits_before + 1


def test_long_hold_is_not_public_and_short_hold_is(desk: Desk) -> None:
    for number, hold_ms, public in ((1, 1300, False), (2, 1000, True), (3, 6000, False)):
        desk.say("completed", projectNo="P1", serviceNumber=number)
        desk.press(4, hold_ms)
        desk.run(RULES.correction_ms + 500)
        assert desk.ratings[-1]["public"] is public


def test_pad_lost_while_asking_is_not_asked_of_the_citizen(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.unplug()
    assert screen(desk) == OUT_OF_SERVICE
    desk.replug()
    desk.run(1500)
    assert screen(desk) == PLEASE_RATE


def test_cable_pulled_before_the_release_is_no_hold(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.edge(4, True)
    desk.run(50)
    desk.unplug()
    desk.run(RULES.correction_ms + 2000)
    assert desk.ratings[-1]["public"] is True


def test_nobody_presses_ends_as_timeout(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.run(RULES.prompt_ms + 500)
    assert outcomes(desk) == [("P1", "timeout", None)]
    assert desk.face == messages.IDLE


def test_next_call_ends_an_open_prompt_as_superseded(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.say("called", ticket="A002", ticketSerial="20261122-3-A002")
    assert outcomes(desk) == [("P1", "superseded", None)]


def test_next_call_keeps_what_was_pressed(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.press(5)
    desk.say("called", ticket="A002", ticketSerial="20261122-3-A002")
    assert outcomes(desk) == [("P1", "rated", 1)]


def test_skipped_ticket_ends_an_open_prompt_as_cancelled(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.say("skipped")
    assert outcomes(desk) == [("P1", "cancelled", None)]
    assert screen(desk) == IDLE


def test_unplugged_pad_ends_as_pad_lost_whatever_ended_it(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.unplug()
    desk.run(RULES.prompt_ms + 5500)
    desk.replug()
    desk.run(1500)
    desk.say("completed", projectNo="P2")
    desk.unplug()
    desk.say("called", ticket="A002", ticketSerial="20261122-3-A002")
    assert outcomes(desk) == [("P1", "pad_lost", None), ("P2", "pad_lost", None)]
    assert [entry.data["state"] for entry in desk.entries("pad")] == ["lost", "back", "lost"]


def test_press_made_in_time_on_a_lost_line_counts_when_the_pad_is_back(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.run(RULES.prompt_ms - 1000)
    desk.unplug()
    desk.press(2)
    desk.run(3000)
    desk.replug()
    desk.run(5000)
    assert outcomes(desk) == [("P1", "rated", 4)]


def test_press_made_too_late_on_a_lost_line_is_late_when_the_pad_is_back(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.run(RULES.prompt_ms - 1000)
    desk.unplug()
    desk.run(2000)
    desk.press(2)
    desk.run(1000)
    desk.replug()
    desk.run(5000)
    assert outcomes(desk) == [("P1", "timeout", None)]
    assert desk.snapshot.day.late == 1


def test_press_of_the_citizen_before_does_not_rate_the_next_service(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.unplug()
    desk.press(1)
    desk.say("called", ticket="A002", ticketSerial="20261122-3-A002")
    desk.say("completed", projectNo="P2")
    desk.replug()
    desk.run(RULES.prompt_ms + RULES.correction_ms)
    assert outcomes(desk) == [("P1", "pad_lost", None), ("P2", "timeout", None)]
    assert desk.snapshot.day.late == 1


def test_restarted_pad_is_asked_again(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.restart_pad()
    desk.run(2000)
    assert desk.face == messages.PLEASE_RATE
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_same_case_said_again_is_the_same_service(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.run(6000)
    desk.say("completed", **CASE)
    desk.press(3)
    desk.run(RULES.correction_ms)
    desk.say("completed", **CASE)
    desk.say("prompt")
    desk.run(RULES.prompt_ms)
    assert outcomes(desk) == [("P1", "rated", 3)]
    assert len(desk.entries("service")) == 1
    assert desk.snapshot.day.repeated == 2


def test_asking_again_restarts_the_time(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.run(RULES.prompt_ms - 500)
    desk.say("prompt")
    desk.run(RULES.prompt_ms - 500)
    assert outcomes(desk) == []
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_skip_of_another_ticket_changes_nothing(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.say("skipped", ticket="A009", ticketSerial="20261122-3-A009")
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_two_cases_of_one_ticket_are_two_records(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.say("completed", projectNo="P2", serviceNumber=1)
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "superseded", None), ("P2", "rated", 5)]


def test_question_without_a_ticket_is_refused_and_counted() -> None:
    desk = Desk()
    desk.say("prompt")
    desk.say("completed", **CASE)
    assert desk.face == messages.IDLE
    assert desk.entries("service") == []
    assert desk.snapshot.day.refused == 2


def test_call_lost_on_the_line_is_made_good_by_the_ticket_of_the_case() -> None:
    desk = Desk()
    desk.say("completed", ticket="A009", ticketSerial="s9", **CASE)
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_consultation_without_a_case_is_rateable_and_bound_later(desk: Desk) -> None:
    desk.say("prompt")
    desk.press(2)
    desk.run(RULES.correction_ms)
    desk.say("bound", projectNo="P7", serviceNumber=1)
    desk.say("bound", projectNo="P7", serviceNumber=1)
    assert outcomes(desk) == [(None, "rated", 4)]
    (binding,) = desk.entries("binding")
    assert binding.data["service"] == desk.ratings[0]["service"]
    assert (binding.data["projectNo"], binding.data["serviceNumber"]) == ("P7", 1)


def test_case_bound_while_asking_is_in_the_record(desk: Desk) -> None:
    desk.say("prompt")
    desk.say("bound", projectNo="P7")
    desk.press(2)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P7", "rated", 4)]


def test_press_without_a_prompt_is_a_stray_and_no_entry(desk: Desk) -> None:
    before = len(desk.journal.entries)
    desk.press(5)
    assert len(desk.journal.entries) == before
    assert desk.snapshot.day.strays == 1
    desk.run(1100)
    assert queued(desk) == 0


def test_suspended_window_is_paused_until_resumed(desk: Desk) -> None:
    desk.say("suspended")
    desk.run(200)
    assert (desk.face, screen(desk)) == (messages.PAUSED, PAUSED)
    desk.say("resumed")
    desk.run(200)
    assert (desk.face, screen(desk)) == (messages.IDLE, CALLED)


def test_staff_who_logged_in_stands_in_both_entries(desk: Desk) -> None:
    desk.say("staff", state="login", staff="0371")
    desk.say("completed", **CASE)
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert desk.entries("service")[0].data["staff"] == "0371"
    assert desk.ratings[0]["staff"] == "0371"


@pytest.mark.parametrize("power", [False, True])
def test_crash_inside_the_correction_window_keeps_the_press(desk: Desk, power: bool) -> None:
    desk.say("completed", **CASE)
    desk.press(5)
    desk.crash(power=power)
    assert outcomes(desk) == [("P1", "rated", 1)]
    assert desk.entries("boot")[-1].data["prompts"] == {"3": "rated"}


def test_press_whose_ack_was_lost_in_a_crash_is_known_when_it_comes_again(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.edge(1, True)
    said = desk.pads[WINDOW].poll(desk.now_ms)
    desk.line_up = False
    desk.hear_bytes(said)
    desk.crash()
    desk.line_up = True
    desk.run(2000)
    assert outcomes(desk) == [("P1", "rated", 5)]
    assert (desk.snapshot.day.late, queued(desk)) == (0, 0)


def test_killed_daemon_goes_on_with_an_open_prompt(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.crash(off_ms=2000)
    assert desk.entries("boot")[-1].data["prompts"] == {"3": "resumed"}
    assert desk.face == messages.PLEASE_RATE
    desk.press(1)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 5)]


def test_press_while_the_daemon_was_dead_counts(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.edge(1, True)
    desk.crash(off_ms=RULES.prompt_ms + 1000)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 5)]


@pytest.mark.parametrize("power", [False, True])
def test_prompt_over_while_the_unit_was_dead_is_interrupted(desk: Desk, power: bool) -> None:
    desk.say("completed", **CASE)
    desk.crash(off_ms=RULES.prompt_ms + 1000, power=power)
    desk.run(6000)
    assert outcomes(desk) == [("P1", "interrupted", None)]


def test_repeat_is_known_after_a_crash(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.press(1)
    desk.crash(power=True)
    desk.say("completed", ticket="A001", ticketSerial="20261122-3-A001", **CASE)
    desk.run(RULES.prompt_ms)
    assert len(desk.ratings) == 1


def test_all_levels_leave_the_same_trace_but_for_the_level() -> None:
    traces = []
    for key in range(1, 6):
        desk = Desk()
        desk.say("called", ticket="A001")
        desk.say("completed", **CASE)
        desk.press(key)
        desk.run(RULES.correction_ms)
        records = [read(entry.text).data for entry in desk.journal.entries]
        (rating,) = [record for record in records if "satisfaction" in record]
        assert rating.pop("satisfaction") == 6 - key
        assert rating.pop("key") == key
        assert {edge.pop("key") for edge in rating["edges"]} == {key}
        traces.append((records, desk.snapshot, desk.face, desk.now_ms))
    assert all(trace == traces[0] for trace in traces)


def test_correction_after_the_prompts_deadline_still_counts(desk: Desk) -> None:
    desk.say("completed", **CASE)
    desk.run(RULES.prompt_ms - 1000)
    desk.press(5)
    desk.run(1500)
    desk.press(2)
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P1", "rated", 4)]
    assert desk.ratings[0]["corrections"] == 1


# -- reasons

ASKED = Reasons(
    table="r1",
    ask_ms=8_000,
    keys=tuple(
        Reason(label=f"reason {key}", codes={level: f"{level}1{key}" for level in range(1, 6)})
        for key in range(1, 6)
    ),
)
ASKING = replace(RULES, reasons=ASKED)


@pytest.fixture
def asking() -> Desk:
    desk = Desk(ASKING)
    desk.say("called", ticket="A001", ticketSerial="20261122-3-A001")
    desk.say("completed", **CASE)
    return desk


def reason_of(desk: Desk) -> tuple[list[str], int | None, str | None]:
    (rating,) = desk.ratings
    return rating["reasons"], rating["reasonKey"], rating["reasonTable"]


@pytest.mark.parametrize("key", range(1, 6))
def test_reason_is_asked_after_every_level_and_is_that_levels_norm_code(
    asking: Desk, key: int
) -> None:
    asking.press(key)
    asking.run(RULES.correction_ms)
    assert (asking.screen.name, asking.screen.reasons) == (REASONS, ASKED.labels)
    assert asking.ratings == []
    asking.press(2)
    assert outcomes(asking) == [("P1", "rated", 6 - key)]
    assert reason_of(asking) == ([f"{6 - key}12"], 2, "r1")
    assert screen(asking) == THANKS


def test_reason_that_is_not_given_in_time_leaves_the_rating_without_one(asking: Desk) -> None:
    asking.press(1)
    asking.run(RULES.correction_ms + ASKED.ask_ms + 500)
    assert outcomes(asking) == [("P1", "rated", 5)]
    assert reason_of(asking) == ([], None, None)


@pytest.mark.parametrize("say", ["called", "skipped", "completed"])
def test_reason_when_the_clerk_goes_on_leaves_the_rating_without_one(
    asking: Desk, say: str
) -> None:
    asking.press(4)
    asking.run(RULES.correction_ms)
    asking.say(say, ticketSerial="20261122-3-A001" if say != "called" else "s2", projectNo="P2")
    assert outcomes(asking)[0] == ("P1", "rated", 2)


def test_reason_when_a_press_was_only_late_on_the_line_then_corrects_the_level(
    asking: Desk,
) -> None:
    asking.press(1)
    asking.run(RULES.correction_ms - 400)
    asking.line_up = False
    asking.edge(5, True)
    asking.run(600)
    assert screen(asking) == REASONS
    asking.line_up = True
    asking.run(200)
    asking.run(ASKED.ask_ms + 500)
    assert outcomes(asking) == [("P1", "rated", 1)]
    assert reason_of(asking) == ([], None, None)


@pytest.mark.parametrize("power", [False, True])
def test_reason_when_the_power_is_cut_then_the_rating_stands_without_one(
    asking: Desk, power: bool
) -> None:
    asking.press(3)
    asking.run(RULES.correction_ms + 1000)
    asking.crash(power=power)
    assert outcomes(asking) == [("P1", "rated", 3)]
    assert asking.entries("boot")[-1].data["prompts"] == {"3": "rated"}


def test_reason_when_asked_then_the_pad_asks_again(asking: Desk) -> None:
    asking.press(3)
    assert asking.face == messages.HEARD
    asking.run(RULES.correction_ms)
    assert asking.face == messages.PLEASE_RATE


# -- a phone instead of a key


def test_code_beside_the_question_names_the_service() -> None:
    desk = Desk(qr="https://hcp.example/{unit}/{window}/{projectNo}/{promptId}")
    desk.say("called", ticket="A001")
    desk.say("completed", projectNo="P1")
    assert desk.screen.qr == "https://hcp.example/w03/3/P1/1"
    desk.say("completed")
    assert (desk.screen.name, desk.screen.qr) == (PLEASE_RATE, None)


# -- several windows

WINDOWS = ("3", "4")


def two_windows() -> Desk:
    desk = Desk(windows=WINDOWS)
    for number in WINDOWS:
        desk.say("called", window=number, ticket=f"A00{number}")
    return desk


def screens(desk: Desk) -> list[str]:
    return [window.screen.name for window in desk.snapshot.windows]


def test_windows_of_one_unit_each_have_their_own_case_and_pad() -> None:
    desk = two_windows()
    desk.say("completed", window="3", projectNo="P3")
    assert screens(desk) == [PLEASE_RATE, CALLED]
    desk.say("completed", window="4", projectNo="P4")
    desk.press(1, window="4")
    assert screens(desk) == [PLEASE_RATE, HEARD]
    desk.press(5, window="3")
    desk.run(RULES.correction_ms)
    found = {(r["window"], r["projectNo"], r["satisfaction"]) for r in desk.ratings}
    assert found == {("3", "P3", 1), ("4", "P4", 5)}


def test_windows_when_one_loses_its_pad_then_the_other_goes_on() -> None:
    desk = two_windows()
    desk.unplug()
    assert screens(desk) == [OUT_OF_SERVICE, CALLED]
    (lost,) = desk.entries("pad")
    assert (lost.data["window"], lost.data["state"]) == ("3", "lost")
    desk.say("completed", window="4", projectNo="P4")
    desk.press(2, window="4")
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P4", "rated", 4)]


def test_windows_when_the_unit_is_killed_then_each_prompt_goes_on() -> None:
    desk = two_windows()
    for number in WINDOWS:
        desk.say("completed", window=number, projectNo=f"P{number}")
    desk.press(2, window="4")
    desk.crash()
    assert desk.entries("boot")[-1].data["prompts"] == {"3": "resumed", "4": "rated"}
    desk.press(3, window="3")
    desk.run(RULES.correction_ms)
    assert outcomes(desk) == [("P4", "rated", 4), ("P3", "rated", 3)]


def test_window_that_the_configuration_knows_no_more_closes_its_prompt() -> None:
    desk = two_windows()
    desk.say("completed", window="4", projectNo="P4")
    desk.windows = ("3",)
    del desk.pads["4"]
    desk.crash()
    assert desk.entries("boot")[-1].data["prompts"] == {"3": "none", "4": "interrupted"}
    assert outcomes(desk) == [("P4", "interrupted", None)]
    desk.crash()
    assert desk.entries("boot")[-1].data["prompts"] == {"3": "none", "4": "none"}
    assert len(desk.ratings) == 1
