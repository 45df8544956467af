"""A headless Chromium for the tests of pages (real I/O: a child process, driven by Playwright)."""

import json
import shutil
import subprocess
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from sim.micropython import node

ROOT = Path(__file__).resolve().parents[1]
# Debian's name first; npm's own download of a browser is never used.
NAMES = ("chromium", "chromium-browser", "google-chrome")
END_S = 20.0


class Failed(Exception):
    """The browser did not do it; the text says why."""


def path() -> str | None:
    """Where a Chromium is, None when there is none."""
    return next((found for name in NAMES if (found := shutil.which(name))), None)


class Browser:
    """One page at a time; each `open` is a browser that has seen nothing yet."""

    def __init__(self) -> None:
        self._child = subprocess.Popen(
            [node(), str(ROOT / "sim/browser.mjs"), path() or NAMES[0]],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _type: type[BaseException] | None,
        _error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        self._child.communicate(timeout=END_S)

    def open(
        self,
        url: str,
        width: int,
        *,
        height: int = 844,
        language: str = "zh",
        script: bool = True,
        scheme: str = "light",
    ) -> int:
        """The answer's code; what is loaded from elsewhere is a problem."""
        code: int = self._do(
            "open",
            url=url,
            width=width,
            height=height,
            language=language,
            script=script,
            scheme=scheme,
        )
        return code

    def go(self, url: str) -> int:
        code: int = self._do("go", url=url)
        return code

    def run(self, expression: str) -> Any:
        """The value of a JavaScript expression."""
        return self._do("run", expression=expression)

    def until(self, expression: str) -> None:
        """Wait until the expression is true."""
        self._do("until", expression=expression)

    def text(self, selector: str) -> str:
        return str(self._do("text", selector=selector))

    def fill(self, selector: str, text: str) -> None:
        self._do("fill", selector=selector, text=text)

    def click(self, selector: str) -> None:
        self._do("click", selector=selector)

    def shot(self, file: Path, *, whole: bool = True) -> None:
        """A picture of the whole page, or of what a screen holds of it."""
        self._do("shot", path=str(file), whole=whole)

    @property
    def problems(self) -> list[str]:
        """What went to the console since `open`, and what was asked of others."""
        return list(self._do("problems"))

    def _do(self, what: str, **values: Any) -> Any:
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write(json.dumps({"do": what, **values}) + "\n")
        self._child.stdin.flush()
        line = self._child.stdout.readline()
        answer = json.loads(line) if line else {"error": "the browser is gone"}
        if "error" in answer:
            raise Failed(answer["error"])
        return answer["value"]
