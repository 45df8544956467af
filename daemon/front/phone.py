"""The text of the code that a phone reads beside "please rate" (pure).

A template with the names below in braces, filled for one prompt; what it names and is not known
yet makes no code at all, because a code that does not say which service is worth nothing.
"""

from collections.abc import Mapping
from string import Formatter

# What a template may name, and one of each as long as they are in the halls we know: that is what
# a template's length is judged by (ticketSerial: date, controller, number; domain.md 5).
EXAMPLE = {
    "area": "330102",
    "hall": "h01",
    "unit": "w03",
    "window": "12",
    "ticketSerial": "261128010023",
    "projectNo": "330102261128000118",
    "serviceNumber": "1",
    "promptId": "12345",
}
# A code of version 3, level L, has room for 53 bytes (ISO/IEC 18004, table 7): at two pixels a
# module it is the largest that stands on 64 rows.
VERSION_MAX, TEXT_LEN_MAX = 3, 53
# What may stand in a link as it is (RFC 3986, 2.3).
UNRESERVED = "-._~"
ALLOWED = f"plain ASCII with the names {', '.join(f'{{{name}}}' for name in EXAMPLE)}"


def problem(template: str) -> str | None:
    """What is wrong with a template, in words; None when it is good."""
    try:
        parsed = list(Formatter().parse(template))
    except ValueError:
        return f"a brace stands alone; {ALLOWED}"
    if any(spec or conversion for _, _, spec, conversion in parsed):
        return f"nothing but a name may stand between braces; {ALLOWED}"
    unknown = [name for _, name, _, _ in parsed if name is not None and name not in EXAMPLE]
    if unknown:
        return f"{{{unknown[0]}}} is unknown; {ALLOWED}"
    if not (template.isascii() and template.isprintable() and " " not in template):
        return f"only letters, digits and signs of a web address are read by every phone; {ALLOWED}"
    length = len(template.format_map(EXAMPLE))
    if length > TEXT_LEN_MAX:
        return (
            f"{length} characters once filled, the code has room for {TEXT_LEN_MAX}: "
            "shorten the address or leave out a name"
        )
    return None


def text(template: str, facts: Mapping[str, object]) -> str | None:
    """The text for one prompt; None without a template, a fact, or room for it."""
    names = [name for _, name, _, _ in Formatter().parse(template) if name]
    if not template or any(facts.get(name) is None for name in names):
        return None
    filled = template.format_map({name: _escaped(str(facts[name])) for name in names})
    return filled if len(filled) <= TEXT_LEN_MAX else None


def _escaped(value: str) -> str:
    """The value so that it cannot end or change the link (RFC 3986, 2.1)."""
    return "".join(
        char
        if char.isascii() and (char.isalnum() or char in UNRESERVED)
        else "".join(f"%{byte:02X}" for byte in char.encode())
        for char in value
    )
