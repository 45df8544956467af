"""The daemon's process while its uplink is away, in trouble or catching up: nothing waits for it.

A real process on a real journal, with a pad and a terminal on pseudo terminals. A backlog is
written by daemon.disk.journal itself before the process starts: the same seals, the same commits.
"""

import contextlib
import datetime as dt
import json
import queue
import re
import select
import socket
import ssl
import threading
import time
import urllib.request

import pytest
from paho.mqtt.client import Client
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion

from daemon.disk.journal import Journal
from protocol.central import chain, receipts, topics
from protocol.central.entry import Draft, Stamp, digest
from protocol.central.signing import SigningKey
from sim.authority import Authority
from sim.brokers import Mosquitto
from sim.clerk import Clerk
from sim.demo import premises
from sim.demo.premises import SOURCE
from sim.desk import RULES, Desk
from sim.lying_broker import PUBACK, SILENT, Lies, LyingBroker, packet
from sim.pads import VirtualPad
from sim.processes import Process, free_port, module
from sim.wire import Wire

DEADLINE_S = 30.0
LOOK_S = 0.002
SERVE_S = 0.1
LOOPBACK = "127.0.0.1"
DAY = dt.date(2026, 11, 23)
TIME = "2026-11-23T08:00:00.000Z"
RECEIPT_TOPIC = topics.down(SOURCE, topics.RECEIPT)
# One commit of the backlog.
PAGE = 500
# What the platform reads before it signs, as the centre does.
BATCH_COUNT_MAX = 256
# A press is acknowledged after its commit, 3 ms on an idle machine; this one runs other tests too.
ACK_MS_MAX = 1000
# Goodbye, the stopped entry's commit and the interpreter's own end.
STOP_S_MAX = 3.0
# What a drain may add to the process: two windows of 1.5 KiB entries and the allocator's slack.
GROWTH_KIB_MAX = 8 * 1024


def wait(is_true, what, timeout_s=DEADLINE_S):
    """Until it is so; a look is cheaper than anything that is waited for."""
    until_s = time.monotonic() + timeout_s
    while not is_true():
        assert time.monotonic() < until_s, f"waited in vain until {what}"
        time.sleep(LOOK_S)


class Window:
    """A window with its daemon as a process; `port` is where it looks for a broker."""

    def __init__(self, directory, port, *, host=LOOPBACK, tls_ca=None):
        self.directory, self._page = directory, free_port()
        rules = premises.Rules(correction_s=0.0, not_public_hold_s=0.0)
        ports = premises.Ports(broker=port, unit_to_broker=port, page=self._page)
        site = premises.prepare(directory, rules, ports, protocol=5)
        text = site.unit_config.read_text().replace("redial_s = 4.0", "redial_s = 1.0")
        text = text.replace(f'broker = "{LOOPBACK}"', f'broker = "{host}"')
        if tls_ca is not None:
            text = text.replace("[clock]", f'tls_ca = "{tls_ca}"\n[clock]')
        site.unit_config.write_text(text)
        self.key = SigningKey.load(directory / "signing.pem")
        self.platform_key = SigningKey.load(directory / "platform.pem")
        self.epoch = ""
        self.pad_wire, self.signal_wire = Wire(directory / "pad"), Wire(directory / "signal")
        self.pad = VirtualPad(self.pad_wire)
        self.clerk = Clerk(self.signal_wire.write, window=premises.WINDOW, day=DAY)
        argv = module("daemon", "--config", str(site.unit_config))
        self.unit = Process(argv, log=directory / "daemon.log")

    def fill(self, count):
        """Write a backlog: ratings nobody has a receipt for."""
        data, stamp = rating(), Stamp("backlog", 1, None, False, None)
        with Journal(self.directory / "journal.db", SOURCE, self.key) as journal:
            for first in range(1, count + 1, PAGE):
                seqs = range(first, min(count + 1, first + PAGE))
                journal.commit(
                    tuple(Draft(seq, "rating", "backlog", data, stamp) for seq in seqs), {}
                )
            self.epoch = journal.restored.epoch

    def __enter__(self):
        with contextlib.ExitStack() as stack:
            stack.callback(self.pad_wire.close)
            stack.callback(self.signal_wire.close)
            self.pad.start()
            stack.callback(self.pad.stop)
            self.unit.start()
            stack.callback(self.unit.stop)
            wait(self.is_serving, "the daemon serves")
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_):
        self._stack.close()

    def status(self):
        address = f"http://{LOOPBACK}:{self._page}/status.json"
        try:
            with urllib.request.urlopen(address, timeout=DEADLINE_S) as answer:
                return json.load(answer)
        except OSError:
            return None

    def is_serving(self):
        status = self.status()
        return status is not None and (
            status["windows"][0]["pad"]["state"] == "up" and status["signals"][0]["state"] == "open"
        )

    def uplink(self):
        return self.status()["uplink"]

    def ask(self):
        """A case is completed; the pad asks for a rating."""
        before = self.pad.prompt_id
        self.clerk.call()
        self.clerk.complete()
        wait(lambda: self.pad.prompt_id not in (0, before), "the pad asks")

    def press(self):
        """A finger on a key; the press, once it is acked."""
        count = len(self.pad.presses)
        wait(lambda: self.pad.untouched, "the last finger is gone")
        key = count % 5 + 1
        self.pad.down(key)
        wait(lambda: len(self.pad.presses) > count, "the press is accepted")
        self.pad.up(key)
        press = self.pad.presses[count]
        wait(lambda: press.acked_s is not None, "the press is acked")
        return press

    def rate(self):
        self.ask()
        return self.press()

    def stop_s(self):
        """How long it takes to stop it."""
        asked_s = time.monotonic()
        self.unit.stop()
        return time.monotonic() - asked_s

    def rss_kib(self):
        with open(f"/proc/{self.unit.pid}/status") as status:
            return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def rating():
    """The data of a rating as a real window writes it."""
    desk = Desk()
    desk.say("called", ticket="A001", ticketSerial="20261123-1-A001")
    desk.say("completed", projectNo="BJ202611230001", serviceNumber=1)
    desk.press(2)
    desk.run(RULES.correction_ms)
    data = dict(desk.ratings[0])
    del data["stamp"]
    return data


class Platform(threading.Thread):
    """Hears every entry and signs a receipt for what is below its first hole, batch by batch.

    Its memory outlives the broker, as the centre's database does.
    """

    def __init__(self, port, window):
        super().__init__(name="platform", daemon=True)
        self._port, self._window = port, window
        self.texts = {}
        self.at_s = {}
        self.order = []
        self._repeated = False
        self.receipts = []
        self.health = queue.Queue()
        self.upto = 0
        self.online_s = None
        self._leaving = threading.Event()

    def run(self):
        while not self._leaving.is_set():
            client = Client(
                CallbackAPIVersion.VERSION2, "platform", protocol=MQTTProtocolVersion.MQTTv5,
                reconnect_on_failure=False,
            )  # fmt: skip
            client.on_connect = _subscribe
            client.on_message = self._heard
            with contextlib.suppress(OSError):
                client.connect(LOOPBACK, self._port)
                self._serve(client)
            self._leaving.wait(LOOK_S)

    def _serve(self, client):
        while not self._leaving.is_set() and (connection := client.socket()) is not None:
            writing = [connection] if client.want_write() else []
            if connection in select.select([connection], writing, [], SERVE_S)[0]:
                count = len(self.order)
                while len(self.order) - count < BATCH_COUNT_MAX and _is_readable(client):
                    client.loop_read()
                self._receipt(client)
            if client.want_write():
                client.loop_write()
            client.loop_misc()
        client.disconnect()

    def _heard(self, _client, _data, message):
        name = message.topic.rpartition("/")[2]
        if name == topics.STATE:
            self.online_s = time.monotonic()
        elif name == topics.HEALTH:
            self.health.put(json.loads(message.payload))
        else:
            text = message.payload.decode()
            seq = int(re.search(r'"sequence":"([0-9]{20})"', text)[1])
            if self.texts.setdefault(seq, text) != text:
                raise AssertionError(f"two texts for {seq}")
            if seq in self.at_s:
                self._repeated = True
            else:
                self.at_s[seq] = time.monotonic()
                self.order.append(seq)

    def _receipt(self, client):
        upto = self.upto
        while upto + 1 in self.texts:
            upto += 1
        if upto > self.upto or self._repeated:
            # What comes again was not receipted as far as the unit knows.
            self.receipts += [upto] if upto > self.upto else []
            self.upto, self._repeated = upto, False
            hash_, epoch = digest(self.texts[upto]), self._window.epoch
            text = receipts.make(self._window.platform_key, SOURCE, epoch, upto, hash_, TIME)
            client.publish(RECEIPT_TOPIC, text, qos=1, retain=True)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._leaving.set()
        self.join(DEADLINE_S)

    def ratings_after(self, seq):
        """When each rating behind `seq` arrived, in the order of the journal."""
        ours = (one for one in sorted(self.texts) if one > seq)
        return [self.at_s[one] for one in ours if '"type":"hcp.rating.v1"' in self.texts[one]]

    def verified(self):
        """Whether what arrived is the journal: whole, chained and signed by this unit."""
        texts = [self.texts[seq] for seq in sorted(self.texts)]
        report = chain.verify(texts, {self._window.key.kid: self._window.key.public}, SOURCE)
        return not list(report.problems)


def _subscribe(client, *_):
    client.subscribe("hcp/v1/+/+/+/up/+", qos=1)


def _is_readable(client):
    connection = client.socket()
    return connection is not None and bool(select.select([connection], [], [], 0)[0])


def live_ms(platform, presses, backlog):
    """From the pad's ack to the platform, for each of the presses."""
    arrived_s = platform.ratings_after(backlog)
    return [(at_s - press.acked_s) * 1000 for at_s, press in zip(arrived_s, presses, strict=True)]


def delivered(window, platform):
    """Until the unit has a receipt for all that it holds."""
    uplink = window.uplink()
    return uplink["backlog"] == 0 and uplink["delivered"] == platform.upto


# -- a backlog


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
def test_backlog_drains_in_order_and_live_ratings_do_not_wait_for_it(tmp_path, promise, scale):
    count = 2000 if scale == 1 else 20_000
    broker = Mosquitto()
    window = Window(tmp_path, broker.port)
    window.fill(count)
    with window:
        # Asked before, so that the press falls into the drain on any machine.
        window.ask()
        with broker, Platform(broker.port, window) as platform:
            wait(lambda: platform.order, "the backlog begins to arrive")
            begun_s = min(platform.at_s.values())
            presses = [window.press()]
            while platform.upto < count:
                presses.append(window.rate())
            drained_s = max(platform.at_s[seq] for seq in range(1, count + 1)) - begun_s
            wait(lambda: delivered(window, platform), "all is delivered")
            late_ms = live_ms(platform, presses, count)
            health = platform.health.get(timeout=DEADLINE_S)
            overtaken = window.uplink()["overtaken"]
    assert [seq for seq in platform.order if seq <= count] == list(range(1, count + 1))
    assert platform.receipts == sorted(set(platform.receipts))
    assert platform.verified()
    assert overtaken > 0
    assert (health["source"], health["head"]["epoch"]) == (str(SOURCE), window.epoch)
    # The bench, alone on the machine, holds the seconds that 20 000 may take.
    slow = sum(one > 2000 for one in late_ms) if scale > 1 else 0
    figures = f"{count / drained_s:.0f}/s, live in {max(late_ms):.0f} ms at most"
    promise("G2", f"backlog drained: {figures}", count, slow)


@pytest.mark.needs("mosquitto")
@pytest.mark.promise
def test_broker_that_forgets_everything_costs_nothing(tmp_path, promise, scale):
    count = 2000 if scale == 1 else 50_000
    broker = Mosquitto()
    window = Window(tmp_path, broker.port)
    window.fill(count)
    with window, Platform(broker.port, window) as platform:
        presses = [window.rate()]
        broker.start()
        with contextlib.ExitStack() as stack:
            stack.callback(broker.stop)
            wait(lambda: platform.upto > count // 10, "a tenth has arrived")
            before_kib = window.rss_kib()
            wait(lambda: platform.upto > count // 2, "half has arrived")
            broker.kill()
            presses.append(window.rate())
            broker.start()
            wait(lambda: delivered(window, platform), "all is delivered", 2 * DEADLINE_S)
            grown_kib = window.rss_kib() - before_kib
            presses.append(window.rate())
            wait(lambda: delivered(window, platform), "the last one is delivered")
    last = max(platform.texts)
    assert sorted(platform.texts) == list(range(1, last + 1))
    # Each arrives for the first time in its order, but for what was live and overtook.
    assert [seq for seq in platform.order if seq <= count] == list(range(1, count + 1))
    assert len(platform.ratings_after(count)) == len(presses)
    assert platform.receipts == sorted(set(platform.receipts))
    assert platform.verified()
    assert grown_kib < GROWTH_KIB_MAX
    missing = last - platform.upto
    promise("A5", f"entries over a broker that forgot; memory {grown_kib:+} KiB", last, missing)


def test_live_entries_pass_a_backlog_on_a_broker_that_takes_one_at_a_time(tmp_path):
    with LyingBroker(Lies(puback=SILENT, receive_maximum=1)) as broker:
        window = Window(tmp_path, broker.port)
        window.fill(100)
        with window:
            next_seq(broker)
            window.rate()
            wait(lambda: window.uplink()["overtaken"] >= 2, "the rating is on its way")
            broker.lies = Lies()
            for number in range(1, 9):
                # One of them is the first entry's.
                broker.send(packet(PUBACK, number.to_bytes(2, "big")))
            sent = [next_seq(broker)]
            while sent[-1] < 10 or sent[-1] > 100:
                sent.append(next_seq(broker))
    live = [seq for seq in sent if seq > 100]
    assert len(live) >= 2
    assert sent[: len(live)] == live


def next_seq(broker):
    """The number of the next entry that the broker gets."""
    while not (published := broker.published.get(timeout=DEADLINE_S)).qos:
        pass
    return int(json.loads(published.payload)["sequence"])


# -- trouble


def certificate(folder, name, **days):
    """A certificate that signs itself, and a broker's TLS with it."""
    authority = Authority(folder, name, **days)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority.certificate, authority.key)
    return authority.certificate, context


@contextlib.contextmanager
def nobody(folder):
    yield {"port": free_port()}, "Connection refused"


@contextlib.contextmanager
def nameless(folder):
    yield {"port": 1883, "host": "no-such-host.invalid"}, "cannot be reached"


@contextlib.contextmanager
def mute(folder):
    """The kernel takes the call, nobody ever answers it."""
    with socket.create_server((LOOPBACK, 0)) as listener:
        yield {"port": listener.getsockname()[1]}, None


@contextlib.contextmanager
def mute_tls(folder):
    pem, _ = certificate(folder, "ours")
    with mute(folder) as (place, _):
        yield place | {"tls_ca": pem}, None


@contextlib.contextmanager
def foreign_authority(folder):
    ours, _ = certificate(folder, "ours")
    _, theirs = certificate(folder, "theirs")
    with LyingBroker(tls=theirs) as broker:
        yield {"port": broker.port, "tls_ca": ours}, "self-signed certificate"


@contextlib.contextmanager
def expired(folder):
    pem, context = certificate(folder, "broker", days=(-9, -2))
    with LyingBroker(tls=context) as broker:
        yield {"port": broker.port, "tls_ca": pem}, "certificate has expired"


@contextlib.contextmanager
def stalled(folder):
    """It lets the unit in, then reads and acknowledges nothing."""
    with LyingBroker(Lies(puback=SILENT, reads=2)) as broker:
        yield {"port": broker.port}, None


@pytest.mark.promise
@pytest.mark.parametrize(
    "trouble", [nobody, nameless, mute, mute_tls, foreign_authority, expired, stalled]
)
def test_uplink_in_trouble_never_holds_up_a_press_or_the_end(tmp_path, promise, trouble, scale):
    with trouble(tmp_path) as (place, words):
        window = Window(tmp_path, **place)
        window.fill(100)
        with window:
            if words is not None:
                wait(lambda: words in (window.uplink()["trouble"] or ""), words)
            count = min(50, 5 * scale)
            ack_ms = [window.rate().ack_ms for _ in range(count)]
            stop_s = window.stop_s()
            assert window.unit.exit_code == 0
    assert stop_s < STOP_S_MAX
    late = sum(one > ACK_MS_MAX for one in ack_ms)
    promise("G1", f"acks, uplink {trouble.__name__}: {max(ack_ms):.0f} ms at most", count, late)
