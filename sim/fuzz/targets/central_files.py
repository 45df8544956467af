"""The centre's configuration and registry: any text is one, or its mistakes are sentences."""

from collections.abc import Iterator
from pathlib import Path

from central import config
from central.errors import ConfigError, RegistryError
from central.registry import Registry, dump
from sim.examples import FOLDER
from sim.fuzz.target import Target

REGISTRY, CONFIG = 0, 1
CONFIG_TEXT = b"""registry = "registry.json"
[broker]
host = "broker.example"
port = 8883
areas = ["330102"]
tls_ca = "ca.pem"
[store]
database = "central.db"
[platform]
key = "platform.pem"
[alarms]
silent_s = 300
[metrics]
port = 9090
"""
# A dotted key, a value of 60 letters and what is allowed.
SENTENCE_LEN_MAX = 300
LEN_MAX = 6000


def seeds() -> Iterator[bytes]:
    registry = (FOLDER / "registry.json").read_bytes()
    yield bytes((REGISTRY,)) + registry
    yield bytes((REGISTRY,)) + registry.replace(b'"public"', b'"revoked": "x", "public"')
    yield bytes((REGISTRY,)) + b'{"units": [{"source": [], "keys": {"kid": 1}}]}'
    yield bytes((CONFIG,)) + CONFIG_TEXT
    yield bytes((CONFIG,)) + b"a" + b".a" * 1400 + b" = 0x" + b"f" * 1500


def check(data: bytes) -> None:
    try:
        text = data[1:].decode()
    except UnicodeDecodeError:
        return
    if data[:1] == bytes((CONFIG,)):
        _check_config(text)
    else:
        _check_registry(text)


def _check_registry(text: str) -> None:
    try:
        registry = Registry.parse(text)
    except RegistryError as error:
        _check_sentence(str(error))
        return
    units = dict(registry.items())
    assert dict(Registry.parse(dump(units)).items()).keys() == units.keys()


def _check_config(text: str) -> None:
    try:
        assert config.parse(text, Path("/etc")).registry
    except ConfigError as error:
        for problem in error.problems:
            _check_sentence(problem)


def _check_sentence(sentence: str) -> None:
    assert sentence.isprintable(), "no line"
    assert 1 <= len(sentence) <= SENTENCE_LEN_MAX, "no sentence"


TARGET = Target(promise="H4", what="the centre's files", seeds=seeds, check=check, len_max=LEN_MAX)
