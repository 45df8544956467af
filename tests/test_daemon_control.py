"""The control socket: one request, one whole answer, or a sentence."""

import base64
import json
import os
import socket
import stat
import threading

import pytest

from daemon.control import (
    ANSWER_S,
    DONE,
    PAGE_LEN,
    PIECE_LEN,
    REQUEST_LEN_MAX,
    Control,
    ask,
    socket_path,
)
from daemon.errors import DaemonError, NotAnswering, StoreFailed
from daemon.events import Sealed
from sim.desk import Desk

COUNT = 2 * PAGE_LEN + 7


def text(seq):
    """As long as an entry is, so that a journal is more than a socket holds."""
    return f"entry {seq} " + "x" * 1500


class Unit:
    """What the control socket asks: a snapshot, and pages of a journal that may fail."""

    def __init__(self):
        desk = Desk()
        self.snapshot = desk.core.snapshot(desk.now_ms)
        self.fail_at = None
        self.archive = None

    def read(self, first, limit):
        if self.fail_at is not None and first >= self.fail_at:
            raise StoreFailed("the disk fails: replace the card")
        last = min(COUNT, first + limit - 1)
        return tuple(Sealed(seq, "test", "00", text(seq)) for seq in range(first, last + 1))

    def bundle(self):
        if self.archive is None:
            raise NotAnswering("the unit is starting: try again in a moment")
        return self.archive


@pytest.fixture
def unit():
    return Unit()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "j.db"


@pytest.fixture
def control(unit, database):
    control = Control(database, lambda: unit.snapshot, unit.read, unit.bundle, pytest.fail)
    control.start()
    return control


def test_status_is_the_snapshot(control, unit, database):
    (status,) = ask(database, {"ask": "status"})
    assert status == json.loads(json.dumps(unit.snapshot.as_json()))


def test_status_before_the_first_snapshot_says_starting(control, unit, database):
    unit.snapshot = None
    assert list(ask(database, {"ask": "status"})) == [{"starting": True}]


@pytest.mark.parametrize("first", [1, 2, PAGE_LEN, PAGE_LEN + 1, COUNT, COUNT + 1, 10**9])
def test_export_gives_every_entry_from_the_first_wanted(control, database, first):
    answers = list(ask(database, {"ask": "export", "from": first}))
    wanted = range(first, COUNT + 1)
    assert answers == [{"seq": seq, "text": text(seq)} for seq in wanted]


@pytest.mark.parametrize("first", ["1", None, 1.5, True, [1]])
def test_export_from_no_number_begins_at_the_first(control, database, first):
    assert next(ask(database, {"ask": "export", "from": first}))["seq"] == 1


def test_export_when_the_journal_fails_ends_with_the_sentence(control, unit, database):
    unit.fail_at = PAGE_LEN + 1
    *entries, last = ask(database, {"ask": "export"})
    assert (len(entries), last) == (PAGE_LEN, {"error": "the disk fails: replace the card"})


@pytest.mark.parametrize(
    "request_", [b"", b"\n", b"{", b"[]\n", b"null\n", b'{"ask":"rate"}\n', b"\xff\xfe\n",
                 b"[" * 2000 + b"\n", b'{"ask":"status"' + b" " * REQUEST_LEN_MAX + b"}\n"],
)  # fmt: skip
def test_request_when_nonsense_is_told_what_may_be_asked(control, database, request_):
    answers = said(database, request_)
    assert answers == [{"error": "ask for status, export or bundle"}, DONE]


def test_client_when_it_leaves_early_harms_nobody(control, database):
    for _ in range(5):
        next(ask(database, {"ask": "export"}))
    assert len(list(ask(database, {"ask": "export"}))) == COUNT


def test_bundle_comes_whole_or_with_the_sentence(control, unit, database):
    (answer,) = ask(database, {"ask": "bundle"})
    assert answer == {"error": "the unit is starting: try again in a moment"}
    unit.archive = os.urandom(3 * PIECE_LEN + 7)
    pieces = [base64.b64decode(each["piece"]) for each in ask(database, {"ask": "bundle"})]
    assert b"".join(pieces) == unit.archive
    assert len(pieces) == 4


def test_socket_is_for_its_own_user_alone(control, database):
    mode = socket_path(database).stat().st_mode
    assert stat.S_ISSOCK(mode)
    assert stat.S_IMODE(mode) == 0o600


def said(database, request):
    """What comes back for raw bytes."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_S)
        connection.connect(str(socket_path(database)))
        connection.sendall(request)
        connection.shutdown(socket.SHUT_WR)
        return [json.loads(line) for line in connection.makefile("rb")]


def test_control_makes_the_umask_what_it_was(control):
    before = os.umask(0o022)
    os.umask(before)
    assert before != 0o177


def test_control_when_a_dead_daemon_left_its_socket_takes_its_place(unit, database):
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(str(socket_path(database)))
    with pytest.raises(NotAnswering, match=r"Connection refused"):
        list(ask(database, {"ask": "status"}))
    Control(database, lambda: unit.snapshot, unit.read, unit.bundle, pytest.fail).start()
    assert len(list(ask(database, {"ask": "status"}))) == 1


def test_control_when_the_path_is_too_long_says_so(tmp_path, unit):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with pytest.raises(DaemonError, match=r"cannot listen here .*path may be too long"):
        Control(deep / "j.db", lambda: unit.snapshot, unit.read, unit.bundle, pytest.fail)


def test_control_when_the_directory_is_missing_says_so(tmp_path, unit):
    with pytest.raises(DaemonError, match=r"cannot listen here .No such file or directory"):
        Control(
            tmp_path / "no" / "j.db", lambda: unit.snapshot, unit.read, unit.bundle, pytest.fail
        )


def test_ask_when_nobody_is_there_says_so(database):
    with pytest.raises(NotAnswering, match=r"no daemon answers .No such file.* is it running"):
        list(ask(database, {"ask": "status"}))


@pytest.mark.parametrize(
    ("answer", "whole"),
    [
        (b"", []),
        (b'{"seq":1,"text":"a"}\n', [1]),
        (b'{"seq":1,"text":"a"}\n{"seq":2,"te', [1]),
        (b'{"seq":1,"text":"a"}\n{"done":tr', [1]),
    ],
)
def test_answer_when_cut_off_is_never_taken_for_a_whole_one(database, answer, whole):
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(socket_path(database)))
        dying.listen(1)

        def die():
            connection, _ = dying.accept()
            with connection:
                connection.recv(1000)
                connection.sendall(answer)

        thread = threading.Thread(target=die)
        thread.start()
        answers = ask(database, {"ask": "export"})
        assert [next(answers)["seq"] for _ in whole] == whole
        with pytest.raises(NotAnswering, match=r"the daemon ended within its answer"):
            next(answers)
        thread.join()
