"""A fuzzer holds no key: here is who signs for it what it made up (pure)."""

import json
from typing import Any

from protocol.central.canonical import BadJson, canonical, parse
from protocol.central.signing import SIGNATURE_LEN, SigningKey, to_base64url

# Of the right form, for a value that has no canonical text: it is to be refused before that shows.
NO_SIGNATURE = to_base64url(bytes(SIGNATURE_LEN))


def signed(data: bytes, key: SigningKey, member: str) -> bytes:
    """The JSON object in these bytes as the owner of the key would send it; else the bytes."""
    try:
        value: Any = parse(data)
    except BadJson:
        return data
    if not isinstance(value, dict):
        return data
    value.pop(member, None)
    value["kid"] = key.kid
    try:
        value[member] = to_base64url(key.sign(canonical(value)))
        return canonical(value)
    except BadJson:
        value[member] = NO_SIGNATURE
        return json.dumps(value).encode()
