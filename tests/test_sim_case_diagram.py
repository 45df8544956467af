"""The state diagram in the docs is the transition table's."""

from sim.case_diagram import PAGE, drawn


def test_diagram_in_the_docs_is_that_of_the_table() -> None:
    page = PAGE.read_text("utf-8")
    assert page == drawn(page), "draw it anew: python -m sim.case_diagram"
