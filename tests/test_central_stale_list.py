"""The alarm before a revocation list would shut units out: when, and in which words."""

from pathlib import Path

import pytest

from central.errors import ListUnreadable
from central.revocation import DAY_MS, RevocationList, left_ms, stale
from central.revocation_file import RevocationFile
from protocol.central.schema import message_problems
from sim.authority import Authority

NOW = 1_790_000_000_000  # 2026-09-21 14:13 UTC
LIMIT_MS = 14 * DAY_MS
NEW_ONE = ": make it anew (`provision site list`) and apply it on the broker (`haochaping-revoke`)"
NO_UNIT = "the broker lets none of its units in"


def hall(ends_ms: int | None, *, begins_ms: int = -DAY_MS, issuer: str = "hall") -> RevocationList:
    """A list that begins and ends so long from now."""
    return RevocationList(issuer, NOW + begins_ms, None if ends_ms is None else NOW + ends_ms)


@pytest.mark.parametrize("ends_ms", [LIMIT_MS + 1, 300 * DAY_MS, None])
def test_list_when_it_holds_for_longer_than_the_limit_then_is_no_alarm(ends_ms: int | None) -> None:
    assert stale([hall(ends_ms)], NOW, LIMIT_MS) is None


@pytest.mark.parametrize(
    ("ends_ms", "words"),
    [
        (LIMIT_MS, f"runs out on 2026-10-05 14:13 UTC, in 14 days, and from then on {NO_UNIT}"),
        (2 * DAY_MS - 1, f"runs out on 2026-09-23 14:13 UTC, in 1 day, and from then on {NO_UNIT}"),
        (1, f"runs out on 2026-09-21 14:13 UTC, in less than a day, and from then on {NO_UNIT}"),
        (0, f"ran out on 2026-09-21 14:13 UTC, and {NO_UNIT}"),
        (-9 * DAY_MS, f"ran out on 2026-09-12 14:13 UTC, and {NO_UNIT}"),
    ],
)
def test_list_when_it_is_to_be_renewed_then_says_until_when_and_what_to_do(
    ends_ms: int, words: str
) -> None:
    assert stale([hall(ends_ms)], NOW, LIMIT_MS) == f"the revocation list of hall {words}{NEW_ONE}"


def test_list_when_it_does_not_hold_yet_then_is_an_alarm() -> None:
    sentence = stale([hall(300 * DAY_MS, begins_ms=DAY_MS)], NOW, LIMIT_MS)
    words = f"holds from 2026-09-22 14:13 UTC on, and until then {NO_UNIT}"
    assert sentence == f"the revocation list of hall {words}{NEW_ONE}"


def test_lists_when_several_are_to_be_renewed_then_the_first_to_end_is_named() -> None:
    lists = [
        hall(9 * DAY_MS, issuer="later"),
        hall(None, issuer="never"),
        hall(2 * DAY_MS, issuer="first"),
        hall(99 * DAY_MS, issuer="good"),
    ]
    sentence = stale(lists, NOW, LIMIT_MS)
    assert sentence is not None
    assert sentence.startswith("the revocation list of first runs out on ")
    assert f"{NO_UNIT} (and 1 more are to be renewed){NEW_ONE}" in sentence
    assert left_ms(lists, NOW) == 2 * DAY_MS


def test_sentence_when_all_is_long_then_has_room_in_the_alarm(tmp_path: Path) -> None:
    with pytest.raises(ListUnreadable) as caught:
        RevocationFile(tmp_path.joinpath(*["x" * 200] * 3)).read()
    long = stale([hall(9 * DAY_MS, issuer="x" * 64)] * 1000, NOW, LIMIT_MS)
    for sentence in (str(caught.value), long):
        alarm = {
            "source": None, "name": "stale_list", "state": "open", "count": 1, "sentence": sentence,
            "since": "2026-11-22T01:02:03.004Z", "last": "2026-11-22T01:02:03.004Z",
        }  # fmt: skip
        assert message_problems("alarm", alarm) == []


def test_file_when_it_holds_two_lists_then_both_are_read_and_again_when_it_is_replaced(
    tmp_path: Path,
) -> None:
    one, two = Authority(tmp_path, "市一"), Authority(tmp_path, "hall two")
    path = tmp_path / "unit.crl"

    def apply() -> None:
        new = tmp_path / "new"
        new.write_bytes(one.crl.read_bytes() + b"a remark between them\n" + two.crl.read_bytes())
        new.replace(path)

    two.revoke(days=(-1, 9))
    apply()
    file = RevocationFile(path)
    found = file.read()
    assert [each.issuer for each in found] == ["市一", "hall two"]
    for each, days in zip(found, (30, 10), strict=True):
        assert each.ends_utc_ms is not None
        assert each.ends_utc_ms - each.begins_utc_ms == days * DAY_MS
    assert file.read() is found
    two.revoke(days=(-1, 29))
    apply()
    now = file.read()[0].begins_utc_ms
    assert stale(found, now, LIMIT_MS) is not None
    assert stale(file.read(), now, LIMIT_MS) is None


@pytest.mark.parametrize("text", [None, b"", b"junk", b"torn", b"bad"])
def test_file_when_it_cannot_be_read_then_says_so_and_is_tried_again(
    tmp_path: Path, text: bytes | None
) -> None:
    good = Authority(tmp_path, "hall").crl.read_bytes()
    path = tmp_path / "unit.crl"
    if text == b"torn":
        text = good + good[:100]
    elif text == b"bad":
        text = good.replace(b"\nMI", b"\nAA", 1)
    if text is not None:
        path.write_bytes(text)
    file = RevocationFile(path)
    reason = "No such file or directory" if text is None else "no revocation list in PEM"
    for _ in range(2):
        with pytest.raises(ListUnreadable) as caught:
            file.read()
        assert str(caught.value) == (
            f"the broker's revocation list {path} cannot be read ({reason}): put it there again,"
            " readable by the centre"
        )
    path.write_bytes(good)
    assert len(file.read()) == 1
