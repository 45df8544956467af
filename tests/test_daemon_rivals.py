"""Two units with one name: named once it is certain, until it has been quiet."""

from daemon.events import BrokerDown, BrokerUp, Taken
from daemon.net.rivals import (
    CUTS_LEAST,
    CUTS_WITHIN_S,
    NAMED,
    SHORT_S,
    SUSPECTED,
    TAKEOVERS_WITHIN_S,
    Rivals,
)
from sim.desk import Desk


def test_name_when_taken_over_once_may_be_a_technician_and_twice_is_a_rival():
    rivals = Rivals()
    rivals.taken_over(100.0)
    assert rivals.sentence(100.0) is None
    rivals.taken_over(220.0)
    assert rivals.sentence(220.0) == NAMED
    assert rivals.sentence(220.0 + TAKEOVERS_WITHIN_S) is None


def test_name_when_taken_over_twice_in_a_day_is_no_rival_s():
    rivals = Rivals()
    rivals.taken_over(0.0)
    rivals.taken_over(40_000.0)
    assert rivals.sentence(40_000.0) is None


def test_connections_when_cut_short_again_and_again_are_suspect_until_it_is_quiet():
    rivals = Rivals()
    for number in range(CUTS_LEAST):
        assert rivals.sentence(float(number)) is None
        rivals.cut(float(number), lived_s=1.0)
    assert rivals.sentence(CUTS_LEAST) == SUSPECTED
    # From now on the unit calls seldom, and is cut seldom.
    last_s = CUTS_LEAST + TAKEOVERS_WITHIN_S / 2
    rivals.cut(last_s, lived_s=60.0)
    assert rivals.sentence(last_s + TAKEOVERS_WITHIN_S - 1) == SUSPECTED
    assert rivals.sentence(last_s + TAKEOVERS_WITHIN_S) is None


def test_connections_that_lived_or_were_cut_seldom_are_no_rival_s():
    rivals = Rivals()
    for number in range(100):
        rivals.cut(number * 11.0, lived_s=SHORT_S + 1)
    for number in range(100):
        rivals.cut(2000.0 + number * (CUTS_WITHIN_S / (CUTS_LEAST - 1) + 1), lived_s=1.0)
    assert rivals.sentence(5000.0) is None


def test_page_when_the_name_is_shared_says_so_while_the_broker_is_up():
    desk = Desk()
    desk.give(BrokerUp(NAMED))
    for _ in range(2):
        view = desk.core.snapshot(desk.now_ms).uplink
        assert (view.state, view.trouble) == ("up", NAMED)
        # An acknowledged entry ends other trouble, not this.
        desk.give(Taken((1,), ""))
    desk.give(BrokerDown("the broker is off"))
    assert desk.core.snapshot(desk.now_ms).uplink.trouble == "the broker is off"
    desk.give(BrokerUp())
    assert desk.core.snapshot(desk.now_ms).uplink.trouble is None
