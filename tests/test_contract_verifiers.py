"""Journals checked without our code: the page's programs as printed, and an independent verifier.

Each must accept the examples and refuse every tampering, down to a single character.
"""

import json
import random
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = ROOT / "protocol" / "central" / "examples"
VERIFIER = ROOT / "tests" / "verifier.mjs"
JOURNAL = (EXAMPLES / "journal.jsonl").read_text("utf-8").splitlines()
ATTACKS = [
    json.loads(line) for line in (EXAMPLES / "tampered.jsonl").read_text("utf-8").splitlines()
]
# One attack for each thing that may be found; the receipt's are not for programs without one.
ONE_OF_EACH = list({row["problem"]: row for row in ATTACKS if "receipt" not in row}.values())
FLIP_COUNT = 20
LANGUAGES = {"sh": "verify.sh", "java": "Verify.java", "go": "verify.go", "js": "verify.mjs"}
ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"  # base64url
IN_ONE_PROCESS = """
import { readFileSync } from "node:fs";
import { firstProblem, loadKey, newState } from "./tests/verifier.mjs";
const { key, journal, edits } = JSON.parse(readFileSync(0, "utf8"));
const unit = loadKey(key);
const problems = edits.map(([index, line]) => {
  const lines = [...journal.slice(0, index), line].map((text) => Buffer.from(text));
  return firstProblem(lines, unit, newState());
});
console.log(JSON.stringify(problems));
"""

Check = Callable[..., subprocess.CompletedProcess[str]]


def printed(language: str) -> str:
    """The one program in a language on the page."""
    page = (ROOT / "docs" / "platform.md").read_text("utf-8")
    (program,) = re.findall(rf"^```{language}\n(.*?)^```$", page, re.M | re.S)
    return str(program)


def run(*command: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=120)


def built(language: str, folder: Path) -> list[str]:
    """The command that runs the page's program."""
    path = folder / LANGUAGES[language]
    path.write_text(printed(language), "utf-8")
    match language:
        case "java":
            made = run("javac", path.name, cwd=folder)
            # It lives for a moment: the second compiler and a collector's threads cost more.
            quick = ["-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC"]
            command = ["java", *quick, "-cp", str(folder), "Verify"]
        case "go":
            made = run("go", "build", "-o", "verify", path.name, cwd=folder)
            command = [str(folder / "verify")]
        case _:
            made = None
            command = [{"sh": "sh", "js": "node"}[language], str(path)]
    assert made is None or made.returncode == 0, made.stderr
    return command


@pytest.fixture(
    scope="module",
    params=[
        "sh",
        pytest.param("js", marks=pytest.mark.needs("node")),
        pytest.param("java", marks=pytest.mark.needs("java")),
        pytest.param("go", marks=pytest.mark.needs("go")),
    ],
)
def check(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Check:
    """Run the page's program on lines."""
    folder = tmp_path_factory.mktemp(request.param)
    command = built(request.param, folder)

    def checked(lines: list[str]) -> subprocess.CompletedProcess[str]:
        (folder / "given.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
        return run(*command, "given.jsonl", EXAMPLES / "unit.pem", cwd=folder)

    return checked


def test_printed_program_when_the_journal_is_genuine_then_accepts(check: Check) -> None:
    ran = check(JOURNAL)
    assert (ran.returncode, ran.stdout) == (0, f"{len(JOURNAL)} entries hold\n"), ran.stderr


def test_printed_program_when_the_journal_is_tampered_with_then_refuses(check: Check) -> None:
    for attack in ONE_OF_EACH:
        ran = check(attack["lines"])
        assert ran.returncode == 1, (attack["attack"], ran.stdout, ran.stderr)
        assert re.fullmatch(r"line \d+: .+\n", ran.stdout), (attack["attack"], ran.stderr)


def test_printed_program_when_the_text_is_written_otherwise_then_refuses(check: Check) -> None:
    signature = re.search(r',"signature":"[^"]*"', JOURNAL[0])
    assert signature is not None
    without = JOURNAL[0].replace(signature[0], "")
    moved = without.replace(',"specversion"', f'{signature[0]},"specversion"')
    unlike = to_other_form(JOURNAL[0])
    for text in (moved, unlike, JOURNAL[0] + "\r", ""):
        assert check([text]).returncode == 1, text


def to_other_form(text: str) -> str:
    """The same 64 bytes of signature in other characters: the last one has four bits to spare."""
    found = re.search(r'"signature":"([^"]*)"', text)
    assert found is not None
    last = ALPHABET[ALPHABET.index(found[1][-1]) + 1]
    return text.replace(found[1], found[1][:-1] + last)


# -- the independent verifier


def verify(folder: Path, lines: list[str], receipt: str | None = None) -> tuple[int, str]:
    """Its exit code and what it says."""
    (folder / "given.jsonl").write_text("".join(f"{line}\n" for line in lines), "utf-8")
    command: list[Any] = ["node", VERIFIER, "given.jsonl", EXAMPLES / "unit.pem"]
    if receipt is not None:
        (folder / "receipt.json").write_text(receipt, "utf-8")
        command += ["receipt.json", EXAMPLES / "platform.pem"]
    ran = run(*command, cwd=folder)
    assert ran.stderr == ""
    return ran.returncode, ran.stdout.strip()


@pytest.mark.needs("node")
def test_verifier_when_the_examples_are_genuine_then_accepts(tmp_path: Path) -> None:
    receipt = (EXAMPLES / "receipt.json").read_text("utf-8")
    said = f"{len(JOURNAL)} entries of /330102/h01/w03, 2 epochs: unbroken"
    assert verify(tmp_path, JOURNAL) == (0, said)
    assert verify(tmp_path, JOURNAL, receipt) == (0, said)


@pytest.mark.needs("node")
@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["attack"])
def test_verifier_when_tampered_with_then_names_what_we_name(
    attack: dict[str, Any], tmp_path: Path
) -> None:
    code, said = verify(tmp_path, attack["lines"], attack.get("receipt"))
    # JavaScript's reader takes a member that is there twice, and the form betrays it.
    named = {"member_said_twice": "not_canonical"}.get(attack["attack"], attack["problem"])
    assert (code, said.partition(": ")[2]) == (1, named)


@pytest.mark.needs("node")
def test_verifier_when_the_receipt_is_not_the_platforms_then_refuses_it(tmp_path: Path) -> None:
    receipt = (EXAMPLES / "receipt.json").read_text("utf-8")
    edits = (receipt.replace('"upto":4', '"upto":3'), receipt.replace("w03", "w04"))
    for forged in (*edits, "{}", "x", "null"):
        assert verify(tmp_path, JOURNAL, forged) == (1, "receipt: bad_receipt")


@pytest.mark.needs("node")
@pytest.mark.promise
def test_verifier_when_any_one_character_is_another_then_refuses(
    promise: Callable[..., None], scale: int
) -> None:
    rng = random.Random(1)
    count = FLIP_COUNT * min(20, scale)
    edits = [(index, edited(line, rng)) for index, line in enumerate(JOURNAL) for _ in range(count)]
    task = json.dumps({"key": str(EXAMPLES / "unit.pem"), "journal": JOURNAL, "edits": edits})
    ran = subprocess.run(
        ["node", "--input-type=module", "--eval", IN_ONE_PROCESS],
        cwd=ROOT, input=task, capture_output=True, text=True, timeout=60 * scale,
    )  # fmt: skip
    assert ran.returncode == 0, ran.stderr
    problems = json.loads(ran.stdout)
    wrong = [
        index
        for (index, _), problem in zip(edits, problems, strict=True)
        if not str(problem).startswith(f"line {index + 1}: ")
    ]
    what = "one character changed, seen by a verifier in another language"
    promise("E1", what, len(edits), len(wrong))


def edited(line: str, rng: random.Random) -> str:
    """The line with one character replaced."""
    at = rng.randrange(len(line))
    return line[:at] + rng.choice(ALPHABET.replace(line[at], "")) + line[at + 1 :]
