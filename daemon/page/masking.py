"""The configuration as a support bundle may hold it (pure): no secret, no place of a key."""

import tomllib
from typing import Any

MASK = "(masked)"
# Parts of a key's name whose text is a secret, or the path of a key or certificate.
SECRETS = ("key", "password", "secret", "token", "certificate", "tls_ca", "user", "login")
# They have such a part and are none.
PLAIN = ("keys", "key_table")
UNREADABLE = {"unreadable": "the file is gone or no TOML: the daemon runs on what it was"}


def masked(text: str | None) -> dict[str, Any]:
    """The values of a TOML text; comments, which may say anything, are left out."""
    try:
        return UNREADABLE if text is None else _table(tomllib.loads(text))
    except (ValueError, RecursionError):
        return UNREADABLE


def _table(values: dict[str, Any]) -> dict[str, Any]:
    return {name: _value(name, value) for name, value in values.items()}


def _value(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return _table(value)
    if isinstance(value, list):
        return [_value(name, each) for each in value]
    if isinstance(value, str) and _is_secret(name, value):
        return MASK
    return value if isinstance(value, str | int | float | bool) else str(value)


def _is_secret(name: str, value: str) -> bool:
    if name in PLAIN or not value:
        return False
    return any(part in name.lower() for part in SECRETS) or "PRIVATE KEY" in value
