"""The uplink: the thread that has one connection to the broker at a time, and no queue of its own.

It decides nothing: what is published again, and what counts as delivered, is the outbox's word.
"""

import random
import select
import time
from collections import deque
from collections.abc import Callable, Mapping

from daemon.config.uplink import Uplink as UplinkConfig
from daemon.events import BrokerDown, Event, Sealed
from daemon.inbox import Waker
from daemon.net.backoff import Backoff
from daemon.net.certificate import Life
from daemon.net.connection import Connection
from daemon.net.rivals import Rivals
from daemon.worker import Worker
from protocol.central.entry import Source
from protocol.central.signing import VerifyKey

# A broker that holds the connection and neither answers nor acknowledges is left after this; a
# link that was silent for 12 s comes back on the same connection.
PATIENCE_S = 30.0
# A name service that does not answer takes two minutes at most (resolv.conf(5): 3 servers, 2 tries,
# 5 s each, a few search domains); then come a connect and a handshake, which paho bounds with its
# keep-alive. None of these would be quicker after a restart.
JOB_S_MAX = 240.0


class Uplink(Worker):
    job_s_max = JOB_S_MAX

    def __init__(
        self,
        config: UplinkConfig,
        source: Source,
        platform_keys: Mapping[str, VerifyKey],
        post: Callable[[Event], None],
        died: Callable[[str], None],
        *,
        patience_s: float = PATIENCE_S,
        is_clock_set: Callable[[], bool] = lambda: True,
    ) -> None:
        super().__init__("uplink", died)
        self._config, self._source, self._keys, self._post = config, source, platform_keys, post
        self._patience_s, self._is_clock_set = patience_s, is_clock_set
        self._offered: deque[tuple[Sealed, bool]] = deque()
        # The latest word alone.
        self._reports: deque[bytes] = deque(maxlen=1)
        self._waker = Waker()
        self._stopping = False
        self._rivals = Rivals()
        # From when to when the unit's own certificate holds, as it was when a connection took it.
        self.certificate: Life | None = None

    # -- from the loop's thread

    def publish(self, entry: Sealed, *, live: bool = False) -> None:
        """Send it if there is a connection, a live one first; if not, the outbox asks again."""
        self._offered.append((entry, live))
        # Who takes them does not stop before the last one: only the first one finds him asleep.
        if len(self._offered) == 1:
            self._waker.wake()

    def report(self, payload: bytes) -> None:
        """Say how the unit does, if there is a connection; nobody says it again."""
        self._reports.append(payload)
        self._waker.wake()

    def stop(self, deadline_s: float) -> None:
        """Say goodbye if that can be done in time."""
        self._stopping = True
        self._waker.wake()
        self.join(deadline_s)

    # -- the thread

    def work(self) -> None:
        backoff = Backoff(self._config.redial_ms / 1000)
        while not self._stopping:
            connection = self._connection(self._rivals.sentence(time.monotonic()))
            # What an earlier connection left is asked for again once this one is up.
            self._offered.clear()
            self._serve(connection)
            self._post(BrokerDown(connection.sentence, connection.step))
            self._pause(
                backoff.wait_s(
                    random.random(),
                    was_welcome=connection.was_welcome,
                    has_rival=self._has_rival(connection),
                )
            )
        self._waker.close()

    def _connection(self, warning: str | None) -> Connection:
        return Connection(
            self._config, self._source, self._keys, self._post, self._patience_s,
            self._is_clock_set, warning,
        )  # fmt: skip

    def _has_rival(self, connection: Connection) -> bool:
        """Whether another unit uses our name, now that this connection has ended."""
        now_s = time.monotonic()
        if connection.taken_over:
            self._rivals.taken_over(now_s)
        elif connection.was_welcome and connection.ready_at_s is not None:
            self._rivals.cut(now_s, now_s - connection.ready_at_s)
        return self._rivals.sentence(now_s) is not None

    def _serve(self, connection: Connection) -> None:
        with self.job():
            connection.open()
        self.certificate = connection.certificate
        while not (self._stopping or connection.trouble):
            # A turn waits for a second at most, so that it may be part of the job.
            with self.job():
                self._turn(connection)
        with self.job():
            connection.close()

    def _turn(self, connection: Connection) -> None:
        connection.turn(self._waker)
        while self._offered:
            entry, live = self._offered.popleft()
            connection.offer(entry, live=live)
        connection.send()
        while self._reports:
            connection.report(self._reports.popleft())

    def _pause(self, wait_s: float) -> None:
        until_s = time.monotonic() + wait_s
        while not self._stopping and (left_s := until_s - time.monotonic()) > 0:
            if select.select([self._waker], [], [], left_s)[0]:
                self._waker.drain()
