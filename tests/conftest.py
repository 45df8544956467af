"""What every test shares: repeatable examples, and the promises' table at the end of a run.

A test that holds a promise of the product reports it: id, what was tried, how often, how many bad.
`--minutes N` makes the same tests try harder; ./run campaign is that.
"""

import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from subprocess import call

import pytest
from hypothesis import HealthCheck, settings

from central.config import StoreConfig
from sim import browser, micropython
from sim.campaign import table
from sim.campaign.heard import Heard
from sim.campaign.outcome import Tried, outcomes
from sim.campaign.promised import PROMISES
from sim.postgres import Postgres

settings.register_profile(
    "haochaping",
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("haochaping")

# How much more a campaign tries for each of its minutes; on two cores that is what a minute holds.
SCALE_PER_MINUTE = 2
# The property of a test report that carries a promise through parallel workers.
PROMISE = "promise"


# What a test may need beside Python packages: whether it is here, and how it comes here.
SBIN = os.pathsep.join((os.environ.get("PATH", os.defpath), "/usr/sbin", "/usr/local/sbin"))
TOOLS: dict[str, tuple[Callable[[], object], str]] = {
    "mosquitto": (lambda: shutil.which("mosquitto", path=SBIN), "apt install mosquitto"),
    "rabbitmq": (lambda: shutil.which("rabbitmq-server", path=SBIN), "apt install rabbitmq-server"),
    "mosquitto_pub": (
        lambda: shutil.which("mosquitto_pub") and shutil.which("openssl"),
        "apt install mosquitto-clients openssl",
    ),
    "chromium": (
        lambda: browser.path() and shutil.which("npm"),
        "apt install chromium nodejs npm",
    ),
    "strace": (lambda: shutil.which("strace"), "apt install strace"),
    "node": (lambda: shutil.which("node") and shutil.which("npm"), "apt install nodejs npm"),
    "java": (lambda: shutil.which("javac"), "apt install openjdk-17-jdk-headless"),
    "go": (lambda: shutil.which("go"), "apt install golang-go"),
    "postgres": (Postgres.available, "apt install postgresql"),
    "atheris": (lambda: find_spec("atheris"), "pip install atheris (Python 3.11 to 3.13)"),
    "rpi_lgpio": (lambda: find_spec("RPi"), "pip install rpi-lgpio (Python 3.13: swig, too)"),
    "systemd": (
        lambda: shutil.which("systemd-analyze") and shutil.which("openssl") and os.geteuid() == 0,
        "apt install systemd openssl, and run the tests as root",
    ),
    "umockdev": (
        lambda: shutil.which("umockdev-run") and not call(["unshare", "--mount", "true"]),
        "apt install umockdev udev, and run the tests where root may mount",
    ),
    "namespaces": (
        lambda: (
            shutil.which("nsenter") and not call(["unshare", "--map-root-user", "--mount", "true"])
        ),
        "apt install util-linux, and run the tests where a name space may be made",
    ),
    "unifont": (
        lambda: list(Path("/usr/share/fonts").glob("*/unifont/*")),
        "apt install fonts-unifont",
    ),
    "wqy": (
        lambda: list(Path("/usr/share/fonts/X11/misc").glob("wenquanyi_9pt.pcf*")),
        "apt install xfonts-wqy",
    ),
}


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip only what ./run said it leaves out; anywhere else a missing tool is a failure."""
    left_out = os.environ.get("HAOCHAPING_WITHOUT", "").split()
    for marker in item.iter_markers("needs"):
        (tool,) = marker.args
        is_here, how = TOOLS[tool]
        if tool in left_out:
            pytest.skip(f"{tool} is left out on this machine")
        if not is_here():
            pytest.fail(f"{tool} is missing: {how}, or let ./run test say that it is left out")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--minutes", type=int, default=0, help="a campaign of about N minutes (default: a fast run)"
    )
    parser.addoption("--heard", metavar="FILE", help="where a campaign reads what came of the run")


# Last, when what is not asked for with -m or -k is out.
@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave what only a campaign runs to a campaign, where what takes longest begins first."""
    if config.getoption("--minutes"):
        items[:] = dealt(items, int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")))
        return
    left = [item for item in items if item.get_closest_marker("campaign")]
    config.hook.pytest_deselected(items=left)
    items[:] = [item for item in items if item not in left]


def dealt(items: list[pytest.Item], worker_count: int) -> list[pytest.Item]:
    """The tests in an order in which each worker's share begins with a part of the long ones.

    xdist cuts the list into equal shares; who is done early takes from another share's end.
    """
    longest = [item for item in items if item.get_closest_marker("long")]
    long = [item for item in items if item.get_closest_marker("campaign") and item not in longest]
    rest = [item for item in items if item not in longest and item not in long]
    found = list[pytest.Item]()
    for index in range(worker_count):
        own = (longest + long)[index::worker_count]
        share_len = (len(items) - len(found)) // (worker_count - index)
        own_rest = max(0, share_len - len(own))
        found += own + rest[:own_rest]
        rest = rest[own_rest:]
    return found + rest


@pytest.fixture(scope="session")
def node() -> str:
    """The path of node, with the packages of package.json in place."""
    return micropython.node()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A PostgreSQL server for all tests of this process."""
    with Postgres(in_memory=True) as server:
        yield server


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.needs("postgres"))])
def store_config(request: pytest.FixtureRequest, tmp_path: Path) -> StoreConfig:
    """An empty database of each engine."""
    url = None
    if request.param == "postgres":
        server: Postgres = request.getfixturevalue("postgres")
        url = server.create_database(f"test_{uuid.uuid4().hex}")
    return StoreConfig(database=tmp_path / "central.db", url=url)


@pytest.fixture(scope="session")
def scale(pytestconfig: pytest.Config) -> int:
    """How many times the fast run's amount is to be tried."""
    return max(1, SCALE_PER_MINUTE * int(pytestconfig.getoption("--minutes")))


@pytest.fixture
def promise(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Report (id, what was tried, how often, how many bad = 0); a bad one fails the test."""

    def report(name: str, what: str, tried: int, bad: int = 0) -> None:
        request.node.user_properties.append((PROMISE, (name, what, tried, bad)))
        assert name in PROMISES, f"{name} is no promise: see sim/campaign/promised.py"
        assert tried > 0, f"{name}: nothing was tried"
        assert bad == 0, f"{name}: {bad} of {tried} bad"

    return report


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """The table of what was tried; the same for a campaign, as a file."""
    stats = terminalreporter.stats
    tried = tuple(
        Tried(*value)
        for reports in stats.values()
        for report in reports
        for key, value in getattr(report, "user_properties", ())
        if key == PROMISE and report.when == "call"
    )
    if tried:
        terminalreporter.section("promises")
        results = outcomes(tried)
        for line in table.lines(results):
            terminalreporter.line(line)
        if config.getoption("--minutes") and (missing := table.untried(results)):
            terminalreporter.line(missing)
    if file := config.getoption("--heard"):
        ids = [report.nodeid for kind in ("failed", "error") for report in stats.get(kind, ())]
        reasons = sorted({report.longrepr[-1] for report in stats.get("skipped", ())})
        heard = Heard(tried, len(stats.get("passed", ())), tuple(ids), tuple(reasons))
        heard.save(Path(file))
