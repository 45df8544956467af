"""The centre's configuration and registry: all mistakes at once, in words."""

import json
import os
from pathlib import Path

import pytest

from central.config import load, parse
from central.errors import ConfigError, RegistryError
from central.registry import Registry, RegistryFile, dump
from protocol.central.entry import Source
from sim.journals import key

GOOD = """
registry = "registry.json"
[broker]
host = "broker.example"
port = 8883
protocol = 4
client_id = "centre-2"
[store]
database = "/var/lib/central.db"
[platform]
key = "platform.pem"
"""
SOURCE = Source("330102", "h01", "w03")
UNITS = {SOURCE: {key(1).kid: key(1).public}}


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, Path())
    return caught.value.problems


def test_parse_when_all_is_given_then_takes_it_and_paths_start_at_the_file() -> None:
    config = parse(GOOD, Path("/etc/central"))
    assert (config.broker.host, config.broker.port) == ("broker.example", 8883)
    assert (config.broker.protocol, config.broker.client_id) == (4, "centre-2")
    assert config.database == Path("/var/lib/central.db")
    assert config.platform_key == Path("/etc/central/platform.pem")
    assert config.registry == Path("/etc/central/registry.json")


def test_parse_when_only_the_needful_is_given_then_the_rest_has_defaults() -> None:
    config = parse('registry="r.json"\nplatform.key="p.pem"', Path("x"))
    assert (config.broker.host, config.broker.port, config.broker.protocol) == (
        "127.0.0.1",
        1883,
        5,
    )
    assert config.database == Path("x/central.db")


def test_parse_when_much_is_wrong_then_names_everything_at_once() -> None:
    text = """
    registry = ""
    [broker]
    host = 5
    port = 70000
    protocol = 3
    hots = "typo"
    """
    assert problems(text) == [
        "broker.host: is 5, must be a text that is not empty",
        "broker.hots: unknown key",
        "broker.port: is 70000, must be a whole number from 1 to 65535",
        "broker.protocol: is 3, must be one of 4, 5",
        "platform.key: missing, must be a text that is not empty",
        "registry: is '', must be a text that is not empty",
    ]


@pytest.mark.parametrize("port", ["true", "1.5", '"1883"'])
def test_parse_when_a_number_is_not_whole_then_says_so(port: str) -> None:
    assert "broker.port" in problems(GOOD.replace("8883", port))[0]


def test_parse_when_it_is_not_toml_then_says_where() -> None:
    assert "line 1" in problems("= 5")[0]


def test_load_when_there_is_no_file_then_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_registry_when_dumped_and_parsed_then_knows_the_same_keys() -> None:
    registry = Registry.parse(dump(UNITS))
    keys = registry.keys_of(SOURCE)
    assert keys is not None
    assert keys[key(1).kid].to_text() == key(1).public.to_text()
    assert registry.keys_of(Source("330102", "h01", "w04")) is None
    assert len(registry) == 1


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("[]", "indices"),
        ("{}", "'units' is missing"),
        ('{"units":[{"source":"/a/b/c"}]}', "'keys' is missing"),
        ('{"units":[{"source":"abc","keys":[]}]}', "not /area/hall/unit"),
        ('{"units":[{"source":"/a/b/c","keys":[{"kid":"x","public":"x"}]}]}', "public key"),
        (dump(UNITS).replace(key(1).kid, key(2).kid), "is not this key's"),
        (
            json.dumps({"units": json.loads(dump(UNITS))["units"] * 2}),
            "a unit occurs twice",
        ),
        ("not json", "not JSON"),
    ],
)
def test_registry_when_it_is_wrong_then_says_how(text: str, reason: str) -> None:
    with pytest.raises(RegistryError, match=reason):
        Registry.parse(text)


def test_registry_file_when_replaced_then_is_read_again_once(tmp_path: Path) -> None:
    path = tmp_path / "registry.json"
    path.write_text(dump({}))
    file = RegistryFile(path)
    assert not file.refresh()
    (tmp_path / "new").write_text(dump(UNITS))
    os.replace(tmp_path / "new", path)
    assert file.refresh()
    assert not file.refresh()
    assert file.registry.keys_of(SOURCE) is not None


def test_registry_file_when_it_turns_bad_then_says_so_once_and_keeps_the_units(
    tmp_path: Path,
) -> None:
    path = tmp_path / "registry.json"
    path.write_text(dump(UNITS))
    file = RegistryFile(path)
    path.write_text("{")
    with pytest.raises(RegistryError, match=r"registry\.json: not JSON"):
        file.refresh()
    assert not file.refresh()
    path.unlink()
    with pytest.raises(RegistryError, match="No such file"):
        file.refresh()
    assert not file.refresh()
    assert file.registry.keys_of(SOURCE) is not None
