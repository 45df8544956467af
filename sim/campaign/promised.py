"""Every promise of the product: its words, and how often a whole campaign tries it. Pure.

What is only measured has bounds instead (bounds.py). A test names the promise it holds by its id,
through the fixture `promise`; an id that is not here is a failure.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Promise:
    """One promise; `asked` counts the rows whose `what` begins with `of`. None: each way once."""

    id: str
    words: str
    asked: int | None = None
    of: str = ""


PROMISES = {
    promise.id: promise
    for promise in (
        Promise("A1", "a press that was acked survives a power cut at any instant",
                20_000, "journal: states"),
        Promise("A2", "every failing system call is survived"),
        Promise("A3", "exactly once from end to end, whatever is killed or cut",
                10_000, "cases while daemon, broker, centre are killed"),
        Promise("A4", "delivered means a valid receipt of the platform"),
        Promise("A5", "a broker that forgets and a platform long away cost nothing",
                50_000, "entries over a broker that forgot"),
        Promise("A5b", "a silent link, no broker at the start, kill -9 under load, a burst"),
        Promise("A6", "one completed case is one record, in any order of events",
                100_000, "clerk, citizen, cable, disk, power in any order"),
        Promise("A7", "not rated leaves a trace: each way of suppressing is named"),
        Promise("A8", "all levels take one path and one time; only a key makes a rating"),
        Promise("B1", "no damaged frame is believed, the next good one always is",
                10_000_000, "damaged frames"),
        Promise("B2", "each press arrives once over a bad line",
                100_000, "edges over a bad line"),
        Promise("B3", "unplugged at any byte: back within 2 s, nothing leaks",
                1000, "unplug and replug"),
        Promise("B4", "garbage costs bounded memory and blocks nothing"),
        Promise("B5", "restarts of either side never wedge the line", 1000, "restarts"),
        Promise("C1", "settings of the store are read back, each report follows its sync"),
        Promise("C2", "damage is noticed and survived, every intact entry salvaged",
                10_000, "journal: "),
        Promise("C3", "a full disk is announced, swallows no press, can be pruned"),
        Promise("C4", "a rated case costs the card little, a million entries start soon"),
        Promise("D1", "order never hangs on the wall clock; true time lies in its interval",
                10_000, "histories of clocks"),
        Promise("D2", "a clock outside the certificate's life: records, says why, connects"),
        Promise("E1", "every change to a journal is found by the centre and named",
                8000, "attacks on a journal, each named"),
        Promise("E2", "a unit speaks only for itself"),
        Promise("E3", "keys never leave the unit; no personal data anywhere"),
        Promise("E4", "no level can be read at the window"),
        Promise("F1", "one press is one edge within 40 ms, however the key bounces",
                100_000, "bouncing presses, one edge"),
        Promise("F2", "no allocation while sampling, in at most 64 KiB of heap"),
        Promise("F3", "boot loader, prompt, wrong firmware, stuck key told within 5 s"),
        Promise("G1", "a press is on disk, acked and away nearly as fast as can be"),
        Promise("G2", "a backlog of 20 000 drains in 8 s, live ratings do not wait"),
        Promise("G3", "the daemon is small, idle when idle, and starts at once"),
        Promise("G4", "a worker of the centre verifies 2 500 entries/s; a second one adds"),
        Promise("G5", "the simulator makes 1 000 window-hours a minute"),
        Promise("G6", "10 000 units reconnect at a bounded rate, none waits 5 minutes", 10_000),
        Promise("H1", "a hung or dead thread restarts the process within the watchdog time"),
        Promise("H2", "failing display, lamp, buzzer, page cost no record and no delay"),
        Promise("H3", "the sandbox of systemd scores at most 2.0"),
        Promise("H4", "a window is commissioned by few commands, repeatable at any point"),
        Promise("H5", "every planted mutant of a dangerous line is killed", 20),
    )
}  # fmt: skip
