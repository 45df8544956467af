"""The journal's schema, step by step; each step and the note that it ran are one transaction.

Imported only when a file is new or of an older version: sqlite-utils costs 5.5 MB and 110 ms that
the long-lived process does not need.
"""

from pathlib import Path

from sqlite_utils import Database, Migrations

from daemon.append_only import TRIGGERS, trigger

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
    for name in TRIGGERS:
        db.execute(trigger(name))


def apply(path: Path, version: int) -> None:
    """Bring the file at `path` to the newest schema and mark it with `version`."""
    db = Database(path)
    try:
        migrations.apply(db)
        db.execute(f"pragma user_version = {version}")
    finally:
        db.close()
