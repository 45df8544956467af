"""The control socket: one request, one whole answer, or a sentence."""

import base64
import contextlib
import json
import os
import queue
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
    TESTERS_MAX,
    Control,
    ask,
    socket_path,
)
from daemon.disk.journal import Journal
from daemon.errors import DaemonError, NotAnswering, StoreFailed
from daemon.events import Sealed, TrialAsked, TrialLeft
from protocol.central.entry import Source
from protocol.central.signing import SigningKey

COUNT = 2 * PAGE_LEN + 7


def text(seq):
    """As long as an entry is, so that a journal is more than a socket holds."""
    return f"entry {seq} " + "x" * 1500


class Unit:
    """What the control socket asks: a snapshot, and pages of a journal that may fail."""

    def __init__(self):
        self.status = {"source": "/330102/h01/w03"}
        self.fail_at = None
        self.archive = None
        self.posted = queue.Queue()

    def read(self, first, limit):
        if self.fail_at is not None and first >= self.fail_at:
            raise StoreFailed("the disk fails: replace the card")
        last = min(COUNT, first + limit - 1)
        return tuple(Sealed(seq, "test", "00", text(seq)) for seq in range(first, last + 1))

    def bundle(self):
        if self.archive is None:
            raise NotAnswering("the unit is starting: try again in a moment")
        return self.archive

    def control(self, database):
        return Control(
            database, lambda: self.status, self.read, self.bundle, self.posted.put, pytest.fail
        )


@pytest.fixture
def unit():
    return Unit()


@pytest.fixture
def database(tmp_path):
    return tmp_path / "j.db"


@pytest.fixture
def control(unit, database):
    control = unit.control(database)
    control.start()
    return control


def test_status_is_what_the_unit_says(control, unit, database):
    assert list(ask(database, {"ask": "status"})) == [unit.status]


@pytest.mark.parametrize("first", [1, 2, PAGE_LEN, PAGE_LEN + 1, COUNT, COUNT + 1, 10**9])
def test_export_gives_every_entry_from_the_first_wanted(control, database, first):
    answers = list(ask(database, {"ask": "export", "from": first}))
    wanted = range(first, COUNT + 1)
    assert answers == [{"seq": seq, "text": text(seq)} for seq in wanted]


def test_export_from_beyond_what_a_journal_holds_is_nothing(tmp_path):
    key = SigningKey.from_seed(bytes(32))
    with Journal(tmp_path / "j.db", Source("330102", "h01", "w03"), key) as journal:
        Control(tmp_path / "j.db", dict, journal.read, bytes, pytest.fail, pytest.fail).start()
        for first in (10**30, -(10**30)):
            assert list(ask(tmp_path / "j.db", {"ask": "export", "from": first})) == []


@pytest.mark.parametrize("first", ["1", None, 1.5, True, [1]])
def test_export_from_no_number_begins_at_the_first(control, database, first):
    assert next(ask(database, {"ask": "export", "from": first}))["seq"] == 1


def test_export_when_the_journal_fails_ends_with_the_sentence(control, unit, database):
    unit.fail_at = PAGE_LEN + 1
    *entries, last = ask(database, {"ask": "export"})
    assert (len(entries), last) == (PAGE_LEN, {"error": "the disk fails: replace the card"})


@pytest.mark.parametrize(
    "request_", [b"", b"\n", b"{", b"[]\n", b"null\n", b'{"ask":"rate"}\n', b"\xff\xfe\n",
                 b"[" * 2000 + b"\n", b'{"ask":"test","what":"pad","window":"3","\\ud800":1}\n',
                 b'{"ask":"status"' + b" " * REQUEST_LEN_MAX + b"}\n"],
)  # fmt: skip
def test_request_when_nonsense_is_told_what_may_be_asked(control, database, request_):
    answers = said(database, request_)
    assert answers == [{"error": "ask for status, export, bundle or test"}, DONE]


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


PAD = {"ask": "test", "what": "pad", "window": "3"}


def test_test_is_answered_as_the_core_says_until_its_last_word(control, unit, database):
    answers = ask(database, PAD)
    waiting = threading.Thread(target=lambda: got.extend(answers))
    got = []
    waiting.start()
    event = unit.posted.get(timeout=ANSWER_S)
    assert isinstance(event, TrialAsked)
    assert (event.trial.what, event.trial.window) == ("pad", "3")
    control.tell(event.asker, {"state": "asked"}, is_last=False)
    control.tell(event.asker + 1, {"ok": False}, is_last=True)  # to nobody
    control.tell(event.asker, {"ok": True}, is_last=True)
    waiting.join(ANSWER_S)
    assert got == [{"state": "asked"}, {"ok": True}]
    assert unit.posted.get(timeout=ANSWER_S) == TrialLeft(event.asker)


def test_test_holds_nobody_else_up_and_is_over_when_its_asker_leaves(control, unit, database):
    with asking(database, PAD):
        event = unit.posted.get(timeout=ANSWER_S)
        assert list(ask(database, {"ask": "status"})) == [unit.status]
    assert unit.posted.get(timeout=ANSWER_S) == TrialLeft(event.asker)


def test_tests_that_wait_are_few(control, unit, database):
    with contextlib.ExitStack() as waiting:
        for _ in range(TESTERS_MAX):
            waiting.enter_context(asking(database, PAD))
        askers = {unit.posted.get(timeout=ANSWER_S).asker for _ in range(TESTERS_MAX)}
        assert len(askers) == TESTERS_MAX
        (refused,) = ask(database, PAD)
        assert refused == {"error": "too many wait for tests already: end some of them"}
    left = {unit.posted.get(timeout=ANSWER_S).asker for _ in range(TESTERS_MAX)}
    assert left == askers


def test_test_that_nobody_knows_is_refused_with_what_there_is(control, unit, database):
    assert list(ask(database, {"ask": "test", "what": "rate", "window": "3"})) == [
        {"error": "test one of pad, signs, delivery, acceptance, end"}
    ]
    assert unit.posted.empty()


def test_request_as_long_as_an_acceptance_may_be_is_read_whole(control, unit, database):
    steps = [
        {"step": f"s{index:031}", "outcome": "skipped", "detail": "评" * 200} for index in range(20)
    ]
    whole = {"ask": "test", "what": "acceptance", "window": "3", "by": "工" * 32, "steps": steps}
    with asking(database, whole):
        assert len(unit.posted.get(timeout=ANSWER_S).trial.steps) == 20


@contextlib.contextmanager
def asking(database, request):
    """A connection that asked and waits."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(str(socket_path(database)))
        connection.sendall(json.dumps(request, ensure_ascii=False).encode() + b"\n")
        yield connection


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
    unit.control(database).start()
    assert len(list(ask(database, {"ask": "status"}))) == 1


def test_control_when_the_path_is_too_long_says_so(tmp_path, unit):
    deep = tmp_path / ("d" * 100)
    deep.mkdir()
    with pytest.raises(DaemonError, match=r"cannot listen here .*path may be too long"):
        unit.control(deep / "j.db")


def test_control_when_the_directory_is_missing_says_so(tmp_path, unit):
    with pytest.raises(DaemonError, match=r"cannot listen here .No such file or directory"):
        unit.control(tmp_path / "no" / "j.db")


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
