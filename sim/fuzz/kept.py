"""What was found once: a file for each input, under the name of its target."""

from hashlib import sha256
from pathlib import Path

CORPUS = Path(__file__).resolve().parents[2] / "tests" / "corpus"


def inputs(name: str) -> dict[str, bytes]:
    """Each input that once broke this target, by the name of its file."""
    return {path.name: path.read_bytes() for path in sorted((CORPUS / name).glob("*"))}


def keep(name: str, data: bytes) -> Path:
    """Keep an input for good; the file it is in."""
    path = CORPUS / name / sha256(data).hexdigest()[:12]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path
