"""`provision pad bundle`: a file that a unit believes, or a sentence and nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

from device import firmware
from device.main import choose
from device.update import Update
from protocol.bundle import read
from protocol.central.signing import SigningKey
from protocol.pad.messages import GOING_ON, NOT_OFFERED, TAKEN, Offer, Piece
from provisioning.__main__ import main
from sim.flash import Flash, LittleFiles

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def key(tmp_path: Path) -> SigningKey:
    """The maker's key, in a file beside."""
    key = SigningKey.generate()
    key.save(tmp_path / "maker.pem")
    return key


def arguments(tmp_path: Path, **options: str) -> list[str]:
    given = {"key": str(tmp_path / "maker.pem"), "out": str(tmp_path / "pad.hcpad")} | options
    options_of = (part for name, value in given.items() for part in (f"--{name}", value))
    return ["pad", "bundle", *options_of]


def test_command_then_makes_a_bundle_of_the_firmware_in_this_tree(
    tmp_path: Path, key: SigningKey, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "pad.hcpad").write_text("the one from before")
    assert main(arguments(tmp_path)) == 0
    raw = (tmp_path / "pad.hcpad").read_bytes()
    bundle = read(raw, key.public)
    assert (bundle.release, bundle.release_min) == (firmware.RELEASE, 1)
    said = (
        f"{tmp_path}/pad.hcpad: release {firmware.RELEASE}, firmware {bundle.firmware.hex()}, "
        f"{len(raw)} bytes, signed with {key.kid}\n"
    )
    assert capsys.readouterr() == (said, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["maker.pem", "pad.hcpad"]


def test_bundle_of_this_tree_then_taken_by_a_pad_which_has_its_digest(
    tmp_path: Path, key: SigningKey
) -> None:
    assert main(arguments(tmp_path)) == 0
    bundle = read((tmp_path / "pad.hcpad").read_bytes(), key.public)
    files = LittleFiles(Flash(), fresh=True)
    update = Update(files, "/a", NOT_OFFERED)
    offer = Offer(1, 0, bundle.digest, bundle.manifest_len, len(bundle.stream))
    while update.heard(offer, False) == GOING_ON:
        update.heard(Piece(1, 0, update.offset, bundle.piece(update.offset)), False)
    assert update.state == TAKEN
    assert choose(files, 0) == ("/a", True)
    assert firmware.digest(files, "/a") == bundle.firmware
    for path in firmware.FILES:
        with files.open(f"/a/{path}", "rb") as file:
            assert file.read() == (ROOT / path).read_bytes()


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            {"key": "{}/none.pem"},
            "{0}/none.pem: No such file or directory\nnext: a maker's key is made once: "
            "openssl genpkey -algorithm ed25519 -out {0}/none.pem",
        ),
        (
            {"key": "{}/text"},
            "{0}/text: no unencrypted PEM block 'PRIVATE KEY' in it\n"
            "next: a maker's key is made once: openssl genpkey -algorithm ed25519 -out {0}/text",
        ),
        (
            {"release-min": "65535"},
            "the least release to come from, 65535, is no number from 1 to its own release, "
            f"{firmware.RELEASE}: make it again with `provision pad bundle`",
        ),
        (
            {"out": "{}/none/pad.hcpad"},
            "{}/none/pad.hcpad: cannot be written (No such file or directory): "
            "make room, or name another place",
        ),
        (
            {"out": "{}/folder"},
            "{}/folder: cannot be written (Is a directory): make room, or name another place",
        ),
    ],
)
def test_command_that_cannot_do_it_then_one_sentence_and_nothing_left_behind(
    tmp_path: Path,
    key: SigningKey,
    capsys: pytest.CaptureFixture[str],
    options: dict[str, str],
    sentence: str,
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "text").write_text("no key")
    given = {name: value.format(tmp_path) for name, value in options.items()}
    assert main(arguments(tmp_path, **given)) == 2
    assert capsys.readouterr() == ("", f"error: no bundle was made: {sentence.format(tmp_path)}\n")
    names = sorted(path.name for path in tmp_path.iterdir())
    assert names == ["folder", "maker.pem", "text"]


def test_command_without_its_options_then_says_how_it_is_used() -> None:
    command = [sys.executable, "-m", "provisioning", "pad", "bundle"]
    ran = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (ran.returncode, ran.stdout) == (2, "")
    assert ran.stderr.startswith("Usage: provision pad bundle")
