"""The tables of the centre, and the opening of a database that has them.

Every entry is kept once under (source, epoch, seq) and never changed. `problems` is every finding;
with a text it is the quarantine. An alarm is open until `closed_utc_ms` is set; of each name a unit
has at most one open.
"""

from central.config import StoreConfig
from central.database import Database
from central.database.sqlite import Sqlite
from central.errors import StoreError

VERSION = 2

SCHEMA = """
CREATE TABLE centre (version {int} NOT NULL) {strict};
CREATE TABLE units (
    source TEXT PRIMARY KEY,
    heard_utc_ms {int} NOT NULL,
    state TEXT,
    state_utc_ms {int},
    health TEXT,
    health_utc_ms {int}
) {strict};
CREATE TABLE keys (
    source TEXT NOT NULL,
    kid TEXT NOT NULL,
    public TEXT NOT NULL,
    added_utc_ms {int} NOT NULL,
    revoked TEXT,
    removed_utc_ms {int},
    PRIMARY KEY (source, kid)
) {strict};
CREATE TABLE entries (
    id {id},  -- order of arrival
    source TEXT NOT NULL,
    epoch TEXT NOT NULL,
    seq {int} NOT NULL,
    kind TEXT NOT NULL,
    hash TEXT NOT NULL,
    prevhash TEXT NOT NULL,
    received_utc_ms {int} NOT NULL,
    project_no TEXT,
    about TEXT,  -- the entry it belongs to: a service, for a correction a rating
    outcome TEXT,
    satisfaction {int},
    text TEXT NOT NULL,
    UNIQUE (source, epoch, seq)
) {strict};
CREATE INDEX entries_case ON entries (project_no) WHERE project_no IS NOT NULL;
CREATE INDEX entries_about ON entries (about) WHERE about IS NOT NULL;
CREATE INDEX entries_clock ON entries (source, epoch, seq) WHERE kind = 'clock';
CREATE INDEX entries_daily ON entries (source, epoch, seq) WHERE kind = 'daily';
CREATE TABLE epochs (
    source TEXT NOT NULL,
    epoch TEXT NOT NULL,
    number {int} NOT NULL,
    upto {int} NOT NULL,
    hash TEXT NOT NULL,
    previous TEXT,
    ended_at {int},
    ended_hash TEXT,
    told_seq {int} NOT NULL,
    proved_seq {int} NOT NULL,
    moved_utc_ms {int} NOT NULL,
    receipt TEXT,
    hole_first {int},
    hole_last {int},
    hole_utc_ms {int},
    asked_upto {int},
    ask_retry_ms {int},
    ask_utc_ms {int},
    PRIMARY KEY (source, epoch)
) {strict};
CREATE INDEX epochs_hole ON epochs (ask_utc_ms) WHERE hole_first IS NOT NULL;
CREATE TABLE problems (
    id {id},
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    digest TEXT NOT NULL,
    charged TEXT NOT NULL,  -- whose share of the table it takes: a unit's, or all strangers'
    epoch TEXT,
    seq {int},
    sentence TEXT NOT NULL,
    first_utc_ms {int} NOT NULL,
    last_utc_ms {int} NOT NULL,
    count {int} NOT NULL,
    text {bytes},
    UNIQUE (source, name, digest)
) {strict};
CREATE INDEX problems_charged ON problems (charged);
CREATE TABLE alarms (
    id {id},
    source TEXT NOT NULL,
    name TEXT NOT NULL,
    opened_utc_ms {int} NOT NULL,
    last_utc_ms {int} NOT NULL,
    count {int} NOT NULL,
    sentence TEXT NOT NULL,
    clears {int} NOT NULL,  -- 1: it closes by itself when its cause is gone
    closed_utc_ms {int},
    told {int} NOT NULL  -- 0: to be published
) {strict};
CREATE UNIQUE INDEX alarms_open ON alarms (source, name) WHERE closed_utc_ms IS NULL;
CREATE INDEX alarms_untold ON alarms (id) WHERE told = 0;
"""


def open_database(config: StoreConfig, *, read_only: bool = False) -> Database:
    """Connect to the configured database; a new one gets its tables.

    Raises StoreError when it cannot be opened or is not a centre's.
    """
    database = _connect(config, read_only)
    try:
        tables = database.tables()
        if not tables and not read_only:
            script = f"{SCHEMA} INSERT INTO centre (version) VALUES ({VERSION});"
            database.create(script)
        elif "centre" not in tables:
            raise StoreError(f"{config.place}: not a database of the centre")
        ((found,),) = database.rows("SELECT version FROM centre")
        if found != VERSION:
            raise StoreError(f"{config.place}: version {found}, this program needs {VERSION}")
    except StoreError:
        database.close()
        raise
    return database


def _connect(config: StoreConfig, read_only: bool) -> Database:
    if config.url is None:
        return Sqlite(config.database, read_only=read_only)
    # Here, so that a centre on SQLite needs neither psycopg nor the 15 MB it takes.
    from central.database.postgres import Postgres

    return Postgres(config.url, read_only=read_only)
