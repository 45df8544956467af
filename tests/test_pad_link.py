"""Both ends of the pad's line as a pair, on a line that does exactly what the test says."""

import pytest

from protocol.pad import VERSION, framing
from protocol.pad.line import (
    LINK_LOST_MS,
    QUEUE_LEN_MAX,
    RETRY_MS,
    STATUS_MS,
    TICKS_MAX,
    ticks_diff,
)
from protocol.pad.link import PadEnd, UnitEnd
from protocol.pad.messages import (
    COMMAND_MAX,
    FULL,
    IDLE,
    POWER_ON,
    THANKS,
    Ack,
    Close,
    Edge,
    Hello,
    Message,
    Open,
    SelfTest,
    Status,
    UnitHello,
    decode,
    encode,
)
from protocol.pad.unit_end import COMMAND_JUMP

BOOT = 0xCAFE
LOOK = (FULL, FULL)


def bytes_of(*messages: Message) -> bytes:
    return b"".join(framing.encode(encode(message)) for message in messages)


def messages_in(data: bytes) -> list[Message]:
    decoder = framing.Decoder()
    return [decode(body) for body in map(decoder.push, data) if body is not None]


def new_pad(boot_id: int = BOOT) -> PadEnd:
    return PadEnd(hello(boot_id))


def status(boot_id: int = BOOT, base: int = 1, command: int = 0) -> Status:
    return Status(boot_id, base, command)


def hello(boot_id: int = BOOT, base: int = 1, version: int = VERSION) -> Hello:
    return Hello(boot_id, base, version, b"uid-of-8", b"firmware", 1, POWER_ON)


def edge(seq: int, boot_id: int = BOOT) -> Edge:
    return Edge(boot_id, seq, 0, 3, seq % 2, 0)


def met(boot_id: int = BOOT, seq: int = 0) -> UnitEnd:
    """A unit's end that knows the pad, with everything due at the start already said."""
    unit = UnitEnd(boot_id, seq)
    unit.received(0, bytes_of(hello(boot_id, seq + 1), status(boot_id, seq + 1)))
    unit.poll(0)
    return unit


# The pad's end


def test_pad_at_its_start_then_says_hello_and_status_once_and_each_second_a_status():
    pad = new_pad()
    first, second = messages_in(pad.poll(5))
    assert first == hello()
    assert second == status()
    assert pad.poll(5 + STATUS_MS - 1) == b""
    (third,) = messages_in(pad.poll(5 + STATUS_MS))
    assert isinstance(third, Status)
    assert third.uptime_s == 1


def test_pad_when_an_edge_is_new_then_sends_it_at_once_and_all_unacked_each_retry():
    pad = new_pad()
    pad.poll(0)
    assert pad.edge(10, 7, 2, 1, 0)
    assert messages_in(pad.poll(12)) == [Edge(BOOT, 1, 7, 2, 1, 2)]
    assert pad.edge(60, 7, 2, 0, 0)
    assert messages_in(pad.poll(60)) == [Edge(BOOT, 2, 7, 2, 0, 0)]
    assert pad.poll(12 + RETRY_MS - 1) == b""
    again = messages_in(pad.poll(12 + RETRY_MS))
    assert again == [Edge(BOOT, 1, 7, 2, 1, 102), Edge(BOOT, 2, 7, 2, 0, 52)]
    pad.received(120, bytes_of(Ack(BOOT, 1)))
    assert messages_in(pad.poll(120 + RETRY_MS)) == [Edge(BOOT, 2, 7, 2, 0, 160)]
    pad.edge(225, 0, 1, 1, 0)
    pad.received(230, bytes_of(Ack(BOOT, 2)))
    assert messages_in(pad.poll(230)) == [Edge(BOOT, 3, 0, 1, 1, 5)]
    pad.received(240, bytes_of(Ack(BOOT, 3)))
    assert pad.poll(240 + RETRY_MS) == b""


def test_pad_when_acked_beyond_what_it_sent_or_for_another_boot_then_keeps_its_edges():
    pad = new_pad()
    pad.edge(0, 0, 1, 1, 0)
    pad.received(0, bytes_of(Ack(BOOT, 2), Ack(BOOT + 1, 1)))
    assert edge(1).seq in [m.seq for m in messages_in(pad.poll(0)) if isinstance(m, Edge)]


def test_pad_when_the_queue_is_full_then_the_ninth_edge_is_counted_and_not_numbered():
    pad = new_pad()
    for _ in range(QUEUE_LEN_MAX):
        assert pad.edge(0, 0, 1, 1, 0)
    assert not pad.edge(0, 0, 1, 0, 0)
    said = messages_in(pad.poll(0))
    assert [m.seq for m in said if isinstance(m, Edge)] == list(range(1, 9))
    assert (said[-1].queued, said[-1].dropped, said[-1].seq) == (8, 1, 1)
    pad.received(0, bytes_of(Ack(BOOT, 8)))
    assert pad.edge(0, 0, 1, 1, 0)
    assert messages_in(pad.poll(0))[0].seq == 9


def test_pad_when_a_command_is_repeated_or_old_then_applies_it_once_and_answers_each():
    pad = new_pad()
    pad.poll(0)
    opened = Open(BOOT, 257, 7, 30_000)
    assert pad.received(1, bytes_of(opened, opened)) == [opened]
    assert messages_in(pad.poll(1))[0].command == 257
    assert pad.received(2, bytes_of(opened, SelfTest(BOOT, 256))) == []
    assert messages_in(pad.poll(2))[0].command == 257
    assert pad.received(3, bytes_of(Close(BOOT, 258, 7, THANKS))) == [Close(BOOT, 258, 7, THANKS)]


def test_pad_when_a_command_has_no_number_it_could_echo_then_only_answers_it():
    pad = new_pad()
    pad.poll(0)
    assert pad.received(1, bytes_of(Open(BOOT, COMMAND_MAX + 1, 7, 9, *LOOK))) == []
    assert [message.command for message in messages_in(pad.poll(1))] == [0]
    last = Close(BOOT, COMMAND_MAX, 7, IDLE, *LOOK)
    assert pad.received(2, bytes_of(last)) == [last]
    assert [message.command for message in messages_in(pad.poll(2))] == [COMMAND_MAX]


def test_pad_when_the_unit_means_another_boot_then_only_says_hello():
    pad = new_pad()
    pad.poll(0)
    assert pad.received(1, bytes_of(Open(BOOT + 1, 257, 7, 30_000))) == []
    assert [type(m) for m in messages_in(pad.poll(1))] == [Hello, Status]
    assert pad.received(2, bytes_of(UnitHello(0, 0, VERSION))) == []
    assert [type(m) for m in messages_in(pad.poll(2))] == [Hello, Status]


def test_pad_link_when_silent_or_only_an_echo_or_another_version_is_heard_then_lost():
    pad = new_pad()
    assert pad.link_lost(0)
    pad.received(10, bytes_of(status(), UnitHello(0, 0, VERSION + 1)))
    assert pad.link_lost(10)
    pad.received(20, bytes_of(Ack(BOOT, 0)))
    assert not pad.link_lost(20 + LINK_LOST_MS - 1)
    assert pad.link_lost(20 + LINK_LOST_MS)
    assert pad.link_lost(20)  # stays so until the unit is heard, whatever the ticks say
    pad.received(30, bytes_of(Ack(BOOT, 0)))
    assert not pad.link_lost(30)


def test_pad_when_bytes_mean_nothing_then_counts_them_in_its_status():
    pad = new_pad()
    pad.received(0, b"\x05\x01\x00" + framing.encode(b"\xff") + bytes_of(Ack(BOOT, 0))[:-2] + b"\0")
    assert messages_in(pad.poll(0))[1].bad_frames == 3


def test_pad_when_the_ticks_wrap_then_ages_and_uptime_go_on():
    start = TICKS_MAX - 500
    pad = new_pad()
    pad.poll(start)
    pad.edge(start + 100, 7, 1, 1, 0)
    half_days = 20
    for second in range(1, half_days * 43_200, 3600):  # a status each hour is enough
        said = messages_in(pad.poll((start + second * 1000) & TICKS_MAX))
    assert said[0].age_ms == second * 1000 - 100
    assert said[1].uptime_s == second
    assert ticks_diff(3, TICKS_MAX) == 4
    assert ticks_diff(TICKS_MAX, 3) == -4


# The unit's end


def test_unit_at_its_start_then_asks_who_is_there_and_answers_the_heartbeat():
    unit = UnitEnd(0, 0)
    assert unit.wake_at_ms() == 0
    assert messages_in(unit.poll(0)) == [UnitHello(0, 0, VERSION)]
    assert unit.wake_at_ms() == LINK_LOST_MS
    assert unit.received(5, bytes_of(hello(base=4))) == [hello(base=4)]
    assert (unit.boot_id, unit.delivered_seq, unit.committed_seq) == (BOOT, 3, 3)
    assert messages_in(unit.poll(5)) == [Ack(BOOT, 3)]
    assert unit.received(9, bytes_of(status(base=4))) == [status(base=4)]
    assert messages_in(unit.poll(9)) == [Ack(BOOT, 3)]


def test_unit_when_edges_repeat_or_skip_then_delivers_each_once_in_order():
    unit = met()
    assert unit.received(1, bytes_of(edge(2))) == []
    assert unit.received(2, bytes_of(edge(1), edge(1), edge(2), edge(4))) == [edge(1), edge(2)]
    assert (unit.gap_count, unit.repeated_count, unit.foreign_count) == (2, 1, 0)
    assert unit.poll(2) == b""


def test_unit_then_acks_what_was_committed_and_never_more():
    unit = met()
    unit.received(1, bytes_of(edge(1), edge(2), edge(3)))
    assert unit.poll(1) == b""
    unit.committed(BOOT, 2)
    assert messages_in(unit.poll(2)) == [Ack(BOOT, 2)]
    unit.received(3, bytes_of(edge(3)))
    assert unit.poll(3) == b""
    unit.received(4, bytes_of(edge(2)))
    assert messages_in(unit.poll(4)) == [Ack(BOOT, 2)]
    unit.received(5, bytes_of(status(base=3)))
    assert messages_in(unit.poll(5)) == [Ack(BOOT, 2)]


def test_unit_when_rebuilt_from_its_durable_position_then_goes_on_behind_it():
    unit = UnitEnd(BOOT, 2)
    assert unit.received(0, bytes_of(edge(2), edge(3))) == [edge(3)]
    assert messages_in(unit.poll(0)) == [UnitHello(BOOT, 0, VERSION), Ack(BOOT, 2)]
    unit.committed(BOOT, 4)  # the dead process's commit came through after all
    assert unit.received(1, bytes_of(edge(4), edge(5))) == [edge(5)]


def test_unit_when_the_boot_is_unknown_then_ignores_its_edges_until_hello_or_status():
    unit = UnitEnd(BOOT, 2)
    unit.poll(0)
    assert unit.received(1, bytes_of(edge(1, boot_id=9))) == []
    assert unit.foreign_count == 1
    assert messages_in(unit.poll(1)) == [UnitHello(BOOT, 0, VERSION)]
    got = unit.received(2, bytes_of(status(boot_id=9), edge(1, boot_id=9)))
    assert got == [status(boot_id=9), edge(1, boot_id=9)]
    assert messages_in(unit.poll(2)) == [UnitHello(9, 0, VERSION), Ack(9, 0)]


def test_unit_when_a_late_frame_of_the_last_boot_comes_then_nothing_is_delivered_twice():
    unit = met()
    unit.received(1, bytes_of(edge(1)))
    unit.received(2, bytes_of(hello(boot_id=9), edge(1, boot_id=9)))
    late = bytes_of(status(), edge(1), status(boot_id=9), edge(1, boot_id=9))
    assert [m for m in unit.received(3, late) if isinstance(m, Edge)] == []
    unit.committed(BOOT, 1)
    assert messages_in(unit.poll(3))[-1] == Ack(9, 0)


def test_unit_when_another_unit_has_acked_the_next_edges_then_does_not_wait_for_them():
    unit = UnitEnd(BOOT, 2)
    assert unit.received(0, bytes_of(hello(base=6), edge(6))) == [hello(base=6), edge(6)]
    assert unit.gap_count == 3


def test_unit_when_the_pad_speaks_another_version_then_says_so_and_believes_nothing():
    unit = met()
    other = Hello(9, 1, VERSION + 1)
    unit.open(1, 7, 30_000)
    assert unit.received(1, bytes_of(other, status(boot_id=9), edge(1, boot_id=9))) == [
        other,
        status(boot_id=9),
    ]
    assert unit.version == VERSION + 1
    assert (unit.boot_id, unit.poll(1)) == (BOOT, b"")
    unit.received(2, bytes_of(hello(boot_id=10), status(boot_id=10)))
    assert unit.version == VERSION
    assert [type(m) for m in messages_in(unit.poll(2))] == [Ack, Open]


def test_unit_when_a_boot_it_believed_turns_out_another_version_then_stops_believing():
    unit = UnitEnd(0, 0)
    assert unit.received(0, bytes_of(status(), edge(1)))[-1] == edge(1)
    assert unit.received(1, bytes_of(hello(version=VERSION + 1), edge(2)))[1:] == []
    assert (unit.foreign_count, unit.delivered_seq) == (1, 1)


def test_unit_command_then_repeats_with_the_time_left_until_a_status_echoes_it():
    unit = met()
    unit.open(10, 7, 250)
    number = COMMAND_JUMP + 1
    assert unit.wake_at_ms() == 10
    assert messages_in(unit.poll(10)) == [Open(BOOT, number, 7, 250, *LOOK)]
    assert unit.poll(10 + RETRY_MS - 1) == b""
    assert unit.wake_at_ms() == 10 + RETRY_MS
    assert messages_in(unit.poll(10 + RETRY_MS)) == [Open(BOOT, number, 7, 250 - RETRY_MS, *LOOK)]
    unit.received(120, bytes_of(status()))
    assert messages_in(unit.poll(210)) == [Ack(BOOT, 0), Open(BOOT, number, 7, 50, *LOOK)]
    assert unit.poll(310) == b""  # no time is left
    unit.close(320, 7, THANKS)
    assert messages_in(unit.poll(320)) == [Close(BOOT, number + 1, 7, THANKS, *LOOK)]
    unit.received(330, bytes_of(status(command=number + 1)))
    unit.poll(330)
    assert unit.wake_at_ms() == 330 + LINK_LOST_MS


def test_unit_command_when_a_newer_one_is_wanted_then_only_that_is_sent():
    unit = met()
    unit.open(0, 7, 30_000)
    unit.poll(0)
    unit.self_test(1)
    unit.close(2, 7, THANKS)
    assert messages_in(unit.poll(2)) == [Close(BOOT, COMMAND_JUMP + 2, 7, THANKS, *LOOK)]


def test_unit_command_then_waits_for_the_number_the_pad_has_come_to():
    unit = UnitEnd(0, 0)
    unit.close(0, 0, IDLE)
    unit.received(0, bytes_of(hello()))
    assert Close not in [type(m) for m in messages_in(unit.poll(0))]
    unit.received(1, bytes_of(status(command=600)))
    assert messages_in(unit.poll(1))[-1] == Close(BOOT, 600 + COMMAND_JUMP + 1, 0, IDLE, *LOOK)


def test_unit_command_when_the_pad_came_further_or_restarted_then_gets_a_new_number():
    unit = met()
    unit.close(0, 7, IDLE)
    unit.poll(0)
    unit.received(1, bytes_of(status(command=9000)))
    assert messages_in(unit.poll(RETRY_MS))[-1].seq == 9000 + COMMAND_JUMP + 1
    unit.received(200, bytes_of(hello(boot_id=9), status(boot_id=9)))
    assert messages_in(unit.poll(200))[-1] == Close(9, COMMAND_JUMP + 1, 7, IDLE, *LOOK)


def test_unit_when_the_pad_is_silent_then_lost_and_no_longer_busy_until_it_is_heard():
    unit = UnitEnd(0, 0)
    assert not unit.lost(10**9)
    unit.poll(1000)
    assert unit.wake_at_ms() == 1000 + LINK_LOST_MS
    unit.received(2000, bytes_of(hello(), status()))
    unit.close(2000, 7, IDLE)
    assert unit.poll(2000)
    assert not unit.lost(2000 + LINK_LOST_MS - 1)
    assert unit.lost(2000 + LINK_LOST_MS)
    assert unit.poll(2000 + LINK_LOST_MS) == b""
    assert unit.wake_at_ms() is None
    unit.received(9000, bytes_of(status()))
    assert not unit.lost(9000)
    assert [type(m) for m in messages_in(unit.poll(9000))] == [Ack, Close]


@pytest.mark.parametrize("cut", range(0, 70, 3))
def test_pair_when_cut_at_any_byte_then_meets_again(cut):
    pad, unit = new_pad(), met()
    pad.edge(0, 7, 2, 1, 0)
    said = pad.poll(0)
    unit.received(0, said[:cut])
    got = unit.received(RETRY_MS, pad.poll(RETRY_MS))
    assert unit.delivered_seq == 1
    assert [m.seq for m in got if isinstance(m, Edge)] in ([1], [])
