"""Journals as older daemons made them: their schemas as SQL, so that every upgrade can be tried."""

import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from daemon.events import Sealed

APPEND_ONLY = "begin select raise(abort, 'the journal is append-only'); end"
SCHEMA_1 = f"""
create table "_sqlite_migrations" (
    "id" integer primary key, "migration_set" text, "name" text, "applied_at" text
);
create unique index "idx__sqlite_migrations_migration_set_name"
    on "_sqlite_migrations" ("migration_set", "name");
insert into "_sqlite_migrations" values (1, 'journal', 'm001_journal', '2026-11-22 08:00:00+00:00');
create table "entry" (
    "seq" integer primary key, "kind" text not null, "hash" text not null, "body" text not null
) strict;
create table "journal" (
    "id" integer primary key, "epoch" text not null, "source" text not null
) strict;
create table "state" ("name" text primary key, "value" text not null) strict;
create trigger entry_append before insert on entry
    when new.seq != (select ifnull(max(seq), 0) + 1 from entry) {APPEND_ONLY};
create trigger entry_no_update before update on entry {APPEND_ONLY};
create trigger entry_no_delete before delete on entry {APPEND_ONLY};
pragma user_version = 1;
"""


def write_1(
    path: Path, epoch: str, source: str, entries: Iterable[Sealed], state: Mapping[str, str]
) -> None:
    """A journal of schema 1."""
    with closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("pragma journal_mode = wal")
        db.executescript(SCHEMA_1)
        db.execute("insert into journal values (1, ?, ?)", (epoch, source))
        rows = [(entry.seq, entry.kind, entry.hash, entry.text) for entry in entries]
        db.executemany("insert into entry values (?, ?, ?, ?)", rows)
        db.executemany("insert into state values (?, ?)", list(state.items()))
