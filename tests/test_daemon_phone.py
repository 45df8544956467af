"""The text of the code beside "please rate": checked when configured, filled for each prompt."""

import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from daemon.front import phone
from daemon.front.phone import EXAMPLE, TEXT_LEN_MAX
from daemon.front.qr import modules

TEMPLATE = "https://hcp.example/r?u={unit}&t={ticketSerial}"


def test_template_is_filled_with_what_the_prompt_knows():
    assert phone.problem(TEMPLATE) is None
    assert phone.text(TEMPLATE, EXAMPLE) == "https://hcp.example/r?u=w03&t=261128010023"
    assert phone.text(TEMPLATE, {**EXAMPLE, "serviceNumber": 2}).endswith("261128010023")
    every = "".join(f"{{{name}}}" for name in EXAMPLE)
    assert phone.text("{serviceNumber}/{promptId}", EXAMPLE | {"promptId": 7}) == "1/7"
    assert phone.problem(every) is None or "characters once filled" in phone.problem(every)


@pytest.mark.parametrize("missing", ["unit", "ticketSerial"])
def test_code_that_would_not_say_which_service_is_none(missing):
    assert phone.text(TEMPLATE, EXAMPLE | {missing: None}) is None
    assert phone.text(TEMPLATE, {}) is None


def test_no_template_is_no_code():
    assert phone.text("", EXAMPLE) is None


@pytest.mark.parametrize(
    ("template", "said"),
    [
        ("https://hcp.example/{ticket}", "{ticket} is unknown; plain ASCII with the names {area}"),
        ("https://hcp.example/{}", "{} is unknown"),
        ("https://hcp.example/{unit.x}", "{unit.x} is unknown"),
        ("https://hcp.example/{unit:>3}", "nothing but a name may stand between braces"),
        ("https://hcp.example/{unit!r}", "nothing but a name may stand between braces"),
        ("https://hcp.example/{unit", "a brace stands alone"),
        ("https://好差评.example/", "only letters, digits and signs of a web address"),
        ("https://hcp.example/ {unit}", "only letters, digits and signs of a web address"),
        (
            "https://rating.hangzhou.example/window/rate?t={ticketSerial}",
            "58 characters once filled, the code has room for 53: shorten the address or leave",
        ),
    ],
)
def test_template_with_a_mistake_is_refused_with_a_sentence(template, said):
    assert said in phone.problem(template)


@given(st.text(string.printable[:94] + "汉", max_size=30))
def test_filled_text_never_ends_or_changes_the_link(serial):
    text = phone.text("a?t={ticketSerial}&u=1", {"ticketSerial": serial})
    if text is not None:
        assert re.fullmatch(r"a\?t=[A-Za-z0-9._~%-]*&u=1", text)
        assert len(text) <= TEXT_LEN_MAX


@settings(max_examples=15)
@given(st.text(string.printable[:94], max_size=90))
def test_text_has_a_code_exactly_when_it_is_short_enough(text):
    if len(text) <= TEXT_LEN_MAX:
        assert len(modules(text)) in (21, 25, 29)
    elif not re.fullmatch(r"[0-9A-Z $%*+./:-]*", text):
        assert modules(text) is None
