"""`python -m provisioning.bundle`: the firmware in this tree as one signed file for units."""

import argparse
import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from device import firmware
from protocol.bundle import BundleError, build, read
from protocol.central.signing import KeyUnreadable, SigningKey
from protocol.pad import VERSION

ROOT = Path(firmware.__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the file and say what it is; 2 when that cannot be done, and why in one sentence."""
    asked = _parser().parse_args(arguments)
    try:
        key = SigningKey.load(asked.key)
        files = {path: (ROOT / path).read_bytes() for path in firmware.FILES}
        raw = build(files, firmware.RELEASE, asked.release_min, VERSION, key)
        _write(asked.out, raw)
    except KeyUnreadable as error:
        made = f"openssl genpkey -algorithm ed25519 -out {asked.key}"
        sys.stderr.write(f"no bundle was made: {error}; a maker's key is made once: {made}\n")
        return 2
    except BundleError as error:
        sys.stderr.write(f"no bundle was made: {error}\n")
        return 2
    bundle = read(raw, key.public)
    sys.stdout.write(
        f"{asked.out}: release {bundle.release}, firmware {bundle.firmware.hex()}, "
        f"{len(raw)} bytes, signed with {key.kid}\n"
    )
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m provisioning.bundle", description=__doc__)
    parser.add_argument("--key", type=Path, required=True, help="the maker's private key, PEM")
    parser.add_argument("--out", type=Path, required=True, help="the file to make")
    parser.add_argument(
        "--release-min",
        type=int,
        default=1,
        metavar="N",
        help="the least release of a pad that may take it over the line (default: %(default)s)",
    )
    return parser


def _write(path: Path, raw: bytes) -> None:
    """All of it or nothing, whatever happens meanwhile."""
    aside = path.with_name(path.name + ".new")
    try:
        with aside.open("wb") as file:
            file.write(raw)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            aside.unlink()
        raise BundleError(
            f"{path}: cannot be written ({error.strerror}): make room, or name another place"
        ) from error


if __name__ == "__main__":
    sys.exit(main())
