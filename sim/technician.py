"""Whoever sits at `provision` and answers its questions: reads what is asked, looks, types.

Between a program's stderr and its stdin, in this process or in another one: `answer` is what he
would type, `stderr` and `stdin` are files that may stand in the place of ours.
"""

import io
import re
from collections.abc import Callable, Mapping, Sequence

Sees = Callable[[], Mapping[str, int]]
Script = Sequence[tuple[str, Callable[[], str]]]


class Puzzled(Exception):
    """Asked what he has no answer to: the text is the question."""


class Technician:
    """`sees`: what stands at the window; `asks_clerk`: has the clerk call the next number.

    says: answers that go before his own, each to the first question that it fits, then again.
    """

    def __init__(
        self, sees: Sees, asks_clerk: Callable[[], object], says: Mapping[str, Sequence[str]] = {}
    ) -> None:
        self._asks_clerk = asks_clerk
        self._says = {pattern: list(answers) for pattern, answers in says.items()}
        self.asked: list[str] = []
        self._script: Script = (
            ("staff number", lambda: "0312"),
            ("the clerk is asked", self._clerk),
            ("Press Enter", lambda: ""),
            ("Did ", lambda: "y"),
            ("number stands", lambda: str(sees().get("number", ""))),
            ("lamp blink", lambda: str(sees().get("lamp", ""))),
            ("buzzer beep", lambda: str(sees().get("buzzer", ""))),
            ("again|Once more", lambda: "n"),
        )

    def answer(self, question: str) -> str:
        """What he types. Raises Puzzled."""
        self.asked.append(question)
        for pattern, answers in self._says.items():
            if answers and re.search(pattern, question):
                return answers.pop(0)
        for pattern, types in self._script:
            if re.search(pattern, question):
                return types()
        raise Puzzled(question)

    def _clerk(self) -> str:
        self._asks_clerk()
        return ""


class Stderr(io.StringIO):
    """Keeps all that was written; its last line is the question."""

    @property
    def question(self) -> str:
        return self.getvalue().rpartition("\n")[2].strip()


class Stdin(io.TextIOBase):
    """Gives an answer for each line that is read, to what stands on `stderr` by then."""

    def __init__(self, technician: Technician, stderr: Stderr) -> None:
        super().__init__()
        self._technician, self._stderr = technician, stderr

    def readline(self, _size: int | None = -1, /) -> str:  # type: ignore[override]
        answer = self._technician.answer(self._stderr.question)
        # A terminal shows what was typed, and begins a new line with it.
        self._stderr.write(f"{answer}\n")
        return f"{answer}\n"
