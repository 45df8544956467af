"""The centre's configuration and registry: all mistakes at once, in words."""

import json
from pathlib import Path

import pytest

from central.config import load, parse
from central.errors import ConfigError, RegistryError
from central.registry import Registry, Unit, dump
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
UNITS = {SOURCE: Unit.of(key(1).public)}


def problems(text: str) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse(text, Path())
    return caught.value.problems


def test_parse_when_all_is_given_then_takes_it_and_paths_start_at_the_file() -> None:
    config = parse(GOOD, Path("/etc/central"))
    assert (config.broker.host, config.broker.port) == ("broker.example", 8883)
    assert (config.broker.protocol, config.broker.client_id) == (4, "centre-2")
    assert config.store.database == Path("/var/lib/central.db")
    assert config.platform_key == Path("/etc/central/platform.pem")
    assert config.registry == Path("/etc/central/registry.json")


def test_parse_when_only_the_needful_is_given_then_the_rest_has_defaults() -> None:
    config = parse('registry="r.json"\nplatform.key="p.pem"', Path("x"))
    assert (config.broker.host, config.broker.port, config.broker.protocol) == (
        "127.0.0.1",
        1883,
        5,
    )
    assert (config.store.database, config.store.url) == (Path("x/central.db"), None)
    assert (config.broker.share, config.broker.areas, config.broker.tls_ca) == (None, (), None)
    assert (config.alarms.silent_ms, config.alarms.gap_ms) == (300_000, 30_000)
    assert (config.alarms.withheld_ms, config.metrics.port) == (600_000, 0)
    assert (config.alarms.list_ms, config.broker.revocation_list) == (14 * 86_400_000, None)


def test_parse_when_a_cluster_is_configured_then_takes_it() -> None:
    text = """
    registry = "r.json"
    platform.key = "p.pem"
    store.url = "postgresql://db.example/hcp"
    metrics.port = 9464
    [broker]
    share = "centre"
    areas = ["330102", "330106"]
    tls_ca = "ca.pem"
    tls_certificate = "centre.pem"
    tls_key = "centre.key"
    revocation_list = "unit.crl"
    """
    config = parse(text, Path("/etc/central"))
    assert config.store.url == "postgresql://db.example/hcp"
    assert config.store.place == "PostgreSQL"
    assert (config.broker.share, config.broker.areas) == ("centre", ("330102", "330106"))
    assert config.broker.tls_key == Path("/etc/central/centre.key")
    assert config.broker.revocation_list == Path("/etc/central/unit.crl")
    assert config.metrics.port == 9464


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        ('store.url = "postgresql://x"', "store.url: goes without store.database"),
        ('broker.share = "a/b"', "broker.share: is 'a/b', must be letters, digits, _ . and -"),
        ('broker.areas = "330102"', "broker.areas: is '330102', must be a list of area codes"),
        ('broker.areas = ["+"]', "broker.areas: is ['+'], must be a list of area codes"),
        ('broker.tls_key = "k"', "broker.tls_key: a certificate and its key go together"),
        ("alarms.list_days = 6", "alarms.list_days: is 6, must be a whole number from 7 to 365"),
        ("alarms.silent_s = 5", "alarms.silent_s: is 5, must be a whole number from 60 to 86400"),
        (
            'store.url = "mysql://x"',
            "store.url: is 'mysql://x', must be postgresql://host/database",
        ),
    ],
)
def test_parse_when_one_thing_is_wrong_then_says_it_in_words(more: str, sentence: str) -> None:
    base = 'registry = "r"\nplatform.key = "p"\nstore.database = "d"\n'
    assert any(problem.startswith(sentence) for problem in problems(base + more))


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


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a" + ".a" * 2000 + " = 1", "not TOML: nested too deeply"),
        ("a = " + "9" * 5000, "not TOML: Exceeds the limit"),
        ("broker.port = 0x" + "f" * 5000, "broker.port: is this int, must be a whole number"),
        ('"a\\u001bb" = 1', r"'a\x1bb': unknown key"),
        ("x" * 500 + " = 1", "…: unknown key"),
    ],
    ids=["deep", "long number", "larger number", "control character", "long key"],
)
def test_parse_when_a_mistake_is_beyond_measure_then_is_a_short_line(
    text: str, sentence: str
) -> None:
    found = problems(text)
    assert any(sentence in problem for problem in found)
    assert all(problem.isprintable() and len(problem) < 200 for problem in found)


def test_load_when_there_is_no_file_then_says_which(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none\.toml: No such file"):
        load(tmp_path / "none.toml")


def test_registry_when_dumped_and_parsed_then_knows_the_same_keys() -> None:
    registry = Registry.parse(dump(UNITS))
    keys = registry.current_keys(SOURCE)
    assert keys[key(1).kid].to_text() == key(1).public.to_text()
    assert registry.get(Source("330102", "h01", "w04")) is None
    assert len(registry) == 1


def test_registry_when_a_key_was_revoked_then_it_is_known_and_not_current() -> None:
    old, new = key(1).public, key(2).public
    unit = Unit({old.kid: old, new.kid: new}, {old.kid: "2026-11-22T10:00:00.000Z"}, ("3",))
    registry = Registry.parse(dump({SOURCE: unit}))
    found = registry.get(SOURCE)
    assert found is not None
    assert (found.keys.keys(), dict(found.revoked), found.windows) == (
        {old.kid, new.kid},
        dict(unit.revoked),
        ("3",),
    )
    assert registry.current_keys(SOURCE).keys() == {new.kid}


def test_registry_when_it_says_more_than_the_centre_knows_then_that_is_passed_over() -> None:
    (row,) = json.loads(dump(UNITS))["units"]
    row |= {"retired": "2026-11-22T10:00:00Z", "note": {"by": "somebody"}}
    row["keys"][0]["made"] = "2026-11-20"
    text = json.dumps({"units": [row], "site": "330102-h01"})
    assert dump(dict(Registry.parse(text).items())) == dump(UNITS)


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
        (dump(UNITS).replace('"kid"', '"revoked":"yesterday","kid"'), "no time in UTC"),
        (dump(UNITS).replace('"keys"', '"windows":"3","keys"'), "windows are not a list of texts"),
    ],
)
def test_registry_when_it_is_wrong_then_says_how(text: str, reason: str) -> None:
    with pytest.raises(RegistryError, match=reason):
        Registry.parse(text)
