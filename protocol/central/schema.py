"""What the JSON Schemas say about an entry (pure; for the centre and tools, never on the unit).

jsonschema-rs needs 4 µs where the validator written in Python needs 1300 µs for a rating.
"""

import json
from functools import cache
from importlib.resources import files
from itertools import islice
from typing import Any

from jsonschema_rs import Draft202012Validator, Registry, ValidationError

from protocol.central.entry import KINDS

MESSAGES = ("receipt", "state", "health", "ask", "alarm")  # what travels beside the entries
NAMES = ("entry", *MESSAGES, *KINDS)
PROBLEM_COUNT_MAX = 5
SENTENCE_LEN_MAX = 200


def problems(entry_value: Any) -> list[str]:
    """What is wrong with a whole entry: envelope and data; empty when nothing is."""
    wrong = _sentences("entry", entry_value, "")
    return wrong or data_problems(entry_value["dataschema"].split(":")[3], entry_value["data"])


def data_problems(kind: str, data: Any) -> list[str]:
    """What is wrong with the data of an entry whose envelope was checked by reading it."""
    return _sentences(kind, data, "data")


def message_problems(name: str, value: Any) -> list[str]:
    """What is wrong with a message that is no entry: one of MESSAGES."""
    assert name in MESSAGES, name
    return _sentences(name, value, "")


def receipt_problems(value: Any) -> list[str]:
    """What is wrong with a receipt."""
    return message_problems("receipt", value)


def load(name: str) -> dict[str, Any]:
    """One schema as it is packaged: `common` or one of NAMES."""
    text = files("protocol.central").joinpath(f"schemas/{name}.schema.json").read_text("utf-8")
    schema: dict[str, Any] = json.loads(text)
    return schema


def _sentences(name: str, value: Any, prefix: str) -> list[str]:
    validator = _validators()[name]
    try:
        if validator.is_valid(value):
            return []
        errors = list(islice(validator.iter_errors(value), PROBLEM_COUNT_MAX))
    except ValueError:
        # jsonschema-rs goes 255 levels deep, and reads UTF-8 alone.
        return [f"{prefix or name}: nested too deeply, or no text"]
    return [_sentence(error, name, prefix) for error in errors]


def _sentence(error: ValidationError, name: str, prefix: str) -> str:
    place = ".".join([prefix, *map(str, error.instance_path)]).strip(".") or name
    sentence = f"{place}: {error.message}"[:SENTENCE_LEN_MAX]
    return "".join(char if char.isprintable() else "?" for char in sentence)


@cache
def _validators() -> dict[str, Draft202012Validator]:
    schemas = {name: load(name) for name in ("common", *NAMES)}
    registry = Registry([(schema["$id"], schema) for schema in schemas.values()])
    # Values are masked: a sentence may reach a log, a dirty value must not.
    return {
        name: Draft202012Validator(schemas[name], registry=registry, mask="the value")
        for name in NAMES
    }
