"""A site's file: any text is one, or each mistake is a sentence."""

from collections.abc import Iterator
from pathlib import Path

from provisioning.office import settings
from provisioning.office.settings import BadSettings
from sim.fuzz.target import Target

EXAMPLE = Path(settings.__file__).with_name("site.example.toml")
SENTENCE_LEN_MAX = 300
# Python reads no number of more than 4300 digits.
LEN_MAX = 8192


def seeds() -> Iterator[bytes]:
    text = EXAMPLE.read_text("utf-8")
    yield text.encode()
    yield text.replace("\n# ", "\n").encode()
    yield b'[site]\narea = 1\n[broker]\nport = "x"\napply = [1]\n[more]\nx = {y = [[]]}\n'
    yield b"[site]\nhall = " + b"[" * 256 + b"]" * 256 + b"\ntitle = " + b"9" * 2500
    yield b"[broker]\nport = 0x" + b"f" * 3000 + b"\nhost" + b".a" * 1400 + b" = 1"


def check(data: bytes) -> None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return
    try:
        found = settings.read("hall.toml", text)
        assert found.name in found.source.replace("/", "-")
    except BadSettings as error:
        _check_sentences(error)


def _check_sentences(error: BadSettings) -> None:
    lines = str(error).splitlines()
    if not lines or any(len(line) > SENTENCE_LEN_MAX or not line.isprintable() for line in lines):
        raise AssertionError("no sentences") from error


TARGET = Target(promise="H4", what="site files", seeds=seeds, check=check, len_max=LEN_MAX)
