"""The unit's daemon: `python -m daemon --config FILE`, and what may be asked of a running one."""

import argparse
import gc
import json
import logging
import os
import platform
import signal
import sqlite3
import sys
from datetime import UTC, datetime
from pathlib import Path

from daemon import VERSION, config, control
from daemon.cases import Rules
from daemon.control import Control
from daemon.core import Core, Identity
from daemon.dialects import dialect
from daemon.errors import DaemonError
from daemon.firmware import Firmware
from daemon.inbox import Inbox
from daemon.journal import Journal
from daemon.loop import Loop
from daemon.page import Page
from daemon.panel import Panel
from daemon.ports import Port
from daemon.privacy import born_before, concealer
from daemon.store import Store
from daemon.uplink import Uplink
from daemon.wallclock import WallClock, boot_id, boottime_ms
from protocol.bundle import Bundle, BundleError
from protocol.bundle import read as read_bundle
from protocol.central.entry import Source
from protocol.central.signing import KeyUnreadable, SigningKey, VerifyKey

log = logging.getLogger("daemon")

EXIT_TROUBLE = 2
PAD_BAUD = 115200
GOODBYE_S = 1.0


def main(arguments: list[str] | None = None) -> int:
    """Run the command line; the exit code. Trouble is one sentence and 2."""
    asked = _parser().parse_args(arguments)
    try:
        code = _run(asked)
        # Here, not at the interpreter's end, where a reader that left is a traceback.
        sys.stdout.flush()
        return code
    except DaemonError as error:
        print(error, file=sys.stderr)
        return EXIT_TROUBLE
    except BrokenPipeError:
        # The reader of an export has enough; nothing more may be written at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return EXIT_TROUBLE


def _run(asked: argparse.Namespace) -> int:
    settings = config.load(asked.config)
    if asked.command == "status":
        return _status(settings)
    if asked.command == "export":
        return _export(settings, asked.first)
    if asked.check:
        return _check(settings)
    return _serve(settings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m daemon", description="The daemon of a window's rating pad."
    )
    parser.add_argument(
        "command",
        nargs="?",
        choices=("run", "status", "export"),
        default="run",
        help="run (the default), or ask the running daemon: status, export the journal",
    )
    parser.add_argument("--config", type=Path, required=True, metavar="FILE")
    parser.add_argument(
        "--check", action="store_true", help="look at configuration and keys, start nothing"
    )
    parser.add_argument(
        "--from",
        dest="first",
        type=int,
        default=1,
        metavar="SEQ",
        help="export: the first entry wanted (default 1)",
    )
    return parser


def _check(settings: config.Config) -> int:
    key, platform_key = _keys(settings)
    uplink, home = settings.uplink, settings.store.database.parent
    for path in (uplink.tls_ca, uplink.tls_certificate, uplink.tls_key):
        if path is not None and not os.access(path, os.R_OK):
            raise DaemonError(f"{path}: named in [uplink] and cannot be read: put it there")
    if not os.access(home, os.W_OK | os.X_OK):
        raise DaemonError(f"{home}: the journal's directory cannot be written: make it this user's")
    _bundle(settings)
    print(f"{settings.path}: good; signing key {key.kid}, platform key {platform_key.kid}")
    unit = {
        "source": str(_source(settings)),
        "keys": [{"kid": key.kid, "public": key.public.to_text()}],
    }
    print(f"for the centre's registry: {json.dumps(unit)}")
    return 0


def _status(settings: config.Config) -> int:
    for answer in control.ask(settings.store.database, {"ask": "status"}):
        print(json.dumps(answer, ensure_ascii=False, indent=2))
    return 0


def _export(settings: config.Config, first: int) -> int:
    for answer in control.ask(settings.store.database, {"ask": "export", "from": first}):
        if "error" in answer:
            raise DaemonError(answer["error"])
        print(answer["text"])
    return 0


def _keys(settings: config.Config) -> tuple[SigningKey, VerifyKey]:
    """The unit's own key and the platform's; whatever is wrong with one, what to do."""
    own, platforms = settings.unit.signing_key, settings.uplink.platform_key
    try:
        signing_key = SigningKey.load(own)
    except KeyUnreadable as error:
        raise DaemonError(
            f"{error}; a unit's key is made on the unit: "
            f"openssl genpkey -algorithm ed25519 -out {own}"
        ) from error
    try:
        return signing_key, VerifyKey.load(platforms)
    except KeyUnreadable as error:
        raise DaemonError(
            f"{error}; the platform's public key comes from the platform: "
            "openssl pkey -in platform.pem -pubout"
        ) from error


def _source(settings: config.Config) -> Source:
    unit = settings.unit
    return Source(unit.area, unit.hall, unit.unit)


def _serve(settings: config.Config) -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    source = _source(settings)
    key, platform_key = _keys(settings)
    inbox = Inbox()
    journal = Journal(settings.store.database, source, key)
    core = _core(settings, source, key, journal)
    store = Store(journal, inbox.post, inbox.died)
    uplink = Uplink(
        settings.uplink, source, {platform_key.kid: platform_key}, inbox.post, inbox.died
    )
    panel = Panel(settings.panel, inbox.died)
    page = Page(settings.page, panel.png, inbox.died)
    answering = Control(settings.store.database, lambda: page.snapshot, store.read, inbox.died)
    pad = Port(settings.windows[0].pad, PAD_BAUD)
    signal_port = Port(settings.windows[0].signal, settings.signal.baud)
    wall_clock = WallClock(settings.clock.trust)
    loop = Loop(core, pad, signal_port, wall_clock, inbox, store, uplink, panel, page)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, loop.stop)
    for worker in (store, uplink, panel, page, answering):
        worker.start()
    # What start-up made stays for good; the collector need not look at it again.
    gc.freeze()
    log.info("serving source=%s page=http://%s:%d", source, settings.page.host, page.port)
    code = loop.run()
    uplink.stop(GOODBYE_S)
    store.stop()
    control.socket_path(settings.store.database).unlink(missing_ok=True)
    log.info("stopped code=%d", code)
    return code


def _core(settings: config.Config, source: Source, key: SigningKey, journal: Journal) -> Core:
    case, pad, window = settings.case, settings.pad, settings.windows[0].number
    identity = Identity(
        source=str(source),
        boot_id=boot_id(),
        versions={
            "daemon": VERSION,
            "python": platform.python_version(),
            "sqlite": sqlite3.sqlite_version,
        },
        config_hash=settings.digest,
    )
    rules = Rules(
        window=window,
        keys=pad.keys,
        key_table=pad.key_table,
        prompt_ms=case.prompt_ms,
        correction_ms=case.correction_ms,
        not_public_hold_ms=case.not_public_hold_ms,
    )
    # Ed25519 signatures are deterministic: a secret of this unit alone, kept nowhere else.
    today = datetime.now(UTC)
    conceal = concealer(
        key.sign(b"hcp: concealed case keys v1"),
        born_before(int(today.strftime("%Y%m%d"))),
    )
    return Core(
        boottime_ms(),
        identity,
        rules,
        dialect(settings.signal, window, conceal),
        journal.restored,
        pad.looks,
        Firmware(_offered(settings)),
    )


def _offered(settings: config.Config) -> Bundle | None:
    """As `_bundle`; a file that cannot be offered keeps no window from its ratings."""
    try:
        return _bundle(settings)
    except DaemonError as error:
        log.error("no firmware is offered to the pad: %s", error)
        return None


def _bundle(settings: config.Config) -> Bundle | None:
    """The pad's firmware, if there is one to offer."""
    pad = settings.pad
    if pad.firmware is None or pad.firmware_key is None:
        return None
    try:
        return read_bundle(pad.firmware.read_bytes(), VerifyKey.load(pad.firmware_key))
    except OSError as error:
        raise DaemonError(
            f"{pad.firmware}: cannot be read ({error.strerror}): put the file there, "
            "or take `firmware` out of [pad]"
        ) from error
    except (BundleError, KeyUnreadable) as error:
        raise DaemonError(f"{pad.firmware}: {error}") from error


if __name__ == "__main__":
    sys.exit(main())
