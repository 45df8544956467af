"""What keeps the journal append-only, to whatever program opens it (pure)."""

# The first is also against `insert or replace`, which deletes without asking a delete trigger.
TRIGGERS = {
    "entry_append": "insert on entry when new.seq != (select ifnull(max(seq), 0) + 1 from entry)",
    "entry_no_update": "update on entry",
    "entry_no_delete": "delete on entry",
}


def trigger(name: str) -> str:
    """The statement that makes a trigger."""
    return (
        f"create trigger {name} before {TRIGGERS[name]} "
        "begin select raise(abort, 'the journal is append-only'); end"
    )
