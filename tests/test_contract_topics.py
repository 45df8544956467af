"""Topics: written and taken apart, and nothing else understood."""

import pytest

from protocol.central import topics
from protocol.central.entry import Source

SOURCE = Source("330102", "h01", "w03")


@pytest.mark.parametrize("name", topics.UP_NAMES)
def test_up_when_taken_apart_then_says_the_same(name: str) -> None:
    topic = topics.up(SOURCE, name)
    assert topic == f"hcp/v1/330102/h01/w03/up/{name}"
    assert topics.parse(topic) == (SOURCE, "up", name)


@pytest.mark.parametrize("name", topics.DOWN_NAMES)
def test_down_when_taken_apart_then_says_the_same(name: str) -> None:
    assert topics.parse(topics.down(SOURCE, name)) == (SOURCE, "down", name)


def test_filters_when_a_topic_is_split_then_fit_level_by_level() -> None:
    def fits(wanted: str, topic: str) -> bool:
        levels = zip(wanted.split("/"), topic.split("/"), strict=True)
        return all(level in ("+", other) for level, other in levels)

    assert fits(topics.every_up(topics.EVERY_AREA), topics.up(SOURCE, "rating"))
    assert not fits(topics.every_up(topics.EVERY_AREA), topics.down(SOURCE, topics.RECEIPT))
    assert fits(topics.every_down(SOURCE), topics.down(SOURCE, topics.ASK))


@pytest.mark.parametrize(
    "topic",
    [
        "",
        "hcp/v1/a/b/c/up",
        "hcp/v1/a/b/c/up/rating/x",
        "hcp/v2/a/b/c/up/rating",
        "hcp/v1/a/b/+/up/rating",
        "hcp/v1/a//c/up/rating",
        "hcp/v1/a/b/c/up/receipt",
        "hcp/v1/a/b/c/down/rating",
        "hcp/v1/a/b/c/up/unknown",
        "$SYS/broker/uptime/a/b/c/d",
    ],
)
def test_parse_when_it_is_no_topic_of_ours_then_refuses(topic: str) -> None:
    with pytest.raises(topics.BadTopic):
        topics.parse(topic)
