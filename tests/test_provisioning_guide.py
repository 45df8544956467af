"""The technician's guide, in both languages: its pictures, its words, its commands, followed."""

import re
import shlex
import tomllib
from pathlib import Path

import click
import pytest

from provisioning.__main__ import GROUPS, provision
from provisioning.office.windows import COLUMNS
from sim import technician_pictures
from sim.guide import File, Step, Unlike, fits, follow, steps
from sim.guided import GuidedHall

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs/images/technician"
GUIDES = {"en": ROOT / "docs/technician.md", "zh": ROOT / "docs/zh/technician.md"}
TEXTS = {language: path.read_text("utf-8") for language, path in GUIDES.items()}
each_language = pytest.mark.parametrize("language", GUIDES)
WRITTEN = re.compile(r"(?:sudo )?(provision [a-z][^`#\n]*)")


def words_of(language: str) -> set[str]:
    """Every word of screen and page in a language, without marks of size."""
    found = set()
    for part in ("front", "page"):
        text = (ROOT / f"daemon/{part}/locale/{language}.toml").read_text("utf-8")
        tables = tomllib.loads(text)
        for value in tables.values():
            values = value.values() if isinstance(value, dict) else value
            found |= {word.lstrip("=^~_").split("\t")[0] for word in values}
    return found


def chapter(language: str, marks: str) -> str:
    """The table below the heading in which `marks` stands."""
    return next(part for part in TEXTS[language].split("\n### ") if marks in part.split("\n")[0])


# -- pictures


def test_pictures_are_what_the_program_draws() -> None:
    stored = {path.name: path.read_text("utf-8") for path in IMAGES.iterdir()}
    assert stored == technician_pictures.pictures(), "python -m sim.technician_pictures"


@each_language
def test_every_pattern_of_the_lamps_stands_once_in_the_fault_table(language: str) -> None:
    found = re.findall(r"lamps-(\w+)\.svg", TEXTS[language])
    assert sorted(found) == sorted(technician_pictures.STRIPS)


# -- the two languages


@pytest.mark.parametrize(
    "of", [r"^#+ ", r"!\[[^]]*\]\([^)]*?(\w+\.svg)\)", r"^\|", r"`(provision [^`]*)`"]
)
def test_both_languages_have_the_same_in_the_same_order(of: str) -> None:
    found = [re.findall(of, text, re.M) for text in TEXTS.values()]
    assert found[0]
    assert found[0] == found[1]


def test_both_languages_tell_the_same_commands_and_answers() -> None:
    told = [
        [(step.at, step.command, step.said) for step in steps(text) if isinstance(step, Step)]
        for text in TEXTS.values()
    ]
    assert told[0] == told[1]


# -- its words


@each_language
def test_words_of_screen_and_page_are_quoted_as_they_stand_there(language: str) -> None:
    tables = [chapter(language, {"en": "The display", "zh": "看显示屏"}[language]),
              chapter(language, "127.0.0.1:8787")]  # fmt: skip
    cells = [row.split("|")[1] for table in tables for row in re.findall(r"^\|.*", table, re.M)]
    quoted = [quote for cell in cells for quote in re.findall(r"\*([^*]+)\*", cell)]
    assert len(quoted) > 12
    known = words_of(language)
    for quote in quoted:
        assert any(quote in word for word in known), quote


@each_language
def test_every_column_of_the_list_of_windows_is_explained(language: str) -> None:
    table = TEXTS[language].split("\n## ")[2]
    for names in COLUMNS.values():
        assert all(re.search(rf"\W{name}\W", table) for name in names), names


# -- its commands


def commands(text: str) -> list[str]:
    """Everything that begins with provision, in blocks and in sentences."""
    quoted = re.findall(r"`([^`\n]+)`", text)
    typed = [
        line for block in re.findall(r"```\w+\n(.*?)```", text, re.S) for line in block.split("\n")
    ]
    return [match[1] for line in quoted + typed if (match := WRITTEN.search(line))]


@each_language
def test_every_command_and_option_exists(language: str) -> None:
    found = commands(TEXTS[language])
    assert len(found) > 20
    for line in found:
        group, *rest = shlex.split(line)[1:]
        assert group in GROUPS, line
        context = click.Context(provision)
        command = provision.get_command(context, group)
        while isinstance(command, click.Group):
            command = command.get_command(context, rest.pop(0))
        assert command is not None, line
        options = {name for each in command.params for name in each.opts}
        assert {word for word in rest if word.startswith("--")} <= options, line


# -- followed

SCRIPT = """\
```csv windows.csv
a,b
```
```console
$ one
said … so
  and wide   as a table
w03$ two
```
```sh
not typed
```
"""


def test_guide_is_files_and_commands_in_their_order() -> None:
    assert steps(SCRIPT) == [
        File(1, "windows.csv", "a,b\n"),
        Step(5, "", "one", ("said … so", "  and wide   as a table")),
        Step(8, "w03", "two", ()),
    ]


@pytest.mark.parametrize(
    ("said", "is_like"),
    [
        ("said this and so\nand wide as a table", True),
        ("before\nsaid  this so\nbetween\nand wide as  a table\nafter", True),
        ("and wide as a table\nsaid this so", False),
        ("said thus\nand wide as a table", False),
    ],
)
def test_answer_fits_in_its_order_whatever_stands_between(said: str, is_like: bool) -> None:
    assert fits(("said … so", "and wide   as a table"), said) is is_like


def test_first_command_that_goes_otherwise_is_named_with_its_line() -> None:
    done: list[str] = []

    def run(step: Step) -> tuple[int, str]:
        done.append(step.command)
        return (0, "said this and so\nand wide as a table") if step.command == "one" else (1, "no")

    with pytest.raises(Unlike, match="line 8: two: ended with 1"):
        follow(SCRIPT, lambda name, content: done.append(name), run)
    assert done == ["windows.csv", "one", "two"]


@pytest.mark.needs("node")
@pytest.mark.needs("mosquitto")
@pytest.mark.promise
@pytest.mark.campaign
def test_guide_followed_literally_leads_to_a_hall_that_is_trusted(tmp_path, promise) -> None:
    text, typed = TEXTS["en"], []
    with GuidedHall(tmp_path / "guided", text) as hall:

        def run(step: Step) -> tuple[int, str]:
            typed.append(step.command)
            return hall.run(step)

        follow(text, hall.put, run)
    promise("H4", "commands of the guide typed as they stand, in a virtual hall", len(typed))
