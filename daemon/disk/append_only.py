"""What keeps the journal append-only, to whatever program opens it (pure).

Only a prefix may go, and only what has a receipt: the first entry there is, if it is not the last
one and the position on disk says that it was delivered. That is read as a text: SQLite runs none of
its JSON functions for a trigger of a file it does not trust, and this connection trusts none.
"""

# The first is also against `insert or replace`, which deletes without asking a delete trigger.
TRIGGERS = {
    "entry_append": "insert on entry when new.seq != (select ifnull(max(seq), 0) + 1 from entry)",
    "entry_no_update": "update on entry",
    "entry_no_delete": (
        "delete on entry when old.seq > (select min(seq) from entry) "
        "or old.seq = (select max(seq) from entry) "
        "or old.seq > ifnull((select cast(substr(value, 14) as integer) from state "
        "where name = 'outbox' and value like '{\"delivered\":%'), 0)"
    ),
    "remains_no_update": "update of epoch, seq, kind, hash, body on remains",
    "remains_no_delete": "delete on remains when old.receipted is null",
}


def trigger(name: str) -> str:
    """The statement that makes a trigger."""
    return (
        f"create trigger {name} before {TRIGGERS[name]} "
        "begin select raise(abort, 'the journal is append-only'); end"
    )
