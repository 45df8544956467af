"""The parts of a unit, made from its configuration and put together."""

import logging
import platform
import sqlite3
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from daemon import VERSION, access, control, extras
from daemon.case.rules import Rules
from daemon.config import Config
from daemon.config.window import NO_PIN, Window
from daemon.control import Control
from daemon.dialects import dialect
from daemon.disk.journal import Journal
from daemon.disk.secret import secret
from daemon.disk.store import Store
from daemon.errors import DaemonError
from daemon.events import PanelDrew
from daemon.front.panel import Panel
from daemon.inbox import Inbox
from daemon.loop import Loop, Parts
from daemon.net.uplink import Uplink
from daemon.page.loglines import LogLines
from daemon.page.machine import look
from daemon.page.material import About
from daemon.page.page import Page
from daemon.privacy import born_before, concealer
from daemon.setup import Identity, Outputs, QueueLine, Setup
from daemon.signers import PublicKey
from daemon.status import status
from daemon.supervisor import Supervisor
from daemon.wallclock import WallClock, boot_id, boottime_ms
from daemon.wire.ports import Port
from protocol.bundle import Bundle, BundleError
from protocol.bundle import read as read_bundle
from protocol.central.entry import Source
from protocol.central.signing import KeyUnreadable, SigningKey, VerifyKey

log = logging.getLogger(__name__)

PAD_BAUD = 115200
GOODBYE_S = 1.0


class Assembly:
    """Every worker and the loop they serve; `start`, run the loop, `stop`."""

    def __init__(self, settings: Config, inbox: Inbox, lines: LogLines) -> None:
        self._database = settings.store.database
        key, platform_key = keys(settings)
        wall_clock = WallClock(settings.clock.trust, settings.clock.server_error_ms)
        panels = _panels(settings, wall_clock, inbox)
        # First of all: opening a long journal takes seconds, and somebody may stand before them.
        for panel in panels.values():
            panel.start()
        journal = Journal(self._database, source(settings), key)
        self._store = Store(
            journal,
            inbox.post,
            inbox.died,
            keep_days=settings.store.keep_days,
            ballast_len=settings.store.ballast_len,
        )
        self._uplink = _uplink(settings, platform_key, wall_clock, inbox)
        self.page = Page(
            settings.page,
            _about(settings, lines),
            {number: panel.png for number, panel in panels.items()},
            self._store.read,
            inbox.died,
        )
        voice = extras.speaker(settings, inbox.died)
        self._lamps = extras.lamps(settings, wall_clock, voice, inbox.died)
        answering = Control(
            self._database,
            partial(status, settings, self.page, self._uplink, panels, self._lamps),
            self._store.read,
            self.page.bundle,
            inbox.post,
            inbox.died,
        )
        self._tracing = extras.tracing(settings, inbox.died)
        make = extras.maker(self._tracing)
        setup, conceal = _setup(settings, key), _concealer(self._database, key)
        # What a rating needs to be recorded and delivered; a display that hangs costs neither.
        self.supervisor = Supervisor((self._store, self._uplink))
        self._workers = (
            self._store,
            self._uplink,
            *([] if voice is None else [voice]),
            *self._lamps.values(),
            self.page,
            answering,
        )
        core = make(
            boottime_ms(),
            setup,
            [dialect(settings.signal, line.windows, conceal) for line in setup.lines],
            journal.restored,
        )
        parts = Parts(
            pads={window.number: Port(window.pad, PAD_BAUD) for window in settings.windows},
            terminals=[Port(line.port, settings.signal.baud) for line in setup.lines],
            panels=panels,
            lamps=self._lamps,
            store=self._store,
            uplink=self._uplink,
            page=self.page,
            control=answering,
            wall_clock=wall_clock,
            inbox=inbox,
            supervisor=self.supervisor,
        )
        self.loop = Loop(core, parts)

    def start(self) -> None:
        for worker in self._workers:
            worker.start()
        if self._tracing is not None:
            self._tracing.start()

    def end_trace(self) -> None:
        """Write what the trace still holds; also of a run that ends by an error of its own."""
        if self._tracing is not None:
            self._tracing.stop(GOODBYE_S)

    def darken(self) -> None:
        """Leave no lamp lit and no buzzer sounding."""
        for lamp in self._lamps.values():
            lamp.stop(GOODBYE_S)

    def stop(self) -> None:
        """Say goodbye to the broker, finish with the disk."""
        self._uplink.stop(GOODBYE_S)
        self._store.stop()
        control.socket_path(self._database).unlink(missing_ok=True)


def source(settings: Config) -> Source:
    """Who this unit is to the platform."""
    unit = settings.unit
    return Source(unit.area, unit.hall, unit.unit)


def keys(settings: Config) -> tuple[SigningKey, VerifyKey]:
    """The unit's own key and the platform's; whatever is wrong with one, what to do."""
    own, platforms = settings.unit.signing_key, settings.uplink.platform_key
    trouble = access.of_signing_key(settings)
    if trouble is not None:
        raise DaemonError(trouble)
    try:
        signing_key = SigningKey.load(own)
    except KeyUnreadable as error:
        raise DaemonError(
            f"{error}; a unit's key is made on the unit: `provision unit request` does it, or "
            f"openssl genpkey -algorithm ed25519 -out {own}"
        ) from error
    try:
        return signing_key, VerifyKey.load(platforms)
    except KeyUnreadable as error:
        raise DaemonError(
            f"{error}; the platform's public key comes from the platform: "
            "openssl pkey -in platform.pem -pubout"
        ) from error


def bundle(settings: Config) -> Bundle | None:
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


def _panels(settings: Config, wall_clock: WallClock, inbox: Inbox) -> dict[str, Panel]:
    return {
        window.number: Panel(
            settings.panel,
            inbox.died,
            address=window.display_address,
            looks=settings.pad.looks,
            utc_ms=wall_clock.utc_ms,
            drew=partial(_drew, inbox, window.number),
        )
        for window in settings.windows
    }


def _drew(inbox: Inbox, window: str, ok: bool) -> None:
    inbox.post(PanelDrew(window, ok))


def _uplink(
    settings: Config, platform_key: VerifyKey, wall_clock: WallClock, inbox: Inbox
) -> Uplink:
    return Uplink(
        settings.uplink,
        source(settings),
        {platform_key.kid: platform_key},
        inbox.post,
        inbox.died,
        is_clock_set=lambda: wall_clock.read().synced,
    )


def _setup(settings: Config, key: SigningKey) -> Setup:
    case, pad = settings.case, settings.pad
    ports = dict.fromkeys(window.signal for window in settings.windows)
    return Setup(
        identity=Identity(
            source=str(source(settings)),
            boot_id=boot_id(),
            versions=_programs(),
            config_hash=settings.digest,
            key=PublicKey(key.kid, key.public.to_text()),
        ),
        lines=tuple(
            QueueLine(
                port=port,
                windows=tuple(one.number for one in settings.windows if one.signal == port),
            )
            for port in ports
        ),
        rules=Rules(
            keys=pad.keys,
            key_table=pad.key_table,
            prompt_ms=case.prompt_ms,
            correction_ms=case.correction_ms,
            not_public_hold_ms=case.not_public_hold_ms,
            reasons=settings.reasons.asked,
        ),
        looks=pad.looks,
        bundle=_offered(settings),
        qr=settings.panel.qr,
        outputs={window.number: _outputs(settings, window) for window in settings.windows},
    )


def _outputs(settings: Config, window: Window) -> Outputs:
    lamp = settings.lamp
    has_pins = lamp.kind == "gpio"
    return Outputs(
        display=settings.panel.display != "none",
        lamp=has_pins and window.lamp_pin != NO_PIN,
        buzzer=has_pins and window.buzzer_pin != NO_PIN and lamp.buzzer != "none",
    )


def _programs() -> dict[str, str]:
    return {
        "daemon": VERSION,
        "python": platform.python_version(),
        "sqlite": sqlite3.sqlite_version,
    }


def _about(settings: Config, lines: LogLines) -> About:
    return About(
        programs=_programs(),
        config=settings.path,
        config_hash=settings.digest,
        look=partial(look, settings.store.database, time.monotonic()),
        log=lines,
    )


def _offered(settings: Config) -> Bundle | None:
    """As `bundle`; a file that cannot be offered keeps no window from its ratings."""
    try:
        return bundle(settings)
    except DaemonError as error:
        log.error("no firmware is offered to the pad: %s", error)
        return None


def _concealer(database: Path, key: SigningKey) -> Callable[[str], str]:
    """Replaces a case key that bears an ID number, by a secret of this unit."""
    today = datetime.now(UTC)
    # Ed25519 signatures are deterministic: a secret of this unit alone, the same at each start.
    return concealer(
        secret(database, lambda: key.sign(b"hcp: concealed case keys v1")),
        born_before(int(today.strftime("%Y%m%d"))),
    )
