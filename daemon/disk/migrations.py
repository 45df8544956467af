"""The journal's schema, step by step; each step and the note that it ran are one transaction.

Imported only when a file is new or of an older version: sqlite-utils costs 5.5 MB and 110 ms that
the long-lived process does not need.
"""

from pathlib import Path

from sqlite_utils import Database, Migrations

from daemon.disk.append_only import TRIGGERS, trigger
from daemon.disk.state_rows import Row, StateHead
from protocol.central.entry import GENESIS

migrations = Migrations("journal")


@migrations()
def m001_journal(db: Database) -> None:
    """One file is one epoch of one unit; an entry is the exact text that was signed."""
    db.table("journal").create(
        {"id": int, "epoch": str, "source": str},
        pk="id",
        not_null=("epoch", "source"),
        strict=True,
    )
    db.table("entry").create(
        {"seq": int, "kind": str, "hash": str, "body": str},
        pk="seq",
        not_null=("kind", "hash", "body"),
        strict=True,
    )
    db.table("state").create(
        {"name": str, "value": str}, pk="name", not_null=("value",), strict=True
    )  # fmt: skip


@migrations()
def m002_care(db: Database) -> None:
    """State rows prove themselves, old epochs' entries are kept, a delivered prefix may go."""
    db.table("remains").create(
        {"epoch": str, "seq": int, "kind": str, "hash": str, "body": str, "receipted": int},
        pk=("epoch", "seq"),
        not_null=("epoch", "seq", "kind", "hash", "body"),
        strict=True,
    )
    db.execute("create index remains_receipted on remains (receipted)")
    db.execute("alter table state add column number integer not null default 0")
    db.execute("alter table state add column sum text not null default ''")
    rows = [
        Row.of(name, value, 0)
        for name, value in db.execute("select name, value from state").fetchall()
    ]
    last = db.execute("select seq, hash from entry order by seq desc limit 1").fetchone()
    seq, hash_ = last or (0, GENESIS)
    first = db.execute("select min(seq) from entry").fetchone()[0] or 1
    head = StateHead(0, seq, hash_, first - 1, {row.name: 0 for row in rows})
    for row in (*rows, head.row()):
        db.execute("insert or replace into state (name, value, number, sum) values (?,?,?,?)", row)
    for name in TRIGGERS:
        db.execute(f"drop trigger if exists {name}")
        db.execute(trigger(name))


def apply(path: Path, version: int) -> None:
    """Bring the file at `path` to the newest schema and mark it with `version`."""
    db = Database(path)
    try:
        migrations.apply(db)
        # Whoever changes the schema later changes its cookie, and not what is noted here: so
        # tampering is told from damage.
        cookie = db.execute("pragma schema_version").fetchone()[0]
        db.execute(f"pragma application_id = {cookie}")
        db.execute(f"pragma user_version = {version}")
    finally:
        db.close()
