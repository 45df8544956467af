"""Every command answers --help, and by itself: what it needs is imported when it runs."""

import subprocess
import sys
from collections.abc import Iterator

import click
import pytest

from provisioning.__main__ import main, provision

# Each of them alone costs more than the whole answer.
HEAVY = ("cryptography", "jinja2", "mpremote", "nacl", "rich", "sqlite_utils", "tomlkit")
LOOK = """
import sys
from provisioning.__main__ import main
code = main(sys.argv[1:])
print([name for name in {heavy!r} if name in sys.modules], file=sys.stderr)
sys.exit(code)
"""


def commands(group: click.Group, words: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """Every command, by its words."""
    context = click.Context(group)
    for name in group.list_commands(context):
        found = group.get_command(context, name)
        assert found is not None
        yield (*words, name)
        if isinstance(found, click.Group):
            yield from commands(found, (*words, name))


EVERY = tuple(commands(provision))
LEAVES = [words for words in EVERY if not any(words == each[:-1] for each in EVERY)]
ONLY_LOOK = (("hall", "status"), ("doctor",))


def test_program_then_has_the_commands_that_are_asked_of_it() -> None:
    wanted = (
        "site init, site windows, site list, unit enrol, unit invite, unit request, unit issue, "
        "unit install, unit replace, unit move, unit rotate, unit revoke, unit retire, "
        "unit restore, pad flash, pad replace, pad bundle, window test, hall status, hall update, "
        "image, doctor"
    )
    assert {tuple(words.split()) for words in wanted.split(",")} <= set(EVERY)


@pytest.mark.parametrize("words", EVERY, ids=" ".join)
def test_help_then_what_it_does_and_each_option_in_words(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*words, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: provision {' '.join(words)}")


@pytest.mark.parametrize("words", LEAVES, ids=" ".join)
def test_command_then_has_json_and_one_that_changes_something_a_dry_run(
    words: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    main([*words, "--help"])
    said = capsys.readouterr().out
    assert "--json" in said
    assert ("--dry-run" in said) == (words not in ONLY_LOOK)


@pytest.mark.parametrize(
    "words", [("--help",), ("unit", "enrol", "--help"), ("pad", "flash", "-h")]
)
def test_help_then_nothing_heavy_was_imported(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", LOOK.format(heavy=HEAVY), *words],
        capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert (done.returncode, done.stderr.strip()) == (0, "[]")
