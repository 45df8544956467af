"""Canonical JSON: one value, one text, so that a hash or a signature means the value (pure)."""

import json
import re
from typing import Any

import rfc8785

INT_MAX = 2**53 - 1  # I-JSON (RFC 7493 2.2): what every JSON reader holds exactly


class ContractError(ValueError):
    """Something that came from the other side does not keep the contract; says what in words."""


class BadJson(ContractError):
    """The text is not strict JSON, or the value has no canonical form."""


class NotCanonical(ContractError):
    """Strict JSON, but not written in the one canonical way."""


class _NotPlain(Exception):
    """Something in which RFC 8785 and the standard encoder could differ."""


# Halves of a character are the UTF-16 units from D800 to DFFF (RFC 7493 2.1 forbids them alone).
_HALF = re.compile(r"\\u[dD][89a-fA-F]")
_TEXT = frozenset((str,))
_SCALARS = _TEXT | {bool, type(None)}
# For plain values (see _is_plain) the encoder in C gives the text of RFC 8785, six times faster.
_plain_encoder = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
)


def canonical(value: Any) -> bytes:
    """Return the RFC 8785 form of a JSON value."""
    try:
        if _is_plain(value):
            return _plain_encoder.encode(value).encode()
        return rfc8785.dumps(value)
    except (rfc8785.CanonicalizationError, UnicodeEncodeError, RecursionError) as error:
        raise BadJson(f"no canonical form: {error}") from error


def parse(text: str | bytes) -> Any:
    """Read strict JSON: no member twice, no NaN, UTF-8 only, and no half of a character."""
    try:
        # Both ways round, because a str may hold half a character.
        text = (text.encode() if isinstance(text, str) else text).decode()
        value = _decoder.decode(text)
        if _HALF.search(text):
            # JSON may name a half by its number, and then nobody can write it down again.
            json.dumps(value, ensure_ascii=False).encode()
        return value
    except BadJson:
        raise
    except (ValueError, RecursionError) as error:
        raise BadJson(f"not JSON: {error}") from error


def parse_canonical(text: str | bytes) -> Any:
    """Read JSON that has to be written in its RFC 8785 form.

    Raises NotCanonical when only the writing is at fault, else BadJson.
    """
    try:
        # Both ways round, because a str may hold half a character.
        known = text.encode().decode() if isinstance(text, str) else text.decode()
        value = _plain(known)
        if _plain_encoder.encode(value) == known:
            return value
    except (_NotPlain, ValueError, RecursionError):
        pass
    # The long way, which says what is wrong, if anything is.
    value = parse(text)
    if canonical(value) != (text.encode() if isinstance(text, str) else text):
        raise NotCanonical("not in canonical form")
    return value


def _is_plain(value: Any) -> bool:
    """Whether value holds nothing in which RFC 8785 and the standard encoder could differ."""
    found = [value]
    for item in found:  # grows while it is walked
        kind = type(item)
        if kind is dict:
            # RFC 8785 sorts members by UTF-16 unit, Python by code point: the same for ASCII.
            if not set(map(type, item)) <= _TEXT or not "".join(item).isascii():
                return False
            found.extend(item.values())
        elif kind is list:
            found.extend(item)
        elif kind is int:
            if not -INT_MAX <= item <= INT_MAX:
                return False
        elif kind not in _SCALARS:
            return False
    return True


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise BadJson("a member occurs twice")
    return members


def _constant(name: str) -> Any:
    raise BadJson(f"{name} is not JSON")


_decoder = json.JSONDecoder(object_pairs_hook=_members, parse_constant=_constant)


def _plain(text: str) -> Any:
    """What text holds when the standard encoder would write it as RFC 8785 does; else _NotPlain.

    The same questions as _is_plain asks, in less time, because most of them need not be asked: a
    member that is there twice is not written twice, and members in ASCII sort the same.
    """
    return (_ascii_decoder if text.isascii() else _other_decoder).decode(text)


def _ascii_members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if not "".join(members).isascii():
        raise _NotPlain
    return members


def _small_integer(digits: str) -> int:
    if len(digits) > _DIGITS_MAX:
        raise _NotPlain
    return int(digits)


def _not_plain(_text: str) -> Any:
    raise _NotPlain


_DIGITS_MAX = 15  # INT_MAX has 16
_ascii_decoder = json.JSONDecoder(
    parse_int=_small_integer, parse_float=_not_plain, parse_constant=_not_plain
)
_other_decoder = json.JSONDecoder(
    object_pairs_hook=_ascii_members,
    parse_int=_small_integer,
    parse_float=_not_plain,
    parse_constant=_not_plain,
)
