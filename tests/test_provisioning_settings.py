"""A site's file: whatever is wrong in it is said in sentences, each a line."""

import pytest

from provisioning.office import settings
from provisioning.office.settings import BadSettings


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("[site", "not TOML: Expected ']'"),
        ("x = " + "[" * 2000, "not TOML: nested too deeply"),
        ("x = " + "9" * 5000, "not TOML: Exceeds the limit"),
        ("[broker]\nport = 0x" + "f" * 5000, "broker.port: this int: a whole number"),
        ("[broker]\nhost" + ".a" * 2000 + " = 1", "broker.host: this dict: a host name"),
        (f'[broker]\nport = "{"x" * 5000}"', "…: a whole number"),
        (f'[broker]\napply = "{"x" * 5000}"', "…: a list of words"),
        ('["a\\nb"]\n"c\\u001b" = 1', r"'a\nb.c\x1b': there is no such key"),
        ("x = 1", "site.area: missing: 6 to 12 digits"),
    ],
    ids=[
        "torn",
        "deep",
        "long number",
        "larger number",
        "deep key",
        "long text",
        "long word",
        "key",
        "empty",
    ],
)
def test_settings_with_mistakes_then_each_is_a_short_line(text: str, sentence: str) -> None:
    with pytest.raises(BadSettings) as refused:
        settings.read("site.toml", text)
    lines = str(refused.value).splitlines()
    assert any(sentence in line for line in lines), lines
    assert all(line.isprintable() and len(line) < 200 for line in lines)
