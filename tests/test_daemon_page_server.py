"""Browsers that never read, never end or never stop coming: few threads, and the page goes on."""

import http.client
import resource
import socket
import threading
import time

import pytest

from daemon.page.server import PEER_CONNECTION_COUNT_MAX, REQUEST_LEN_MAX, Handler, Server
from sim import pages
from sim.desk import Desk
from sim.pages import LOOPBACK, WAIT_S, ask

GROWN_LEN_MAX = 4 << 20


@pytest.fixture
def page():
    return pages.start(Desk(), {}, pytest.fail)


def dial(page):
    return socket.create_connection((LOOPBACK, page.port), timeout=WAIT_S)


def wait_for(is_true):
    until_s = time.monotonic() + WAIT_S
    while not is_true():
        assert time.monotonic() < until_s
        threading.Event().wait(0.01)


def handlers():
    return sum("process_request_thread" in thread.name for thread in threading.enumerate())


def ended(browser):
    """Whether the server let go of this connection."""
    try:
        return browser.recv(1) == b""
    except ConnectionError:
        return True


def test_browser_when_it_leaves_or_says_nonsense_harms_nobody(page):
    for words in (b"", b"GET / HTTP/1.1\r\n", b"\x16\x03\x01" * 50, b"GET " + b"/" * 70_000,
                  b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 200 + b"\r\n", b"\r\n" * 900):  # fmt: skip
        with dial(page) as browser:
            browser.sendall(words)
    wait_for(lambda: page.connection_count == 0)
    assert ask(page, "/")[0] == 200


def test_connections_of_one_browser_are_few_and_so_are_threads(page):
    before = handlers()
    held = [dial(page) for _ in range(PEER_CONNECTION_COUNT_MAX)]
    wait_for(lambda: page.connection_count == PEER_CONNECTION_COUNT_MAX)
    more = [dial(page) for _ in range(20)]
    assert all(ended(browser) for browser in more)
    assert handlers() - before == PEER_CONNECTION_COUNT_MAX
    for browser in (*held, *more):
        browser.close()
    wait_for(lambda: page.connection_count == 0)
    assert ask(page, "/")[0] == 200


class Slow(Handler):
    """Answers more than a socket holds."""

    def say(self, method):
        self.wfile.write(b"x" * (16 << 20))


@pytest.fixture
def brief():
    """A server that cuts off after 0.4 s instead of 15."""
    made = Server(LOOPBACK, 0, Slow, connection_s=0.4)
    threading.Thread(target=made.serve, daemon=True).start()
    return made


@pytest.mark.parametrize("words", [b"", b"GET / HT", b"GET / HTTP/1.0\r\n\r\n"])
def test_browser_when_it_neither_ends_nor_reads_is_cut_off(brief, words):
    with socket.create_connection(("127.0.0.1", brief.server_port), timeout=WAIT_S) as browser:
        browser.sendall(words)
        wait_for(lambda: brief.connection_count == 1)
        wait_for(lambda: brief.connection_count == 0)


def test_browser_when_it_sends_a_letter_now_and_then_is_cut_off(brief):
    with socket.create_connection(("127.0.0.1", brief.server_port), timeout=WAIT_S) as browser:
        wait_for(lambda: brief.connection_count == 1)
        try:
            while brief.connection_count:
                browser.sendall(b"a")
                threading.Event().wait(0.05)
        except ConnectionError:
            pass
    wait_for(lambda: brief.connection_count == 0)


def test_request_when_it_is_long_is_read_no_further(page):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with dial(page) as browser:
        browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        sent = 0
        try:
            while sent < 64 << 20:
                sent += browser.send(b"x: " + b"y" * 8000 + b"\r\n")
        except ConnectionError:
            pass
    assert sent < 16 << 20
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 - before
    assert grown < GROWN_LEN_MAX
    assert REQUEST_LEN_MAX <= 1 << 14


@pytest.mark.promise
def test_flood_of_connections_delays_no_other_thread_and_leaves_the_page_whole(
    page, promise, scale
):
    over, waits_ms = threading.Event(), []

    def flood():
        while not over.is_set():
            try:
                with socket.create_connection((LOOPBACK, page.port), timeout=0.2) as browser:
                    browser.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
            except OSError:
                continue

    floods = [threading.Thread(target=flood) for _ in range(4)]
    for thread in floods:
        thread.start()
    tick = threading.Event()
    for _ in range(min(1000, 50 * scale)):
        before = time.monotonic()
        tick.wait(0.02)
        waits_ms.append((time.monotonic() - before) * 1000 - 20)
    assert handlers() <= PEER_CONNECTION_COUNT_MAX + 1
    over.set()
    for thread in floods:
        thread.join()
    wait_for(lambda: page.connection_count == 0)
    assert ask(page, "/")[0] == 200
    late = sum(wait > 250 for wait in waits_ms)
    promise(
        "H2", "a flood at the page: another thread's turns later than 250 ms", len(waits_ms), late
    )


def test_page_at_rest_costs_nothing(page):
    ask(page, "/")
    wait_for(lambda: page.connection_count == 0)
    before_ns = time.process_time_ns()
    threading.Event().wait(0.3)
    assert time.process_time_ns() - before_ns < 20_000_000


def test_answer_is_closed_after_one_request(page):
    connection = http.client.HTTPConnection(LOOPBACK, page.port, timeout=WAIT_S)
    connection.request("GET", "/healthz")
    assert connection.getresponse().will_close
    connection.close()
