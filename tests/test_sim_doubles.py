"""The table of the doubles is true: what it names exists, and its suites use what they hold."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TABLE = (ROOT / "docs" / "doubles.md").read_text("utf-8")
ROW = re.compile(r"^\| `(sim/[\w/]+\.py)` (\w+) \|.*\| `(tests/\w+\.py)` \|$", re.M)
ROWS = ROW.findall(TABLE)
# The desk's is a way round: real traces in, the same core out.
BY_ANOTHER_NAME = {"Desk": "replay", "Postgres": "store_config"}


def names(path: Path, kind: type[ast.ClassDef] | type[ast.Name]) -> set[str]:
    nodes = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if type(node) is kind]
    return {str(getattr(node, "name", None) or getattr(node, "id", None)) for node in nodes}


def test_every_row_of_the_table_was_read() -> None:
    assert len(ROWS) == len(re.findall(r"^\| `sim/", TABLE, re.M)) > 15


@pytest.mark.parametrize(("file", "double", "suite"), ROWS, ids=lambda text: text)
def test_double_is_there_and_its_suite_uses_it(file: str, double: str, suite: str) -> None:
    assert double in names(ROOT / file, ast.ClassDef)
    text = (ROOT / suite).read_text("utf-8")
    assert re.search(rf"\b{BY_ANOTHER_NAME.get(double, double)}\b", text)


def test_every_file_that_the_page_names_is_there() -> None:
    named = re.findall(r"`((?:sim|tests|daemon|docs)/[\w./]+\.\w+)`", TABLE)
    assert [name for name in named if not (ROOT / name).exists()] == []
