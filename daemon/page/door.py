"""The door of the hall's network: a password opens it, a random cookie keeps it open.

A form and a cookie, not HTTP Basic, for people: a phone's Basic dialog cannot be left again, and it
sends the password with every request of the day. A monitor has no form, so Basic is understood
where it comes unasked.
"""

import hashlib
import hmac
import secrets
import threading
import time
from base64 import b64decode
from collections.abc import Callable
from http.cookies import CookieError, SimpleCookie

from daemon.page.attempts import Attempts
from daemon.page.password import LEN_MAX, Password

COOKIE = "hcp_page"
# One working day; who stays longer gives the password again.
SESSION_S = 10 * 3600.0
# A technician's phone and desk, and a monitor.
SESSION_COUNT_MAX = 8


class TooEarly(Exception):
    """This attempt was not looked at; `wait_s` says when the next one will be."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(wait_s)
        self.wait_s = wait_s


class Door:
    def __init__(self, password: Password, now_s: Callable[[], float] = time.monotonic) -> None:
        self._password, self._now_s = password, now_s
        self._attempts = Attempts()
        # A hash of 16 MiB at a time, never two.
        self._verifying = threading.Lock()
        self._guard = threading.Lock()
        # What is kept of a session is a hash, and when it ends; the oldest first.
        self._secret = secrets.token_bytes(32)
        self._open_until_s: dict[bytes, float] = {}

    def enter(self, peer: str, text: str) -> str | None:
        """A new session's cookie, None when the password is wrong. Raises TooEarly."""
        if not self._is_right(peer, text):
            return None
        token = secrets.token_urlsafe(32)
        self._open(token)
        return token

    def leave(self, cookies: str | None) -> None:
        with self._guard:
            self._open_until_s.pop(self._mark(_token(cookies)), None)

    def is_open(self, peer: str, cookies: str | None, authorization: str | None) -> bool:
        """Whether this request belongs to a session, or brings the password. Raises TooEarly."""
        if self._knows(_token(cookies)):
            return True
        if authorization is None or not (text := _basic(authorization)):
            return False
        if not self._knows(authorization) and self._is_right(peer, text):
            self._open(authorization)
        return self._knows(authorization)

    def _is_right(self, peer: str, text: str) -> bool:
        if not self._verifying.acquire(blocking=False):
            raise TooEarly(1.0)
        try:
            wait_s = self._attempts.wait_s(self._now_s(), peer)
            if wait_s > 0:
                raise TooEarly(wait_s)
            self._attempts.begin(self._now_s())
            is_right = len(text) <= LEN_MAX and self._password.fits(text)
            if is_right:
                self._attempts.passed(peer)
            else:
                self._attempts.failed(self._now_s(), peer)
            return is_right
        finally:
            self._verifying.release()

    def _open(self, token: str) -> None:
        with self._guard:
            self._open_until_s[self._mark(token)] = self._now_s() + SESSION_S
            if len(self._open_until_s) > SESSION_COUNT_MAX:
                del self._open_until_s[next(iter(self._open_until_s))]

    def _knows(self, token: str) -> bool:
        with self._guard:
            return self._open_until_s.get(self._mark(token), float("-inf")) > self._now_s()

    def _mark(self, token: str) -> bytes:
        return hmac.digest(self._secret, token.encode(errors="replace"), hashlib.sha256)


def _token(cookies: str | None) -> str:
    try:
        found = SimpleCookie(cookies or "").get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value


def _basic(authorization: str) -> str:
    """The password of an Authorization header, empty when it brings none."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() != "basic":
        return ""
    try:
        return b64decode(value, validate=True).decode().partition(":")[2]
    except ValueError:
        return ""
