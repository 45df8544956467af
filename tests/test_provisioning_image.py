"""`provision image`: what is on the card, and what the unit makes of it at its first boots."""

import json
import os
import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from protocol.central.signing import SigningKey
from provisioning.__main__ import main
from provisioning.errors import ProvisioningError
from provisioning.image import card as cards
from provisioning.image import making, public_key
from provisioning.image.boot_partition import BootPartition
from provisioning.image.card import Card, Network, Way
from provisioning.office import windows
from provisioning.office.sites import Site

HERE = Path(cards.__file__).parent
KEY = "ssh-ed25519 " + "A" * 68 + " technician@laptop"
UNTIL = datetime(2026, 12, 4, 8, tzinfo=UTC)
# As the images have them: pi-gen stage1/00-boot-files, and Imager's traces in it.
CMDLINE = (
    "console=serial0,115200 console=tty1 root=PARTUUID=4f0a-02 rootfstype=ext4 fsck.repair=yes "
    "rootwait quiet init=/usr/lib/raspberrypi-sys-mods/firstboot\n"
)
CONFIG = "# See http://rptl.io/configtxt\ndtparam=audio=on\n\n[all]\n"
INVITATION = b'{"paper":"invitation","token":"t0ken-of-one-hour"}\n'


def a_card(**more: object) -> Card:
    given: dict[str, object] = {
        "unit": "w03",
        "host": "h01-w03",
        "login": "technician",
        "keys": (KEY,),
        "timezone": "Asia/Shanghai",
        "time_servers": ("ntp.hall.example", "10.3.0.1"),
        "invitation": INVITATION,
        "wheel": "haochaping-0.1.0-py3-none-any.whl",
    }
    return Card(**(given | more))  # type: ignore[arg-type]


def a_boot_partition(folder: Path, way: Way) -> Path:
    folder.mkdir(parents=True)
    (folder / "cmdline.txt").write_text(CMDLINE)
    (folder / "config.txt").write_text(CONFIG)
    if way is Way.CLOUD_INIT:
        for name in ("user-data", "network-config", "meta-data"):
            (folder / name).write_text("# as the image has it\n")
    return folder


def some_wheels(folder: Path) -> list[Path]:
    folder.mkdir()
    for name in ("haochaping-0.1.0-py3-none-any.whl", "paho_mqtt-2.1.0-py3-none-any.whl"):
        (folder / name).write_bytes(name.encode() * 100)
    (folder / "xfonts-wqy_1.0_all.deb").write_bytes(b"!<arch>")
    (folder / "notes.txt").write_text("not carried")
    return making.packages(None, folder)[1]


def make(boot: Path, carried: list[Path], **more: object) -> making.Made:
    return making.make(a_card(**more), BootPartition(boot), carried, UNTIL)


def content(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


# -- the card


@pytest.mark.parametrize("way", Way)
def test_card_then_holds_everything_and_the_second_time_nothing_is_written(
    tmp_path: Path, way: Way
) -> None:
    boot, carried = a_boot_partition(tmp_path / "boot", way), some_wheels(tmp_path / "wheels")
    first = make(boot, carried)
    assert {f"haochaping-card/wheels/{file.name}" for file in carried} < set(first.written)
    assert ("user-data" in first.written) is (way is Way.CLOUD_INIT)
    assert ("firstrun.sh" in first.written) is (way is Way.FIRST_RUN)
    made = content(boot)
    assert make(boot, carried).written == ()
    assert content(boot) == made
    assert BootPartition(boot).unit == "w03"


def test_no_secret_is_on_the_card_but_the_token(tmp_path: Path) -> None:
    boot = a_boot_partition(tmp_path / "boot", Way.CLOUD_INIT)
    make(boot, some_wheels(tmp_path / "wheels"))
    holders = [name for name, raw in content(boot).items() if b"t0ken" in raw]
    assert holders == ["haochaping/w03/invitation.json"]
    assert "passw" not in (boot / "user-data").read_text().replace("lock_passwd: true", "")
    assert "t0ken" not in repr(a_card())


def test_order_of_writing_leaves_what_starts_it_for_the_end() -> None:
    found = {"cmdline.txt": CMDLINE, "config.txt": CONFIG}
    scripts = dict.fromkeys(making.SCRIPTS, b"")
    assert [*cards.files(a_card(), Way.CLOUD_INIT, found, scripts)][-1] == "meta-data"
    assert [*cards.files(a_card(), Way.FIRST_RUN, found, scripts)][-1] == "cmdline.txt"


def test_dry_run_writes_nothing(tmp_path: Path) -> None:
    boot = a_boot_partition(tmp_path / "boot", Way.FIRST_RUN)
    before = content(boot)
    planned = making.make(a_card(), BootPartition(boot), [], UNTIL, is_dry=True)
    assert content(boot) == before
    assert "firstrun.sh" in str(planned)
    assert "would get" in str(planned)


def test_user_data_is_what_cloud_init_documents() -> None:
    """cloud-init's module reference: users and groups, bootcmd, set hostname, timezone, locale."""
    text = cards.user_data(a_card())
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text) == {
        "hostname": "h01-w03",
        "manage_etc_hosts": True,
        "timezone": "Asia/Shanghai",
        "ssh_pwauth": False,
        "users": [
            {
                "name": "technician",
                "gecos": "technician",
                "groups": ["adm", "dialout", "gpio", "i2c", "netdev", "spi", "sudo"],
                "shell": "/bin/bash",
                "lock_passwd": True,
                "sudo": "ALL=(ALL) NOPASSWD:ALL",
                "ssh_authorized_keys": [KEY],
            }
        ],
        "bootcmd": [["sh", "/boot/firmware/haochaping-card/first-boot.sh", "install"]],
    }


@pytest.mark.parametrize(
    ("network", "wanted"),
    [
        (None, {"dhcp4": True, "optional": True}),
        (
            Network(address="10.3.1.13/24", gateway="10.3.1.1", name_servers=("10.3.0.53",)),
            {
                "dhcp4": False,
                "addresses": ["10.3.1.13/24"],
                "routes": [{"to": "0.0.0.0/0", "via": "10.3.1.1"}],
                "nameservers": {"addresses": ["10.3.0.53"]},
                "optional": True,
            },
        ),
    ],
)
def test_network_config_is_netplan(network: Network | None, wanted: dict[str, object]) -> None:
    made = yaml.safe_load(cards.network_config(network))
    assert made == {"network": {"version": 2, "ethernets": {"eth0": wanted}}}


def test_another_invitation_makes_another_instance() -> None:
    ids = {
        yaml.safe_load(cards.meta_data(a_card(invitation=paper)))["instance-id"]
        for paper in (b"first", b"second", b"second")
    }
    assert len(ids) == 2
    assert all(each.startswith("haochaping-w03-") for each in ids)


def test_cmdline_loses_the_console_and_an_imagers_own_start_and_keeps_the_rest() -> None:
    customised = CMDLINE.strip() + (
        " systemd.run=/boot/firstrun.sh systemd.run_success_action=reboot"
        " systemd.unit=kernel-command-line.target ds=nocloud;i=rpi-imager-17 console=ttyAMA0,9600\n"
    )
    kept = CMDLINE.replace("console=serial0,115200 ", "")
    assert cards.cmdline(customised) == kept
    started = cards.cmdline(customised, cards.RUN_ONCE)
    assert started == f"{kept.strip()} {' '.join(cards.RUN_ONCE)}\n"
    assert cards.cmdline(started, cards.RUN_ONCE) == started


def test_config_gets_our_lines_once_and_behind_all_others() -> None:
    once = cards.config(CONFIG)
    assert once.startswith(CONFIG)
    assert cards.config(once) == once
    later = once + "dtparam=act_led_trigger=none\n"
    again = cards.config(later)
    assert again.count("enable_uart=1") == 1
    assert again.rstrip().endswith(cards.END)
    # What stands before the first model's line holds for every model.
    assert "enable_uart=1" in once.split("[pi")[0]


# -- what is refused


@pytest.mark.parametrize(
    ("more", "what"),
    [
        ({"host": "-w03"}, "host name"),
        ({"login": "Technician"}, "login"),
        ({"timezone": "Asia/Shanghai; reboot"}, "time zone"),
        ({"time_servers": ("ntp one",)}, "time server"),
        ({"keys": ("ssh-ed25519 AAAA\nbootcmd: [reboot]",)}, "public key"),
    ],
)
def test_text_that_would_be_more_than_a_value_is_refused(
    more: dict[str, object], what: str
) -> None:
    with pytest.raises(ProvisioningError, match=f"is no {what}"):
        a_card(**more)


def test_folder_that_is_no_boot_partition_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ProvisioningError, match="no boot partition of a Raspberry Pi") as refused:
        BootPartition(tmp_path)
    assert "without customisation" in refused.value.hint
    (tmp_path / "config.txt").write_text(CONFIG)
    with pytest.raises(ProvisioningError, match=r"neither cloud-init nor cmdline\.txt"):
        BootPartition(tmp_path)


def test_card_without_room_is_said_in_megabytes(tmp_path: Path) -> None:
    boot = a_boot_partition(tmp_path / "boot", Way.CLOUD_INIT)
    huge = tmp_path / "huge.whl"
    with huge.open("wb") as file:
        file.truncate(shutil.disk_usage(tmp_path).free + 1)
    with pytest.raises(ProvisioningError, match=r"\d+ MB are free, \d+ are needed"):
        make(boot, [huge])
    assert not (boot / cards.UNIT).exists()


def test_wheels_are_ours_once_and_all_others(tmp_path: Path) -> None:
    carried = some_wheels(tmp_path / "wheels")
    assert [file.suffix for file in carried] == [".whl", ".whl", ".deb"]
    newer = tmp_path / "haochaping-0.2.0-py3-none-any.whl"
    newer.write_bytes(b"newer")
    name, carried = making.packages(newer, tmp_path / "wheels")
    assert name == newer.name
    assert [file.name for file in carried if file.match("haochaping-*")] == [newer.name]
    with pytest.raises(ProvisioningError, match="0 wheels of haochaping are given"):
        making.packages(None, None)
    with pytest.raises(ProvisioningError, match="no wheel of ours"):
        making.packages(tmp_path / "paho.whl", None)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (("10.3.1.13/24", "10.4.1.1", ()), "is not in 10.3.1.0/24"),
        (("10.3.1.13/24", "10.3.1.1", ("dns",)), "'dns' does not appear to be"),
    ],
)
def test_network_that_cannot_work_is_refused(
    given: tuple[str, str, tuple[str, ...]], what: str
) -> None:
    with pytest.raises(ProvisioningError, match=what):
        making.network(*given)


def test_public_keys_are_those_of_the_home_and_never_a_private_one(tmp_path: Path) -> None:
    with pytest.raises(ProvisioningError, match=r"no id_\*.pub is there"):
        public_key.read(None, tmp_path)
    (tmp_path / ".ssh").mkdir()
    for name in ("id_ed25519.pub", "id_rsa.pub"):
        (tmp_path / ".ssh" / name).write_text(f"# mine\n{KEY}\n")
    assert public_key.read(None, tmp_path) == (KEY, KEY)
    private = tmp_path / "id"
    private.write_text("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    with pytest.raises(ProvisioningError, match="this is the private key"):
        public_key.read(private, tmp_path)
    private.write_text("hello\n")
    with pytest.raises(ProvisioningError, match="'hello' is no public SSH key"):
        public_key.read(private, tmp_path)


# -- the command


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A hall of three units, with what the command takes beside it."""
    home = tmp_path_factory.mktemp("home")
    some_wheels(home / "wheels")
    (home / "id.pub").write_text(f"{KEY}\n")
    SigningKey.generate().public.save(home / "platform.pub.pem")
    (home / "site").mkdir()
    (home / "site/site.toml").write_text(
        '[site]\narea = "330102"\nhall = "h01"\ntitle = "一号大厅"\n'
        '[broker]\nhost = "broker.example"\n[ssh]\nuser = "fitter"\n'
        '[image]\ngateway = "10.3.1.1"\ntime_servers = ["10.3.0.1"]\n'
    )
    opened = Site.open(home / "site")
    rows = "unit,window,host,ip\nw03,3,,\nw04,4,w4.hall.example,10.3.1.14/24\nw05,5,10.3.1.15,\n"
    opened.inventory.plan(windows.read("windows.csv", rows.encode()), opened.now())
    opened.inventory.close()
    return home


def call(site: Path, boot: Path, *more: str) -> int:
    given = ["--boot", boot, "--wheels", site / "wheels", "--ssh-key", site / "id.pub"]
    return main(["image", *more, *map(str, given), "--site", str(site / "site")])


def test_command_then_makes_the_card_of_a_planned_unit_again_and_again(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boot = a_boot_partition(tmp_path / "boot", Way.CLOUD_INIT)
    before = content(boot)
    assert call(site, boot, "w04", "--dry-run") == 0
    assert f"{boot}, read by cloud-init, would get for w04:" in capsys.readouterr().out
    assert content(boot) == before
    assert call(site, boot, "w04") == 0
    said = capsys.readouterr().out
    assert "the card of w04, which will be w4 in the network" in said
    assert "No secret is on it but the one-time token" in said
    made = content(boot)
    assert b"via: " in made["network-config"]
    assert b"fitter" in made["user-data"]
    # The invitation that is open is used again, so the card stays as it is, and its request counts.
    (boot / cards.paper("w04", "request")).write_text("request")
    assert call(site, boot, "w04", "--json") == 0
    (again,) = json.loads(capsys.readouterr().out)
    assert again["written"] == []
    assert content(boot) == made | {"haochaping/w04/request.json": b"request"}


def test_card_of_another_unit_is_refused_until_one_insists(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boot = a_boot_partition(tmp_path / "boot", Way.FIRST_RUN)
    assert call(site, boot, "w03") == 0
    before = content(boot)
    assert call(site, boot, "w05") == 2
    assert "is the card of w03, not of w05" in capsys.readouterr().err
    assert content(boot) == before
    assert call(site, boot, "w05", "--again") == 0
    assert "will be h01-w05 in the network" in capsys.readouterr().out
    assert not (boot / cards.paper("w03", "invitation")).exists()


def test_several_units_need_somebody_who_exchanges_the_cards(
    site: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    boot = a_boot_partition(tmp_path / "boot", Way.FIRST_RUN)
    assert call(site, boot, "w03", "w04") == 2
    assert "nobody is here to exchange the cards" in capsys.readouterr().err


# -- the first boots, in a folder with doubles of the system's programs

SHIM = """\
#!/bin/sh
# Any program of the system: counted, the power cut before the one that is wanted.
name=${0##*/}
read -r count <"$WORLD/count"
count=$((count + 1))
echo $count >"$WORLD/count"
[ "$count" != "${CUT:-}" ] || kill -9 0
case $name in
mv | rm | ln | mkdir | chmod | cp) exec /bin/$name "$@" ;;
date) echo "2026-12-04 08:00:00" ;;
id) [ -e "$WORLD/users/$1" ] ;;
useradd | userconf)
    case $name in useradd) login=$4 ;; userconf) login=$1 ;; esac
    : >"$WORLD/users/$login" ;;
getent) [ -e "$WORLD/users/$2" ] && echo "$2:x:1000:1000::/home/$2:/bin/bash" ;;
dpkg-query) [ -e "$WORLD/packages/$4" ] && echo installed ;;
dpkg) : >"$WORLD/packages/$(basename "$2" | cut -d_ -f1)" ;;
apt-get)
    [ -e "$WORLD/network" ] || exit 100
    case " $* " in *" install "*)
        for package in python3-venv fonts-unifont xfonts-wqy; do
            case " $* " in *" $package "*) : >"$WORLD/packages/$package" ;; esac
        done ;;
    esac ;;
python3)
    [ -e "$PYTHONPATH" ] && [ -e "$WORLD/packages/python3-venv" ] || {
        echo "Python's venv is missing: apt install python3-venv, then try again" >&2
        exit 2
    }
    [ ! -e "$ROOT/opt/programs" ] || { echo "nothing to do"; exit; }
    echo "$2 $3 $4" >"$ROOT/opt/programs" ;;
provision)
    case "$*" in
    "unit request "*" --unit w03")
        [ ! -e "$WORLD/expired" ] || { echo "the invitation has expired" >&2; exit 2; }
        cd "$3/haochaping/w03" && [ -s invitation.json ] && [ -e "$ROOT/opt/programs" ] &&
            echo request >request.json ;;
    "unit install "*" --unit w03")
        cat "$3/haochaping/w03/grant.json" >"$ROOT/var/lib/haochaping/enrolled.json" ;;
    esac ;;
esac
"""
DOUBLED = (
    "apt-get", "chown", "date", "dpkg", "dpkg-query", "getent", "id", "provision", "python3",
    "sync", "systemctl", "useradd",
)  # fmt: skip
# What changes a folder: each an instant at which the power can go.
CHANGING = ("chmod", "ln", "mkdir", "mv", "rm")
REQUEST, GRANT = (cards.paper("w03", kind) for kind in ("request", "grant"))
ENROLLED = "var/lib/haochaping/enrolled.json"
WANTED = "etc/systemd/system/multi-user.target.wants/haochaping-first-boot.service"


class World:
    """A machine with the card in it: its root directory, and its programs."""

    def __init__(
        self,
        folder: Path,
        way: Way,
        carried: list[Path],
        doubled: tuple[str, ...] = DOUBLED,
        **more: object,
    ) -> None:
        self.folder, self.way, self.root = folder, way, folder / "root"
        self.boot = a_boot_partition(self.root / "boot/firmware", way)
        make(self.boot, carried, **more)
        for name in ("users", "packages", "bin", "root/etc", "root/var/lib/haochaping", "root/opt",
                     "root/home/technician", "root/usr/lib/userconf-pi"):  # fmt: skip
            (folder / name).mkdir(parents=True, exist_ok=True)
        for name in ("python3-venv", "openssl"):
            (folder / "packages" / name).touch()
        (folder / "count").write_text("0\n")
        (self.root / "etc/hosts").write_text("127.0.0.1\tlocalhost\n127.0.1.1\traspberrypi\n")
        shim = folder / "bin/shim"
        shim.write_text(SHIM)
        shim.chmod(0o755)
        for name in doubled:
            (folder / "bin" / name).symlink_to(shim)
        if way is Way.FIRST_RUN:
            (self.root / "usr/lib/userconf-pi/userconf").symlink_to(shim)

    def started(self, cut: int | None = None) -> bool:
        """One start of the machine; whether it went through without its power cut."""
        if "systemd.run=" in (self.boot / "cmdline.txt").read_text():
            return self._sh("firstrun.sh", cut=cut)
        if self.way is Way.CLOUD_INIT and not self._sh(cards.SCRIPT, "install", cut=cut):
            return False
        return not (self.root / WANTED).is_symlink() or self._sh(cards.SCRIPT, "run", cut=cut)

    def settled(self) -> None:
        """Started as often as it takes."""
        for _ in range(2 if self.way is Way.FIRST_RUN else 1):
            assert self.started()

    def left(self) -> dict[str, str]:
        """Everything on its disk but the log, with modes."""
        return {
            str(path.relative_to(self.root)): f"{path.lstat().st_mode:o} {path.read_bytes()!r}"
            for path in sorted(self.root.rglob("*"))
            if path.is_file() and path.name != cards.LOG
        }

    @property
    def log(self) -> str:
        return (self.boot / cards.LOG).read_text()

    def _sh(self, script: str, *arguments: str, cut: int | None) -> bool:
        (self.folder / "count").write_text("0\n")
        done = subprocess.run(
            ["dash", str(self.boot / script), *arguments],
            env={
                "PATH": f"{self.folder}/bin:{os.defpath}",
                "ROOT": str(self.root),
                "WORLD": str(self.folder),
                "CUT": str(cut or ""),
            },
            capture_output=True,
            text=True,
            start_new_session=True,
        )
        self.steps = int((self.folder / "count").read_text())
        assert done.returncode in (0, 1, -9), done.stderr
        assert done.returncode == -9 or done.stderr == "", done.stderr
        return done.returncode == 0


@pytest.mark.parametrize("way", Way)
def test_fresh_card_then_asks_for_enrolment_and_takes_what_comes(tmp_path: Path, way: Way) -> None:
    fixed = Network(address="10.3.1.13/24", gateway="10.3.1.1", name_servers=("10.3.0.53",))
    world = World(tmp_path, way, some_wheels(tmp_path / "wheels"), network=fixed)
    world.settled()
    root = world.root
    assert (world.boot / REQUEST).read_text() == "request\n"
    assert (root / "etc/hostname").read_text() == "h01-w03\n"
    assert (root / "etc/hosts").read_text() == "127.0.0.1\tlocalhost\n127.0.1.1\th01-w03\n"
    assert (root / "home/technician/.ssh/authorized_keys").read_text() == f"{KEY}\n"
    assert (
        "NTP=ntp.hall.example 10.3.0.1"
        in (root / "etc/systemd/timesyncd.conf.d/haochaping.conf").read_text()
    )
    assert "--wheels" in (root / "opt/programs").read_text()
    manager = root / "etc/NetworkManager/system-connections/haochaping.nmconnection"
    assert manager.exists() is (way is Way.FIRST_RUN)
    if manager.exists():
        assert "address1=10.3.1.13/24,10.3.1.1\ndns=10.3.0.53;\n" in manager.read_text()
    assert "waits to be enrolled" in world.log
    assert "not reachable: Debian's packages; without fonts-unifont it goes on" in world.log
    # Carried there in a card reader.
    (world.boot / GRANT).write_text("certificate\n")
    assert world.started()
    assert (root / ENROLLED).read_text() == "certificate\n"
    assert "done: w03 is enrolled" in world.log
    assert not [name for name in world.left() if "boot" in name and name.endswith(".json")]
    assert not (root / WANTED).is_symlink()
    # From here on it is a unit like any other; nothing begins again.
    before = world.left()
    assert world.started()
    assert world.left() == before
    assert "t0ken" not in world.log


@pytest.mark.promise
@pytest.mark.parametrize(
    "way", [Way.FIRST_RUN, pytest.param(Way.CLOUD_INIT, marks=pytest.mark.campaign)]
)
def test_power_cut_anywhere_leads_to_the_same(tmp_path, way, scale, promise) -> None:
    carried, doubled = some_wheels(tmp_path / "wheels"), DOUBLED + CHANGING
    whole = World(tmp_path / "whole", way, carried)
    whole.settled()
    wanted, tried, bad = whole.left(), 0, 0
    # Each program that is started is an instant; the fast run tries few.
    step = max(1, 60 // scale)
    for boots in range(2 if way is Way.FIRST_RUN else 1):
        for cut in range(20 % step + 1, 200, step):
            world = World(tmp_path / f"{boots}-{cut}", way, carried, doubled)
            for _ in range(boots):
                world.started()
            if world.started(cut):
                break
            world.settled()
            tried, bad = tried + 1, bad + (world.left() != wanted)
            shutil.rmtree(world.folder)
    promise("H4", f"first boots of a card by {way}, cut off by power, end as if whole", tried, bad)


def test_expired_invitation_is_said_and_a_new_card_mends_it(tmp_path: Path) -> None:
    carried = some_wheels(tmp_path / "wheels")
    world = World(tmp_path, Way.CLOUD_INIT, carried)
    (tmp_path / "expired").touch()
    assert not world.started()
    assert "no request was made: the invitation has expired" in world.log
    assert not (world.boot / REQUEST).exists()
    (tmp_path / "expired").unlink()
    make(world.boot, carried, invitation=b"another")
    assert world.started()
    assert (world.boot / REQUEST).exists()


def test_system_that_was_a_unit_stays_what_it_was(tmp_path: Path) -> None:
    world = World(tmp_path, Way.CLOUD_INIT, some_wheels(tmp_path / "wheels"))
    (world.root / ENROLLED).write_text("of w05")
    assert world.started()
    assert "was a unit already and stays what it was: write it anew for w03" in world.log
    assert not (world.root / "etc/hostname").exists()


def test_login_keeps_the_keys_that_came_later(tmp_path: Path) -> None:
    world = World(tmp_path, Way.CLOUD_INIT, some_wheels(tmp_path / "wheels"))
    world.settled()
    keys = world.root / "home/technician/.ssh/authorized_keys"
    keys.write_text(keys.read_text() + "ssh-ed25519 of a colleague\n")
    assert world.started()
    assert keys.read_text() == f"{KEY}\nssh-ed25519 of a colleague\n"


def test_packages_come_from_the_network_where_there_is_one(tmp_path: Path) -> None:
    world = World(tmp_path, Way.FIRST_RUN, some_wheels(tmp_path / "wheels"))
    (tmp_path / "network").touch()
    world.settled()
    assert "installed from the card: xfonts-wqy_1.0_all.deb" in world.log
    assert "installed: fonts-unifont" in world.log
