"""Structure that matters is a test: who imports whom, what is pure, who owns the names."""

import ast
import re
import subprocess
import sys
import tokenize
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("protocol", "device", "daemon", "central", "provisioning", "sim")
# Folder: what of ours it may import (beside itself).
MAY_IMPORT = {
    "protocol": set(),
    "device": {"protocol.pad"},
    "daemon": {"protocol"},
    "central": {"protocol"},
    "provisioning": {"protocol", "device"},
    "sim": {"protocol", "device", "daemon", "central", "provisioning"},
}
# Where each third-party package is imported: once, or once on each side of the contract.
IMPORTED_IN = {
    "PIL": {"daemon/front/picture.py"},
    "RPi": {"daemon/front/gpio.py"},
    "amqtt": {"sim/brokers.py"},
    "atheris": {"sim/fuzz/engine.py"},
    "click": {
        "provisioning/__main__.py",
        "provisioning/console.py",
        "provisioning/commands/__init__.py",
        *(
            f"provisioning/commands/{name}.py"
            for name in ["doctor", "hall", "image", "on_unit", "pad", "sites", "unit", "window"]
        ),
    },
    "cryptography": {
        "central/revocation_file.py",
        "provisioning/office/authority.py",
        "sim/authority.py",
    },
    "jsonschema_rs": {"protocol/central/schema.py"},
    "jinja2": {"provisioning/acceptance/sheet.py"},
    "littlefs": {"sim/flash.py"},
    "luma": {"daemon/front/oled.py", "sim/emulator.py"},
    "markupsafe": {"provisioning/acceptance/sheet.py"},
    "machine": {"device/board.py"},
    "mpremote": {"provisioning/pad/board.py"},
    "nacl": {"protocol/central/envelope.py", "protocol/central/signing.py"},
    "paho": {"daemon/net/connection.py", "central/broker.py", "sim/floor.py"},
    "prometheus_client": {"central/metrics.py"},
    "psycopg": {"central/database/postgres.py"},
    "qrcodegen": {"daemon/front/qr.py", "provisioning/acceptance/qr.py"},
    "rich": {"provisioning/console.py"},
    "rfc8785": {"protocol/central/canonical.py"},
    "serial": {"daemon/wire/ports.py", "provisioning/pad/ports.py"},
    "smbus2": {"sim/glass.py"},
    "sqlite_utils": {"daemon/disk/migrations.py", "provisioning/office/inventory.py"},
    "tomlkit": {"provisioning/unit/configuration.py"},
}
PAGES = sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("docs/**/*.md"))
PURE = (
    "protocol/*.py",
    "protocol/pad/*.py",
    "protocol/central/*.py",
    "device/debounce.py",
    "device/pad.py",
    "device/selftest.py",
    "daemon/config/vocabulary.py",
    "daemon/config/places.py",
    *(
        f"daemon/{name}.py"
        for name in (
            "case/*", "config/table", "core", "dialects/*",
            "disk/append_only", "disk/ledger", "disk/proof", "disk/salvage", "disk/sealing",
            "disk/state_rows", "disk/tending", "disk/wal", "effects", "events", "facts",
            "front/care", "front/faces", "front/night", "front/phone", "front/qr", "front/screens",
            "front/words", "health", "net/backoff", "net/certificate", "net/down", "net/outbox",
            "net/remains", "net/rivals",
            "page/attempts", "page/entries", "page/guard", "page/markup", "page/masking",
            "page/metrics", "page/report", "page/support", "page/verdict", "permissions",
            "privacy", "setup", "signers", "snapshot", "timekeeper", "traces/trace_file",
            "traces/traced_core", "traces/transcript", "trial/*", "wire/edges", "wire/firmware",
            "wire/pad_link", "wire/signal_line", "wire/signals", "wire/strangers",
        )
    ),
    "provisioning/image/card.py",
    "provisioning/papers/*.py",
    "provisioning/reach/status.py",
    *(f"provisioning/acceptance/{name}.py" for name in ("qr", "report", "sheet", "steps", "talk")),
    *(
        f"provisioning/doctor/{name}.py"
        for name in ("check", "checks", "counter", "facts", "unit", "way")
    ),
    "provisioning/hall/stages.py",
    "provisioning/hall/standing.py",
    "provisioning/office/records.py",
    "provisioning/office/settings.py",
    "provisioning/pad/contents.py",
    "provisioning/pad/plan.py",
    "provisioning/pad/uf2.py",
    "provisioning/office/windows.py",
    "sim/fuzz/tape.py",
    *(
        f"central/{name}.py"
        for name in (
            "asks", "columns", "ingest", "journal", "judge", "registry", "revocation", "statement",
            "wording",
        )
    ),
    *(
        f"sim/campaign/{name}.py"
        for name in ("bounds", "outcome", "page", "promised", "ran", "table")
    ),
)  # fmt: skip
IMPURE_MODULES = {
    "asyncio", "http", "logging", "multiprocessing", "os", "random", "secrets", "select",
    "selectors", "socket", "sqlite3", "subprocess", "threading", "time", "urllib",
}  # fmt: skip
# What the pad's board has room for, and what one can still read in an afternoon.
PAD_CODE_LINES_MAX = 1200
NO_CODE = {
    tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT,
    tokenize.ENCODING, tokenize.ENDMARKER,
}  # fmt: skip
# Key files are read and written where the key's form is known.
IMPURE_ALLOWED = {("protocol/central/pem.py", "os")}


def files(*patterns: str) -> list[Path]:
    return [path for pattern in patterns for path in sorted(ROOT.glob(pattern))]


@cache
def imports(path: Path) -> set[str]:
    """Every module the file imports, with its dots."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_package_imports_only_what_it_may(package: str) -> None:
    for path in files(f"{package}/**/*.py"):
        for module in imports(path):
            top = module.partition(".")[0]
            if top in PACKAGES and top != package:
                assert any(
                    module == allowed or module.startswith(f"{allowed}.")
                    for allowed in MAY_IMPORT[package]
                ), f"{path.relative_to(ROOT)} imports {module}"


@pytest.mark.parametrize("module", sorted(IMPORTED_IN))
def test_third_party_package_is_imported_in_one_place(module: str) -> None:
    users = {
        str(path.relative_to(ROOT))
        for path in files(*(f"{package}/**/*.py" for package in PACKAGES))
        if any(name.partition(".")[0] == module for name in imports(path))
    }
    assert users == IMPORTED_IN[module]


def test_pure_files_import_nothing_that_acts() -> None:
    for path in files(*PURE):
        name = str(path.relative_to(ROOT))
        used = {module.partition(".")[0] for module in imports(path)} & IMPURE_MODULES
        assert not {one for one in used if (name, one) not in IMPURE_ALLOWED}, name


def code_lines(path: Path) -> int:
    """Lines that hold code: neither blank, nor comment, nor docstring."""
    documented, kinds = set(), ast.Module | ast.ClassDef | ast.FunctionDef
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, kinds) and ast.get_docstring(node):
            documented |= set(range(node.body[0].lineno, (node.body[0].end_lineno or 0) + 1))
    with path.open("rb") as file:
        tokens = [token for token in tokenize.tokenize(file.readline) if token.type not in NO_CODE]
    lines = {line for token in tokens for line in range(token.start[0], token.end[0] + 1)}
    return len(lines - documented)


def test_pad_has_no_more_code_than_it_may() -> None:
    count = sum(map(code_lines, files("device/*.py", "protocol/pad/*.py")))
    assert count <= PAD_CODE_LINES_MAX


@pytest.mark.parametrize("package", PACKAGES)
def test_import_name_is_ours_alone(package: str) -> None:
    owners = set(packages_distributions().get(package, ["haochaping"]))
    assert owners == {"haochaping"}, f"another distribution shadows {package}: {owners}"


def test_no_module_is_named_like_a_standard_one() -> None:
    for path in files(*(f"{package}/**/*.py" for package in PACKAGES)):
        assert path.stem not in sys.stdlib_module_names, path


def test_tests_are_flat_and_no_package() -> None:
    assert not files("tests/**/__init__.py")
    assert all(path.parent == ROOT / "tests" for path in files("tests/**/test_*.py"))


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", *PAGES])
def test_every_link_of_a_page_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", (ROOT / page).read_text("utf-8"))
    inside = [link for link in links if "://" not in link]
    assert all((ROOT / page).parent.joinpath(link).exists() for link in inside), inside


def test_run_is_a_script_that_bash_can_read() -> None:
    subprocess.run(["bash", "-n", str(ROOT / "run")], check=True)


def test_readme_names_every_folder_and_every_command_of_run() -> None:
    readme = (ROOT / "README.md").read_text("utf-8")
    run = (ROOT / "run").read_text("utf-8")
    for command in ("demo", "test", "check", "bench", "campaign"):
        assert f"./run {command}" in readme
        assert re.search(rf"^({command}|bench \| campaign)\)", run, re.M)
    for package in PACKAGES:
        assert f"[{package}" in readme
