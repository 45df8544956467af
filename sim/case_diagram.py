"""The state diagram of docs/cases.md, from the transition table: `python -m sim.case_diagram`."""

from pathlib import Path

from daemon.case.transitions import IDLE, TABLE

PAGE = Path(__file__).resolve().parents[1] / "docs" / "cases.md"
BEGIN, END = "```mermaid\n", "```\n"


def diagram() -> str:
    """The table as a Mermaid state diagram: one arrow for each pair of states."""
    arrows: dict[tuple[str, str], list[str]] = {}
    for (state, said), (actions, following) in TABLE.items():
        arrows.setdefault((state, following), []).append(f"{said} / {', '.join(actions)}")
    lines = ["stateDiagram-v2", f"    [*] --> {IDLE}"]
    for (state, following), labels in arrows.items():
        lines.append(f"    {state} --> {following} : {'<br>'.join(labels)}")
    return "\n".join(lines) + "\n"


def drawn(page: str) -> str:
    """The page with the diagram of today's table."""
    before, _, rest = page.partition(BEGIN)
    return before + BEGIN + diagram() + END + rest.partition(END)[2]


if __name__ == "__main__":
    PAGE.write_text(drawn(PAGE.read_text("utf-8")), "utf-8")
