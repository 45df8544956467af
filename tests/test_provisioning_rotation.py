"""Keys are exchanged while people rate: nothing is lost, nothing speaks with the old ones."""

import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from provisioning.unit.machine import SIGNING_KEY, TLS
from sim.besieged import BesiegedUnit
from sim.laptop import Laptop
from sim.platforms import Platform
from sim.siege import Siege
from sim.units import VirtualHall, VirtualUnit

SEED = 20261129
# A prompt outlasts a reload on a busy machine, and each case ends with its press.
RULES = {"# prompt_s = 30.0": "prompt_s = 60.0", "# correction_s = 3.0": "correction_s = 0.0",
         "# not_public_hold_s = 1.2": "not_public_hold_s = 0.0"}  # fmt: skip


def set_rules(unit: VirtualUnit) -> None:
    path = unit.at("/etc/haochaping/daemon.toml")
    text = path.read_text("utf-8")
    for old, new in RULES.items():
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path.write_text(text, "utf-8")


def secret(unit: VirtualUnit, path: str) -> bytes:
    """The first line of a private key: it holds the beginning of what nobody may know."""
    return unit.at(path).read_text("ascii").splitlines()[1].encode()


@pytest.mark.needs("mosquitto_pub")
@pytest.mark.promise
def test_keys_rotated_while_cases_go_on_then_each_has_its_record_and_the_old_keys_are_out(
    tmp_path: Path, promise: Callable[..., None], scale: int
) -> None:
    rotation_count = max(1, min(30, scale // 2))
    with (
        VirtualHall(tmp_path / "hall", {"w03": "3", "w04": "4"}) as hall,
        Platform(tmp_path / "platform") as platform,
    ):
        unit, laptop = hall["w03"], Laptop(tmp_path / "laptop", hall, platform)
        set_rules(unit)
        laptop.found()
        laptop.run("unit", "enrol", "--all")
        secrets = [secret(unit, TLS), secret(unit, SIGNING_KEY)]
        (tmp_path / "old.pem").write_bytes(unit.at(TLS).read_bytes())
        siege = Siege(BesiegedUnit(unit, platform), SEED)
        is_rotated = threading.Event()
        troubles: list[str] = []

        def rotate() -> None:
            try:
                for index in range(rotation_count):
                    how = [] if index % 2 else ["--signing"]
                    laptop.run("unit", "rotate", "w03", *how)
                    secrets.extend((secret(unit, TLS), secret(unit, SIGNING_KEY)))
            except AssertionError as error:
                troubles.append(str(error))
            finally:
                is_rotated.set()

        rotating = threading.Thread(target=rotate)
        rotating.start()
        while not is_rotated.is_set() or len(siege.expected) < 3:
            siege.serve()
        rotating.join()
        siege.serve()
        verdict = siege.deliver()
        assert troubles == []
        assert verdict.good, verdict
        verified = subprocess.run(
            [sys.executable, "-m", "central", "verify", "--config", str(platform.centre.config)],
            capture_output=True, timeout=60, check=False,
        )  # fmt: skip
        assert verified.returncode == 0, verified.stdout
        # The broker knows the old certificate, and the new one.
        assert not speaks(platform, tmp_path / "old.pem", platform.authority)
        assert speaks(platform, unit.at(TLS), platform.authority)
        # Nothing of any key, old or new, is anywhere but on the unit.
        for folder in (laptop.folder, tmp_path / "platform", hall["w04"].root):
            for path in folder.rglob("*"):
                if path.is_file():
                    content = path.read_bytes()
                    assert not any(one in content for one in secrets), path
        assert all(one.decode() not in unit.log for one in secrets)
    promise("A3", "cases while keys and certificates are exchanged", len(siege.expected))
    promise("E2", "certificates exchanged under way, the old one refused", rotation_count)
    promise("E3", "private keys looked for everywhere else", len(set(secrets)))


def speaks(platform: Platform, pair: Path, authority: Path) -> bool:
    """Whether the broker lets in who holds this certificate and its key."""
    said = subprocess.run(
        ["mosquitto_pub", "-h", "127.0.0.1", "-p", str(platform.port), "--cafile", str(authority),
         "--cert", str(pair), "--key", str(pair), "-i", "330102/h01/w03",
         "-t", "hcp/v1/330102/h01/w03/up/state", "-m", "{}", "-q", "1"],
        capture_output=True, timeout=20, check=False,
    )  # fmt: skip
    return said.returncode == 0
