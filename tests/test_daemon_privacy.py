"""What bears an ID number is concealed; nothing of a citizen comes through a dialect.

The numbers are made here from parts: the region 999999 does not exist, so nobody's is among them.
"""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.dialects.native import FRAME_LEN_MAX, Native
from daemon.privacy import bears_contact, bears_id_number, born_before, concealer
from protocol.pad.framing import encode

REGION = "999999"
TODAY = 20250101
WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)


def id_number(birthday="19491001", order="002"):
    digits = REGION + birthday + order
    total = sum(int(digit) * weight for digit, weight in zip(digits, WEIGHTS, strict=True))
    return digits + "10X98765432"[total % 11]


def other_check(number):
    """The same number with a check character that does not fit."""
    return number[:-1] + ("1" if number[-1] == "0" else "0")


BIRTHDAYS = st.builds(
    "{:04}{:02}{:02}".format, st.integers(1880, 2024), st.integers(1, 12), st.integers(1, 31)
)
ORDERS = st.integers(0, 999).map("{:03}".format)


@given(BIRTHDAYS, ORDERS)
def test_number_when_whole_is_found_whatever_stands_around_it(birthday, order):
    number = id_number(birthday, order)
    for text in (number, number.lower(), f"BJ{number}", f"{number}01", f"a{number}b", f"8{number}"):
        assert bears_id_number(text, TODAY)


@given(BIRTHDAYS, ORDERS)
def test_number_when_its_check_character_does_not_fit_is_none(birthday, order):
    assert not bears_id_number(other_check(id_number(birthday, order)), TODAY)


def test_number_when_its_check_character_is_x_is_found_in_both_cases():
    number = next(
        made for order in range(99) if (made := id_number(order=f"{order:03}")).endswith("X")
    )
    assert bears_id_number(number, TODAY)
    assert bears_id_number(number.lower(), TODAY)


def test_number_when_in_full_width_digits_is_found():
    wide = id_number().translate({48 + digit: 0xFF10 + digit for digit in range(10)})
    assert wide != id_number()
    assert bears_id_number(f"项目{wide}", TODAY)


@pytest.mark.parametrize("birthday", ["18791231", "20250101", "19490001", "19491301", "19491032"])
def test_number_when_nobody_was_born_then_is_none(birthday):
    assert not bears_id_number(id_number(birthday), TODAY)


def test_case_number_of_this_year_is_none_though_it_has_the_form():
    case = id_number(birthday="20261122", order="001")
    assert not bears_id_number(case, born_before(20261123))
    assert bears_id_number(id_number(), born_before(20261123))


def test_clock_before_the_release_hides_nobody():
    assert born_before(19700101) == born_before(20261122) == 20251122


def test_number_when_of_the_old_form_is_found_only_alone():
    old = REGION + "491001" + "002"
    assert bears_id_number(old, TODAY)
    assert not bears_id_number(f"1{old}", TODAY)
    assert not bears_id_number(old.replace("491001", "491301"), TODAY)


@pytest.mark.parametrize("text", ["", "A023", "BJ202611220001", "20261122-1-A023", "1" * 40])
def test_case_key_when_it_bears_none_stays(text):
    assert concealer(b"s", TODAY)(text) == text


def test_concealed_key_is_the_same_each_time_and_another_with_another_secret():
    conceal, number = concealer(b"s", TODAY), id_number()
    assert conceal(number) == conceal(number)
    assert conceal(number) != conceal(number + "1")
    assert conceal(number) != concealer(b"t", TODAY)(number)
    assert conceal(number).startswith("hmac-")
    assert len(conceal(number)) == 45
    assert not bears_id_number(conceal(number), TODAY)


FIELDS = ("ticket", "ticketSerial", "projectNo", "taskCode", "taskName", "staff", "state", "name")


@pytest.mark.parametrize("field", FIELDS)
def test_id_number_when_in_any_field_is_nowhere_in_what_comes_out(field):
    number = id_number()
    # The old form fits a ticket, which the longer one does not.
    values = [number, f"A{number}", f"{number}-1", REGION + "491001" + "002"]
    for value in values:
        talk = Native(("3",), concealer(b"s", TODAY))
        body = json.dumps({"say": "completed", "n": value, field: value}).encode()
        heard = talk.received(0, encode(body, FRAME_LEN_MAX))
        assert number[6:16] not in repr(heard)
        assert REGION not in repr(heard)


@pytest.mark.parametrize(
    "text",
    ["13800000000", "经办 +86 138-0000-0000", "电话１３８００００００００。", "138 0000 0000办证",
     "京A00000过户", "粤B·D00000", "川a 0000学", "赣F00000挂"],
)  # fmt: skip
def test_item_that_bears_a_mobile_number_or_a_plate_is_left_out(text):
    assert bears_contact(text)
    talk = Native(("3",), concealer(b"s", TODAY))
    body = json.dumps({"say": "completed", "n": 1, "projectNo": "P1", "taskName": text}).encode()
    (signal,) = talk.received(0, encode(body, FRAME_LEN_MAX))
    assert (signal.project_no, signal.task_name) == ("P1", None)
    assert talk.counts.trimmed == 1


@pytest.mark.parametrize(
    "text",
    ["居民身份证换领", "202611220001", "113800000000", "2000109001001", "新型农村合作医疗参保",
     "机动车驾驶证期满换证（C1）", "12345热线", "京津冀通办A类", "云A类变更"],
)  # fmt: skip
def test_item_that_bears_neither_stays(text):
    assert not bears_contact(text)


def test_case_key_when_concealed_still_tells_cases_apart():
    talk = Native(("3",), concealer(b"s", TODAY))

    def heard(number):
        body = json.dumps({"say": "bound", "n": number, "projectNo": number}).encode()
        (signal,) = talk.received(0, encode(body, FRAME_LEN_MAX))
        return signal.project_no

    first, second = id_number(order="001"), id_number(order="003")
    assert heard(first) != heard(second)
    assert heard(first).startswith("hmac-")


@given(st.text(max_size=40))
def test_any_text_is_judged(text):
    assert bears_id_number(text, TODAY) in (True, False)
