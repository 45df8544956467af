"""run: look at configuration and keys, then serve; what `python -m daemon` does by itself."""

import argparse
import ctypes
import faulthandler
import gc
import json
import logging
import os
import signal
import sys
from types import FrameType

from daemon import access, config, extras
from daemon.assembly import Assembly, bundle, keys, source
from daemon.errors import DaemonError
from daemon.front.panel import check_words
from daemon.inbox import Inbox
from daemon.net import identity
from daemon.page import certificate
from daemon.page.loglines import LogLines
from protocol.central.signing import SigningKey, VerifyKey

log = logging.getLogger("daemon")

# mallopt(3): threads that share one heap cost 0.4 MB less than one each; Python's own allocator is
# shared anyway.
M_ARENA_MAX = -8

NAME, HELP = "run", "serve the window (the default)"


def configure(parser: argparse.ArgumentParser) -> None:
    config.ask_for(parser)
    parser.add_argument(
        "--check", action="store_true", help="look at configuration and keys, start nothing"
    )


def run(arguments: argparse.Namespace) -> int:
    """Check, or serve until stopped; the exit code."""
    settings = config.load(arguments.config)
    return _check(settings) if arguments.check else _serve(settings)


def _usable(settings: config.Config) -> tuple[SigningKey, VerifyKey]:
    """The unit's key and the platform's; raises DaemonError for any file that cannot be used."""
    found = keys(settings)
    uplink, home = settings.uplink, settings.store.database.parent
    for path in (uplink.tls_ca, uplink.tls_certificate, uplink.tls_key):
        if path is not None and not os.access(path, os.R_OK):
            raise DaemonError(f"{path}: named in [uplink] and cannot be read: put it there")
    if not os.access(home, os.W_OK | os.X_OK):
        raise DaemonError(f"{home}: the journal's directory cannot be written: make it this user's")
    bundle(settings)
    check_words(settings.panel)
    extras.check(settings)
    if settings.page.tls is not None:
        certificate.load(*settings.page.tls)
    problems = access.of_files(settings)
    if problems:
        raise DaemonError("\n".join(problems))
    identity.check(uplink)
    return found


def _check(settings: config.Config) -> int:
    key, platform_key = _usable(settings)
    problems = access.of_devices(settings)
    if problems:
        raise DaemonError("\n".join(problems))
    print(f"{settings.path}: good; signing key {key.kid}, platform key {platform_key.kid}")
    unit = {
        "source": str(source(settings)),
        "windows": [window.number for window in settings.windows],
        "keys": [{"kid": key.kid, "public": key.public.to_text()}],
    }
    print(f"for the centre's registry: {json.dumps(unit)}")
    return 0


def _serve(settings: config.Config) -> int:
    logging.basicConfig(
        level=logging.INFO, stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )
    libc = ctypes.CDLL(None)
    libc.mallopt(M_ARENA_MAX, 1)
    inbox, lines = Inbox(), LogLines()
    logging.getLogger().addHandler(lines)
    # The watchdog ends a process that hangs by SIGABRT: the log then says where each thread was.
    faulthandler.enable()
    for problem in access.of_files(settings):
        log.warning("access trouble=%r", problem)
    unit = Assembly(settings, inbox, lines)
    ends = reloads = False

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal ends
        ends = True
        unit.loop.stop(signal.Signals(number).name)

    def reload() -> None:
        nonlocal reloads
        if ends:
            return
        try:
            _usable(config.load(settings.path))
        except DaemonError as error:
            log.error("the configuration stays as it is: %s", error)
        else:
            unit.loop.stop(signal.SIGHUP.name)
            reloads = True

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    signal.signal(signal.SIGHUP, lambda *_: unit.loop.call(reload))
    unit.start()
    # What start-up needed goes back to the system; what it made stays for good, and the collector
    # need not look at it again.
    gc.collect()
    libc.malloc_trim(0)
    gc.freeze()
    log.info("serving source=%s page=%s", source(settings), unit.page.url)
    try:
        code = unit.loop.run()
    finally:
        unit.darken()
        unit.end_trace()
    reloads = reloads and not ends and code == os.EX_OK
    if reloads:
        unit.supervisor.reloading()
    else:
        unit.supervisor.stopping()
    unit.stop()
    log.info("stopped code=%d", code)
    if reloads:
        # The same process anew: an open prompt is in the store, the pad keeps what is pressed.
        os.execv(sys.executable, sys.orig_argv)
    return code
