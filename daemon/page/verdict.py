"""Whether the unit serves (pure): every reason why a citizen could not be heard or kept."""

from daemon.snapshot import Snapshot

# What a pad and a queue line are in when all is well.
PAD_UP, SIGNAL_OPEN = "up", "open"
SERVING, STARTING = "serving", "starting"


def reasons(shown: Snapshot | None) -> tuple[str, ...]:
    """One sentence for each; none when the unit serves. A broker that is away keeps nobody."""
    if shown is None:
        return (STARTING,)
    found = []
    if shown.journal.trouble is not None:
        found.append(f"journal: {shown.journal.trouble}")
    for window in shown.windows:
        if window.pad.state != PAD_UP:
            found.append(f"pad of window {window.number} is {_because(window.pad)}")
    for signal in shown.signals:
        if signal.state != SIGNAL_OPEN:
            found.append(f"queue line {signal.port} is {_because(signal)}")
    return tuple(found)


def _because(line: object) -> str:
    state, trouble = getattr(line, "state", ""), getattr(line, "trouble", None)
    return state if trouble is None else f"{state}: {trouble}"
