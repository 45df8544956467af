"""The transition table of the case at the window (pure): from a call to one rating record.

Theory of operation
-------------------
The window is in one of six states:

    idle      no ticket at the window
    called    a ticket is here, nothing is being asked
    opening   its service entry is on the way to the disk; the lamp is still dark
    prompted  the citizen may press
    pressed   a key was pressed; until the correction window ends another key replaces it
    reasoned  the level stands; a key may say why, whatever the level, or nothing does

and hears eleven inputs. `call`, `leave`, `ask`, `again` come from the queue line (`_admit` tells a
new service from a repeat), `press` and `release` from the pad, `lit` from the disk, `expire`,
`settle` and `inquire` from time: a hall that wants reasons inquires where another one settles. A
press that is older than the inquiry came late over the line and corrects (`correct`). What the
table does not list may come at any moment and changes nothing: a press is then a stray, a question
without a ticket is refused; both are counted.

What may not happen: a lamp before its service entry is on disk (`lit` is the only way into
`prompted`); two rating records for one service (every way out of opening, prompted, pressed and
reasoned runs `close` once, and `ask` is not admitted for a service already asked); a rating no key
made (`close` says `rated` only in `pressed`, which only `press` enters, and in `reasoned`, which
only follows it); a question that depends on the level (`inquire` does not look at it).

A prompt that ends unrated while the pad cannot be heard ends as `pad_lost`, whatever ended it: the
fault, not the citizen, is the reason. After a restart a pressed prompt is closed as rated, an open
one goes on if its time is not over, and is `interrupted` otherwise.
"""

from collections.abc import Mapping

IDLE, CALLED, OPENING, PROMPTED, PRESSED, REASONED = (
    "idle", "called", "opening", "prompted", "pressed", "reasoned",
)  # fmt: skip

# (state, input): (actions in order, next state)
TABLE: Mapping[tuple[str, str], tuple[tuple[str, ...], str]] = {
    (IDLE, "call"): (("take",), CALLED),
    (CALLED, "call"): (("take",), CALLED),
    (CALLED, "leave"): (("forget",), IDLE),
    (CALLED, "ask"): (("ask",), OPENING),
    (OPENING, "lit"): (("light",), PROMPTED),
    (OPENING, "call"): (("close", "take"), CALLED),
    (OPENING, "leave"): (("close", "forget"), IDLE),
    (OPENING, "ask"): (("close", "ask"), OPENING),
    (PROMPTED, "press"): (("press",), PRESSED),
    (PROMPTED, "again"): (("extend",), PROMPTED),
    (PROMPTED, "expire"): (("close",), CALLED),
    (PROMPTED, "call"): (("close", "take"), CALLED),
    (PROMPTED, "leave"): (("close", "forget"), IDLE),
    (PROMPTED, "ask"): (("close", "ask"), OPENING),
    (PRESSED, "press"): (("press",), PRESSED),
    (PRESSED, "release"): (("release",), PRESSED),
    (PRESSED, "settle"): (("close",), CALLED),
    (PRESSED, "inquire"): (("inquire",), REASONED),
    (PRESSED, "call"): (("close", "take"), CALLED),
    (PRESSED, "leave"): (("close", "forget"), IDLE),
    (PRESSED, "ask"): (("close", "ask"), OPENING),
    (REASONED, "press"): (("reason", "close"), CALLED),
    (REASONED, "correct"): (("press",), REASONED),
    (REASONED, "release"): (("release",), REASONED),
    (REASONED, "expire"): (("close",), CALLED),
    (REASONED, "call"): (("close", "take"), CALLED),
    (REASONED, "leave"): (("close", "forget"), IDLE),
    (REASONED, "ask"): (("close", "ask"), OPENING),
}
# Why a prompt without a press ended, by the input that ended it.
UNRATED = {"call": "superseded", "ask": "superseded", "leave": "cancelled", "expire": "timeout"}

PRESSABLE = (PROMPTED, PRESSED, REASONED)
UNPRESSED = (OPENING, PROMPTED)
