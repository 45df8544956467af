"""Code tables: the packaged data, read through the functions everybody uses."""

import pytest

from protocol.central import codes


def test_levels_when_read_then_are_five_and_the_lowest_two_negative() -> None:
    assert [level.satisfaction for level in codes.levels()] == [5, 4, 3, 2, 1]
    assert [level.satisfaction for level in codes.levels() if level.negative] == [2, 1]


@pytest.mark.parametrize("satisfaction", range(1, 6))
def test_norms_when_asked_for_a_level_then_all_belong_to_it(satisfaction: int) -> None:
    norms = codes.norms(satisfaction)
    assert len(norms) >= 8
    assert {norm.code[0] for norm in norms} == {str(satisfaction)}
    assert not {norm.code for norm in norms} & codes.retired_norm_codes()
    assert 3 <= sum(norm.basic for norm in norms) <= 5


def test_profile_when_named_then_says_how_a_key_pad_is_called_there() -> None:
    assert "national" in codes.profile_names()
    for name in codes.profile_names():
        profile = codes.profile(name)
        assert profile["keypad"] is None or profile["keypad"] in profile["pf"]
    with pytest.raises(KeyError):
        codes.profile("atlantis")


def test_code_when_asked_then_is_the_text_of_the_table() -> None:
    assert codes.code("proStatus", "closed") == "3"
