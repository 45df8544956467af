"""The voice: a real child process plays, is cut off, fails, and is never waited for."""

import logging
import os
import queue
import select
import stat
from contextlib import suppress
from logging.handlers import QueueHandler

import pytest

from daemon.config.voice import Voice as VoiceConfig
from daemon.errors import DaemonError
from daemon.front.voice import Voice, check
from protocol.pad import messages

WAIT_S = 10.0
PLAYER = """#!/bin/sh
# Says what it plays and is then as long or as wrong as the file says.
read -r long < "$2"
echo "begin $2 $1 $$" >> "$(dirname "$0")/played"
case $long in bad) exit 3 ;; esac
sleep "$long" && echo "end $2" >> "$(dirname "$0")/played"
"""


class Speaker:
    """A player that is a script; its pipe says what it plays, and as which process."""

    def __init__(self, folder):
        self.folder = folder
        self.player = folder / "player"
        self.player.write_text(PLAYER)
        self.player.chmod(self.player.stat().st_mode | stat.S_IXUSR)
        os.mkfifo(folder / "played")
        # For writing, too: a pipe that nobody has open ends.
        self._played = os.open(folder / "played", os.O_RDWR)
        self._lines = os.fdopen(os.dup(self._played), buffering=1)

    def file(self, name, long):
        (self.folder / name).write_text(f"{long}\n")
        return self.folder / name

    def config(self, *, longest_s=8, player=None, **files):
        return VoiceConfig(
            player=player or (str(self.player), "-q"),
            longest_ms=int(longest_s * 1000),
            **{"please_rate": None, "thanks": None} | files,
        )

    def line(self):
        return self._lines.readline().split()

    def wait_for_its_end(self):
        """The next line, once the process that said it is gone."""
        said = self.line()
        with suppress(ProcessLookupError):
            life = os.pidfd_open(int(said[-1]))
            assert select.select([life], [], [], WAIT_S)[0]
            os.close(life)
        return said

    def close(self):
        self._lines.close()
        os.close(self._played)


@pytest.fixture
def speaker(tmp_path):
    speaker = Speaker(tmp_path)
    yield speaker
    speaker.close()


def started(config):
    voice = Voice(config, pytest.fail)
    voice.start()
    return voice


def test_prompt_is_spoken_and_ends_when_the_citizen_has_pressed(speaker):
    asking = speaker.file("please.wav", 600)
    voice = started(speaker.config(please_rate=asking))
    voice.say("3", messages.PLEASE_RATE)
    assert speaker.line()[:3] == ["begin", str(asking), "-q"]
    voice.say("3", messages.HEARD)
    voice.say("3", messages.PLEASE_RATE)
    # The first one never came to its end.
    assert speaker.line()[:3] == ["begin", str(asking), "-q"]
    voice.say("3", None)


def test_word_when_a_newer_one_comes_ends_and_the_newer_is_played(speaker):
    asking, thanks = speaker.file("please.wav", 600), speaker.file("thanks.wav", 0)
    voice = started(speaker.config(please_rate=asking, thanks=thanks))
    voice.say("3", messages.PLEASE_RATE)
    assert speaker.line()[1] == str(asking)
    voice.say("4", messages.IDLE)
    voice.say("4", messages.THANKS)
    assert speaker.line()[:2] == ["begin", str(thanks)]
    assert speaker.line() == ["end", str(thanks)]


def test_word_when_it_is_too_long_is_cut_off_and_that_is_no_trouble(speaker, caplog):
    asking = speaker.file("please.wav", 600)
    voice = started(speaker.config(please_rate=asking, longest_s=1.5))
    for _ in range(2):
        voice.say("3", messages.PLEASE_RATE)
        assert speaker.wait_for_its_end()[:2] == ["begin", str(asking)]
    assert caplog.records == []


@pytest.fixture
def log():
    """The lines that the voice logs, as they come."""
    records, logger = queue.SimpleQueue(), logging.getLogger("daemon.front.voice")
    handler = QueueHandler(records)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield lambda: records.get(timeout=WAIT_S).getMessage()
    logger.removeHandler(handler)
    assert records.empty()


def test_player_when_it_fails_or_is_missing_is_said_once_and_it_goes_on(speaker, log):
    asking = speaker.file("please.wav", "bad")
    voice = started(speaker.config(please_rate=asking))
    for _ in range(2):
        voice.say("3", messages.PLEASE_RATE)
        speaker.wait_for_its_end()
    assert "ended with 3: try `" in log()
    asking.unlink()
    voice.say("3", messages.PLEASE_RATE)
    assert f"{asking}: No such file" in log()
    speaker.file("please.wav", 0)
    voice.say("3", messages.PLEASE_RATE)
    assert log() == "voice state=sound"
    gone = started(speaker.config(please_rate=asking, player=("no-such-player",)))
    gone.say("3", messages.PLEASE_RATE)
    assert "no-such-player: No such file or directory: look at [voice]" in log()


def test_check_of_the_voice_names_a_missing_file_and_a_missing_player(speaker):
    asking = speaker.file("please.wav", 1)
    check(speaker.config(please_rate=asking))
    check(speaker.config(player=("no-such-player",)))
    with pytest.raises(DaemonError, match=r"nowhere.wav: named in .voice. and cannot be read"):
        check(speaker.config(thanks=speaker.folder / "nowhere.wav"))
    with pytest.raises(DaemonError, match=r"no-such-player: the .voice. player is not installed"):
        check(speaker.config(please_rate=asking, player=("no-such-player",)))
