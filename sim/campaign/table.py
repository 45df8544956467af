"""What a run of the tests has tried, as lines for a terminal. Pure."""

from collections.abc import Iterable

from sim.campaign.outcome import Outcome


def lines(results: Iterable[Outcome]) -> list[str]:
    """One line for each thing tried: for which promise, how often, asked for, how many bad."""
    return [
        f"{row.promise:4} {row.what:68} {row.tried:>10,} tried "
        f"{_asked(each, row in each.counted):>13} {row.bad:>4} bad"
        for each in results
        for row in each.rows
    ]


def untried(results: Iterable[Outcome]) -> str:
    """The ids for which nothing was tried, in one line; empty when there is none."""
    names = [each.promise.id for each in results if each.is_untried]
    return f"nothing was tried: {', '.join(names)}" if names else ""


def _asked(each: Outcome, counts: bool) -> str:
    return f"of {each.promise.asked:,}" if counts and each.promise.asked else ""
