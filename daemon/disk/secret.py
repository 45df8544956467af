"""The secret under which case keys are concealed: made once, kept beside the journal. Real I/O.

It was first made from the signing key, and must outlive it: a case whose key bears an ID number
would else be another case after the signing key is changed, and could be rated twice. It is not in
the journal's file, because damaged journals are handed on as evidence.
"""

import logging
import os
from collections.abc import Callable
from pathlib import Path

from daemon.disk import quarantine

log = logging.getLogger(__name__)

SECRET_LEN = 64


def secret_path(database: Path) -> Path:
    """Where the secret of this journal's unit lies."""
    return database.with_name(database.name + ".secret")


def secret(database: Path, make: Callable[[], bytes]) -> bytes:
    """The secret that is kept, or a new one that is kept from now on.

    A disk that does not take it hinders no start: it can be made again as long as the key stays.
    """
    path = secret_path(database)
    try:
        found = path.read_bytes()
        if len(found) == SECRET_LEN:
            return found
        log.warning("secret state=damaged file=%s len=%d: it is made anew", path, len(found))
    except FileNotFoundError:
        pass
    except OSError as error:
        log.warning("secret state=unreadable file=%s trouble=%r", path, error.strerror)
        return make()
    made = make()
    assert len(made) == SECRET_LEN
    try:
        _keep(path, made)
    except OSError as error:
        log.warning("secret state=not_kept file=%s trouble=%r", path, error.strerror)
    return made


def _keep(path: Path, made: bytes) -> None:
    """On disk under its own name only as a whole: a power cut leaves it or nothing."""
    new = path.with_name(path.name + ".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        os.write(descriptor, made)
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    os.rename(new, path)
    quarantine.sync(path.parent)
