"""What came of a morning, as one object for machines and a table for people."""

from collections.abc import Iterator, Sequence
from typing import Any

from sim.demo.arrivals import Arrivals
from sim.demo.judging import Verdict, percentile
from sim.demo.morning import Morning


def latencies(morning: Morning, arrivals: Arrivals) -> tuple[list[float], list[float]]:
    """Press to ack and press to platform, in ms, of the presses made while nothing was pulled."""
    to_ack_ms, to_platform_ms = [], []
    for service, press in morning.calm:
        arrival = arrivals.rating_of(service.project_no, service.service_number)
        if press.ack_ms is not None:
            to_ack_ms.append(press.ack_ms)
        if arrival is not None:
            to_platform_ms.append((arrival.arrived_s - press.accepted_s) * 1000)
    return to_ack_ms, to_platform_ms


def figures(
    morning: Morning, arrivals: Arrivals, verdict: Verdict, *, chain_verified: bool
) -> dict[str, Any]:
    """The morning in figures."""
    to_ack_ms, to_platform_ms = latencies(morning, arrivals)
    return {
        "cases_completed": verdict.cases_completed,
        "ratings_received": verdict.ratings_received,
        "ratings_matching": verdict.ratings_matching,
        "lost": len(verdict.lost),
        "doubled": len(verdict.doubled),
        "chain_verified": chain_verified,
        "outcomes": verdict.outcomes,
        "press_to_ack_ms": _spread(to_ack_ms),
        "press_to_platform_ms": _spread(to_platform_ms),
    }


def table(
    figures: dict[str, Any], verdict: Verdict, trouble: str | None, took_s: float
) -> Iterator[str]:
    """The lines of the same for people, and what is wrong, if anything."""
    outcomes = ", ".join(f"{name} {count}" for name, count in figures["outcomes"].items())
    ack, platform = figures["press_to_ack_ms"], figures["press_to_platform_ms"]
    rows = (
        ("cases completed", figures["cases_completed"]),
        ("ratings received", f"{figures['ratings_received']}  ({outcomes})"),
        ("equal to what was done", figures["ratings_matching"]),
        ("lost / doubled", f"{figures['lost']} / {figures['doubled']}"),
        ("chain and signatures", "hold" if figures["chain_verified"] else "DO NOT HOLD"),
        ("press to disk and ack", f"{ack['p50']} ms median, {ack['p99']} ms p99"),
        ("press to platform", f"{platform['p50']} ms median, {platform['p99']} ms p99"),
        ("took", f"{took_s:.1f} s"),
    )
    for name, value in rows:
        yield f"{name:<24}{value}"
    for name in ("lost", "doubled", "changed", "invented"):
        for project_no, number in getattr(verdict, name):
            yield f"{name}: {project_no}, service {number}"
    if trouble is not None:
        yield f"trouble: {trouble}"


def _spread(values_ms: Sequence[float]) -> dict[str, float | None]:
    spread = {"p50": percentile(values_ms, 50), "p99": percentile(values_ms, 99)}
    return {name: None if ms is None else round(ms, 2) for name, ms in spread.items()}
