"""What the page may know, kept for whoever listens: the present state and the entries so far."""

import json
import threading
from collections import deque
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

HISTORY_LEN_MAX = 200
# Proxies and browsers take a silent stream for a dead one.
KEEP_ALIVE_S = 15.0

Notice = tuple[str, str]  # name of the event and its JSON


class Bulletin:
    """Any thread posts, any number of readers follow; a slow one misses states, not entries."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._state = "{}"
        self._state_number = 0
        self._entries: deque[str] = deque(maxlen=HISTORY_LEN_MAX)
        self._entry_number = 0
        self._closed = False

    def post_state(self, state: Mapping[str, Any]) -> None:
        """Replace the state; the same state again tells nobody anything."""
        text = json.dumps(state, ensure_ascii=False)
        with self._changed:
            if text != self._state:
                self._state, self._state_number = text, self._state_number + 1
                self._changed.notify_all()

    def post_entry(self, entry: Mapping[str, Any]) -> None:
        """Add one entry."""
        with self._changed:
            self._entries.append(json.dumps(entry, ensure_ascii=False))
            self._entry_number += 1
            self._changed.notify_all()

    def close(self) -> None:
        """Nothing more will come; every follower ends."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    @property
    def state(self) -> str:
        """The present state as JSON."""
        with self._changed:
            return self._state

    def follow(self, keep_alive_s: float = KEEP_ALIVE_S) -> Iterator[Notice | None]:
        """First the history and the state, then what is new; None when nothing was for a while."""
        with self._changed:
            entry_number, state_number = self._entry_number, self._state_number
            history, state = f"[{','.join(reversed(self._entries))}]", self._state
        yield "history", history
        yield "state", state
        while True:
            with self._changed:
                is_news = partial(self._is_news, entry_number, state_number)
                self._changed.wait_for(is_news, keep_alive_s)
                if self._closed:
                    return
                new_count = min(self._entry_number - entry_number, len(self._entries))
                new = list(self._entries)[len(self._entries) - new_count :]
                state_is_new = self._state_number != state_number
                entry_number, state_number = self._entry_number, self._state_number
                state = self._state
            yield from (("entry", text) for text in new)
            if state_is_new:
                yield "state", state
            if not new and not state_is_new:
                yield None

    def _is_news(self, entry_number: int, state_number: int) -> bool:
        return (
            self._closed or self._entry_number != entry_number or self._state_number != state_number
        )
