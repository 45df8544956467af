"""What is put on the boot partition of a fresh card (pure).

Two systems read it in two ways. Raspberry Pi OS 13 and Ubuntu: cloud-init takes user-data,
network-config and meta-data from there (pi-gen, stage2/04-cloud-init: datasource NoCloud, seed
/boot/firmware). Raspberry Pi OS 12 has no cloud-init: systemd.run= in cmdline.txt starts
firstrun.sh in a boot of its own (systemd-run-generator(8); Raspberry Pi Imager does the same).

Both lead to one script, first-boot.sh, which is a service from then on until all is done.
cloud-init marks a module as done before it runs (helpers.py, Semaphores): one that the power cut
off is never run again. Only bootcmd runs at each boot, so the script is called from there, and it
looks again at what cloud-init should have done.
"""

import hashlib
import json
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from provisioning.errors import ProvisioningError

# Where the system mounts the partition: Raspberry Pi OS 12 and 13, Ubuntu.
MOUNTED = "/boot/firmware"
FOLDER = "haochaping-card"
CMDLINE, CONFIG, UNIT = "cmdline.txt", "config.txt", f"{FOLDER}/unit.conf"
SCRIPT, SERVICE = f"{FOLDER}/first-boot.sh", f"{FOLDER}/haochaping-first-boot.service"
LOG = "haochaping-log.txt"

# hostname(7): a label has at most 63 characters.
HOST = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
LOGIN = re.compile(r"[a-z][a-z0-9-]{0,31}")  # as userconf-pi takes it
TIMEZONE = re.compile(r"[A-Za-z0-9_+-]+(/[A-Za-z0-9_+-]+){0,2}")
SERVER = re.compile(r"[0-9A-Za-z.:-]{1,253}")
KEY = re.compile(r"(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{40,}={0,2}( [^\r\n]*)?")

# The login console on the pins would talk to a pad that hangs there (docs/hardware.md).
NOT_WANTED = re.compile(
    r"console=(serial|ttyAMA|ttyS)\S*"
    # Of an Imager that customised the card: our files take the place of its own.
    r"|ds=nocloud\S*|systemd\.run(_success_action|_failure_action)?=\S*"
    r"|systemd\.unit=kernel-command-line\.target"
)
RUN_ONCE = (
    f"systemd.run={MOUNTED}/firstrun.sh",
    "systemd.run_success_action=reboot",
    "systemd.unit=kernel-command-line.target",
)
# Between these lines config.txt is ours. The pins as docs/hardware.md wants them: UART for a pad,
# with the good one not given to Bluetooth; I2C and SPI for a display.
BEGIN, END = "# -- haochaping", "# -- end of haochaping"
PINS = """\
[all]
enable_uart=1
dtparam=i2c_arm=on
dtparam=spi=on
[pi0w]
dtoverlay=disable-bt
[pi02]
dtoverlay=disable-bt
[pi3]
dtoverlay=disable-bt
[pi4]
dtoverlay=disable-bt
[pi5]
dtparam=uart0=on
[all]
"""


def paper(unit: str, kind: str) -> str:
    """Where a paper of the unit lies: a card is a stick, too (reach/stick.py)."""
    return f"haochaping/{unit}/{kind}.json"


class Way(StrEnum):
    """Which system is on the card, by what its first boot reads."""

    CLOUD_INIT = "cloud-init"
    FIRST_RUN = "firstrun"


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """A fixed address, as 10.3.1.13/24, and who answers there."""

    address: str
    gateway: str = ""
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """What a card is to become.

    host: its name in the network; keys: lines of authorized_keys; network: None for DHCP;
    invitation: the paper, with the one-time token; wheel: file name of the programs.
    """

    unit: str
    host: str
    login: str
    keys: tuple[str, ...]
    timezone: str
    time_servers: tuple[str, ...]
    invitation: bytes = field(repr=False)
    wheel: str
    network: Network | None = None

    def __post_init__(self) -> None:
        for what, text, allowed in (
            ("host name", self.host, HOST),
            ("login", self.login, LOGIN),
            ("time zone", self.timezone, TIMEZONE),
            *(("time server", server, SERVER) for server in self.time_servers),
            *(("public key", key, KEY) for key in self.keys),
        ):
            if not allowed.fullmatch(text):
                raise ProvisioningError(f"{text[:60]!r} is no {what}")

    @property
    def id(self) -> str:
        """Another one for another content: by it a system that ran before starts over."""
        return hashlib.sha256(repr((self, self.invitation)).encode()).hexdigest()[:12]


def files(
    card: Card, way: Way, found: Mapping[str, str], scripts: Mapping[str, bytes]
) -> dict[str, bytes]:
    """What is to be written, in this order; what starts it all comes last.

    found: cmdline.txt and config.txt, those that are there; scripts: ours, by their names.
    """
    made = {
        f"{FOLDER}/authorized_keys": "".join(f"{key}\n" for key in card.keys).encode(),
        SCRIPT: scripts["first-boot.sh"],
        SERVICE: scripts["haochaping-first-boot.service"],
        UNIT: unit_conf(card, way).encode(),
        paper(card.unit, "invitation"): card.invitation,
    }
    if CONFIG in found:
        made[CONFIG] = _bytes(config(found[CONFIG]))
    if way is Way.CLOUD_INIT:
        made["user-data"] = user_data(card).encode()
        made["network-config"] = network_config(card.network).encode()
        if CMDLINE in found:
            made[CMDLINE] = _bytes(cmdline(found[CMDLINE]))
        made["meta-data"] = meta_data(card).encode()
    else:
        made["firstrun.sh"] = scripts["firstrun.sh"]
        made[CMDLINE] = _bytes(cmdline(found[CMDLINE], RUN_ONCE))
    return made


def cmdline(text: str, more: tuple[str, ...] = ()) -> str:
    """The kernel's line without what is not wanted, and with more at its end."""
    words = [word for word in text.split() if not NOT_WANTED.fullmatch(word)]
    return " ".join([*words, *more]) + "\n"


def config(text: str) -> str:
    """The firmware's settings with ours at the end, once."""
    lines = text.splitlines()
    if BEGIN in lines and END in lines[lines.index(BEGIN) :]:
        first = lines.index(BEGIN)
        del lines[first : lines.index(END, first) + 1]
    kept = "\n".join(lines).rstrip("\n")
    return f"{kept}\n\n{BEGIN}\n{PINS}{END}\n"


def unit_conf(card: Card, way: Way) -> str:
    """What first-boot.sh reads, as assignments of the shell."""
    network = card.network or Network(address="")
    values = {
        "CARD": card.id,
        "WAY": way,
        "UNIT": card.unit,
        "HOST": card.host,
        "LOGIN": card.login,
        "TIMEZONE": card.timezone,
        "TIME_SERVERS": " ".join(card.time_servers),
        "ADDRESS": network.address,
        "GATEWAY": network.gateway,
        "NAME_SERVERS": " ".join(network.name_servers),
        "WHEEL": card.wheel,
    }
    return "".join(f"{name}={shlex.quote(value)}\n" for name, value in values.items())


def user_data(card: Card) -> str:
    """cloud-init's: who may log in, and our script at each boot.

    Source: the module reference of cloud-init, and what Raspberry Pi Imager writes. No password
    anywhere. `rpi: interfaces: serial` would reboot in the middle of it (cc_raspberry_pi.py), so
    the pins are in config.txt.
    """
    keys = "".join(f"      - {_quoted(key)}\n" for key in card.keys)
    return (
        "#cloud-config\n"
        f"hostname: {_quoted(card.host)}\n"
        "manage_etc_hosts: true\n"
        f"timezone: {_quoted(card.timezone)}\n"
        "ssh_pwauth: false\n"
        "users:\n"
        f"  - name: {_quoted(card.login)}\n"
        "    gecos: technician\n"
        "    groups: [adm, dialout, gpio, i2c, netdev, spi, sudo]\n"
        "    shell: /bin/bash\n"
        "    lock_passwd: true\n"
        '    sudo: "ALL=(ALL) NOPASSWD:ALL"\n'
        "    ssh_authorized_keys:\n"
        f"{keys}"
        "bootcmd:\n"
        f"  - [sh, {MOUNTED}/{SCRIPT}, install]\n"
    )


def network_config(network: Network | None) -> str:
    """cloud-init's, version 2 (netplan). A Raspberry Pi's own socket is eth0 on all of them."""
    text = "network:\n  version: 2\n  ethernets:\n    eth0:\n"
    if network is None:
        return text + "      dhcp4: true\n      optional: true\n"
    text += f"      dhcp4: false\n      addresses: [{_quoted(network.address)}]\n"
    if network.gateway:
        # `to: default` is only known to netplan 0.104 and later.
        every = "::/0" if ":" in network.gateway else "0.0.0.0/0"
        text += f"      routes: [{{to: {_quoted(every)}, via: {_quoted(network.gateway)}}}]\n"
    if network.name_servers:
        servers = ", ".join(map(_quoted, network.name_servers))
        text += f"      nameservers: {{addresses: [{servers}]}}\n"
    return text + "      optional: true\n"


def meta_data(card: Card) -> str:
    """cloud-init's: a card that is written anew is another instance, and all is done again."""
    return f"dsmode: local\ninstance-id: {_quoted(f'haochaping-{card.unit}-{card.id}')}\n"


def _bytes(text: str) -> bytes:
    """As it was read, whatever its letters are."""
    return text.encode("utf-8", "surrogateescape")


def _quoted(text: str) -> str:
    """A text as YAML: every JSON string is one."""
    return json.dumps(text, ensure_ascii=False)
