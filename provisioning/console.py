"""What the technician reads and is asked: data to stdout, words to stderr, colour for eyes only.

The only file that knows rich, which is imported when something is shown: a hundredth of a second
for --help, not a tenth.
"""

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import click

Advance = Callable[[float], None]


class Console:
    """One command's voice: `is_json` puts one JSON value to stdout instead of text."""

    def __init__(self, *, is_json: bool = False) -> None:
        self.is_json = is_json
        self._rich: Any = None

    def say(self, sentence: str) -> None:
        """Tell how it goes."""
        self._err().print(sentence, markup=False, highlight=False, soft_wrap=True)

    def trouble(self, sentence: str, hint: str = "") -> None:
        """Tell what is wrong, and what to do next."""
        err = self._err()
        err.print("error:", style="bold red", end=" ")
        err.print(sentence, markup=False, highlight=False, soft_wrap=True)
        if hint:
            err.print("next:", style="bold", end=" ")
            err.print(hint, markup=False, highlight=False, soft_wrap=True)

    def result(self, value: Any, text: str) -> None:
        """Give the result: the value as JSON, or the text for people."""
        click.echo(json.dumps(value, ensure_ascii=False) if self.is_json else text)

    def table(self, columns: Sequence[str], rows: Sequence[Mapping[str, Any]]) -> None:
        """Give a table; in JSON a list of its rows, each by column. `style` of a row colours it."""
        if self.is_json:
            shown = [{name: row.get(name) for name in columns} for row in rows]
            click.echo(json.dumps(shown, ensure_ascii=False))
            return
        from rich.console import Console as Rich
        from rich.table import Table

        table = Table(box=None, pad_edge=False, header_style="bold")
        for name in columns:
            table.add_column(name)
        for row in rows:
            cells = ("" if row.get(name) is None else str(row[name]) for name in columns)
            table.add_row(*cells, style=row.get("style"))
        out = Rich(file=sys.stdout, markup=False, highlight=False)
        if not out.is_terminal:
            out.width = 200
        out.print(table)

    @contextmanager
    def progress(self, what: str, total: float) -> Iterator[Advance]:
        """Show how far a longer thing is, for whoever looks at a terminal; call with the step."""
        from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

        columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
        err = self._err()
        with Progress(
            *columns, console=err, transient=True, disable=not err.is_terminal
        ) as progress:
            task = progress.add_task(what, total=total)
            yield lambda step: progress.advance(task, step)

    @contextmanager
    def waiting(self, what: str) -> Iterator[None]:
        """Show that something goes on whose end nobody knows, for whoever looks at a terminal."""
        from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

        columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
        with Progress(*columns, **self._bar()) as progress:
            progress.add_task(what, total=None)
            yield

    def confirm(self, question: str, *, default: bool = False) -> bool:
        """Ask for yes or no; whoever is not at a terminal has said the default."""
        if not sys.stdin.isatty():
            return default
        return click.confirm(question, default=default, err=True)

    def ask(self, question: str) -> str:
        """Ask for a line of text, of a person or of a script; Abort when there is none."""
        # Not click.prompt: its last blank goes to stdout, into the result of a script.
        click.echo(f"{question}: ", err=True, nl=False)
        try:
            return input().strip()
        except EOFError as error:
            raise click.Abort from error

    def _bar(self) -> dict[str, Any]:
        err = self._err()
        return {"console": err, "transient": True, "disable": not err.is_terminal}

    def _err(self) -> Any:
        # One for all: what is said while a bar moves goes above it.
        if self._rich is None:
            from rich.console import Console as Rich

            self._rich = Rich(stderr=True)
        return self._rich
