"""The page on the hall's network: the password, how often it may be tried, and whose page it is."""

import base64
import re
import ssl
import subprocess
import sys
import threading
import urllib.parse
import urllib.request

import pytest
from hypothesis import given
from hypothesis import strategies as st

from daemon.config.page import Page as PageConfig
from daemon.errors import DaemonError
from daemon.page import certificate, guard
from daemon.page.attempts import PEER_COUNT_MAX, WAIT_S_MAX, Attempts
from daemon.page.door import COOKIE, SESSION_COUNT_MAX, SESSION_S, Door, TooEarly
from daemon.page.password import LEN_LEAST, LEN_MAX, LN, P, Password, why_not
from sim import pages
from sim.authority import Authority
from sim.desk import Desk
from sim.pages import ask

WORD = "窗口三号 rating pad"
# As fast as the form allows: these tests are about the door, not about scrypt.
FAST = Password.make(WORD, ln=10, p=1)


class Clock:
    def __init__(self):
        self.s = 1000.0

    def __call__(self):
        return self.s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def door(clock):
    return Door(FAST, clock)


# -- the password


def test_password_as_it_is_made_is_scrypt_in_16_mib():
    line = str(Password.make(WORD))
    assert line.startswith("$scrypt$ln=14,r=8,p=5$")
    assert 128 * 8 * (1 << LN) == 16 << 20
    assert P == 5
    kept = Password.read(line)
    assert kept.fits(WORD)
    assert not kept.fits(WORD + " ")
    assert str(kept) == line
    assert WORD not in repr(kept)
    assert kept.hash.hex() not in repr(kept)


def test_password_when_made_twice_is_salted():
    assert str(Password.make(WORD, ln=10, p=1)) != str(FAST)


@given(st.one_of(st.text(), st.from_regex(r"\$scrypt\$ln=[0-9]{1,2},r=[0-9],p=[0-9]\$.*")))
def test_text_when_it_is_no_hash_is_refused(text):
    try:
        found = Password.read(text)
    except ValueError:
        return
    assert str(found) == text


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "0 characters"), ("x" * (LEN_LEAST - 1), "11 characters: take 12"),
     ("密" * LEN_MAX, "longer than 128 bytes")],
)  # fmt: skip
def test_password_when_it_cannot_be_one_is_told_why(text, why):
    assert why in why_not(text)
    assert why_not(WORD) is None


def command(said):
    return subprocess.run(
        [sys.executable, "-m", "daemon", "password"], input=said, capture_output=True, text=True
    )


def test_command_password_prints_the_line_for_the_configuration():
    done = command(f"{WORD}\n")
    assert (done.returncode, done.stderr) == (0, "")
    found = re.fullmatch(r'password = "(\$scrypt\$ln=14,r=8,p=5\$\S+)"\n', done.stdout)
    assert Password.read(found[1]).fits(WORD)


def test_command_password_when_too_short_says_how_long():
    done = command("1234\n")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "the password has 4 characters: take 12 or more\n"


# -- how often


def test_attempts_when_they_fail_wait_twice_as_long_each_time():
    attempts, now_s, waits = Attempts(), 0.0, []
    for _ in range(12):
        attempts.begin(now_s)
        attempts.failed(now_s, "a")
        waits.append(attempts.wait_s(now_s, "a"))
        now_s += waits[-1]
        assert attempts.wait_s(now_s, "a") == 0
    assert waits[:5] == [1, 2, 4, 8, 16]
    assert waits[-1] == WAIT_S_MAX
    attempts.passed("a")
    assert attempts.wait_s(now_s, "a") == 0


def test_attempts_from_many_addresses_meet_a_pause_and_fill_no_memory():
    attempts = Attempts()
    for number in range(10 * PEER_COUNT_MAX):
        attempts.begin(float(number))
        attempts.failed(float(number), f"10.0.0.{number}")
        assert attempts.wait_s(number + 0.5, "somebody else") == 0.5
    assert attempts.peer_count == PEER_COUNT_MAX


def test_door_when_a_wrong_password_was_given_does_not_look_at_the_next(door, clock):
    assert door.enter("a", "wrong") is None
    with pytest.raises(TooEarly) as early:
        door.enter("a", WORD)
    assert early.value.wait_s == 1.0
    clock.s += 1.0
    assert door.enter("a", WORD) is not None


def test_door_when_one_guesses_never_verifies_two_at_once(clock):
    password = Password.make(WORD, ln=14, p=2)
    door, results, start = Door(password, clock), [], threading.Barrier(6)

    def guess(peer):
        start.wait()
        try:
            results.append(door.enter(str(peer), "wrong"))
        except TooEarly:
            results.append("early")

    threads = [threading.Thread(target=guess, args=(peer,)) for peer in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(map(str, results)) == ["None", *["early"] * 5]


# -- sessions


def test_session_is_open_until_it_is_left_or_over(door, clock):
    token = door.enter("a", WORD)
    cookies = f"theme=dark; {COOKIE}={token}"
    assert door.is_open("a", cookies, None)
    assert not door.is_open("a", f"{COOKIE}={token[:-1]}", None)
    clock.s += SESSION_S
    assert not door.is_open("a", cookies, None)
    other = door.enter("a", WORD)
    door.leave(f"{COOKIE}={other}")
    assert not door.is_open("a", f"{COOKIE}={other}", None)


def test_sessions_are_few_and_the_oldest_goes(door, clock):
    tokens = []
    for _ in range(SESSION_COUNT_MAX + 1):
        tokens.append(door.enter("a", WORD))
        clock.s += 1
    open_ = [door.is_open("a", f"{COOKIE}={token}", None) for token in tokens]
    assert open_ == [False] + [True] * SESSION_COUNT_MAX


@pytest.mark.parametrize(
    "cookies", [None, "", f"{COOKIE}=", f"{COOKIE}", "=;=;", "\x00", f"{COOKIE}=密", "a" * 9000]
)
def test_cookies_when_they_are_nonsense_open_nothing(door, cookies):
    assert not door.is_open("a", cookies, None)
    door.leave(cookies)


def basic(text):
    return "Basic " + base64.b64encode(f"monitor:{text}".encode()).decode()


def test_monitor_that_brings_the_password_is_verified_once(door, clock):
    assert door.is_open("a", None, basic(WORD))
    for _ in range(50):
        assert door.is_open("a", None, basic(WORD))
    clock.s += 1
    assert not door.is_open("b", None, basic("wrong"))
    with pytest.raises(TooEarly):
        door.is_open("b", None, basic("wrong again"))


@pytest.mark.parametrize("said", ["", "Basic", "Basic !", "Bearer eA==", "Basic eA==", "密"])
def test_authorization_when_it_brings_no_password_is_not_tried(door, said):
    assert not door.is_open("a", None, said)
    assert door.enter("a", WORD) is not None


# -- whose page


@pytest.mark.parametrize(
    ("host", "is_ours"),
    [("192.168.1.7:8787", True), ("[fd00::2]:8787", True), ("unit-w03", True), ("localhost", True),
     ("unit-w03.local:8787", True), ("evil.example", False), ("192.168.1.7.evil.example", False),
     ("", False), (None, False), ("unit-w03:x", False), ("[fd00::2", False)],
)  # fmt: skip
def test_host_on_the_network_is_an_address_or_the_units_name(host, is_ours):
    assert guard.is_ours(host, {"unit-w03", "unit-w03.local"}, on_network=True) == is_ours


@pytest.mark.parametrize(
    ("address", "is_own"),
    [("127.0.0.1", True), ("::1", True), ("::ffff:127.0.0.1", True), ("192.168.1.7", False),
     ("::ffff:10.0.0.1", False), ("fe80::1%eth0", False), ("", False), ("x", False)],
)  # fmt: skip
def test_loopback_is_this_machine_however_it_is_written(address, is_own):
    assert guard.is_loopback(address) == is_own


def test_peer_of_an_ipv6_network_is_counted_as_one():
    assert guard.peer_of("fd00::1") == guard.peer_of("fd00::ffff:1") != guard.peer_of("fd01::1")
    assert guard.peer_of("10.0.0.1") != guard.peer_of("10.0.0.2")


# -- all together, over HTTP


@pytest.fixture
def page():
    config = PageConfig(host="127.0.0.1", port=0, password=FAST)
    return pages.start(Desk(), {}, pytest.fail, config, is_own=lambda _address: False)


def login(page, word, **headers):
    body = urllib.parse.urlencode({"password": word}).encode()
    return ask(page, "/login?lang=en", method="POST", body=body, **headers)


def test_page_on_the_network_without_password_tells_nothing(page):
    code, headers, _ = ask(page, "/")
    assert (code, headers["Location"]) == (303, "/login")
    for path in ("/status.json", "/page.json", "/metrics", "/bundle.zip", "/oled.png", "/x"):
        code, _, body = ask(page, path)
        assert (code, body[:26]) == (403, b"the password is needed: /l")
    body = ask(page, "/login?lang=en")[2].decode()
    assert '<input id="password" name="password" type="password"' in body
    assert "This page is not encrypted" in body
    assert ask(page, "/healthz")[::2] == (200, b"serving\n")


def test_page_on_the_network_with_the_password_is_open_until_one_leaves(page):
    code, headers, _ = login(page, WORD, Origin=f"http://127.0.0.1:{page.port}",
                             host=f"127.0.0.1:{page.port}")  # fmt: skip
    assert (code, headers["Location"]) == (303, "/?lang=en")
    cookie, _, rest = headers["Set-Cookie"].partition("; ")
    assert rest == f"Max-Age={int(SESSION_S)}; Path=/; HttpOnly; SameSite=Strict"
    code, _, body = ask(page, "/?lang=en", Cookie=cookie)
    assert code == 200
    assert b'action="/logout"' in body
    assert b"This page is not encrypted" in body
    assert ask(page, "/metrics", Cookie=cookie)[0] == 200
    code, headers, _ = ask(page, "/logout", method="POST", Cookie=cookie)
    assert (code, headers["Location"]) == (303, "/login")
    assert headers["Set-Cookie"].startswith(f"{COOKIE}=; Max-Age=0; ")
    assert ask(page, "/metrics", Cookie=cookie)[0] == 403


def test_login_when_wrong_says_so_and_then_when_to_try_again(page):
    code, headers, body = login(page, "wrong")
    assert (code, "Set-Cookie" in headers) == (403, False)
    assert b"That is not the password" in body
    code, headers, body = login(page, WORD)
    assert (code, "Set-Cookie" in headers) == (429, False)
    assert re.search(rb"try again in \d s", body)


def test_login_from_another_site_is_refused(page):
    code, headers, _ = login(page, WORD, Origin="http://evil.example")
    assert (code, "Set-Cookie" in headers) == (403, False)


@pytest.mark.parametrize("body", [b"", b"password", b"password=" + b"x" * 9000, b"\xff" * 100])
def test_login_when_the_form_is_nonsense_opens_nothing(page, body):
    code, headers, _ = ask(page, "/login", method="POST", body=body)
    assert (code, "Set-Cookie" in headers) == (403, False)


def test_monitor_with_basic_reads_the_metrics(page):
    code, headers, body = ask(page, "/metrics", Authorization=basic(WORD))
    assert (code, headers["Content-Type"]) == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert b"hcp_unit_info" in body


def test_machine_itself_needs_no_password():
    config = PageConfig(host="127.0.0.1", port=0, password=FAST)
    page = pages.start(Desk(), {}, pytest.fail, config)
    assert ask(page, "/status.json")[0] == 200
    assert b"/logout" not in ask(page, "/")[2]


# -- TLS


@pytest.fixture(scope="module")
def identity(tmp_path_factory):
    return Authority(tmp_path_factory.mktemp("ca"), "hall").issue("w03")


def test_page_with_a_certificate_is_served_over_tls(identity):
    config = PageConfig(
        host="127.0.0.1", port=0, password=FAST, tls=(identity.certificate, identity.key)
    )
    page = pages.start(Desk(), {}, pytest.fail, config, is_own=lambda _address: False)
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    with urllib.request.urlopen(f"{page.url}/login?lang=en", context=context) as answer:
        text = answer.read().decode()
    assert page.url.startswith("https://")
    assert "type=password" in text.replace('"', "")
    assert "not encrypted" not in text
    with pytest.raises(OSError, match=r"."):
        ask(page, "/login")


def test_certificate_when_it_cannot_be_used_says_why(identity, tmp_path):
    nobody = tmp_path / "none.pem"
    with pytest.raises(DaemonError, match=r"none\.pem and .* cannot be used \(No such file"):
        certificate.load(nobody, identity.key)
    nobody.write_text("no certificate")
    with pytest.raises(DaemonError, match=r"cannot be used \(they do not belong together\): put"):
        certificate.load(nobody, identity.key)
