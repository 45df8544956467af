"""A hunt: an engine started on one target, and what it says at its end. Real I/O."""

import re
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from importlib.util import find_spec
from pathlib import Path

from sim.fuzz.catalogue import find

# An input that takes so long stalls whoever reads it, also where many tests share a core; one that
# takes so much memory, too. An engine on the frames of the pad has 48 MB.
INPUT_S_MAX = 20
MEMORY_MB_MAX = 512
# After its time an engine finishes the input it is at, and writes its figures.
LATE_S_MAX = 120
# How much of an engine's last words is shown with a finding: the whole trace.
WORDS_LEN_MAX = 4000

# What texts are made of and chance seldom makes: libFuzzer puts it into inputs here and there.
DICTIONARY = (
    "null", "true", "-1", "1e999", "0.5", "9007199254740992", "18446744073709551616", "é", "评",
    "\\ud83d", "\\u00e9", "\\u0000", '""', "{}", "[[", "]]", "[" * 64, "]" * 64, '"""', "'" * 3,
    "\r\n", "{window}", "= {", "= [", "nan", "inf", "\0",
)  # fmt: skip

# How libFuzzer names what broke: by an exception, its time, its memory.
BROKEN = ("crash-*", "timeout-*", "oom-*")

_INPUTS = re.compile(r"stat::number_of_executed_units:\s*(\d+)")
_EDGES = re.compile(r"\bcov: (\d+)")


@dataclass(frozen=True, slots=True)
class Catch:
    """What a hunt did: inputs tried, edges of our code reached, and the input that broke it."""

    inputs: int
    edges: int
    found: bytes | None
    words: str


def is_possible() -> bool:
    """Whether the engine is installed; there is none for every machine."""
    return find_spec("atheris") is not None


def hunt(name: str, seconds: int, folder: Path, *, seed: int = 0) -> Catch:
    """Hunt for a time; `folder` keeps the inputs that reached something new, for the next hunt."""
    kept, caught = folder / "inputs", folder / "caught"
    for made in (kept, caught):
        made.mkdir(parents=True, exist_ok=True)
    for path in caught.iterdir():
        path.unlink()
    sow(kept, find(name).seeds())
    dictionary = folder / "dictionary"
    dictionary.write_text("".join(f'"{_escaped(word)}"\n' for word in DICTIONARY))
    said = subprocess.run(
        [
            sys.executable, "-m", "sim.fuzz.engine", name, str(kept),
            f"-max_total_time={seconds}", f"-seed={seed}", f"-timeout={INPUT_S_MAX}",
            f"-rss_limit_mb={MEMORY_MB_MAX}", f"-artifact_prefix={caught}/",
            f"-dict={dictionary}", "-use_value_profile=1", "-print_final_stats=1",
        ],
        capture_output=True, text=True, errors="replace", timeout=seconds + LATE_S_MAX, check=False,
    )  # fmt: skip
    words = said.stdout + said.stderr
    inputs, edges = _INPUTS.search(words), _EDGES.findall(words)
    broken = (path for form in BROKEN for path in caught.glob(form))
    found = next((path.read_bytes() for path in broken), None)
    if found is None and (said.returncode or inputs is None or not edges):
        raise RuntimeError(f"the engine of {name} ended by itself:\n{words[-WORDS_LEN_MAX:]}")
    # The trace of what a target raised goes to stdout; of what took too long there is none.
    told = (said.stdout.strip() or said.stderr)[-WORDS_LEN_MAX:]
    return Catch(int(inputs[1]) if inputs else 1, int(edges[-1]) if edges else 0, found, told)


def sow(folder: Path, inputs: Iterable[bytes]) -> None:
    """Write inputs under names that say what is in them, so that each is there once."""
    for data in inputs:
        (folder / sha256(data).hexdigest()[:16]).write_bytes(data)


def _escaped(word: str) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word.encode())
