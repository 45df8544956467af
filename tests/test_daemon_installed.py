"""A dialect of another package: found by its entry point, read and made like the built-in ones."""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from daemon.config import load_signal
from daemon.errors import ConfigError

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "tests" / "example_dialect"
# What the daemon does with a configuration and a line: each argument is a file, and its answer one
# line of JSON.
PROGRAM = """
import json, sys
from dataclasses import asdict
from pathlib import Path
from daemon.config import load_signal
from daemon.dialects import dialect
from daemon.errors import ConfigError

for path in sys.argv[1:]:
    try:
        config, _ = load_signal(Path(path))
    except ConfigError as error:
        print(json.dumps(error.problems))
        continue
    talk = dialect(config, ("3", "04"), lambda text: "concealed" if "999999" in text else text)
    heard = talk.received(0, b"xx*C03A023#*C03A023#*C04B007#*C09C001#*C3A#*E03A#*X03A023#")
    said = [[each.say, each.window, each.ticket, each.project_no] for each in heard]
    print(json.dumps([said, talk.counts.as_dict(), talk.closed("3").decode()]))
"""


def install(target):
    """What `pip install --target` makes of the package, without its build tools."""
    project = tomllib.loads((PACKAGE / "pyproject.toml").read_text("utf-8"))["project"]
    (module,) = PACKAGE.glob("*.py")
    target.mkdir()
    shutil.copy(module, target)
    info = target / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(metadata, "utf-8")
    groups = project["entry-points"] | {"haochaping.dialects": BROKEN | groups_of(project)}
    text = "".join(
        f"[{group}]\n" + "".join(f"{name} = {value}\n" for name, value in points.items())
        for group, points in groups.items()
    )
    (info / "entry_points.txt").write_text(text, "utf-8")


def groups_of(project):
    return project["entry-points"]["haochaping.dialects"]


BROKEN = {"broken": "haochaping_nowhere:described", "number": "haochaping_ticker:RECORD_LEN"}
CONFIGS = {
    "plain": '[signal]\ndialect = "ticker"\n',
    "reply": '[signal]\ndialect = "ticker"\nreply = true\n[signal.ticker]\nwindow_offset = 0\n',
    "wrong": '[signal]\ndialect = "ticker"\n[signal.ticker]\nwindow_offset = 91\nodd = 1\n',
    "unknown": '[signal]\ndialect = "tickr"\n',
    "broken": '[signal]\ndialect = "broken"\n',
    "careless": '[signal]\ndialect = "careless"\n',
    "number": '[signal]\ndialect = "number"\n',
}


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the daemon's loader answers to each configuration, with the package installed."""
    folder = tmp_path_factory.mktemp("installed")
    install(folder / "site")
    for name, text in CONFIGS.items():
        (folder / f"{name}.toml").write_text(text, "utf-8")
    path = os.pathsep.join([str(ROOT), str(folder / "site")])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *(folder / f"{name}.toml" for name in CONFIGS)],
        env=os.environ | {"PYTHONPATH": path}, capture_output=True, text=True, timeout=30,
    )  # fmt: skip
    assert done.stderr == ""
    return dict(zip(CONFIGS, map(json.loads, done.stdout.splitlines()), strict=True))


def test_dialect_of_a_package_when_installed_speaks_through_the_gate(answers):
    said, counts, closed = answers["plain"]
    assert said == [["called", "3", "A023", None], ["called", "04", "B007", None]]
    assert (counts["repeated"], counts["other_window"]) == (1, 1)
    assert (counts["damaged"], counts["unknown"]) == (2, 1)
    assert closed == ""
    assert answers["reply"][2] == "*Z3#"


def test_dialect_of_a_package_when_careless_is_stopped_by_our_gate(answers):
    said, counts, _ = answers["careless"]
    assert said == [["called", "3", "A1", "concealed"]]
    assert (counts["good"], counts["damaged"]) == (1, 1)
    assert (counts["unknown"], counts["other_window"]) == (1, 1)


def test_table_of_a_package_when_wrong_is_named_at_its_place(answers):
    assert answers["wrong"] == [
        "line 4, column 17: signal.ticker.window_offset: 91 is not allowed; "
        "a whole number from 0 to 90",
        "line 5, column 1: signal.ticker.odd: unknown; known: window_offset",
    ]


def test_dialect_when_unknown_is_refused_with_the_names_known(answers, tmp_path):
    assert answers["unknown"] == [
        "line 2, column 11: signal.dialect: 'tickr' is not allowed; one of native, line, jsonl, "
        "frame, broken, careless, number, ticker (did you mean ticker?)"
    ]
    path = tmp_path / "unit.toml"
    path.write_text(CONFIGS["plain"], "utf-8")
    with pytest.raises(ConfigError, match="one of native, line, jsonl, frame"):
        load_signal(path)


def test_package_when_it_cannot_be_loaded_is_named(answers):
    assert answers["broken"] == [
        "line 2, column 11: signal.dialect: 'broken' is not allowed; haochaping-ticker brings it "
        "and cannot be loaded (No module named 'haochaping_nowhere'): mend it"
    ]
    assert "names something that cannot be called" in answers["number"][0]
